"""Control events as they are read and answered: OP-1."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.stream.dialects import exotel
from agentstream.stream.messages import (
    AskId,
    AskRefused,
    BotText,
    ControlEvent,
    DigitsAsked,
    HangUpAsked,
    RateAsked,
    TransferAsked,
    Unknown,
)
from agentstream.stream.profile import WireProfile
from agentstream.testing.bot_streams import ORDER


def read(event: str, body: object) -> BotText:
    text = json.dumps({"event": event, event: body})
    return exotel.read_said(text, has_controls=True).text


@pytest.mark.parametrize(
    ("event", "body", "meaning"),
    [
        ("hangup", {}, HangUpAsked()),
        ("hangup", {"id": "7", "reason": "done"}, HangUpAsked("7")),
        ("hangup", {"id": 7, "drain": False}, HangUpAsked(7, drains=False)),
        ("hangup", {"after_mark": "bye"}, HangUpAsked(None, after_mark="bye")),
        ("transfer", {"to": "+14155550100"}, TransferAsked(None, "+14155550100")),
        ("transfer", {"id": "t", "to": "0804000"}, TransferAsked("t", "0804000")),
        ("transfer", {"to": "sip:ana@desk"}, TransferAsked(None, "sip:ana@desk")),
        ("transfer", {"flow": "night desk"}, TransferAsked(None, "flow:night desk")),
        ("send_dtmf", {"digits": "12*#AD"}, DigitsAsked(None, "12*#AD")),
        ("set_rate", {"sample_rate": 16000}, RateAsked(None, 16_000)),
        ("set_rate", {"id": 3, "sample_rate": "24000"}, RateAsked(3, 24_000)),
    ],
)
def test_a_control_event_is_read_op_1(event: str, body: object, meaning: BotText) -> None:
    assert read(event, body) == meaning


def test_a_hangup_needs_no_body_op_1() -> None:
    assert exotel.read_said('{"event":"hangup"}', has_controls=True).text == HangUpAsked()


@pytest.mark.parametrize(
    ("event", "body", "field"),
    [
        ("hangup", [], "hangup is not an object"),
        ("hangup", {"id": 1.5}, "hangup.id"),
        ("hangup", {"id": True}, "hangup.id"),
        ("hangup", {"id": "x" * 65}, "hangup.id"),
        ("hangup", {"id": 1 << 60}, "hangup.id"),
        ("hangup", {"drain": 1}, "hangup.drain"),
        ("hangup", {"after_mark": 5}, "hangup.after_mark"),
        ("hangup", {"after_mark": "x" * 1_025}, "hangup.after_mark"),
        ("transfer", {}, "transfer has either"),
        ("transfer", {"to": "1", "flow": "a"}, "transfer has either"),
        ("transfer", {"to": 14155550100}, "transfer.to"),
        ("transfer", {"to": "call me"}, "transfer.to"),
        ("transfer", {"to": "sip:ana desk"}, "transfer.to"),
        ("transfer", {"flow": ""}, "transfer.flow"),
        ("transfer", {"flow": "x" * 65}, "transfer.flow"),
        ("transfer", {"flow": 5}, "transfer.flow"),
        ("send_dtmf", {}, "send_dtmf.digits"),
        ("send_dtmf", {"digits": ""}, "send_dtmf.digits"),
        ("send_dtmf", {"digits": 12}, "send_dtmf.digits"),
        ("send_dtmf", {"digits": "12a"}, "send_dtmf.digits"),
        ("send_dtmf", {"digits": "1" * 65}, "send_dtmf.digits"),
        ("set_rate", {}, "set_rate.sample_rate"),
        ("set_rate", {"sample_rate": 44100}, "set_rate.sample_rate"),
        ("set_rate", {"sample_rate": [8000]}, "set_rate.sample_rate"),
    ],
)
def test_what_is_wrong_with_a_control_event_is_named_op_1(
    event: str, body: object, field: str
) -> None:
    refused = read(event, body)
    assert isinstance(refused, AskRefused)
    assert refused.why.startswith(field)


def test_a_refusal_keeps_the_id_op_1() -> None:
    assert read("send_dtmf", {"id": "9"}) == AskRefused(
        "send_dtmf", "9", "send_dtmf.digits is no text of 1 to 64 of 0-9 * # A-D"
    )


@pytest.mark.parametrize("event", ["hangup", "transfer", "send_dtmf"])
def test_without_the_setting_control_events_are_unknown_op_1(event: str) -> None:
    assert exotel.read_text(json.dumps({"event": event, event: {}})) == Unknown(event)


@pytest.mark.parametrize(
    ("event", "ask_id", "refusal", "body"),
    [
        ("hangup", None, "", {"event": "hangup", "status": "accepted"}),
        ("transfer", "7", "", {"event": "transfer", "id": "7", "status": "accepted"}),
        (
            "send_dtmf",
            7,
            "no",
            {"event": "send_dtmf", "id": 7, "status": "refused", "reason": "no"},
        ),
    ],
)
def test_an_ack_says_what_became_of_it_op_1(
    event: ControlEvent, ask_id: AskId, refusal: str, body: dict[str, Any]
) -> None:
    text = exotel.write_ack(ORDER, WireProfile(), event, ask_id, refusal)
    message = json.loads(text.replace("\x01", "4"))
    assert set(message) == {"event", "sequence_number", "stream_sid", "ack"}
    assert message["ack"] == body


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
bodies = anything | st.dictionaries(
    st.sampled_from(["id", "drain", "after_mark", "to", "flow", "digits"]), anything
)


@given(st.sampled_from(["hangup", "transfer", "send_dtmf"]), bodies)
def test_any_body_is_a_value_that_can_be_answered_op_1(event: str, body: object) -> None:
    ask = read(event, body)
    assert isinstance(ask, HangUpAsked | TransferAsked | DigitsAsked | AskRefused)
    why = ask.why if isinstance(ask, AskRefused) else ""
    text = exotel.write_ack(ORDER, WireProfile(), "hangup", ask.ask_id, why)
    assert not set(text) & set("\x02\x03\x04\x05\x06\x07")
    assert json.loads(text.replace("\x01", "4"))["ack"].get("id") == ask.ask_id
