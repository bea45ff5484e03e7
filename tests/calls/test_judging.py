"""Who answered: asked once, told once, in time; and what waits for it."""

from dataclasses import fields, replace

import pytest

from agentstream.base.ids import LegSid, RecordingSid, StreamSid
from agentstream.calls.answering import (
    CRITERIA_LIMITS,
    GRACE_MS,
    SYNC_LIMIT_MS,
    AnswerCriteria,
    AskWho,
    Verdict,
    answered_by,
)
from agentstream.calls.call import Call
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import (
    Dial,
    DialSpec,
    HangUp,
    HangUpLeg,
    OpenStream,
    StartOver,
    StartRecording,
    StreamSpec,
    WatchAnswer,
)
from agentstream.calls.effects import (
    ActivateStream,
    EndLeg,
    ListenForAnswer,
    RecordLeg,
    ReleaseLeg,
    StartStream,
)
from agentstream.calls.events import (
    AnswerJudged,
    BeepHeard,
    CallAnswered,
    CallEnded,
    CallHungUp,
    LegGone,
    StreamRequested,
)
from agentstream.calls.record import CallLimits
from agentstream.calls.reports import (
    AnswererKnown,
    Beeped,
    LegAnswered,
    LegEnded,
    LegPlaced,
    LegRang,
    StreamHeld,
)
from agentstream.testing.calls import CALL, LEG, CallScript, make_setup
from agentstream.testing.script import Script

CRITERIA = AnswerCriteria()
AGENT, STREAM, RECORDING = LegSid("agent"), StreamSid("s1"), RecordingSid("r1")
BOT = StreamSpec("wss://bot.example/ws")
HUMAN = AnswererKnown(LEG, "human", 1_700, "pause")
MACHINE = AnswererKnown(LEG, "machine", 2_100, "greeting")
UNKNOWN = AnswererKnown(LEG, "unknown", 3_000, "silence")


def placed(
    asks_who: AskWho | None,
    limits: CallLimits | None = None,
    recording: StartRecording | None = None,
) -> CallScript:
    """A call that we place, and that rings."""
    limits = limits or CallLimits()
    setup = make_setup("outbound")
    call = Call(setup, limits, 0, awaits_flow=False, recording=recording, asks_who=asks_who)
    script: CallScript = Script(call)
    script.feed(LegPlaced(LEG, "+919876500001"), LegRang(LEG))
    script.take_all()
    return script


SYNC, ASYNC = AskWho("sync"), AskWho("async")


def judged(report: AnswererKnown) -> AnswerJudged:
    return AnswerJudged(CALL, report.leg_sid, report.answerer, report.elapsed_ms, report.reason)


@pytest.mark.parametrize("known", [HUMAN, MACHINE, UNKNOWN])
def test_a_sync_call_is_answered_once_it_is_known_by_whom_ev_6(known: AnswererKnown) -> None:
    script = placed(SYNC)
    script.feed(LegAnswered(LEG))
    script.expect(ListenForAnswer(LEG, CRITERIA))
    script.expect_nothing()
    script.wait(known.elapsed_ms)
    script.feed(known)
    script.expect(judged(known), CallAnswered(CALL, LEG))
    script.expect_nothing()


@pytest.mark.parametrize("known", [HUMAN, MACHINE, UNKNOWN])
def test_an_async_call_is_answered_at_once_and_the_verdict_follows_ev_6(
    known: AnswererKnown,
) -> None:
    script = placed(ASYNC)
    script.feed(LegAnswered(LEG))
    script.expect(ListenForAnswer(LEG, CRITERIA), CallAnswered(CALL, LEG))
    script.feed(known)
    script.expect(judged(known))
    script.expect_nothing()


def test_a_call_that_does_not_ask_hears_nothing_of_it() -> None:
    script = placed(None)
    script.feed(LegAnswered(LEG))
    script.expect(CallAnswered(CALL, LEG))
    script.feed(HUMAN, Beeped(LEG, 9_000), LegEnded(LEG, Cause.NORMAL, Party.CALLEE))
    record = script.skip_to(CallEnded).record
    assert (record.legs[0].verdict, record.stray_reports) == (None, 2)


