"""The client asks what the API's own document describes, and reads what it answers."""

import re
from collections.abc import Callable, Iterator
from typing import Any, get_args

import httpx
import pytest

from agentstream.client import (
    Ask,
    AsyncClient,
    Call,
    CallToBot,
    CallToFlow,
    CallTwo,
    Client,
    HangUp,
    ListCalls,
    PlayPrompt,
    PressDigits,
    ReadCall,
    Redirect,
    RefusedError,
    Terms,
)
from agentstream.client.asks import Event

Operation = Callable[[str, str], dict[str, Any]]
TERMS = Terms(
    ring_s=20,
    limit_s=600,
    record=True,
    channels="dual",
    custom_field="order-5531",
    callback_url="https://shop.example/status",
    callback_events=("answered", "terminal"),
    idempotency_key="k1",
)
ASKS: list[Ask[Any]] = [
    CallToBot("+919876500001", "08040000002", "wss://bots.example/ws", "ann", TERMS),
    CallToFlow("+919876500001", "08040000002", "support", TERMS),
    CallTwo("+919876500001", "+919876500002", "08040000002", "https://cdn.example/a.wav", TERMS),
    ReadCall("c1"),
    ListCalls(
        statuses=("busy", "failed"),
        direction="outbound-api",
        from_numbers=("+919876500001",),
        to_numbers=("+919876500002",),
        created="gte:2027-01-01 00:00:00",
    ),
    HangUp("c1"),
    Redirect(sid="c1", flow="support"),
    Redirect(sid="c1", bot_url="wss://bots.example/ws"),
    Redirect(sid="c1", number="+919876500002"),
    PlayPrompt(sid="c1", url="https://cdn.example/a.wav", loops=2, leg_sid="l1"),
    PlayPrompt(sid="c1", text="One moment.", language="en-IN"),
    PressDigits("c1", "12#", "l1"),
]


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: type(ask).__name__)
def test_every_request_is_one_that_the_document_describes(
    ask: Ask[Any], operation: Operation
) -> None:
    sent = ask.request("acct1")
    told = operation(sent.method, sent.path)
    known = {parameter["name"] for parameter in told.get("parameters", ())}
    assert known >= set(sent.query)
    headers = {one["name"] for one in told.get("parameters", ()) if one["in"] == "header"}
    assert ("Idempotency-Key" in headers) == bool(sent.idempotency_key)
    assert ("requestBody" in told) == (sent.body is not None)
    if sent.body is not None:
        schema = told["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
        assert set(schema["properties"]) >= set(sent.body)
        assert set(sent.body) >= set(schema["required"])
        for name, value in sent.body.items():
            assert list(faults(schema["properties"][name], value)) == [], name


def faults(schema: dict[str, Any], value: str | list[str]) -> Iterator[str]:
    """Yield what is wrong with the text of a form's field."""
    if isinstance(value, list):
        for each in value:
            yield from faults(schema["items"], each)
        return
    if value not in schema.get("enum", [value]):
        yield "no such word"
    if not re.search(schema.get("pattern", ""), value):
        yield "not its pattern"
    if len(value) > schema.get("maxLength", len(value)):
        yield "too long"
    if schema["type"] == "integer" and not schema["minimum"] <= int(value) <= schema["maximum"]:
        yield "out of range"


def test_the_events_are_those_of_the_document(operation: Operation) -> None:
    told = operation("POST", "/v1/accounts/a/calls/connect")
    form = told["requestBody"]["content"]["application/json"]["schema"]["properties"]
    words = form["StatusCallbackEvents[]"]["items"]["enum"]
    assert set(get_args(Event)) <= set(words)


CALL = {
    "Sid": "51e0b7c2d9f84a1bb6c3d2e1f0a9b8c7",
    "AccountSid": "acct1",
    "From": "+919876500001",
    "To": None,
    "PhoneNumberSid": "08040000002",
    "Status": "completed",
    "Direction": "outbound-api",
    "DateCreated": "2027-01-12 10:04:05",
    "EndTime": "2027-01-12 10:05:00",
    "Duration": "48",
    "RecordingUrl": None,
    "Details": {
        "ConversationDuration": 47,
        "Leg1Status": "completed",
        "Leg2Status": None,
        "Legs": [{"Leg": {"Id": 1, "OnCallDuration": 48}}],
        "Cause": {"Text": "The callee hung up."},
    },
}


def answering(status: int, body: Any, **headers: str) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: httpx.Response(status, json=body, headers=headers))


def test_an_answer_becomes_a_call() -> None:
    with Client("http://house", "acct1", "k", "t", answering(200, {"Call": CALL})) as client:
        call = client.ask(ReadCall("c1"))
    assert isinstance(call, Call)
    assert (call.sid, call.is_over, call.duration_s, call.to_number) == (
        CALL["Sid"],
        True,
        48,
        None,
    )
    assert (call.conversation_s, call.first_leg, call.second_leg) == (47, "completed", None)
    assert (call.legs[0].talk_s, call.reason) == (48, "The callee hung up.")


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (400, {"RestException": {"Status": 400, "Message": "From is missing"}}, "From is missing"),
        (404, {"response": {"error_data": {"description": "no leg"}}}, "no leg"),
        (502, "<html>", "502 Bad Gateway"),
    ],
)
def test_a_refusal_is_an_error_with_the_servers_sentence(status: int, body: Any, says: str) -> None:
    with (
        Client("http://house", "acct1", "k", "t", answering(status, body)) as client,
        pytest.raises(RefusedError, match=says) as caught,
    ):
        client.ask(HangUp("c1"))
    assert (caught.value.status, caught.value.retry_after_s) == (status, None)


async def test_one_that_awaits_is_told_when_to_come_back() -> None:
    busy = {"RestException": {"Status": 429, "Message": "200 requests in a minute"}}
    transport = answering(429, busy, **{"Retry-After": "17"})
    async with AsyncClient("http://house", "acct1", "k", "t", transport) as client:
        with pytest.raises(RefusedError) as caught:
            await client.ask(ReadCall("c1"))
    assert caught.value.retry_after_s == 17


def test_names_that_people_chose_stay_within_their_part_of_the_path() -> None:
    assert ReadCall("../x").request("a/b").path == "/v1/Accounts/a%2Fb/Calls/..%2Fx.json"
