"""The wire, letter by letter: sections 4, 5 and 11 of the dossier."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.media import plan as native
from agentstream.stream import messages
from agentstream.stream.dialects import exotel
from agentstream.stream.messages import (
    Audio,
    BotText,
    Echoed,
    Malformed,
    StopAsked,
    StreamOrder,
    Unknown,
)
from agentstream.stream.profile import WireProfile

ORDER = StreamOrder(
    stream_sid="9f27c1d0a4b84b6fa1c3e5d7091b2c3d",
    call_sid="51e0b7c2d9f84a1bb6c3d2e1f0a9b8c7",
    account_sid="greenleaf1",
    url="wss://bots.example.net",
    from_number="+919876500001",
    to_number="+918040000002",
)
DEFAULT = WireProfile()
PCM = Audio()
SID = ORDER.stream_sid


def filled(template: str, seq: int = 1, chunk: int = 1, timestamp_ms: int = 0) -> str:
    """Do what the audio path does with a template."""
    values = {
        messages.SEQ: str(seq),
        messages.CHUNK: str(chunk),
        messages.TIMESTAMP_MS: str(timestamp_ms),
        messages.PAYLOAD: "AAAA",
        messages.MARK_NAME: "m-17",
        messages.PLAYED_MS: "1240",
    }
    for placeholder, value in values.items():
        template = template.replace(placeholder, value)
    return template


def start_of(
    profile: WireProfile = DEFAULT, order: StreamOrder = ORDER, audio: Audio = PCM
) -> dict[str, object]:
    message: dict[str, object] = json.loads(filled(exotel.write_start(order, (), audio, profile)))
    return message


def test_the_placeholders_are_those_of_the_native_contract() -> None:
    for name in ("SEQ", "CHUNK", "TIMESTAMP_MS", "PAYLOAD", "MARK_NAME", "PLAYED_MS", "TRACK"):
        assert getattr(messages, name) == getattr(native, name)


def test_connected_says_nothing_else_as61_cx17() -> None:
    assert exotel.write_connected() == '{"event":"connected"}'


def test_start_is_the_documented_one_as65_to_as71_cx1_cx3() -> None:
    text = exotel.write_start(ORDER, (("order", "7781"),), PCM, DEFAULT)
    assert json.loads(filled(text)) == {
        "event": "start",
        "sequence_number": "1",
        "stream_sid": SID,
        "start": {
            "stream_sid": SID,
            "call_sid": ORDER.call_sid,
            "account_sid": "greenleaf1",
            "from": "+919876500001",
            "to": "+918040000002",
            "custom_parameters": {"order": "7781"},
            "media_format": {"encoding": "base64", "sample_rate": "8000", "bit_rate": "128kbps"},
        },
    }


def test_custom_parameters_are_left_out_when_empty_unless_set_as28() -> None:
    assert "custom_parameters" not in str(start_of())
    always = start_of(replace(DEFAULT, always_send_custom_parameters=True))
    assert always["start"]["custom_parameters"] == {}  # type: ignore[index]


@pytest.mark.parametrize(
    ("profile", "audio", "expected"),
    [
        ("field", Audio("pcm16", 16000), ("base64", "16000", "256kbps")),
        ("docs", PCM, ("audio/x-raw", "8000", "16")),
        ("docs", Audio("pcm16", 24000), ("audio/x-raw", "24000", "16")),
        ("field", Audio("mulaw"), ("base64", "8000", "64kbps")),
        ("docs", Audio("mulaw"), ("audio/x-mulaw", "8000", "8")),
    ],
)
def test_the_media_format_follows_its_profile_cx3a_cx3b_cx3c(
    profile: str, audio: Audio, expected: tuple[str, str, str]
) -> None:
    settings = WireProfile.from_mapping({"media_format_profile": profile})
    media_format = start_of(settings, ORDER, audio)["start"]["media_format"]  # type: ignore[index]
    assert tuple(media_format.values()) == expected


def test_numbers_are_national_by_setting_as70_cx9() -> None:
    start = start_of(replace(DEFAULT, number_format="national0"))["start"]
    assert (start["from"], start["to"]) == ("09876500001", "08040000002")  # type: ignore[index]


def test_media_is_the_documented_one_as75_to_as79_cx2() -> None:
    text = filled(
        exotel.write_media_template(ORDER, PCM, DEFAULT), seq=3, chunk=2, timestamp_ms=200
    )
    assert text == (
        f'{{"event":"media","sequence_number":"3","stream_sid":"{SID}",'
        '"media":{"chunk":"2","timestamp":"200","payload":"AAAA"}}'
    )


def test_numbers_may_be_numbers_but_the_timestamp_stays_a_text_cx1_cx2() -> None:
    profile = replace(DEFAULT, numbers_as="number")
    message = json.loads(filled(exotel.write_media_template(ORDER, PCM, profile), seq=3, chunk=2))
    assert (message["sequence_number"], message["media"]["chunk"]) == (3, 2)
    assert message["media"]["timestamp"] == "0"
    assert start_of(profile)["sequence_number"] == 1


def test_dtmf_is_nested_with_texts_as90_as91_cx20() -> None:
    text = exotel.write_dtmf(ORDER, DEFAULT, "5", 100)
    assert json.loads(filled(text, seq=7)) == {
        "event": "dtmf",
        "sequence_number": "7",
        "stream_sid": SID,
        "dtmf": {"digit": "5", "duration": "100"},
    }


def test_a_mark_is_echoed_by_name_as95() -> None:
    text = exotel.write_mark_template(ORDER, DEFAULT)
    assert json.loads(filled(text, seq=15)) == {
        "event": "mark",
        "sequence_number": "15",
        "stream_sid": SID,
        "mark": {"name": "m-17"},
    }


def test_a_mark_tells_what_was_played_by_setting_op7() -> None:
    text = exotel.write_mark_template(ORDER, replace(DEFAULT, marks_carry_played_ms=True))
    assert json.loads(filled(text))["mark"] == {"name": "m-17", "played_ms": "1240"}


@pytest.mark.parametrize(
    ("settings", "cleared", "mark"),
    [
        ({}, True, {"name": 'a "b"'}),
        ({"marks_carry_cleared": True}, True, {"name": 'a "b"', "cleared": True}),
        (
            {"marks_carry_cleared": True, "marks_carry_played_ms": True},
            False,
            {"name": 'a "b"', "played_ms": "640"},
        ),
    ],
)
def test_a_mark_tells_whether_it_was_heard_by_setting_op7_as128(
    settings: dict[str, bool], cleared: bool, mark: dict[str, object]
) -> None:
    profile = WireProfile.from_mapping(settings)
    text = exotel.write_mark(ORDER, profile, 'a "b"', 640, cleared=cleared)
    message = json.loads(filled(text, seq=4))
    assert message == {
        "event": "mark",
        "sequence_number": "4",
        "stream_sid": SID,
        "mark": mark,
    }


def test_a_clear_is_answered_with_what_was_heard_op7() -> None:
    message = json.loads(filled(exotel.write_cleared(ORDER, DEFAULT, 640, 1_200)))
    assert message["event"] == "cleared"
    assert message["cleared"] == {"played_ms": "640", "dropped_ms": "1200"}


@pytest.mark.parametrize("reason", ["stopped", "callended"])
def test_stop_tells_the_reason_as98_as99_cx14(reason: messages.StopReason) -> None:
    assert json.loads(filled(exotel.write_stop(ORDER, DEFAULT, reason), seq=20)) == {
        "event": "stop",
        "sequence_number": "20",
        "stream_sid": SID,
        "stop": {"call_sid": ORDER.call_sid, "account_sid": "greenleaf1", "reason": reason},
    }


def test_camel_keys_stand_on_top_or_everywhere_by_setting_cx5() -> None:
    top = start_of(replace(DEFAULT, camel_keys="top"))
    assert (top["streamSid"], top["sequenceNumber"]) == (SID, "1")
    assert "streamSid" not in top["start"]  # type: ignore[operator]
    profile = replace(DEFAULT, camel_keys="full")
    start = start_of(profile)["start"]
    assert start["streamSid"] == SID  # type: ignore[index]
    assert start["callSid"] == ORDER.call_sid  # type: ignore[index]
    assert start["accountSid"] == "greenleaf1"  # type: ignore[index]
    assert start["mediaFormat"] == start["media_format"]  # type: ignore[index]
    assert start["stream_sid"] == SID  # type: ignore[index]
    stop = json.loads(filled(exotel.write_stop(ORDER, profile, "stopped")))["stop"]
    assert stop["callSid"] == ORDER.call_sid


def test_the_stream_sid_is_on_top_of_every_message_but_the_first_as60_cl21() -> None:
    for text in (
        exotel.write_start(ORDER, (), PCM, DEFAULT),
        exotel.write_media_template(ORDER, PCM, DEFAULT),
        exotel.write_mark_template(ORDER, DEFAULT),
        exotel.write_dtmf(ORDER, DEFAULT, "#", 80),
        exotel.write_stop(ORDER, DEFAULT, "stopped"),
    ):
        message = json.loads(filled(text))
        assert message["stream_sid"] == SID
        assert message["sequence_number"] == "1"


placeholders = st.text(alphabet='\x01\x02\x03\x04\x05\x06"\\aü\x00', max_size=8)


@given(placeholders, placeholders, placeholders)
def test_no_text_of_a_user_becomes_a_placeholder(name: str, value: str, number: str) -> None:
    order = replace(ORDER, from_number=number, account_sid=value)
    text = exotel.write_start(order, ((name, value),), PCM, DEFAULT)
    assert text.count(messages.SEQ) == 1
    assert not set(text) & {"\x02", "\x03", "\x04", "\x05", "\x06"}
    start = json.loads(filled(text))["start"]
    assert start["custom_parameters"] == {name: value}
    assert start["account_sid"] == value


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ('{"event":"stop","stream_sid":"x"}', StopAsked()),
        ('{"Event":"stop"}', StopAsked()),
        ('{"event":"connected"}', Echoed("connected")),
        ('{"event":"dtmf","dtmf":{"digit":"1"}}', Echoed("dtmf")),
        ('{"event":"mark","mark":{"name":"a"}}', Echoed("mark")),
        ('{"event":"clear"}', Echoed("clear")),
        ('{"event":"start"}', Echoed("start")),
        ('{"event":"hangup"}', Unknown("hangup")),
        ('{"event":"' + "x" * 99 + '"}', Unknown("x" * 64)),
        ('{"event":"media"}', Malformed('"media" without media.payload, a text')),
        ('{"event":"mark","mark":{}}', Malformed('"mark" without mark.name, a text')),
        ('{"event":"mark","mark":"a"}', Malformed('"mark" without mark.name, a text')),
        ("hello", Malformed("not JSON")),
        ("[" * 50_000, Malformed("not JSON")),
        ("[1]", Malformed("JSON, but not an object")),
        ('{"type":"x"}', Malformed('no text under "event"')),
        ('{"event":5}', Malformed('no text under "event"')),
    ],
)
def test_what_a_bot_may_say_besides_as114_as115_as116(text: str, meaning: BotText) -> None:
    assert exotel.read_text(text) == meaning


@pytest.mark.parametrize(
    ("text", "sid"),
    [
        ('{"event":"stop"}', None),
        ('{"event":"stop","stream_sid":"a"}', "a"),
        ('{"event":"stop","streamSid":"b"}', "b"),
        ('{"event":"stop","stream_sid":7}', None),
        ("x", None),
    ],
)
def test_a_text_names_its_stream_in_either_case_as114(text: str, sid: str | None) -> None:
    assert exotel.read_said(text).stream_sid == sid


CAPTURES = sorted((Path(__file__).parent.parent / "wire" / "stream").glob("*.json"))


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_captured_texts_of_bots_are_tolerated_as115(path: Path) -> None:
    assert not isinstance(exotel.read_text(path.read_text()), Malformed)


@given(st.text(max_size=40) | st.sampled_from(['{"event":', '{"event":"mark","mark":null}']))
def test_any_text_of_a_bot_is_a_value(text: str) -> None:
    assert isinstance(exotel.read_text(text), StopAsked | Echoed | Unknown | Malformed)
