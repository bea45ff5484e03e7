"""A call that outlives its first leg: while another talks, the first one is a leg like others."""

from dataclasses import replace

import pytest

from agentstream.base.ids import LegSid, PromptId, RecordingSid, StreamSid
from agentstream.calls.call import Call
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import (
    Answer,
    AudioFile,
    Bridge,
    Dial,
    DialSpec,
    HangUp,
    HangUpLeg,
    OpenStream,
    Play,
    StartRecording,
    StreamSpec,
)
from agentstream.calls.effects import (
    BridgeLegs,
    DialLeg,
    EndLeg,
    EndRecording,
    PlayPrompt,
    RejectLeg,
    ReleaseLeg,
    UnbridgeLegs,
)
from agentstream.calls.events import (
    BotAsked,
    CallEnded,
    CallHungUp,
    LegGone,
    LegsBridged,
    LegsUnbridged,
    MediaStopped,
    RecordingFinished,
)
from agentstream.calls.record import CallLimits
from agentstream.calls.reports import (
    BotWished,
    LegAnswered,
    LegEnded,
    LegOffered,
    LegRang,
    MediaLost,
    RecordingReady,
    StreamStarted,
)
from agentstream.testing.calls import CALL, LEG, CallScript, make_setup, the_record
from agentstream.testing.script import Script

AGENT, NEXT = LegSid("agent"), LegSid("next")
SPEC = DialSpec("+918040000009", ring_ms=20_000)
LIMITS = CallLimits(outlives_first=True)
GONE = "The caller hung up."


def ringing_call(limits: CallLimits = LIMITS) -> CallScript:
    script: CallScript = Script(Call(make_setup(), limits, 0, awaits_flow=False))
    script.feed(LegOffered(LEG))
    script.take_all()
    return script


def talking_call(limits: CallLimits = LIMITS) -> CallScript:
    script = ringing_call(limits)
    script.feed(Answer(LEG), LegAnswered(LEG))
    script.take_all()
    return script


def joined_call(limits: CallLimits = LIMITS) -> CallScript:
    """Return a call of two who hear each other, since second 3."""
    script = talking_call(limits)
    script.wait(3_000)
    script.feed(Dial(AGENT, SPEC), LegAnswered(AGENT), Bridge(LEG, AGENT))
    script.take_all()
    return script


def test_the_other_party_stays_when_the_first_one_leaves_br_9() -> None:
    script = joined_call()
    script.wait(10_000)
    script.feed(LegEnded(LEG, Cause.NORMAL, Party.CALLER))
    script.expect(
        UnbridgeLegs(LEG, AGENT),
        LegsUnbridged(CALL, LEG, AGENT),
        LegGone(CALL, LEG, Cause.NORMAL, Party.CALLER, 13_000, GONE),
        ReleaseLeg(LEG),
    )
    script.wait(60_000)
    script.feed(Play(AGENT, PromptId("p"), AudioFile("a.wav")))
    assert script.take(PlayPrompt).leg_sid == AGENT
    assert script.refuse(Play(LEG, PromptId("q"), AudioFile("a.wav"))) == (
        "this leg is not part of the call"
    )
    script.take_all()
    script.feed(LegEnded(AGENT, Cause.NORMAL, Party.CALLEE))
    outputs = script.take_all()
    assert [one.party for one in outputs if isinstance(one, CallHungUp)] == [Party.CALLEE]
    ends = [type(one) for one in outputs]
    assert ends.index(LegGone) < ends.index(CallHungUp)
    assert LegGone not in ends[ends.index(CallHungUp) :]


def test_the_record_has_the_first_legs_times_and_end_and_each_legs_own_br_9() -> None:
    script = joined_call()
    script.wait(10_000)
    script.feed(LegEnded(LEG, Cause.NORMAL, Party.CALLER))
    script.wait(60_000)
    script.feed(HangUp(Cause.DRAINING, Party.SYSTEM))
    assert script.skip_to(CallHungUp).cause is Cause.DRAINING
    script.wait(500)
    script.feed(LegEnded(AGENT, Cause.NORMAL, Party.CALLEE))
    record = the_record(script)
    assert (record.status, record.cause, record.ended_by) == (
        "completed",
        Cause.NORMAL,
        Party.CALLER,
    )
    assert (record.text, record.hung_up_ms, record.ended_ms) == (GONE, 13_000, 73_500)
    assert (record.talk_ms, record.conversation_ms) == (13_000, 10_000)
    first, second = record.legs
    assert (first.talk_ms, first.ended_ms, first.cause) == (13_000, 13_000, Cause.NORMAL)
    assert (second.talk_ms, second.ended_ms, second.cause) == (70_000, 73_500, Cause.DRAINING)


def test_the_first_leg_is_hung_up_alone_and_its_end_is_told_when_it_is_reported_br_9() -> None:
    script = joined_call()
    script.feed(HangUpLeg(LEG, Cause.TIME_LIMIT, Party.SYSTEM, "long enough"))
    script.expect(
        UnbridgeLegs(LEG, AGENT),
        LegsUnbridged(CALL, LEG, AGENT),
        EndLeg(LEG, Cause.TIME_LIMIT, "long enough"),
    )
    assert script.refuse(HangUpLeg(LEG)) == "the leg is ending, so HangUp cannot be"
    script.wait(40)
    script.feed(MediaLost(LEG, 30_000, ever_flowed=True))
    script.feed(LegEnded(LEG, Cause.NORMAL, Party.CALLER))
    script.expect(
        LegGone(CALL, LEG, Cause.TIME_LIMIT, Party.SYSTEM, 3_000, "long enough"), ReleaseLeg(LEG)
    )