def test_a_sync_call_waits_four_seconds_and_no_longer_ev_6() -> None:
    script = placed(SYNC)
    script.feed(LegAnswered(LEG))
    script.expect(ListenForAnswer(LEG, CRITERIA))
    script.wait(SYNC_LIMIT_MS - 1)
    script.expect_nothing()
    script.wait(1)
    script.expect(
        ListenForAnswer(LEG, None),
        AnswerJudged(CALL, LEG, "unknown", SYNC_LIMIT_MS, "time"),
        CallAnswered(CALL, LEG),
    )
    script.feed(HUMAN)  # too late
    script.expect_nothing()


def test_criteria_that_take_longer_are_shortened_where_a_flow_waits() -> None:
    long = replace(CRITERIA, total_analysis_ms=20_000)
    assert long.in_time_for("sync").total_analysis_ms + GRACE_MS == SYNC_LIMIT_MS
    assert long.in_time_for("async") is long
    assert CRITERIA.in_time_for("sync") is CRITERIA


def test_the_beep_of_a_machine_is_told_once() -> None:
    script = placed(ASYNC)
    script.feed(Beeped(LEG, 900), LegAnswered(LEG), Beeped(LEG, 900), MACHINE)
    script.skip_to(AnswerJudged)
    script.wait(7_000)
    script.feed(Beeped(LEG, 9_100))
    script.expect(BeepHeard(CALL, LEG, 9_100))
    script.feed(Beeped(LEG, 9_900), LegEnded(LEG, Cause.NORMAL, Party.CALLEE))
    record = script.skip_to(CallEnded).record
    assert record.legs[0].verdict == Verdict("machine", 2_100, "greeting", beep_ms=9_100)
    assert record.stray_reports == 3


def test_a_person_does_not_beep() -> None:
    script = placed(ASYNC)
    script.feed(LegAnswered(LEG), HUMAN)
    script.take_all()
    script.feed(Beeped(LEG, 5_000))
    script.expect_nothing()


@pytest.mark.parametrize("asks_who", [SYNC, ASYNC])
def test_a_party_that_goes_before_the_verdict_is_unknown(asks_who: AskWho) -> None:
    script = placed(asks_who)
    script.feed(LegAnswered(LEG))
    script.take_all()
    script.wait(600)
    script.feed(LegEnded(LEG, Cause.NORMAL, Party.CALLEE))
    script.expect(AnswerJudged(CALL, LEG, "unknown", 600, "gone"))
    script.take(CallHungUp)
    record = script.skip_to(CallEnded).record
    assert (record.status, record.legs[0].verdict) == ("completed", Verdict("unknown", 600, "gone"))


def test_a_call_that_is_hung_up_while_the_verdict_is_awaited_never_begins() -> None:
    script = placed(SYNC)
    script.feed(LegAnswered(LEG), HangUp(Cause.NORMAL, Party.OPERATOR))
    told = [type(one) for one in script.take_all()]
    assert told == [ListenForAnswer, AnswerJudged, CallHungUp, EndLeg]
    script.feed(HUMAN)
    script.expect_nothing()


def test_the_recording_of_the_call_has_what_was_said_before_the_verdict() -> None:
    script = placed(SYNC, recording=StartRecording(LEG, RECORDING))
    script.feed(LegAnswered(LEG))
    script.take(ListenForAnswer)
    script.take(RecordLeg)
    script.feed(HUMAN)
    script.expect(judged(HUMAN), CallAnswered(CALL, LEG))


def test_bots_are_connected_ahead_of_the_verdict_and_begin_with_it_op_6() -> None:
    script = placed(SYNC)
    script.feed(OpenStream(LEG, STREAM, BOT), StreamHeld(STREAM), LegAnswered(LEG))
    script.take_all()
    script.feed(HUMAN)
    script.expect(judged(HUMAN), CallAnswered(CALL, LEG), ActivateStream(STREAM))


