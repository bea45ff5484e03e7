"""A call that we place: its first leg is dialled, and what becomes of it is the call's fate."""

from dataclasses import replace

import pytest

from agentstream.base.ids import LegSid, PromptId, RecordingSid, StreamSid
from agentstream.calls import reports
from agentstream.calls.call import Call
from agentstream.calls.causes import CallStatus, Cause, Party
from agentstream.calls.commands import (
    Answer,
    AudioFile,
    Bridge,
    Command,
    Dial,
    DialSpec,
    HangUp,
    HangUpLeg,
    OpenStream,
    Play,
    RecordingSpec,
    Reject,
    Ring,
    StartOver,
    StartRecording,
    StreamSpec,
)
from agentstream.calls.effects import (
    ActivateStream,
    DialLeg,
    EndLeg,
    EndRecording,
    EndStream,
    RecordLeg,
    ReleaseLeg,
    StartStream,
    StopPrompt,
    UnbridgeLegs,
)
from agentstream.calls.events import (
    CallAnswered,
    CallHungUp,
    CallStarted,
    LegDialled,
    LegRinging,
    LegsUnbridged,
    MediaBegan,
    StreamHeld,
)
from agentstream.calls.record import CallLimits, CallSetup, WhichLeg
from agentstream.calls.reports import (
    LegAnswered,
    LegEnded,
    LegPlaced,
    LegRang,
    MediaFlowing,
    MediaLost,
    StreamEnded,
    StreamOutcome,
    StreamStarted,
)
from agentstream.calls.state import CallState
from agentstream.testing.calls import CALL, LEG, CallScript, make_setup, the_record
from agentstream.testing.script import Script

SECOND = LegSid("second")
STREAM, FORK, PROMPT = StreamSid("s1"), StreamSid("f1"), PromptId("p1")
WHOLE, PART = RecordingSid("r-whole"), RecordingSid("r-part")
BOT = StreamSpec("wss://bot.example/ws")
CUSTOMER = "+919876500001"
TO_SECOND = Dial(SECOND, DialSpec("+919876500002", ring_ms=20_000))
LIMITS = CallLimits(setup_ms=35_000, call_ms=60_000)


def placed_call(
    setup: CallSetup | None = None, recording: StartRecording | None = None
) -> CallScript:
    """Return a call whose first party is being called."""
    setup = setup or make_setup("outbound")
    call = Call(setup, LIMITS, 0, awaits_flow=False, recording=recording)
    script: CallScript = Script(call)
    script.feed(LegPlaced(LEG, CUSTOMER))
    script.expect(CallStarted(CALL, LEG, setup))
    script.expect_nothing()
    return script


def two_numbers(status_leg: WhichLeg = "second") -> CallScript:
    """Return a call of two numbers whose first party has answered, at second 5."""
    setup = replace(
        make_setup("outbound"),
        to_number="+919876500002",
        phone_number="+918040000002",
        status_leg=status_leg,
    )
    script = placed_call(setup)
    script.wait(5000)
    script.feed(LegAnswered(LEG))
    script.take_all()
    return script


def test_a_party_that_is_called_rings_answers_talks_and_hangs_up() -> None:
    script = placed_call()
    script.wait(1000)
    script.feed(LegRang(LEG))
    script.expect(LegRinging(CALL, LEG, has_early_media=False))
    script.wait(1000)
    script.feed(LegRang(LEG, has_early_media=True), MediaFlowing(LEG))
    script.expect(LegRinging(CALL, LEG, has_early_media=True), MediaBegan(CALL, LEG))
    script.wait(2000)
    script.feed(LegAnswered(LEG))
    script.expect(CallAnswered(CALL, LEG))
    script.wait(7500)
    script.feed(LegEnded(LEG, Cause.NORMAL, Party.CALLEE))
    hung_up = script.take(CallHungUp)
    assert hung_up.text == "The called party hung up."
    script.expect(ReleaseLeg(LEG))
    record = the_record(script)
    assert (record.status, record.ended_by) == ("completed", Party.CALLEE)
    assert (record.rang_ms, record.answered_ms, record.hung_up_ms) == (1000, 4000, 11_500)
    assert (record.talk_ms, record.billable_s, record.conversation_ms) == (7500, 8, 7500)
    (leg,) = record.legs
    assert (leg.direction, leg.destination, leg.remote) == ("outbound", CUSTOMER, "")
    assert (leg.status, leg.talk_ms) == ("completed", 7500)


