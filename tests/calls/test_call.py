"""One call, from its first leg to its record; whoever ends it, and whenever."""

from dataclasses import replace
from datetime import timedelta

import pytest

from agentstream.base.ids import LegSid, PromptId, RecordingSid, StreamSid
from agentstream.calls.call import Call
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import (
    Answer,
    AudioFile,
    CloseStream,
    Command,
    HangUp,
    OpenStream,
    Play,
    Reject,
    ReleaseCall,
    SendDigits,
    StartRecording,
    StopPlaying,
    StopRecording,
    StreamSpec,
)
from agentstream.calls.effects import (
    AnswerLeg,
    EndLeg,
    EndRecording,
    EndStream,
    PressDigits,
    RejectLeg,
    ReleaseLeg,
    StopPrompt,
    StreamEnd,
    TellStream,
)
from agentstream.calls.events import (
    CallAnswered,
    CallHungUp,
    CallStarted,
    DigitReceived,
    MediaBegan,
    MediaStopped,
    PromptFinished,
    RecordingFinished,
    StreamFinished,
)
from agentstream.calls.record import CallLimits
from agentstream.calls.reports import (
    DigitPressed,
    LegAnswered,
    LegEnded,
    LegOffered,
    LegRang,
    MediaFlowing,
    MediaLost,
    PromptEnded,
    RecordingReady,
    Report,
    StreamEnded,
    StreamOutcome,
    StreamStarted,
)
from agentstream.calls.state import CallState
from agentstream.testing.calls import CALL, LEG, STARTED_AT, CallScript, make_setup, the_record
from agentstream.testing.script import Script

PROMPT, STREAM, RECORDING = PromptId("p1"), StreamSid("s1"), RecordingSid("r1")
BOT = StreamSpec("wss://bot.example/ws")
GONE = LegEnded(LEG, Cause.NORMAL, Party.CALLER)
OTHER = LegSid("other")


def new_call(limits: CallLimits | None = None, *, awaits_flow: bool = False) -> CallScript:
    call = Call(make_setup(), limits or CallLimits(), 0, awaits_flow=awaits_flow)
    return Script(call)


def ringing_call() -> CallScript:
    script = new_call()
    script.feed(LegOffered(LEG, "udp:192.0.2.1:5060"))
    script.expect(CallStarted(CALL, LEG, make_setup()))
    return script


def talking_call(limits: CallLimits | None = None, *, awaits_flow: bool = False) -> CallScript:
    script = new_call(limits, awaits_flow=awaits_flow)
    script.feed(LegOffered(LEG))
    script.wait(1000)
    script.feed(Answer(LEG), LegAnswered(LEG))
    script.expect(CallStarted(CALL, LEG, make_setup()), AnswerLeg(LEG), CallAnswered(CALL, LEG))
    return script


def busy_call(limits: CallLimits | None = None) -> CallScript:
    """Return a call on which a prompt plays, a bot listens and a recording runs."""
    script = talking_call(limits)
    script.feed(
        Play(LEG, PROMPT, AudioFile("a.wav")),
        OpenStream(LEG, STREAM, BOT),
        StreamStarted(STREAM),
        StartRecording(LEG, RECORDING),
    )
    script.take_all()
    return script


def test_a_caller_who_hangs_up_ends_the_call_with_a_complete_record() -> None:
    script = talking_call()
    script.feed(MediaFlowing(LEG), MediaFlowing(LEG), DigitPressed(LEG, "5", 120))
    script.expect(MediaBegan(CALL, LEG), DigitReceived(CALL, LEG, "5", 120))
    script.wait(2500)
    script.feed(GONE)
    script.expect(
        CallHungUp(CALL, Cause.NORMAL, Party.CALLER, "The caller hung up."), ReleaseLeg(LEG)
    )
    record = the_record(script)
    assert record.setup == make_setup()
    assert (record.status, record.cause) == ("completed", Cause.NORMAL)
    assert (record.ended_by, record.text) == (Party.CALLER, "The caller hung up.")
    assert (record.rang_ms, record.answered_ms) == (0, 1000)
    assert (record.hung_up_ms, record.ended_ms) == (3500, 3500)
    assert (record.duration_ms, record.talk_ms, record.billable_s) == (3500, 2500, 3)
    assert record.rang_at == STARTED_AT
    assert record.answered_at == STARTED_AT + timedelta(seconds=1)
    assert record.ended_at == STARTED_AT + timedelta(milliseconds=3500)
    assert (record.digits, record.stray_reports) == (1, 0)
    assert record.legs[0].had_media
    assert script.machine.wake_at_ms is None


