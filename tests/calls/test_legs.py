"""Legs that are dialled, and bridges: each ends alone, once, and leaves nothing behind."""

from collections.abc import Callable

import pytest

from agentstream.base.ids import LegSid, PromptId, RecordingSid, StreamSid
from agentstream.calls.call import Call
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import (
    Answer,
    AudioFile,
    Bridge,
    Command,
    Dial,
    DialSpec,
    HangUp,
    HangUpLeg,
    Hold,
    OpenStream,
    Play,
    Reject,
    SendDigits,
    StartRecording,
    StreamSpec,
    Unbridge,
    Unhold,
    WatchSilence,
)
from agentstream.calls.dial_spec import HEADERS_LIMIT, RING_LIMIT_MS, TEXT_LIMIT
from agentstream.calls.effects import (
    BridgeLegs,
    DialLeg,
    EndLeg,
    EndRecording,
    EndStream,
    NoticeSilence,
    PlayPrompt,
    PressDigits,
    ReleaseLeg,
    StopPrompt,
    UnbridgeLegs,
)
from agentstream.calls.events import (
    CallEnded,
    CallHungUp,
    DigitReceived,
    LegDialled,
    LegGone,
    LegHeld,
    LegRinging,
    LegsBridged,
    LegsUnbridged,
    LegUnheld,
    LegUp,
    MediaBegan,
    MediaStopped,
    PromptFinished,
    SilenceHeard,
    StreamFinished,
)
from agentstream.calls.legs import LEGS_AT_ONCE, LEGS_PER_CALL, RING_GRACE_MS, SILENCE_LIMIT_MS
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
    StreamEnded,
    StreamOutcome,
    StreamStarted,
    WentSilent,
)
from agentstream.testing.calls import CALL, LEG, CallScript, make_setup, the_record
from agentstream.testing.script import Script

AGENT, SECOND = LegSid("agent"), LegSid("second")
NUMBER = "+918040000009"
SPEC = DialSpec(NUMBER, caller_id="+918040000002", ring_ms=20_000)
PROMPT, STREAM, RECORDING = PromptId("p1"), StreamSid("s1"), RecordingSid("r1")
BOT = StreamSpec("wss://bot.example/ws")


def talking_call(limits: CallLimits | None = None) -> CallScript:
    call = Call(make_setup(), limits or CallLimits(), 0, awaits_flow=False)
    script: CallScript = Script(call)
    script.feed(LegOffered(LEG), Answer(LEG), LegAnswered(LEG))
    script.take_all()
    return script


def dialling_call(limits: CallLimits | None = None, *leg_sids: LegSid) -> CallScript:
    script = talking_call(limits)
    for leg_sid in leg_sids or (AGENT,):
        script.feed(Dial(leg_sid, SPEC))
    script.take_all()
    return script


def joined_call(limits: CallLimits | None = None) -> CallScript:
    """Return a call of two parties who hear each other, since second 3."""
    script = dialling_call(limits)
    script.wait(3000)
    script.feed(LegAnswered(AGENT), Bridge(LEG, AGENT))
    script.take_all()
    return script


# Dialling


def test_a_party_that_is_dialled_rings_answers_and_hangs_up() -> None:
    script = talking_call()
    script.wait(500)
    script.feed(Dial(AGENT, SPEC))
    script.expect(LegDialled(CALL, AGENT, NUMBER, "+918040000002"), DialLeg(AGENT, SPEC))
    script.wait(200)
    script.feed(LegRang(AGENT))
    script.expect(LegRinging(CALL, AGENT, has_early_media=False))
    script.wait(3000)
    script.feed(LegAnswered(AGENT), MediaFlowing(AGENT), MediaFlowing(AGENT))
    script.expect(LegUp(CALL, AGENT), MediaBegan(CALL, AGENT))
    script.wait(60_000)
    script.feed(LegEnded(AGENT, Cause.NORMAL, Party.CALLEE))
    gone = script.take(LegGone)
    assert (gone.cause, gone.party, gone.talk_ms) == (Cause.NORMAL, Party.CALLEE, 60_000)
    assert gone.text == "The called party hung up."
    script.expect(ReleaseLeg(AGENT))
    script.expect_nothing()  # the call goes on
    script.feed(LegEnded(LEG, Cause.NORMAL, Party.CALLER))
    first, second = the_record(script).legs
    assert (first.leg_sid, first.destination, first.talk_ms) == (LEG, "", 63_700)
    assert (second.leg_sid, second.direction, second.destination) == (AGENT, "outbound", NUMBER)
    assert (second.started_ms, second.rang_ms, second.answered_ms) == (500, 700, 3700)
    assert (second.ended_ms, second.talk_ms, second.had_media) == (63_700, 60_000, True)
    assert (second.cause, second.ended_by) == (Cause.NORMAL, Party.CALLEE)