@pytest.mark.parametrize("rings", [True, False])
@pytest.mark.parametrize(
    ("cause", "party", "status"),
    [
        (Cause.BUSY, Party.CALLEE, "busy"),
        (Cause.REJECTED, Party.CALLEE, "failed"),
        (Cause.NOT_FOUND, Party.CALLEE, "failed"),
        (Cause.NO_ANSWER, Party.SYSTEM, "no-answer"),  # signalling's own ring timeout
        (Cause.SIGNALLING_LOST, Party.NETWORK, "failed"),
        (Cause.NORMAL, Party.CALLEE, "canceled"),
    ],
)
def test_a_party_that_is_not_reached_gives_the_call_its_status_cc_50_cc_61(
    cause: Cause, party: Party, status: CallStatus, rings: bool
) -> None:
    script = placed_call()
    if rings:
        script.feed(LegRang(LEG))
    script.feed(LegEnded(LEG, cause, party))
    record = the_record(script)
    assert (record.status, record.ended_by) == (status, party)
    assert (record.answered_ms, record.talk_ms, record.legs[0].status) == (None, 0, status)


def test_a_party_that_rings_too_long_is_given_up_even_when_signalling_forgets() -> None:
    script = placed_call()
    script.feed(LegRang(LEG))
    script.wait(34_999)
    script.take(LegRinging)
    script.expect_nothing()
    script.wait(1)
    hung_up = script.take(CallHungUp)
    assert (hung_up.cause, hung_up.party) == (Cause.NO_ANSWER, Party.SYSTEM)
    assert script.take(EndLeg).cause is Cause.NO_ANSWER
    script.feed(LegEnded(LEG, Cause.CANCELED, Party.SYSTEM))
    record = the_record(script)
    assert (record.status, record.legs[0].cause) == ("no-answer", Cause.NO_ANSWER)


def test_an_operator_may_give_up_while_it_rings() -> None:
    script = placed_call()
    script.feed(HangUp(Cause.NORMAL, Party.OPERATOR))
    script.skip_to(CallHungUp)
    script.take(EndLeg)
    script.feed(LegAnswered(LEG))  # crosses the CANCEL
    script.feed(LegEnded(LEG, Cause.CANCELED, Party.SYSTEM))
    record = the_record(script)
    assert (record.status, record.ended_by) == ("canceled", Party.OPERATOR)
    assert record.legs[0].cause is Cause.CANCELED
    assert record.stray_reports == 1


def test_the_time_limit_counts_from_the_answer_and_ends_every_leg_cc_62() -> None:
    script = two_numbers()
    script.feed(TO_SECOND, LegAnswered(SECOND), Bridge(LEG, SECOND))
    script.take_all()
    script.wait(60_000)
    assert script.take(CallHungUp).cause is Cause.TIME_LIMIT
    ended = [one.leg_sid for one in script.take_all() if isinstance(one, EndLeg)]
    assert ended == [LEG, SECOND]


@pytest.mark.parametrize("command", [Ring(LEG), Answer(LEG), Reject(LEG, Cause.BUSY)])
def test_we_neither_ring_nor_answer_nor_refuse_whom_we_call(command: Command) -> None:
    script = placed_call()
    assert "cannot be" in script.refuse(command)
    script.feed(LegAnswered(LEG))
    script.expect(CallAnswered(CALL, LEG))


def test_early_media_that_stops_is_no_reason_to_end_the_call() -> None:
    script = placed_call()
    script.feed(LegRang(LEG, has_early_media=True), MediaFlowing(LEG), MediaLost(LEG, 9000, True))
    script.take_all()
    assert isinstance(script.machine, Call)
    assert script.machine.state is CallState.RINGING
    script.feed(LegAnswered(LEG), MediaLost(LEG, 30_000, True))
    assert script.skip_to(CallHungUp).cause is Cause.NO_MEDIA


