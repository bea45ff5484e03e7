"""SMS: one script for each way through it (AP-58)."""

import json
from urllib.parse import parse_qsl

import pytest
from pydantic import ValidationError

from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import Fetch
from agentstream.calls.events import CallHungUp
from agentstream.flows.applet import CommandRefused, Leave
from agentstream.flows.applets.sms import SmsSettings
from agentstream.flows.asking import GRACE_MS
from agentstream.testing.applets import answered, visit
from agentstream.testing.calls import CALL

PROVIDER = "https://sms.example/send?key=1"
STATIC = SmsSettings(provider_url=PROVIDER, text="You called {CallTo} at {DateTime}")
DYNAMIC = SmsSettings(provider_url=PROVIDER, text_url="https://crm.example/text", next="a")
WORDS = {
    "From": "+918040000002",
    "To": "+919876500001",
    "Body": "You called +918040000002 at 2027-02-16 15:56:26",
}


def test_a_message_is_given_to_the_provider_and_nobody_waits() -> None:
    assert STATIC.leaves_at_once()
    script, _ = visit(STATIC)
    fetch = script.take(Fetch)
    script.expect(Leave())
    assert (fetch.in_background, fetch.purpose) == (True, "sms")
    request = fetch.request
    assert (request.url, request.method, request.query) == (PROVIDER, "POST", ())
    assert request.content_type == "application/x-www-form-urlencoded"
    assert dict(parse_qsl(request.body)) == WORDS
    assert (request.timeout_ms, request.retries) == (15_000, 2)
    script.feed(answered(fetch, 500), CommandRefused(fetch, "no room"))
    script.expect_nothing()
    assert script.machine.wake_at_ms is None
    assert script.machine.wake(5) == []


def test_the_provider_may_want_json_or_a_query_and_headers() -> None:
    settings = STATIC.model_copy(update={"encoding": "json", "headers": {"Authorization": "B x"}})
    request = visit(settings)[0].take(Fetch).request
    assert (request.content_type, json.loads(request.body)) == ("application/json", WORDS)
    assert request.headers == (("Authorization", "B x"),)
    request = visit(STATIC.model_copy(update={"encoding": "query"}))[0].take(Fetch).request
    assert (request.method, dict(request.query), request.body) == ("GET", WORDS, "")
    assert request.content_type == ""


def test_the_text_may_come_from_a_server_also_when_the_caller_has_gone() -> None:
    assert not DYNAMIC.leaves_at_once()
    assert SmsSettings.finishes_after_call
    script, context = visit(DYNAMIC)
    asked = script.take(Fetch)
    assert (asked.request.url, asked.in_background) == ("https://crm.example/text", False)
    assert asked.request.query == context.parameters(0)
    script.feed(CallHungUp(CALL, Cause.NORMAL, Party.CALLER, ""))
    script.expect_nothing()
    script.feed(answered(asked, body="Thank you, {From}\n"))
    sent = script.take(Fetch)
    assert sent.in_background
    assert dict(parse_qsl(sent.request.body))["Body"] == "Thank you, {From}"
    script.expect(Leave())


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (404, "", "it was answered with status 404, not 200"),
        (0, "", "there was no answer"),
        (200, "", "the answer has 0 characters, not 1 to 2000"),
        (200, "x" * 2001, "the answer has 2001 characters, not 1 to 2000"),
        (200, "<Response/>", "the answer is XML or HTML, wanted is the message as text/plain"),
    ],
)
def test_an_error_never_stops_the_flow(status: int, body: str, why: str) -> None:
    script, _ = visit(DYNAMIC)
    script.feed(answered(script.take(Fetch), status, body))
    left = script.take(Leave)
    assert left.exit == "next"
    assert left.reason.startswith(f"no message was sent: {why}")
    script.expect_nothing()


def test_a_text_that_does_not_come_is_given_up() -> None:
    script, _ = visit(DYNAMIC)
    script.take(Fetch)
    script.wait(5_000 + GRACE_MS)
    assert script.take(Leave).reason == "no message was sent: there was no answer in time"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "give either 'text' or 'text_url'"),
        ({"text": "a", "text_url": "https://x/"}, "give either 'text' or 'text_url'"),
        ({"text": "a", "headers": {"X Y": "a"}}, "should match pattern"),
        ({"text": "a", "headers": {"X": "a\r\nY: b"}}, "should match pattern"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        SmsSettings.model_validate({"provider_url": PROVIDER, **fields})