def test_the_callee_is_shown_the_number_that_was_called_unless_told_otherwise_ap_47() -> None:
    script = talking_call()
    script.feed(Dial(AGENT, DialSpec("sip:ann:secret@192.0.2.7")))
    script.expect(LegDialled(CALL, AGENT, "sip:ann:***@192.0.2.7", make_setup().to_number))


@pytest.mark.parametrize("cause", [Cause.BUSY, Cause.REJECTED, Cause.NOT_FOUND, Cause.FAILED])
def test_a_party_that_does_not_come_says_why_and_the_call_goes_on(cause: Cause) -> None:
    script = dialling_call()
    script.feed(LegEnded(AGENT, cause, Party.CALLEE, "It is so."))
    script.expect(LegGone(CALL, AGENT, cause, Party.CALLEE, 0, "It is so."), ReleaseLeg(AGENT))
    script.expect_nothing()
    assert script.machine.wake_at_ms == CallLimits().call_ms  # no deadline of the leg is left


def test_a_usual_end_before_the_answer_is_a_cancel() -> None:
    script = dialling_call()
    script.feed(LegEnded(AGENT, Cause.NORMAL, Party.CALLEE))
    assert script.take(LegGone).cause is Cause.CANCELED


def test_ringing_is_told_once_and_again_when_early_media_begins() -> None:
    script = dialling_call()
    script.feed(LegRang(AGENT), LegRang(AGENT))
    script.expect(LegRinging(CALL, AGENT, has_early_media=False))
    script.feed(LegRang(AGENT, has_early_media=True), LegRang(AGENT), LegRang(AGENT, True))
    script.expect(LegRinging(CALL, AGENT, has_early_media=True))
    script.expect_nothing()
    script.feed(
        LegEnded(AGENT, Cause.BUSY, Party.CALLEE), LegEnded(LEG, Cause.NORMAL, Party.CALLER)
    )
    assert the_record(script).stray_reports == 0


def test_a_party_that_rings_too_long_is_given_up_by_the_call_if_signalling_does_not() -> None:
    script = dialling_call()
    script.feed(LegRang(AGENT))
    script.take_all()
    script.wait(SPEC.ring_ms + RING_GRACE_MS - 1)
    script.expect_nothing()
    script.wait(1)
    ends = script.take(EndLeg)
    assert (ends.leg_sid, ends.cause) == (AGENT, Cause.NO_ANSWER)
    script.feed(LegEnded(AGENT, Cause.CANCELED, Party.SYSTEM))
    gone = script.take(LegGone)
    assert (gone.cause, gone.party, gone.talk_ms) == (Cause.NO_ANSWER, Party.SYSTEM, 0)


def test_a_dialled_leg_that_is_hung_up_says_who_did_and_ends_when_its_end_is_reported() -> None:
    script = joined_call()
    script.wait(10_000)
    script.feed(HangUpLeg(AGENT, Cause.TIME_LIMIT, Party.FLOW, "Time is up."))
    script.expect(
        UnbridgeLegs(LEG, AGENT),
        LegsUnbridged(CALL, LEG, AGENT),
        EndLeg(AGENT, Cause.TIME_LIMIT, "Time is up."),
    )
    assert "ending" in script.refuse(HangUpLeg(AGENT))
    script.wait(40)
    script.feed(LegEnded(AGENT, Cause.NORMAL, Party.SYSTEM))
    script.expect(
        LegGone(CALL, AGENT, Cause.TIME_LIMIT, Party.FLOW, 10_000, "Time is up."),
        ReleaseLeg(AGENT),
    )
    script.expect_nothing()


def test_whoever_is_hung_up_while_it_rings_was_cancelled() -> None:
    script = dialling_call()
    script.feed(HangUpLeg(AGENT))
    script.take(EndLeg)
    script.feed(LegAnswered(AGENT))  # it crosses our cancel
    script.expect_nothing()
    script.feed(LegEnded(AGENT, Cause.NORMAL, Party.SYSTEM))
    assert script.take(LegGone).cause is Cause.CANCELED