def test_a_bot_may_be_connected_while_it_rings_and_begins_with_the_answer_op_6_as_51() -> None:
    script = placed_call()
    script.feed(OpenStream(LEG, STREAM, BOT))
    assert script.skip_to(StartStream).is_early
    script.feed(LegRang(LEG), reports.StreamHeld(STREAM))
    script.skip_to(LegRinging)
    script.expect(StreamHeld(CALL, LEG, STREAM))
    script.feed(LegAnswered(LEG))
    script.expect(CallAnswered(CALL, LEG), ActivateStream(STREAM))


def test_a_bot_is_not_connected_ahead_of_a_second_leg() -> None:
    script = two_numbers()
    script.feed(TO_SECOND)
    assert "not talking" in script.refuse(OpenStream(SECOND, STREAM, BOT))


def test_a_bot_that_waits_is_let_go_when_nobody_answers() -> None:
    script = placed_call()
    script.feed(OpenStream(LEG, STREAM, BOT), LegEnded(LEG, Cause.BUSY, Party.CALLEE))
    assert script.skip_to(EndStream).why == "callended"
    script.feed(StreamEnded(STREAM, StreamOutcome("cancelled", "user")))
    assert the_record(script).status == "busy"


def test_the_whole_call_is_recorded_from_its_answer_on_af_6() -> None:
    spec = RecordingSpec("stereo")
    script = placed_call(recording=StartRecording(LEG, WHOLE, spec))
    script.feed(LegRang(LEG))
    script.take(LegRinging)
    script.expect_nothing()
    script.feed(LegAnswered(LEG))
    script.expect(CallAnswered(CALL, LEG), RecordLeg(LEG, WHOLE, spec))


@pytest.mark.parametrize(
    ("cause", "status"),
    [(Cause.BUSY, "busy"), (Cause.NO_ANSWER, "no-answer"), (Cause.REJECTED, "failed")],
)
def test_of_two_numbers_the_second_one_decides_the_status_cc_60(
    cause: Cause, status: CallStatus
) -> None:
    script = two_numbers()
    script.wait(1000)
    script.feed(TO_SECOND, LegEnded(SECOND, cause, Party.CALLEE))
    script.feed(HangUp(cause, Party.CALLEE), LegEnded(LEG, Cause.NORMAL, Party.CALLEE))
    record = the_record(script)
    assert record.status == status
    assert [leg.status for leg in record.legs] == ["completed", status]
    assert [leg.talk_ms for leg in record.legs] == [1000, 0]
    assert (record.talk_ms, record.conversation_ms) == (1000, 0)


def test_of_two_numbers_the_first_one_decides_by_setting_cc_60() -> None:
    script = two_numbers("first")
    script.feed(TO_SECOND, LegEnded(SECOND, Cause.BUSY, Party.CALLEE))
    script.feed(HangUp(Cause.BUSY, Party.CALLEE), LegEnded(LEG, Cause.NORMAL, Party.CALLEE))
    record = the_record(script)
    assert record.status == "completed"
    assert [leg.status for leg in record.legs] == ["completed", "busy"]


def test_of_two_numbers_the_first_one_decides_when_it_is_not_reached_cc_60() -> None:
    setup = replace(make_setup("outbound"), status_leg="second")
    script = placed_call(setup)
    script.feed(LegEnded(LEG, Cause.NO_ANSWER, Party.SYSTEM))
    assert the_record(script).status == "no-answer"


def test_a_first_party_that_does_not_wait_for_the_second_cancels_it() -> None:
    script = two_numbers()
    script.feed(TO_SECOND, LegEnded(LEG, Cause.NORMAL, Party.CALLEE))
    script.feed(LegEnded(SECOND, Cause.CANCELED, Party.SYSTEM))
    record = the_record(script)
    assert record.status == "canceled"
    assert [leg.status for leg in record.legs] == ["completed", "canceled"]