def test_an_end_of_the_first_leg_that_is_never_reported_is_written_off_br_9() -> None:
    script = joined_call()
    script.feed(HangUpLeg(LEG))
    script.take_all()
    script.wait(LIMITS.leg_close_ms)
    assert [type(one) for one in script.take_all()] == [LegGone, ReleaseLeg]
    script.feed(HangUpLeg(AGENT))
    assert script.skip_to(CallHungUp).party is Party.FLOW


def test_the_last_leg_ends_the_call_while_the_first_one_is_still_ending_br_9() -> None:
    script = joined_call()
    script.feed(HangUpLeg(LEG, Cause.NORMAL, Party.OPERATOR))
    script.take_all()
    script.feed(LegEnded(AGENT, Cause.NORMAL, Party.CALLEE))
    hung_up = script.skip_to(CallHungUp)
    assert (hung_up.cause, hung_up.party) == (Cause.NORMAL, Party.OPERATOR)
    script.take_all()
    script.feed(LegEnded(LEG, Cause.NORMAL, Party.CALLER))
    assert [type(one) for one in script.take_all()] == [ReleaseLeg, CallEnded]


@pytest.mark.parametrize("is_told", [False, True])
def test_a_party_that_only_rings_goes_with_the_first_leg_br_9(is_told: bool) -> None:
    script = talking_call()
    script.feed(Dial(AGENT, SPEC), LegRang(AGENT))
    script.take_all()
    script.feed(HangUpLeg(LEG) if is_told else LegEnded(LEG, Cause.NORMAL, Party.CALLER))
    outputs = script.take_all()
    assert type(outputs[0]) is CallHungUp
    assert AGENT in [one.leg_sid for one in outputs if isinstance(one, EndLeg)]
    script.feed(LegEnded(AGENT, Cause.CANCELED, Party.SYSTEM))
    assert script.skip_to(LegGone).cause is Cause.CANCELED


def test_a_first_leg_that_is_not_answered_ends_the_call() -> None:
    script = ringing_call()
    script.feed(Dial(AGENT, SPEC), LegAnswered(AGENT))
    script.take_all()
    script.feed(HangUpLeg(LEG, Cause.NO_ANSWER, Party.SYSTEM))
    assert script.skip_to(CallHungUp).cause is Cause.NO_ANSWER
    assert script.skip_to(RejectLeg).cause is Cause.NO_ANSWER


def test_who_stays_may_dial_and_be_bridged_br_9() -> None:
    script = joined_call()
    script.feed(LegEnded(LEG, Cause.NORMAL, Party.CALLER))
    script.take_all()
    script.feed(Dial(NEXT, SPEC))
    assert script.skip_to(DialLeg).leg_sid == NEXT
    script.feed(LegAnswered(NEXT), Bridge(AGENT, NEXT))
    script.skip_to(BridgeLegs)
    script.expect(LegsBridged(CALL, AGENT, NEXT))
    script.feed(LegEnded(AGENT, Cause.NORMAL, Party.CALLEE))
    script.expect(
        UnbridgeLegs(AGENT, NEXT),
        LegsUnbridged(CALL, AGENT, NEXT),
        LegGone(CALL, AGENT, Cause.NORMAL, Party.CALLEE, 0, "The called party hung up."),
        ReleaseLeg(AGENT),
    )


def test_what_runs_on_the_first_leg_ends_with_it_and_its_file_is_waited_for_br_9() -> None:
    script = joined_call()
    recording = RecordingSid("r")
    script.feed(StartRecording(LEG, recording))
    script.take_all()
    script.feed(LegEnded(LEG, Cause.NORMAL, Party.CALLER))
    kinds = [type(one) for one in script.take_all()]
    assert kinds == [UnbridgeLegs, LegsUnbridged, EndRecording, LegGone]
    script.feed(RecordingReady(recording, 900, "r.wav"))
    assert [type(one) for one in script.take_all()] == [RecordingFinished, ReleaseLeg]


def test_a_first_leg_without_audio_ends_alone_br_9() -> None:
    script = joined_call()
    script.feed(MediaLost(LEG, 60_000, ever_flowed=True))
    kinds = [type(one) for one in script.take_all()]
    assert kinds == [MediaStopped, UnbridgeLegs, LegsUnbridged, EndLeg]


def test_a_bot_hangs_its_own_leg_up_op_1() -> None:
    script = joined_call()
    bot = StreamSid("s")
    script.feed(OpenStream(AGENT, bot, StreamSpec("wss://bot.example/ws")), StreamStarted(bot))
    script.take_all()
    script.feed(BotWished(bot, "hangup"))
    outputs = script.take_all()
    assert type(outputs[0]) is BotAsked
    assert [one.leg_sid for one in outputs if isinstance(one, EndLeg)] == [AGENT]
    assert CallHungUp not in [type(one) for one in outputs]


def test_the_limit_of_the_call_ends_whoever_is_left_as_49() -> None:
    script = joined_call(replace(LIMITS, call_ms=60_000))
    script.feed(LegEnded(LEG, Cause.NORMAL, Party.CALLER))
    script.take_all()
    script.wait(60_000)
    assert script.skip_to(CallHungUp).cause is Cause.TIME_LIMIT
    assert script.skip_to(EndLeg).leg_sid == AGENT


def test_a_call_that_breaks_off_without_its_first_leg_tells_the_end_of_the_others() -> None:
    call = Call(make_setup(), LIMITS, 0, awaits_flow=False)
    for happening in (LegOffered(LEG), Answer(LEG), LegAnswered(LEG), Dial(AGENT, SPEC)):
        call.receive(happening, 0)
    call.receive(LegAnswered(AGENT), 3_000)
    call.receive(LegEnded(LEG, Cause.NORMAL, Party.CALLER), 4_000)
    told = [type(event) for event in call.break_off(5_000)]
    assert told == [CallHungUp, LegGone, CallEnded]
