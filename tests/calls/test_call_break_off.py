"""A call whose runner cannot go on: it ends at once, and its record says so."""

from agentstream.base.ids import StreamSid
from agentstream.calls.call import Call
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import Answer, HangUp, OpenStream, StreamSpec
from agentstream.calls.events import CallEnded, CallHungUp, StreamFinished
from agentstream.calls.record import CallLimits
from agentstream.calls.reports import LegAnswered, LegOffered
from agentstream.testing.calls import LEG, make_setup

BOT = StreamSpec("wss://bot.example/ws")


def talking_call() -> Call:
    call = Call(make_setup(), CallLimits(), 0)
    for happening in (
        LegOffered(LEG, "here"),
        Answer(LEG),
        LegAnswered(LEG),
        OpenStream(LEG, StreamSid("s1"), BOT),
    ):
        call.receive(happening, 0)
    return call


def test_a_call_that_breaks_off_ends_at_once_and_says_why() -> None:
    call = talking_call()
    told = call.break_off(1_500)
    assert [type(event) for event in told] == [CallHungUp, StreamFinished, CallEnded]
    record = call.record
    assert record is not None
    assert (record.cause, record.ended_by, record.status) == (
        Cause.INTERNAL,
        Party.SYSTEM,
        "completed",
    )
    assert record.text == "The server ended the call: a fault in the server, please report it."
    assert record.streams[0].outcome.status == "failed"
    assert call.has_ended
    assert call.wake_at_ms is None


def test_a_call_that_was_ending_keeps_its_cause_when_it_breaks_off() -> None:
    call = talking_call()
    call.receive(HangUp(Cause.DRAINING, Party.SYSTEM), 100)
    told = call.break_off(200)
    assert [type(event) for event in told] == [StreamFinished, CallEnded]
    assert call.record is not None
    assert call.record.cause is Cause.DRAINING


def test_a_call_that_has_ended_tells_its_end_once_more() -> None:
    call = talking_call()
    last = call.break_off(100)[-1]
    assert call.break_off(200) == [last]