def test_a_first_party_that_goes_before_anybody_was_dialled_has_canceled() -> None:
    script = two_numbers()
    script.feed(LegEnded(LEG, Cause.NORMAL, Party.CALLEE))
    assert the_record(script).status == "canceled"


def test_two_numbers_who_talked_have_completed_with_their_times_cd_3() -> None:
    script = two_numbers()
    script.wait(3000)
    script.feed(TO_SECOND)
    script.wait(4000)
    script.feed(LegAnswered(SECOND), Bridge(LEG, SECOND))
    script.wait(8000)
    script.feed(LegEnded(SECOND, Cause.NORMAL, Party.CALLEE), HangUp(Cause.NORMAL, Party.CALLEE))
    script.feed(LegEnded(LEG, Cause.NORMAL, Party.SYSTEM))
    record = the_record(script)
    assert record.status == "completed"
    assert [leg.talk_ms for leg in record.legs] == [15_000, 8000]
    assert record.conversation_ms == 8000


def test_the_second_party_is_shown_the_accounts_number_ap_47() -> None:
    script = two_numbers()
    script.feed(Dial(SECOND, DialSpec("+919876500002")))
    script.expect(LegDialled(CALL, SECOND, "+919876500002", "+918040000002"))
    script.take(DialLeg)


def test_starting_over_ends_what_the_flow_began_and_keeps_the_rest() -> None:
    script = placed_call(recording=StartRecording(LEG, WHOLE))
    fork = replace(BOT, two_way=False)
    script.feed(
        LegAnswered(LEG),
        OpenStream(LEG, STREAM, BOT),
        StreamStarted(STREAM),
        OpenStream(LEG, FORK, fork),
        StreamStarted(FORK),
        Play(LEG, PROMPT, AudioFile("a.wav")),
        StartRecording(LEG, PART),
        TO_SECOND,
        LegAnswered(SECOND),
        Bridge(LEG, SECOND),
    )
    script.take_all()
    script.feed(StartOver(Party.OPERATOR))
    outputs = script.take_all()
    assert isinstance(outputs[0], UnbridgeLegs)
    assert isinstance(outputs[1], LegsUnbridged)
    told = [
        one for one in outputs if isinstance(one, EndLeg | StopPrompt | EndStream | EndRecording)
    ]
    assert [type(one) for one in told] == [EndLeg, StopPrompt, EndStream, EndRecording]
    assert EndStream(STREAM, "stopped") in told
    assert EndRecording(LEG, PART) in told
    script.feed(StartOver(Party.OPERATOR))  # all of it is ending already
    script.expect_nothing()
    script.feed(LegEnded(SECOND, Cause.NORMAL, Party.SYSTEM))
    assert isinstance(script.machine, Call)
    assert script.machine.state is CallState.TALKING


def test_a_call_that_nobody_has_answered_cannot_start_over() -> None:
    script = placed_call()
    assert script.refuse(StartOver(Party.OPERATOR)) == "the call is not answered yet"
    script.feed(HangUp(Cause.NORMAL, Party.OPERATOR))
    assert script.refuse(StartOver(Party.OPERATOR)) == "the call has ended"


def test_the_first_leg_is_not_hung_up_alone() -> None:
    script = placed_call()
    assert "hang up the call" in script.refuse(HangUpLeg(LEG))


def test_one_more_first_leg_is_cancelled_and_does_not_hang() -> None:
    script = placed_call()
    script.feed(LegPlaced(SECOND, CUSTOMER))
    script.expect(EndLeg(SECOND, Cause.CANCELED), ReleaseLeg(SECOND))
    script.feed(LegPlaced(LEG, CUSTOMER))
    script.expect_nothing()


def test_a_password_in_an_address_is_never_shown() -> None:
    script: CallScript = Script(Call(make_setup("outbound"), LIMITS, 0, awaits_flow=False))
    script.feed(LegPlaced(LEG, "sip:ann:secret@192.0.2.7"))
    script.feed(LegEnded(LEG, Cause.BUSY, Party.CALLEE))
    assert the_record(script).legs[0].destination == "sip:ann:***@192.0.2.7"
