"""Status callbacks: which are told of a call, when, with which fields, and how they are written."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import pytest

from agentstream.base.ids import CallSid
from agentstream.base.phone import NumberStyle
from agentstream.calls.answering import Verdict
from agentstream.calls.causes import Cause
from agentstream.calls.record import CallbackEvent, CallSetup, StatusCallback
from agentstream.hooks.call_records import CallRecords
from agentstream.hooks.callbacks import Callbacks, CallbackStyle
from agentstream.store.values import CallRecord, Webhook, Written
from agentstream.switch.call_terms import Terms, callback
from agentstream.switch.call_view import CallView, CallViews, LegView
from agentstream.switch.feed import Fact, Feed
from agentstream.testing.calls import CALL, STARTED_AT
from agentstream.testing.manual_clock import ManualClock
from agentstream.testing.placed import FIRST, RECORDING_URL, placed_call, placed_setup

URL = "https://me:secret@shop.example:8443/status?key=7"
INDIA = ZoneInfo("Asia/Kolkata")
STYLE = CallbackStyle(Terms(INDIA, NumberStyle("national0", "91")))


def wanting(*events: CallbackEvent, is_json: bool = True) -> StatusCallback:
    return StatusCallback(URL, frozenset(events), is_json)


def told(
    story: Sequence[Fact], style: CallbackStyle = STYLE, batches: list[list[str]] | None = None
) -> list[Webhook]:
    """Return the webhooks of a call, as the server would write them."""
    rows: list[Written] = []

    def write(*given: Written) -> None:
        rows.extend(given)
        if batches is not None:
            batches.append([type(row).__name__ for row in given])

    clock = ManualClock()
    views, feed = CallViews(clock), Feed()
    callbacks = Callbacks(views.find, write, style)
    feed.subscribe(views.hear, CallViews.KINDS)
    feed.subscribe(callbacks.hear, Callbacks.KINDS)
    feed.subscribe(CallRecords(write, callbacks.ended).hear, CallRecords.KINDS)
    for fact in story:
        clock.advance(fact.at_ms - clock.now_ms())
        feed.publish(fact)
    assert not callbacks._calls
    return [row for row in rows if isinstance(row, Webhook)]


def bodies(story: Sequence[Fact], style: CallbackStyle = STYLE) -> list[dict[str, Any]]:
    return [json.loads(webhook.body) for webhook in told(story, style)]


def two_numbers(*events: CallbackEvent, is_json: bool = True) -> CallSetup:
    return placed_setup(wanting(*events, is_json=is_json), two_numbers=True)


def one_number(*events: CallbackEvent) -> CallSetup:
    return placed_setup(wanting(*events), two_numbers=False)


@pytest.mark.parametrize(
    ("verdict", "word"),
    [
        (None, "NA"),
        (Verdict("human", 1_100, "pause"), "Human"),
        (Verdict("machine", 1_700, "greeting"), "Machine"),
        (Verdict("unknown", 3_800, "time"), "NotSure"),
    ],
)
def test_who_answered_is_told_where_it_was_asked_cb_5(verdict: Verdict | None, word: str) -> None:
    leg = LegView(FIRST, "in-progress", verdict=verdict)
    view = CallView(one_number(), "in-progress", STARTED_AT, legs=(leg,))
    legs = callback(view, "answered", STYLE.terms)["Legs"]
    assert legs == [{"OnCallDuration": 0, "Status": "in-progress", "AnsweredBy": word}]


def test_without_events_there_is_one_short_one_at_the_end_cb_2() -> None:
    [webhook] = told(placed_call(two_numbers(), recorded=True))
    assert json.loads(webhook.body) == {
        "CallSid": CALL,
        "DateUpdated": "2027-02-16 15:56:46",
        "Status": "completed",
        "RecordingUrl": RECORDING_URL,
    }
    assert (webhook.sid, webhook.subject, webhook.kind) == (
        f"{CALL}-end",
        CALL,
        "callback.terminal",
    )
    assert (webhook.url, webhook.host) == (URL, "shop.example:8443")
    assert webhook.created_at == webhook.next_at == STARTED_AT + timedelta(milliseconds=20_300)
    assert (webhook.state, webhook.attempts) == ("waiting", 0)


def test_the_end_of_a_two_number_call_has_every_documented_field_cb_3_cb_8_cb_10() -> None:
    [body] = bodies(placed_call(two_numbers("terminal"), recorded=True))
    assert body == {
        "CallSid": CALL,
        "EventType": "terminal",
        "DateCreated": "2027-02-16 15:56:26",
        "DateUpdated": "2027-02-16 15:56:46",
        "Status": "completed",
        "To": "09876500003",
        "From": "09876500001",
        "PhoneNumberSid": "08040000002",
        "StartTime": "2027-02-16 15:56:26",
        "EndTime": "2027-02-16 15:56:46",
        "Duration": 20,
        "ConversationDuration": 13,
        "Direction": "outbound-api",
        "CustomField": "order 7",
        "RecordingUrl": RECORDING_URL,
        "Legs": [
            {"OnCallDuration": 16, "Status": "completed", "AnsweredBy": "NA"},
            {"OnCallDuration": 13, "Status": "completed", "AnsweredBy": "NotSure"},
        ],
    }


def legs(body: dict[str, Any]) -> list[str | None]:
    return [leg["Status"] for leg in body["Legs"]]


def test_answered_is_told_for_each_of_two_numbers_cb_7_kx_13() -> None:
    story = placed_call(two_numbers("answered", "terminal"))
    first, second, last = bodies(story)
    assert [first["EventType"], second["EventType"]] == ["answered", "answered"]
    assert (first["Status"], legs(first)) == ("in-progress", ["in-progress", None])
    assert (second["Status"], legs(second)) == ("in-progress", ["in-progress", "in-progress"])
    assert (first["EndTime"], first["Duration"], first["RecordingUrl"]) == (None, None, "")
    assert (last["EventType"], legs(last)) == ("terminal", ["completed", "completed"])


def test_they_have_names_of_their_own_in_their_order() -> None:
    webhooks = told(placed_call(two_numbers("answered", "terminal")))
    assert [webhook.sid for webhook in webhooks] == [f"{CALL}-1", f"{CALL}-2", f"{CALL}-end"]
    assert {webhook.subject for webhook in webhooks} == {CALL}
    assert [webhook.kind for webhook in webhooks] == [
        "callback.answered",
        "callback.answered",
        "callback.terminal",
    ]


def test_a_call_to_a_bot_rings_is_answered_and_ends_cb_9() -> None:
    ringing, answered, terminal = bodies(placed_call(one_number("ringing", "answered", "terminal")))
    assert (ringing["EventType"], ringing["Status"], legs(ringing)) == (
        "ringing",
        "ringing",
        [None],
    )
    assert (answered["EventType"], answered["Status"]) == ("answered", "in-progress")
    assert (terminal["EventType"], terminal["Status"]) == ("terminal", "completed")
    assert terminal["To"] == terminal["PhoneNumberSid"] == "08040000002"
    assert terminal["ConversationDuration"] == 16


@pytest.mark.parametrize(
    ("cause", "status"),
    [
        (Cause.BUSY, "busy"),
        (Cause.NO_ANSWER, "no-answer"),
        (Cause.REJECTED, "failed"),
        (Cause.CANCELED, "canceled"),
    ],
)
def test_a_first_party_who_does_not_answer_leaves_the_second_empty_cb_5(
    cause: Cause, status: str
) -> None:
    [body] = bodies(placed_call(two_numbers("answered", "terminal"), first=cause))
    assert (body["Status"], legs(body)) == (status, [status, None])
    assert [leg["AnsweredBy"] for leg in body["Legs"]] == ["NA", "NA"]
    assert body["ConversationDuration"] == 0


def test_a_second_party_who_is_busy_is_told_so_cb_5_cb_8() -> None:
    _, body = bodies(placed_call(two_numbers("answered", "terminal"), second=Cause.BUSY))
    assert (body["Status"], legs(body)) == ("busy", ["completed", "busy"])


def test_only_the_wanted_events_are_told() -> None:
    assert [b["EventType"] for b in bodies(placed_call(one_number("answered")))] == ["answered"]
    assert told(placed_call(placed_setup(None, two_numbers=True))) == []


def test_extra_events_are_told_if_the_operator_wants_them_oc_4() -> None:
    style = replace(STYLE, extra_events=("initiated", "recording-available"))
    initiated, recorded, terminal = bodies(
        placed_call(one_number("terminal"), recorded=True), style
    )
    assert (initiated["EventType"], initiated["Status"]) == ("initiated", "queued")
    assert (recorded["EventType"], recorded["RecordingUrl"]) == (
        "recording-available",
        RECORDING_URL,
    )
    assert terminal["EventType"] == "terminal"
    assert len(told(placed_call(two_numbers(), recorded=True), style)) == 1  # no events wanted


def test_the_end_is_written_together_with_the_calls_own_row() -> None:
    batches: list[list[str]] = []
    told(placed_call(two_numbers("terminal")), batches=batches)
    assert batches == [[CallRecord.__name__, Webhook.__name__]]


def parts(webhook: Webhook) -> dict[str, str]:
    """Read a multipart form with somebody else's parser."""
    assert webhook.content_type.startswith("multipart/form-data; boundary=")
    head = f"Content-Type: {webhook.content_type}\r\n\r\n"
    message = BytesParser(policy=HTTP).parsebytes((head + webhook.body).encode())
    found = {}
    for part in message.iter_parts():
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        found[str(part.get_param("name", header="content-disposition"))] = content.decode()
    return found