def test_a_bot_that_is_dialled_while_the_verdict_is_awaited_waits_for_it_op_6() -> None:
    script = placed(SYNC)
    script.feed(LegAnswered(LEG))
    script.take_all()
    script.feed(OpenStream(LEG, STREAM, BOT))
    script.take(StreamRequested)
    assert script.take(StartStream).is_early
    script.feed(HUMAN)
    script.expect(judged(HUMAN), CallAnswered(CALL, LEG), ActivateStream(STREAM))


def test_a_call_may_not_be_led_elsewhere_before_the_verdict() -> None:
    script = placed(SYNC)
    script.feed(LegAnswered(LEG))
    assert "not answered yet" in script.refuse(StartOver(Party.OPERATOR))


def test_the_time_of_a_call_counts_from_the_answer_also_while_the_verdict_is_awaited() -> None:
    script = placed(SYNC, CallLimits(call_ms=1_500))
    script.feed(LegAnswered(LEG))
    script.wait(1_500)
    hung_up = script.skip_to(CallHungUp)
    assert hung_up.cause is Cause.TIME_LIMIT
    script.feed(LegEnded(LEG, Cause.NORMAL, Party.SYSTEM))
    record = script.skip_to(CallEnded).record
    assert (record.answered_ms, record.talk_ms) == (0, 1_500)


# Legs that are asked about one by one


def test_any_leg_that_talks_may_be_asked_about_once() -> None:
    script = placed(None)
    assert "not talking" in script.refuse(WatchAnswer(LEG))
    script.feed(LegAnswered(LEG), Dial(AGENT, DialSpec("+918040000009")), LegAnswered(AGENT))
    script.take_all()
    script.feed(WatchAnswer(AGENT))
    script.expect(ListenForAnswer(AGENT, CRITERIA))
    assert "asked once" in script.refuse(WatchAnswer(AGENT))
    known = replace(MACHINE, leg_sid=AGENT)
    script.feed(known)
    script.expect(judged(known))
    assert "asked once" in script.refuse(WatchAnswer(AGENT))


def test_a_dialled_leg_that_ends_before_its_verdict_is_unknown() -> None:
    for ends in (HangUpLeg(AGENT), LegEnded(AGENT, Cause.NORMAL, Party.CALLEE)):
        script = placed(None)
        script.feed(LegAnswered(LEG), Dial(AGENT, DialSpec("+918040000009")), LegAnswered(AGENT))
        script.feed(WatchAnswer(AGENT))
        script.take_all()
        script.feed(ends)
        script.expect(AnswerJudged(CALL, AGENT, "unknown", 0, "gone"))
        script.feed(LegEnded(AGENT, Cause.NORMAL, Party.CALLEE))
        script.skip_to(LegGone)
        script.take(ReleaseLeg)
        script.expect_nothing()


@pytest.mark.parametrize("name", list(CRITERIA_LIMITS))
def test_criteria_out_of_bounds_are_refused_by_name(name: str) -> None:
    script = placed(None)
    script.feed(LegAnswered(LEG))
    script.take_all()
    least, most = CRITERIA_LIMITS[name]
    for value in (least - 1, most + 1):
        said = script.refuse(WatchAnswer(LEG, replace(CRITERIA, **{name: value})))
        assert said == f"{name} is {least} to {most}, not {value}"
    script.expect_nothing()


def test_every_criterion_has_its_bounds_and_ships_within_them() -> None:
    assert {one.name for one in fields(AnswerCriteria)} == set(CRITERIA_LIMITS)
    CRITERIA.check()


def test_who_answered_is_told_in_the_words_of_cb_5_kx_12() -> None:
    words = [answered_by(one) for one in ("human", "machine", "unknown", None)]
    assert words == ["Human", "Machine", "NotSure", "NA"]