def test_a_caller_who_gives_up_while_it_rings_is_recorded_as_canceled() -> None:
    script = ringing_call()
    script.feed(GONE)
    record = the_record(script)
    assert (record.status, record.cause, record.billable_s) == ("canceled", Cause.CANCELED, 0)
    assert (record.answered_ms, record.answered_at) == (None, None)


def test_a_caller_who_goes_between_our_answer_and_its_confirmation_was_never_talking() -> None:
    script = ringing_call()
    script.feed(Answer(LEG), GONE)
    assert the_record(script).status == "canceled"


def test_a_refused_call_is_refused_with_the_cause() -> None:
    script = ringing_call()
    script.feed(Reject(LEG, Cause.BUSY, Party.SYSTEM))
    script.expect(RejectLeg(LEG, Cause.BUSY))
    assert script.take(CallHungUp).cause is Cause.BUSY
    script.expect_nothing()
    script.feed(LegEnded(LEG, Cause.NORMAL, Party.SYSTEM))
    record = the_record(script)
    assert (record.status, record.cause, record.ended_by) == ("busy", Cause.BUSY, Party.SYSTEM)


def test_a_hang_up_while_it_rings_refuses_and_while_it_talks_ends() -> None:
    ringing, talking = ringing_call(), talking_call()
    hang_up = HangUp(Cause.DRAINING, Party.OPERATOR, "We close.")
    for script, order in (
        (ringing, RejectLeg(LEG, Cause.DRAINING, "We close.")),
        (talking, EndLeg(LEG, Cause.DRAINING, "We close.")),
    ):
        script.feed(hang_up)
        script.expect(CallHungUp(CALL, Cause.DRAINING, Party.OPERATOR, "We close."))
        script.expect(order)
        assert script.refuse(hang_up) == "the call has ended"
        script.feed(LegEnded(LEG, Cause.FAILED, Party.NETWORK))
        record = the_record(script)
        assert (record.cause, record.ended_by) == (Cause.DRAINING, Party.OPERATOR)
        assert script.refuse(hang_up) == "the call has ended"


def test_a_call_that_ends_before_its_first_leg_is_there_still_has_a_record() -> None:
    script = new_call()
    script.feed(HangUp(Cause.INTERNAL, Party.SYSTEM))
    script.take(CallHungUp)
    record = the_record(script)
    assert (record.status, record.legs, record.rang_ms) == ("failed", (), None)
    script.feed(LegOffered(LEG))
    script.expect_nothing()


def test_a_leg_that_is_offered_while_the_call_closes_is_refused_and_does_not_hang() -> None:
    script = new_call(awaits_flow=True)
    script.feed(HangUp(Cause.INTERNAL, Party.SYSTEM), LegOffered(LEG))
    script.take(CallHungUp)
    script.expect(RejectLeg(LEG, Cause.BUSY), ReleaseLeg(LEG))


def test_what_runs_is_told_to_end_and_the_call_waits_for_it() -> None:
    script = busy_call()
    script.feed(GONE)
    script.take(CallHungUp)
    script.expect(
        StopPrompt(LEG, PROMPT), EndStream(STREAM, "callended"), EndRecording(LEG, RECORDING)
    )
    script.feed(PromptEnded(PROMPT, completed=False))
    script.expect(PromptFinished(CALL, LEG, PROMPT, completed=False, error=""))
    script.feed(StreamEnded(STREAM, StreamOutcome("cancelled", "user", duration_s=3)))
    script.take(StreamFinished)
    script.expect_nothing()
    script.wait(100)
    script.feed(RecordingReady(RECORDING, 3100, "r1.wav", "/recordings/r1.wav"))
    script.expect(RecordingFinished(CALL, LEG, RECORDING, 3100, "/recordings/r1.wav", ""))
    script.expect(ReleaseLeg(LEG))
    record = the_record(script)
    assert (record.hung_up_ms, record.ended_ms) == (1000, 1100)
    assert record.streams[0].outcome.disconnected_by == "user"
    assert record.recordings[0].path == "r1.wav"