def test_the_first_leg_is_the_call_and_not_hung_up_alone() -> None:
    assert "hang up the call" in talking_call().refuse(HangUpLeg(LEG))


def test_a_dialled_leg_is_neither_answered_nor_rejected_by_us() -> None:
    script = dialling_call()
    assert "dialling" in script.refuse(Answer(AGENT))
    assert "dialling" in script.refuse(Reject(AGENT, Cause.BUSY))


def test_a_dialled_leg_whose_end_is_never_reported_is_written_off_with_what_runs_on_it() -> None:
    script = joined_call(CallLimits(leg_close_ms=15_000, stream_close_ms=60_000))
    script.feed(
        Play(AGENT, PROMPT, AudioFile("a.wav")),
        OpenStream(AGENT, STREAM, BOT),
        HangUpLeg(AGENT),
    )
    script.take_all()
    script.wait(14_999)
    script.expect_nothing()
    script.wait(1)
    assert script.take(LegGone).cause is Cause.NORMAL
    assert script.take(PromptFinished).error
    assert script.take(StreamFinished).outcome.status == "failed"
    script.expect(ReleaseLeg(AGENT))
    script.expect_nothing()
    script.feed(LegEnded(AGENT, Cause.NORMAL, Party.CALLEE), PromptEnded(PROMPT, completed=True))
    script.expect_nothing()
    script.feed(LegEnded(LEG, Cause.NORMAL, Party.CALLER))
    assert the_record(script).legs[1].ended_ms is None


def test_what_does_not_end_with_a_dialled_leg_is_written_off_and_the_leg_released() -> None:
    script = joined_call(CallLimits(leg_close_ms=15_000))
    script.feed(Play(AGENT, PROMPT, AudioFile("a.wav")))
    script.feed(LegEnded(AGENT, Cause.NORMAL, Party.CALLEE))
    script.take_all()
    script.wait(15_000)
    assert script.take(PromptFinished).error
    script.expect(ReleaseLeg(AGENT))
    script.expect_nothing()


def test_what_runs_on_a_dialled_leg_ends_with_it_and_its_media_stays_until_then() -> None:
    script = joined_call()
    script.feed(
        Play(AGENT, PROMPT, AudioFile("a.wav")),
        OpenStream(AGENT, STREAM, BOT),
        StreamStarted(STREAM),
        StartRecording(AGENT, RECORDING),
    )
    script.take_all()
    script.feed(LegEnded(AGENT, Cause.NORMAL, Party.CALLEE))
    script.expect(
        UnbridgeLegs(LEG, AGENT),
        LegsUnbridged(CALL, LEG, AGENT),
        StopPrompt(AGENT, PROMPT),
        EndStream(STREAM, "callended"),
        EndRecording(AGENT, RECORDING),
    )
    script.take(LegGone)
    script.feed(PromptEnded(PROMPT, completed=False))
    script.feed(StreamEnded(STREAM, StreamOutcome("cancelled", "user")))
    script.take(PromptFinished)
    script.take(StreamFinished)
    script.expect_nothing()
    script.feed(RecordingReady(RECORDING, 10, "r.wav"))
    script.skip_to(ReleaseLeg)
    script.expect_nothing()


def test_a_dialled_leg_without_audio_ends_alone() -> None:
    script = joined_call()
    script.feed(MediaLost(AGENT, 30_000, ever_flowed=False))
    script.expect(MediaStopped(CALL, AGENT, 30_000, ever_flowed=False))
    script.take(UnbridgeLegs)
    script.take(LegsUnbridged)
    ends = script.take(EndLeg)
    assert (ends.leg_sid, ends.cause) == (AGENT, Cause.NO_MEDIA)
    script.expect_nothing()


def test_early_media_may_fall_silent() -> None:
    script = dialling_call()
    script.feed(LegRang(AGENT, has_early_media=True))
    script.take_all()
    script.feed(MediaLost(AGENT, 30_000, ever_flowed=True))
    script.expect_nothing()


# All of them at once


