"""What a bot reads of the wire."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.errors import PeerError
from agentstream.bot.call import rate_of
from agentstream.bot.events import (
    Answered,
    Audio,
    CallEnded,
    CallStarted,
    Cleared,
    Digit,
    Event,
    MarkPlayed,
    Silence,
    read_event,
)


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ('{"event":"connected"}', None),
        ('{"event":"weather"}', None),
        ('{"event":"silence","silence":{"duration":"2000"}}', Silence(2_000)),
        ('{"event":"cleared","cleared":{"played_ms":"640","dropped_ms":20}}', Cleared(640, 20)),
        (
            '{"event":"ack","ack":{"event":"hangup","id":7,"status":"accepted"}}',
            Answered("hangup", 7, is_accepted=True),
        ),
        (
            '{"event":"ack","ack":{"event":"transfer","id":[],"status":"refused","reason":"no"}}',
            Answered("transfer", None, is_accepted=False, reason="no"),
        ),
        (
            '{"event":"media","media":{"track":"outbound","timestamp":"20","payload":"AQI="}}',
            Audio(b"\1\2", 20, "outbound"),
        ),
        (
            '{"event":"mark","mark":{"name":"a","played_ms":"640","cleared":true}}',
            MarkPlayed("a", 640, is_cleared=True),
        ),
        (
            '{"event":"start","start":{"stream_sid":"s","call_sid":"c","account_sid":"a",'
            '"from":"1","to":"2","resume_token":"t","resumed":true,"played_ms":"1240"}}',
            CallStarted(
                "s", "c", "a", "1", "2", resume_token="t", is_resumed=True, played_ms=1_240
            ),
        ),
        ("[]", None),
        (
            '{"event":"media","media":{"chunk":"1","timestamp":"200","payload":"AQID"}}',
            Audio(b"\1\2\3", 200),
        ),
        ('{"event":"media","media":{"timestamp":200,"payload":""}}', Audio(b"", 200)),
        ('{"event":"dtmf","dtmf":{"digit":"#","duration":"80"}}', Digit("#", 80)),
        ('{"event":"dtmf","dtmf":{"digit":5}}', Digit("5")),
        ('{"event":"mark","mark":{"name":"a"}}', MarkPlayed("a")),
        ('{"event":"stop","stop":{"reason":"callended"}}', CallEnded("callended")),
        ('{"event":"stop"}', CallEnded("stopped")),
        (
            '{"event":"start","stream_sid":"s","start":{"call_sid":"c","account_sid":"a","from":"1",'
            '"to":"2","custom_parameters":{"k":"v"}}}',
            CallStarted("s", "c", "a", "1", "2", {"k": "v"}),
        ),
    ],
)
def test_messages_become_events(text: str, event: Event | None) -> None:
    assert read_event(text) == event


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        '{"event":"media","media":{"payload":"*"}}',
        '{"event":"dtmf","dtmf":{"duration":"x"}}',
    ],
)
def test_a_broken_message_is_the_far_ends_error(text: str) -> None:
    with pytest.raises(PeerError):
        read_event(text)


def test_a_message_that_is_too_deep_is_the_far_ends_error() -> None:
    with pytest.raises(PeerError):
        read_event("[" * 50_000)


@given(st.text() | st.binary())
def test_any_message_is_an_event_nothing_or_a_peer_error(text: str | bytes) -> None:
    with contextlib.suppress(PeerError):
        read_event(text)


@pytest.mark.parametrize(
    ("path", "rate_hz"),
    [
        ("/", 8000),
        ("/ws?sample-rate=16000", 16000),
        ("/?sample_rate=24000&sample-rate=16000", 16000),
        ("/?sample_rate=24000", 24000),
        ("/?sample-rate=44100", 8000),
    ],
)
def test_the_rate_is_that_of_the_request_as141_cx6(path: str, rate_hz: int) -> None:
    assert rate_of(path) == rate_hz