def test_what_never_reports_its_end_is_written_off_after_the_closing_time() -> None:
    script = busy_call(CallLimits(closing_ms=30_000, stream_close_ms=15_000))
    script.feed(HangUp(Cause.NORMAL, Party.OPERATOR))
    script.take_all()
    script.wait(15_000)
    assert script.take(StreamFinished).outcome.status == "failed"
    script.wait(14_999)
    script.expect_nothing()
    script.wait(1)
    assert script.take(PromptFinished).error
    assert script.take(RecordingFinished).error
    script.expect(ReleaseLeg(LEG))
    record = the_record(script)
    assert record.legs[0].ended_ms is None
    assert record.recordings[0].error
    script.feed(GONE, StreamStarted(STREAM))
    script.expect_nothing()


def test_a_closing_time_shorter_than_the_streams_writes_these_off_too() -> None:
    script = busy_call(CallLimits(closing_ms=5000))
    script.feed(GONE)
    script.wait(5000)
    assert script.skip_to(StreamFinished).outcome.status == "failed"
    assert the_record(script).status == "completed"


@pytest.mark.parametrize(
    ("cause", "party", "two_way", "one_way"),
    [
        (Cause.NORMAL, Party.CALLER, "callended", "callended"),
        (Cause.SIGNALLING_LOST, Party.NETWORK, "callended", "callended"),
        (Cause.NORMAL, Party.OPERATOR, "stopped", "callended"),
        (Cause.TIME_LIMIT, Party.SYSTEM, "stopped", "callended"),
        (Cause.DRAINING, Party.SYSTEM, "shutdown", "shutdown"),
    ],
)
def test_streams_are_told_why_they_end_st_13_st_14_st_18_st_44(
    cause: Cause, party: Party, two_way: StreamEnd, one_way: StreamEnd
) -> None:
    script = talking_call()
    listener = StreamSid("s2")
    script.feed(OpenStream(LEG, STREAM, BOT))
    script.feed(OpenStream(LEG, listener, StreamSpec("wss://ear.example/ws", two_way=False)))
    script.take_all()
    script.feed(HangUp(cause, party))
    script.skip_to(CallHungUp)
    script.expect(EndStream(STREAM, two_way), EndStream(listener, one_way))


def test_what_is_ending_already_is_not_told_again() -> None:
    script = busy_call()
    script.feed(StopPlaying(PROMPT), CloseStream(STREAM), StopRecording(RECORDING))
    script.take_all()
    script.feed(GONE)
    script.take(CallHungUp)
    script.expect_nothing()


def test_the_call_time_limit_runs_from_the_answer_as_49() -> None:
    script = talking_call(CallLimits(call_ms=14_400_000))
    script.wait(14_399_999)
    script.expect_nothing()
    script.wait(1)
    hung_up = script.take(CallHungUp)
    assert (hung_up.cause, hung_up.party) == (Cause.TIME_LIMIT, Party.SYSTEM)
    script.expect(EndLeg(LEG, Cause.TIME_LIMIT, hung_up.text))


@pytest.mark.parametrize("is_offered", [True, False])
def test_a_call_that_nobody_answers_ends_by_itself(is_offered: bool) -> None:
    script = ringing_call() if is_offered else new_call()
    script.wait(180_000)
    assert script.take(CallHungUp).cause is Cause.NO_ANSWER
    if is_offered:
        assert script.take(RejectLeg).cause is Cause.NO_ANSWER


def test_a_call_without_audio_ends_by_default_and_goes_on_by_setting() -> None:
    ending, going_on = talking_call(), talking_call(CallLimits(ends_without_media=False))
    lost = MediaLost(LEG, 30_000, ever_flowed=False)
    for script in (ending, going_on):
        script.feed(lost)
        script.expect(MediaStopped(CALL, LEG, 30_000, ever_flowed=False))
    going_on.expect_nothing()
    hung_up = ending.take(CallHungUp)
    assert (hung_up.cause, hung_up.party) == (Cause.NO_MEDIA, Party.NETWORK)
    ending.take_all()
    ending.feed(lost)
    ending.expect_nothing()


def test_a_call_that_a_flow_holds_ends_only_when_the_flow_lets_go_pt_22() -> None:
    script = talking_call(awaits_flow=True)
    script.feed(GONE)
    script.take(CallHungUp)
    script.expect(ReleaseLeg(LEG))
    script.expect_nothing()
    script.feed(ReleaseCall())
    the_record(script)