def test_ten_ring_one_answers_and_nine_are_cancelled() -> None:
    parties = [LegSid(f"party-{number}") for number in range(10)]
    script = dialling_call(None, *parties)
    for leg_sid in parties:
        script.feed(LegRang(leg_sid))
    script.feed(LegAnswered(parties[3]))
    script.take_all()
    losers = [leg_sid for leg_sid in parties if leg_sid != parties[3]]
    for leg_sid in losers:
        script.feed(HangUpLeg(leg_sid), LegEnded(leg_sid, Cause.NORMAL, Party.SYSTEM))
        script.take(EndLeg)
        gone = script.take(LegGone)
        assert (gone.leg_sid, gone.cause, gone.talk_ms) == (leg_sid, Cause.CANCELED, 0)
        script.expect(ReleaseLeg(leg_sid))
    script.expect_nothing()
    script.feed(Bridge(LEG, parties[3]))
    script.take(BridgeLegs)


def test_the_end_of_the_call_hangs_up_every_leg_and_waits_for_each() -> None:
    script = dialling_call(None, AGENT, SECOND)
    script.feed(LegAnswered(AGENT), Bridge(AGENT, LEG), LegRang(SECOND))
    script.take_all()
    script.wait(5000)
    script.feed(LegEnded(LEG, Cause.NORMAL, Party.CALLER))
    script.take(CallHungUp)
    script.expect(UnbridgeLegs(AGENT, LEG), LegsUnbridged(CALL, AGENT, LEG))
    assert [script.take(EndLeg).leg_sid for _ in range(2)] == [AGENT, SECOND]
    script.expect(ReleaseLeg(LEG))
    script.expect_nothing()
    script.feed(LegEnded(SECOND, Cause.CANCELED, Party.SYSTEM))
    gone = script.take(LegGone)
    assert (gone.leg_sid, gone.cause, gone.party) == (SECOND, Cause.CANCELED, Party.CALLER)
    script.expect(ReleaseLeg(SECOND))
    script.expect_nothing()
    script.feed(LegEnded(AGENT, Cause.NORMAL, Party.SYSTEM))
    gone = script.take(LegGone)
    assert (gone.leg_sid, gone.talk_ms) == (AGENT, 5000)
    script.expect(ReleaseLeg(AGENT))
    assert len(the_record(script).legs) == 3


def test_legs_whose_end_is_not_reported_do_not_keep_the_call_beyond_its_closing_time() -> None:
    script = dialling_call(CallLimits(closing_ms=5000), AGENT, SECOND)
    script.feed(HangUp(Cause.NORMAL, Party.OPERATOR))
    script.take_all()
    script.wait(5000)
    assert [script.take(LegGone).leg_sid for _ in range(2)] == [AGENT, SECOND]
    assert [script.take(ReleaseLeg).leg_sid for _ in range(3)] == [LEG, AGENT, SECOND]
    the_record(script)


# Bridges


def test_two_parties_are_bridged_and_parted() -> None:
    script = dialling_call()
    script.feed(LegAnswered(AGENT))
    script.take(LegUp)
    script.feed(Bridge(LEG, AGENT))
    script.expect(BridgeLegs(LEG, AGENT), LegsBridged(CALL, LEG, AGENT))
    script.feed(Unbridge(AGENT))
    script.expect(UnbridgeLegs(LEG, AGENT), LegsUnbridged(CALL, LEG, AGENT))
    assert script.refuse(Unbridge(AGENT)) == "the leg is in no bridge"
    script.feed(Bridge(AGENT, LEG))
    script.expect(BridgeLegs(AGENT, LEG), LegsBridged(CALL, AGENT, LEG))
    script.expect_nothing()


def test_a_held_party_hears_music_and_comes_back() -> None:
    script = joined_call()
    assert script.refuse(Unhold(AGENT)) == "the leg is not held"
    script.feed(Hold(PROMPT))
    script.expect(UnbridgeLegs(LEG, AGENT), LegHeld(CALL, LEG))
    played = script.take(PlayPrompt)
    assert (played.leg_sid, played.loops) == (LEG, 0)
    assert played.prompt == AudioFile("builtin:default_tone")
    assert script.refuse(Hold(PromptId("p2"), AGENT)) == "this bridge is held already"
    assert script.refuse(Unhold(AGENT)) == "the leg is not held"
    script.feed(Unhold(LEG))
    script.expect(StopPrompt(LEG, PROMPT), BridgeLegs(LEG, AGENT), LegUnheld(CALL, LEG))
    script.feed(PromptEnded(PROMPT, completed=False))
    script.take(PromptFinished)
    script.feed(Hold(PROMPT, AGENT))
    script.take_all()
    script.feed(PromptEnded(PROMPT, completed=False, error="no such sound"))
    script.take(PromptFinished)
    script.feed(Unhold(AGENT))  # who hears nothing comes back all the same
    script.expect(BridgeLegs(LEG, AGENT), LegUnheld(CALL, AGENT))


