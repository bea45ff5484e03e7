"""What a caller leaves after a beep; its ways are those of a voicemail, which see (AP-56)."""

from agentstream.base.ids import LegSid
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import Play, StartRecording, StopRecording, WatchSilence
from agentstream.calls.events import CallHungUp, DigitReceived, RecordingFinished, SilenceHeard
from agentstream.flows.applet import AppletInput, CommandRefused, Step
from agentstream.flows.message import NOTHING, WRITING_MS, Kept, Message, Phase, Wish
from agentstream.testing.applets import new_context, press
from agentstream.testing.calls import CALL, LEG
from agentstream.testing.script import Script

SHORT = Wish(10_000, 2_000, frozenset("12"), beeps=False)


def message(wish: Wish = SHORT) -> tuple[Script[AppletInput, Step], list[Kept]]:
    """Begin a message; return what becomes of it."""
    kept: list[Kept] = []

    def then(one: Kept, now_ms: int) -> list[Step]:
        kept.append(one)
        return []

    machine = Message(new_context(), wish, then)
    script: Script[AppletInput, Step] = Script(machine)
    script.keep(machine.begin(0))
    return script, kept


def test_without_a_beep_it_is_recorded_at_once_until_one_of_several_keys() -> None:
    script, kept = message()
    start = script.take(StartRecording)
    script.expect(WatchSilence(LEG, 2_000))
    script.feed(DigitReceived(CALL, LegSid("another"), "1", 80), *press("3"))
    script.feed(SilenceHeard(CALL, LegSid("another"), 2_000))
    script.expect_nothing()
    script.feed(*press("2"))
    script.expect(WatchSilence(LEG, 0), StopRecording(start.recording_sid))
    event = RecordingFinished(CALL, LEG, start.recording_sid, 4_000, "/r1.mp3", "")
    script.feed(event, event)
    assert kept == [Kept(event, "ended with key 2")]
    assert script.machine.wake_at_ms is None


def test_a_file_that_is_not_written_in_time_is_not_kept() -> None:
    script, kept = message(Wish(10_000, 0, beeps=False))
    script.take(StartRecording)
    script.wait(10_000)
    script.take(StopRecording)
    script.feed(CommandRefused(StopRecording("r"), "it has ended"))  # type: ignore[arg-type]
    script.wait(WRITING_MS)
    assert kept == [Kept(error="it was not written in time")]


def test_a_caller_who_goes_while_it_beeps_has_said_nothing() -> None:
    script, kept = message(Wish(10_000))
    script.take(Play)
    script.feed(*press("#"))
    script.expect_nothing()
    script.feed(CallHungUp(CALL, Cause.NORMAL, Party.NETWORK, ""))
    assert kept == [Kept(why=NOTHING, party=Party.NETWORK)]
    assert isinstance(script.machine, Message)
    assert script.machine.phase is Phase.OVER