def test_a_flow_that_does_not_let_go_does_not_keep_the_call_for_ever() -> None:
    script = talking_call(CallLimits(closing_ms=30_000), awaits_flow=True)
    script.feed(GONE)
    script.wait(30_000)
    the_record(script)
    script.feed(ReleaseCall())
    script.expect_nothing()


def test_a_call_goes_on_when_its_flow_lets_go_of_it() -> None:
    script = talking_call(awaits_flow=True)
    script.feed(ReleaseCall())
    script.expect_nothing()
    assert script.refuse(ReleaseCall()) == "no flow holds this call"
    script.feed(GONE)
    the_record(script)


def test_a_key_is_told_to_the_bot_that_listens() -> None:
    script = busy_call()
    script.feed(DigitPressed(LEG, "#", 90))
    script.expect(DigitReceived(CALL, LEG, "#", 90), TellStream(STREAM, "#", 90))


def test_keys_are_sent_only_to_a_leg_that_talks_and_only_real_ones() -> None:
    script = ringing_call()
    assert "offered" in script.refuse(SendDigits(LEG, "1"))
    script = talking_call()
    script.feed(SendDigits(LEG, "12#", tone_ms=80, gap_ms=60))
    script.expect(PressDigits(LEG, "12#", 80, 60))
    for digits in ("", "1" * 65, "12w"):
        assert "digits are" in script.refuse(SendDigits(LEG, digits))


@pytest.mark.parametrize(
    "command",
    [
        Answer(OTHER),
        Reject(OTHER, Cause.BUSY),
        Play(OTHER, PROMPT, AudioFile("a.wav")),
        OpenStream(OTHER, STREAM, BOT),
        StartRecording(OTHER, RECORDING),
        SendDigits(OTHER, "1"),
    ],
)
def test_a_command_for_a_leg_of_another_call_is_refused(command: Command) -> None:
    assert talking_call().refuse(command) == "this leg is not part of the call"


@pytest.mark.parametrize(
    "command",
    [
        Play(LEG, PROMPT, AudioFile("a.wav")),
        OpenStream(LEG, STREAM, replace(BOT, two_way=False)),
        StartRecording(LEG, RECORDING),
    ],
)
def test_nothing_is_begun_on_a_leg_that_is_not_up(command: Command) -> None:
    assert ringing_call().refuse(command) == "the leg is offered, not talking"


def test_an_answered_call_is_not_answered_or_refused_again() -> None:
    script = talking_call()
    assert "talking" in script.refuse(Answer(LEG))
    assert "talking" in script.refuse(Reject(LEG, Cause.BUSY))
    script.feed(GONE)  # and the refused commands changed nothing
    assert the_record(script).status == "completed"


@pytest.mark.parametrize(
    "report",
    [
        LegOffered(LEG),
        LegRang(LEG),
        LegAnswered(LEG),
        LegEnded(OTHER, Cause.NORMAL, Party.CALLER),
        MediaLost(OTHER, 1, ever_flowed=True),
        DigitPressed(OTHER, "1"),
        DigitPressed(LEG, "x"),
        PromptEnded(PROMPT, completed=True),
        StreamStarted(STREAM),
        StreamEnded(STREAM, StreamOutcome("completed")),
        RecordingReady(RECORDING, 1, "r1.wav"),
    ],
)
def test_a_stray_report_is_ignored_and_counted(report: Report) -> None:
    script = talking_call()
    script.feed(report)
    script.expect_nothing()
    script.feed(GONE)
    assert the_record(script).stray_reports == 1


def test_one_more_leg_than_expected_is_refused_at_once_and_does_not_hang() -> None:
    script = talking_call()
    script.feed(LegOffered(OTHER))
    script.expect(RejectLeg(OTHER, Cause.BUSY), ReleaseLeg(OTHER))
    script.feed(GONE)
    record = the_record(script)
    assert [leg.leg_sid for leg in record.legs] == [LEG]
    assert record.stray_reports == 1


def test_a_call_says_where_it_is_in_its_life() -> None:
    call = Call(make_setup(), CallLimits(), 0, awaits_flow=False)
    states = [call.state]
    for report in (LegOffered(LEG), LegEnded(LEG, Cause.NORMAL, Party.CALLER)):
        call.receive(report, 0)
        states.append(call.state)
    assert states == [CallState.NEW, CallState.RINGING, CallState.ENDED]
    assert call.has_ended
    assert call.wake(5) == []