def test_a_hold_ends_with_either_party_with_the_bridge_and_with_the_call() -> None:
    for end in (
        LegEnded(AGENT, Cause.NORMAL, Party.CALLEE),
        HangUpLeg(AGENT),
        Unbridge(AGENT),
        HangUp(Cause.NORMAL, Party.SYSTEM),
    ):
        script = joined_call()
        script.feed(Hold(PROMPT))
        script.take_all()
        script.feed(end)
        outputs = script.take_all()
        assert [type(each) for each in outputs].count(LegsUnbridged) == 1, end
        assert StopPrompt(LEG, PROMPT) in outputs, end
        assert UnbridgeLegs(LEG, AGENT) not in outputs, end


def test_nobody_is_held_who_is_in_no_bridge() -> None:
    script = dialling_call()
    assert "in no bridge" in script.refuse(Hold(PROMPT))
    assert "not talking" in script.refuse(Hold(PROMPT, AGENT))
    assert "not part of the call" in script.refuse(Unhold(LegSid("nobody")))


def test_early_media_can_be_heard_before_the_answer() -> None:
    script = dialling_call()
    assert "nor has early media" in script.refuse(Bridge(LEG, AGENT))
    script.feed(LegRang(AGENT))
    assert "nor has early media" in script.refuse(Bridge(LEG, AGENT))
    script.feed(LegRang(AGENT, has_early_media=True))
    script.take_all()
    script.feed(Bridge(LEG, AGENT), LegAnswered(AGENT))
    script.expect(BridgeLegs(LEG, AGENT), LegsBridged(CALL, LEG, AGENT), LegUp(CALL, AGENT))


def test_a_leg_is_in_one_bridge_at_most_and_not_with_itself() -> None:
    script = joined_call()
    script.feed(Dial(SECOND, SPEC), LegAnswered(SECOND))
    for bridge in (Bridge(LEG, SECOND), Bridge(SECOND, AGENT)):
        assert "in a bridge already" in script.refuse(bridge)
    assert "with itself" in script.refuse(Bridge(SECOND, SECOND))
    assert "not part of the call" in script.refuse(Bridge(LEG, LegSid("nobody")))


# Keys and silence


def test_keys_of_a_dialled_party_are_told_and_sent() -> None:
    script = joined_call()
    script.feed(DigitPressed(AGENT, "4", 90), SendDigits(AGENT, "12"))
    script.expect(DigitReceived(CALL, AGENT, "4", 90), PressDigits(AGENT, "12", 100, 70))


def test_silence_is_told_while_somebody_watches_for_it() -> None:
    script = talking_call()
    script.feed(WatchSilence(LEG, 2000))
    script.expect(NoticeSilence(LEG, 2000))
    script.feed(WentSilent(LEG, 2010))
    script.expect(SilenceHeard(CALL, LEG, 2010))
    script.feed(WatchSilence(LEG, 0))
    script.expect(NoticeSilence(LEG, 0))
    script.feed(WentSilent(LEG, 2000), WentSilent(AGENT, 2000))
    script.expect_nothing()
    script.feed(WatchSilence(LEG, 1000), LegEnded(LEG, Cause.NORMAL, Party.CALLER))
    assert script.skip_to(CallEnded).record.stray_reports == 2


def test_silence_of_a_leg_that_does_not_talk_is_not_watched() -> None:
    script = dialling_call()
    assert "not talking" in script.refuse(WatchSilence(AGENT, 2000))
    script.feed(LegAnswered(AGENT), WatchSilence(AGENT, 2000), HangUpLeg(AGENT))
    script.take_all()
    script.feed(WentSilent(AGENT, 2000))
    script.expect_nothing()


# Limits


