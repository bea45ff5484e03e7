"""Messages of calls are kept by Call-ID, bounded, and written a little after the call's end."""

from datetime import UTC, datetime
from typing import Any

import pytest

from agentstream.base.ids import AccountSid, CallSid, LegSid
from agentstream.base.values import replace
from agentstream.calls.events import CallEnded
from agentstream.sip.flow import Flow, Hop
from agentstream.sip.kept import KeptCall
from agentstream.switch import sip_recorder
from agentstream.switch.feed import Fact
from agentstream.switch.sip_recorder import (
    FIRST_MESSAGES,
    LAST_MESSAGES,
    LINGER_MS,
    MESSAGE_BYTES,
    STRAY_MS,
    SipRecorder,
)
from agentstream.testing.manual_clock import ManualClock

FLOW = Flow("udp", "192.0.2.1", 5060, "198.51.100.7", 5070)
CALL, LEG = CallSid("c1"), LegSid("l1")


class Desk:
    """A recorder, and what it wrote."""

    def __init__(self, **limits: Any) -> None:
        self.clock = ManualClock()
        self.written: list[KeptCall] = []
        self.recorder = SipRecorder(self.written.append, self.clock, **limits)

    def hear(
        self,
        line: str,
        call_id: str = "a@b",
        direction: Any = "in",
        pad: int = 0,
        way: Flow | Hop = FLOW,
    ) -> None:
        name = "Call-ID: " if "@" in call_id else "i:"
        data = f"{line} SIP/2.0\r\n{name}{call_id}\r\nSubject: {'x' * pad}\r\n\r\n".encode()
        self.recorder.hear(direction, data, way)

    def end(self, sid: CallSid = CALL) -> None:
        wall = datetime(2027, 1, 1, tzinfo=UTC)
        ended = CallEnded(sid, None)  # type: ignore[arg-type]  # its record is not looked at
        self.recorder.ended(Fact(sid, AccountSid("one"), self.clock.now_ms(), wall, ended))

    def wait(self, ms: int) -> None:
        self.clock.advance(ms)
        self.recorder.tick()

    def call(self) -> None:
        self.hear("INVITE sip:1000@x")
        self.recorder.belongs("a@b", CALL, LEG)


def test_a_call_is_written_after_its_end_with_what_came_behind_it() -> None:
    desk = Desk()
    desk.call()
    desk.hear("BYE sip:x", direction="out")
    desk.end()
    desk.wait(LINGER_MS - 1)
    assert not desk.written
    desk.hear("SIP/2.0 200 OK")
    desk.wait(1)
    [call] = desk.written
    [dialog] = call.dialogs
    assert (call.sid, dialog.leg_sid, dialog.sip_call_id) == (CALL, LEG, "a@b")
    assert [one.is_ours for one in dialog.messages] == [False, True, False]
    assert dialog.messages[0].local == ("192.0.2.1", 5060)
    assert dialog.messages[0].remote == ("198.51.100.7", 5070)
    counters = desk.recorder.counters
    assert (counters["kept_dialogs_now"], counters["kept_bytes_now"]) == (0, 0)


def test_a_live_call_can_be_looked_at() -> None:
    desk = Desk()
    desk.call()
    call = desk.recorder.of(CALL)
    assert call is not None
    assert len(call.messages) == 1
    assert desk.recorder.of(CallSid("c2")) is None


def test_what_begins_with_no_invite_is_not_kept() -> None:
    desk = Desk()
    desk.hear("OPTIONS sip:x")
    desk.hear("REGISTER sip:x", "c@d")
    desk.recorder.hear("in", b"junk", FLOW)
    assert desk.recorder.counters["kept_dialogs_now"] == 0


def test_the_short_name_of_a_call_id_is_one_too() -> None:
    """RFC 3261 section 7.3.3."""
    desk = Desk()
    desk.hear("INVITE sip:x", "short")
    desk.recorder.belongs("short", CALL, LEG)
    call = desk.recorder.of(CALL)
    assert call is not None
    assert call.messages