def pairs(webhook: Webhook) -> dict[str, str]:
    assert webhook.content_type == "application/x-www-form-urlencoded"
    return dict(parse_qsl(webhook.body, keep_blank_values=True))


FORMS = ((STYLE, parts), (replace(STYLE, form="urlencoded"), pairs))


def test_a_form_has_a_name_for_each_field_of_each_leg_cb_1_cb_6() -> None:
    for style, read in FORMS:
        first, second, _ = told(
            placed_call(two_numbers("answered", "terminal", is_json=False)), style
        )
        fields = read(first)
        assert fields["Legs[0][Status]"] == "in-progress"
        assert fields["Legs[1][Status]"] == ""
        assert fields["Legs[0][OnCallDuration]"] == "0"
        assert (fields["CustomField"], fields["EndTime"], fields["Duration"]) == ("order 7", "", "")
        assert read(second)["Legs[1][Status]"] == "in-progress"
        assert list(fields)[:2] == ["CallSid", "EventType"]


def test_what_the_account_wrote_cannot_break_out_of_a_form() -> None:
    setup = replace(two_numbers("terminal", is_json=False), custom_field='é"\r\n--x\r\n&Status=1')
    for style, read in FORMS:
        [webhook] = told(placed_call(setup), style)
        fields = read(webhook)
        assert fields["CustomField"] == setup.custom_field
        assert fields["Status"] == "completed"


def test_times_and_numbers_are_written_as_is_set_cc_47() -> None:
    style = CallbackStyle(Terms(ZoneInfo("UTC")))
    [body] = bodies(placed_call(two_numbers("terminal")), style)
    assert (body["StartTime"], body["From"]) == ("2027-02-16 10:26:26", "+919876500001")


def test_calls_that_break_off_do_not_pile_up() -> None:
    clock = ManualClock()
    views = CallViews(clock)
    callbacks = Callbacks(views.find, lambda _: None, STYLE)
    for number in range(10_050):
        setup = replace(one_number("terminal"), call_sid=CallSid(str(number)))
        callbacks.hear(placed_call(setup)[0])
    assert len(callbacks._calls) == 10_000


def test_a_call_that_was_never_begun_is_told_at_its_end() -> None:
    [webhook] = told(placed_call(two_numbers())[-1:])
    assert json.loads(webhook.body)["Status"] == "completed"