def test_how_many_legs_a_call_has_at_once_is_bounded() -> None:
    script = talking_call()
    for number in range(LEGS_AT_ONCE - 1):
        script.feed(Dial(LegSid(f"party-{number}"), SPEC))
    assert f"{LEGS_AT_ONCE} legs at once" in script.refuse(Dial(AGENT, SPEC))
    script.feed(LegEnded(LegSid("party-0"), Cause.BUSY, Party.CALLEE))
    script.feed(Dial(AGENT, SPEC))


def test_how_many_legs_a_call_has_in_its_life_is_bounded() -> None:
    script = talking_call()
    for number in range(LEGS_PER_CALL - 1):
        leg_sid = LegSid(f"party-{number}")
        script.feed(Dial(leg_sid, SPEC), LegEnded(leg_sid, Cause.BUSY, Party.CALLEE))
    assert f"{LEGS_PER_CALL} legs" in script.refuse(Dial(AGENT, SPEC))


def test_a_leg_is_dialled_once_and_only_while_somebody_is_there() -> None:
    script = dialling_call()
    assert "already there" in script.refuse(Dial(AGENT, SPEC))
    script.feed(LegEnded(AGENT, Cause.BUSY, Party.CALLEE))
    assert "already there" in script.refuse(Dial(AGENT, SPEC))
    nobody: CallScript = Script(Call(make_setup(), CallLimits(), 0))
    assert "nobody is there" in nobody.refuse(Dial(AGENT, SPEC))
    script.feed(LegEnded(LEG, Cause.NORMAL, Party.CALLER))
    assert script.refuse(Dial(SECOND, SPEC)) == "the call has ended"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Dial(AGENT, DialSpec(NUMBER, ring_ms=0)), f"ring_ms is 1 to {RING_LIMIT_MS}"),
        (lambda: Dial(AGENT, DialSpec(NUMBER, ring_ms=RING_LIMIT_MS + 1)), "ring_ms"),
        (lambda: Dial(AGENT, DialSpec("9" * (TEXT_LIMIT + 1))), "destination"),
        (lambda: Dial(AGENT, DialSpec(NUMBER, caller_id="9" * (TEXT_LIMIT + 1))), "caller_id"),
        (
            lambda: Dial(AGENT, DialSpec(NUMBER, headers=(("X-A", "b"),) * (HEADERS_LIMIT + 1))),
            "number of headers",
        ),
        (
            lambda: Dial(AGENT, DialSpec(NUMBER, headers=(("X-A", "b" * TEXT_LIMIT),))),
            "a header is longer",
        ),
        (lambda: WatchSilence(LEG, -1), "timeout_ms"),
        (lambda: WatchSilence(LEG, SILENCE_LIMIT_MS + 1), "timeout_ms"),
    ],
)
def test_what_is_out_of_bounds_is_refused_with_its_name(
    make: Callable[[], Command], says: str
) -> None:
    script = talking_call()
    assert says in script.refuse(make())
    script.expect_nothing()


def test_a_call_that_breaks_off_tells_the_end_of_every_leg() -> None:
    script = joined_call()
    call = script.machine
    assert isinstance(call, Call)
    told = call.break_off(9000)
    assert [type(event) for event in told] == [CallHungUp, LegsUnbridged, LegGone, CallEnded]
    assert call.wake_at_ms is None


def test_a_key_that_signalling_tells_is_pressed_for_whoever_is_bridged() -> None:
    """RFC 6086: an INFO is heard by nobody; a key in the audio is passed on by the audio path."""
    script = joined_call()
    script.feed(DigitPressed(LEG, "5", 160, in_message=True))
    script.expect(DigitReceived(CALL, LEG, "5", 160), PressDigits(AGENT, "5", 160, 70))
    script.feed(DigitPressed(AGENT, "#", 5, in_message=True), DigitPressed(AGENT, "6", 100))
    script.expect(DigitReceived(CALL, AGENT, "#", 5), PressDigits(LEG, "#", 40, 70))
    script.expect(DigitReceived(CALL, AGENT, "6", 100))
    script.expect_nothing()


def test_a_key_that_signalling_tells_is_not_pressed_where_keys_are_absorbed() -> None:
    """EX-45."""
    script = dialling_call()
    script.feed(LegAnswered(AGENT), Bridge(LEG, AGENT, relays_digits=False))
    script.take_all()
    script.feed(DigitPressed(LEG, "5", 160, in_message=True))
    script.expect(DigitReceived(CALL, LEG, "5", 160))
    script.expect_nothing()