def test_an_invite_that_becomes_no_call_is_forgotten() -> None:
    desk = Desk()
    desk.hear("INVITE sip:x")
    desk.wait(STRAY_MS)
    assert desk.recorder.counters["kept_dialogs_now"] == 0
    assert not desk.written


def test_a_long_dialog_keeps_its_beginning_and_its_end() -> None:
    desk = Desk()
    desk.call()
    for number in range(1, FIRST_MESSAGES + LAST_MESSAGES + 10):
        desk.hear(f"INFO sip:{number}")
    desk.end()
    desk.wait(LINGER_MS)
    [dialog] = desk.written[0].dialogs
    assert dialog.dropped == 10
    assert len(dialog.messages) == FIRST_MESSAGES + LAST_MESSAGES
    assert dialog.messages[-1].data.startswith(b"INFO sip:137 ")
    assert desk.recorder.counters["kept_bytes_now"] == 0


def test_a_huge_message_is_cut_and_says_so() -> None:
    desk = Desk()
    desk.hear("INVITE sip:x", pad=10_000)
    desk.recorder.belongs("a@b", CALL, LEG)
    call = desk.recorder.of(CALL)
    assert call is not None
    [(_, message)] = call.messages
    assert message.is_cut
    assert len(message.data) == MESSAGE_BYTES


def test_a_full_memory_keeps_no_new_dialog_and_counts_them() -> None:
    desk = Desk(total_bytes=2_000)
    for number in range(10):
        desk.hear("INVITE sip:x", f"{number}@b")
    counters = desk.recorder.counters
    assert counters["kept_bytes_now"] < 3_000
    assert counters["dialogs_not_kept"] == 10 - counters["kept_dialogs_now"]
    desk.wait(STRAY_MS)
    desk.hear("INVITE sip:x", "new@b")
    assert desk.recorder.counters["kept_dialogs_now"] == 1


def test_two_calls_of_one_call_id_each_have_its_messages() -> None:
    """A server that dials itself."""
    desk = Desk()
    desk.call()
    other = CallSid("c2")
    desk.recorder.belongs("a@b", other, LegSid("l2"))
    desk.end()
    desk.wait(LINGER_MS)
    desk.hear("BYE sip:x")
    desk.end(other)
    desk.wait(LINGER_MS)
    assert [(call.sid, len(call.messages)) for call in desk.written] == [(CALL, 1), (other, 2)]


def test_at_the_end_everything_is_written() -> None:
    desk = Desk()
    desk.call()
    desk.recorder.stop()
    assert [call.sid for call in desk.written] == [CALL]


def test_what_went_to_an_address_that_never_answered_has_ours_beside_it() -> None:
    desk = Desk()
    data = b"INVITE sip:x SIP/2.0\r\nCall-ID: a@b\r\n\r\n"
    desk.recorder.hear("out", data, Hop("udp", "127.0.0.1", 5080))
    desk.recorder.belongs("a@b", CALL, LEG)
    call = desk.recorder.of(CALL)
    assert call is not None
    [(_, message)] = call.messages
    assert (message.local, message.remote) == (("127.0.0.1", 5060), ("127.0.0.1", 5080))


def test_our_address_on_a_listener_of_all_addresses_is_looked_up_once_per_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def looked_up(peer: str) -> str:
        asked.append(peer)
        return "192.0.2.9"

    monkeypatch.setattr(sip_recorder, "local_host_towards", looked_up)
    desk = Desk()
    one = Flow("udp", "0.0.0.0", 5062, "198.51.100.7", 5070)
    other = replace(one, remote_host="198.51.100.8")
    for way in (one, one, other, one):
        desk.hear("INVITE sip:1000@x", way=way)
    desk.recorder.belongs("a@b", CALL, LEG)
    call = desk.recorder.of(CALL)
    assert call is not None
    assert [message.local for _, message in call.messages] == [("192.0.2.9", 5062)] * 4
    assert asked == ["198.51.100.7", "198.51.100.8"]
