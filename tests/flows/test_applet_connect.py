"""Connect: one script for each way through it (AP-40 to AP-48, CL-10)."""

import pytest

from agentstream.base.ids import LegSid
from agentstream.base.values import replace
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import (
    AudioFile,
    Bridge,
    Dial,
    DialSpec,
    HangUpLeg,
    Play,
    Speech,
    StopPlaying,
    TransferLeg,
)
from agentstream.calls.record import CallSetup
from agentstream.calls.transfer_words import TransferFinished, TransferOutcome
from agentstream.flows.applet import Leave
from agentstream.flows.applets.connect import ConnectSettings
from agentstream.flows.context import Dialled, DialledParty
from agentstream.testing.calls import CALL, LEG, make_setup
from agentstream.testing.visits import Visit

AAA, BBB, CCC = "+919000000001", "+919000000002", "+919000000003"
EXOPHONE = "+918040000002"


def ring(*numbers: str, **fields: object) -> tuple[Visit, Dial, Play]:
    """Enter a Connect that dials one party; return its Dial and its music."""
    visit = Visit(ConnectSettings.model_validate({"numbers": list(numbers), **fields}))
    return visit, visit.take(Dial), visit.take(Play)


def talk(visit: Visit, dial: Dial, music: Play) -> None:
    """Let the dialled party answer and be bridged."""
    visit.up(dial.leg_sid)
    visit.expect(StopPlaying(music.prompt_id), Bridge(LEG, dial.leg_sid))
    visit.bridged(dial.leg_sid)


def told(visit: Visit) -> dict[str, str]:
    return dict(visit.context.parameters(visit.now_ms))


def test_the_callee_is_shown_the_exophone_and_the_caller_hears_ringing_ap_47() -> None:
    visit, dial, music = ring(AAA)
    assert dial.spec == DialSpec(AAA, caller_id=EXOPHONE, ring_ms=30_000)
    assert music == Play(LEG, music.prompt_id, AudioFile("builtin:operator_tone"), loops=0)
    visit.expect_nothing()
    assert visit.machine.wake_at_ms is None
    assert visit.machine.wake(1) == []


def test_a_conversation_ends_with_the_callee_and_is_remembered_ap_46() -> None:
    visit, dial, music = ring(AAA, on_conversation_ended="after", next="other")
    visit.wait(4000)
    talk(visit, dial, music)
    visit.wait(61_500)
    visit.gone(dial.leg_sid)
    left = visit.left("on_conversation_ended")
    assert (left.cause, left.party) == (Cause.NORMAL, Party.CALLEE)
    parties = (DialledParty(AAA, "completed", 61, EXOPHONE),)
    assert visit.context.dial == Dialled("completed", AAA, 61, EXOPHONE, parties)
    assert told(visit)["CallType"] == "completed"  # CL-10
    assert told(visit)["DialCallStatus"] == "completed"
    assert told(visit)["DialCallDuration"] == "61"
    assert told(visit)["DialWhomNumber"] == AAA
    assert told(visit)["OutgoingPhoneNumber"] == EXOPHONE


@pytest.mark.parametrize(
    ("cause", "status", "exit_name"),
    [
        (Cause.BUSY, "busy", "on_busy"),
        (Cause.NO_ANSWER, "no-answer", "on_no_answer"),
        (Cause.UNAVAILABLE, "no-answer", "on_no_answer"),
        (Cause.REJECTED, "failed", "on_failed"),
        (Cause.NOT_FOUND, "failed", "on_failed"),
        (Cause.CANCELED, "failed", "on_failed"),  # not the caller's wish
    ],
)
def test_the_cause_chooses_the_exit_and_the_words_ap_46_cl_10(
    cause: Cause, status: str, exit_name: str
) -> None:
    finer = {"on_busy": "b", "on_no_answer": "n", "on_failed": "f"}
    for fields, expected in (
        (finer, exit_name),
        ({"on_nobody_answered": "v", "next": "x"}, "on_nobody_answered"),
        ({"next": "x"}, "next"),
        ({}, "on_nobody_answered"),  # leads nowhere: the call ends with this cause
    ):
        visit, dial, music = ring(AAA, retries=0, **fields)
        visit.gone(dial.leg_sid, cause)
        visit.expect(StopPlaying(music.prompt_id))
        left = visit.left(expected)
        assert (left.cause, left.party) == (cause, Party.CALLEE)
        assert left.reason == f"nobody answered: {cause.value}"
        assert (told(visit)["CallType"], told(visit)["DialCallStatus"]) == ("incomplete", status)
        assert told(visit)["DialWhomNumber"] == AAA


def test_numbers_are_dialled_one_after_the_other_and_once_more_ap_47() -> None:
    visit, dial, music = ring(AAA, BBB, CCC)
    visit.gone(dial.leg_sid, Cause.BUSY)
    second = visit.take(Dial)
    visit.gone(second.leg_sid, Cause.REJECTED)  # who refused is not called again
    third = visit.take(Dial)
    visit.gone(third.leg_sid, Cause.NO_ANSWER)
    again = visit.take(Dial)
    assert [one.spec.destination for one in (dial, second, third, again)] == [AAA, BBB, CCC, AAA]
    visit.gone(again.leg_sid, Cause.BUSY)
    last = visit.take(Dial)
    assert last.spec.destination == CCC
    visit.gone(last.leg_sid, Cause.NO_ANSWER)
    visit.expect(StopPlaying(music.prompt_id))
    visit.left("on_nobody_answered")
    dialled = visit.context.dial
    assert dialled is not None
    assert (dialled.status, dialled.whom, dialled.duration_s) == ("no-answer", CCC, 0)
    told_of = [(party.number, party.status, party.cause) for party in dialled.parties]
    assert told_of == [
        (AAA, "busy", Cause.BUSY),
        (BBB, "failed", Cause.REJECTED),
        (CCC, "no-answer", Cause.NO_ANSWER),
        (AAA, "busy", Cause.BUSY),
        (CCC, "no-answer", Cause.NO_ANSWER),
    ]


def test_the_first_who_answers_wins_and_the_others_are_cancelled_ap_43() -> None:
    visit = Visit(ConnectSettings(numbers=[AAA, BBB, CCC], parallel=2))
    first, second, music = visit.take(Dial), visit.take(Dial), visit.take(Play)
    visit.expect_nothing()  # the third waits
    visit.gone(first.leg_sid, Cause.BUSY)
    third = visit.take(Dial)
    visit.rings(second.leg_sid, early=True)  # nobody can hear two at once
    visit.up(third.leg_sid)
    visit.expect(
        HangUpLeg(second.leg_sid, Cause.CANCELED),
        StopPlaying(music.prompt_id),
        Bridge(LEG, third.leg_sid),
    )
    visit.up(second.leg_sid)  # too late
    visit.gone(second.leg_sid, Cause.CANCELED)
    visit.expect_nothing()
    visit.bridged(third.leg_sid)
    visit.gone(third.leg_sid)
    visit.left("on_conversation_ended")
    assert told(visit)["DialWhomNumber"] == CCC


def test_ten_who_ring_are_cancelled_at_once() -> None:
    numbers = [f"+91900000{index:04}" for index in range(11)]
    visit = Visit(ConnectSettings(numbers=list(numbers), parallel=10))
    dials = [visit.take(Dial) for _ in range(10)]
    visit.take(Play)
    for dial in dials:
        visit.rings(dial.leg_sid)
    visit.up(dials[4].leg_sid)
    ended = {visit.take(HangUpLeg).leg_sid for _ in range(9)}
    assert ended == {dial.leg_sid for dial in dials} - {dials[4].leg_sid}
    visit.take(StopPlaying)
    visit.expect(Bridge(LEG, dials[4].leg_sid))
    visit.bridged(dials[4].leg_sid)
    visit.gone(dials[4].leg_sid)
    assert visit.context.dial is not None
    statuses = [party.status for party in visit.context.dial.parties]
    assert statuses == ["canceled"] * 4 + ["completed"] + ["canceled"] * 5


def test_a_caller_who_gives_up_is_remembered_as_that_cl_10() -> None:
    visit, dial, _ = ring(AAA, next="tell", on_nobody_answered="tell")
    visit.rings(dial.leg_sid)
    visit.hangs_up()
    left = visit.left("on_nobody_answered")
    assert (left.cause, left.party) == (Cause.NORMAL, Party.CALLER)
    assert told(visit)["CallType"] == "client-hangup"
    assert told(visit)["DialCallStatus"] == "canceled"


def test_a_drain_while_it_rings_is_not_the_callers_wish() -> None:
    visit, _, _ = ring(AAA)
    visit.hangs_up(Party.SYSTEM, Cause.DRAINING)
    visit.left("on_nobody_answered")
    assert told(visit)["CallType"] == "incomplete"
    assert told(visit)["DialCallStatus"] == "canceled"


def test_a_caller_who_leaves_a_conversation_has_completed_it() -> None:
    visit, dial, music = ring(AAA, next="tell")
    talk(visit, dial, music)
    visit.wait(2999)
    visit.hangs_up()
    visit.left("next")
    assert (told(visit)["CallType"], told(visit)["DialCallDuration"]) == ("completed", "2")


def test_numbers_that_the_call_refuses_are_nobody_dialled_ap_45() -> None:
    visit, dial, music = ring(AAA, BBB, on_nobody_dialled="sorry")
    visit.refused(dial, "no trunk for this number")
    visit.refused(visit.take(Dial), "no such trunk")
    visit.expect(StopPlaying(music.prompt_id))
    left = visit.left("on_nobody_dialled")
    assert (left.cause, left.party) == (Cause.UNAVAILABLE, Party.FLOW)
    assert left.reason == "nobody was dialled: no such trunk"
    assert visit.context.dial == Dialled("failed", "", 0, "")
    assert told(visit)["CallType"] == "incomplete"  # CL-10: incomplete with failed


def test_a_refusal_after_a_real_attempt_is_nobody_answered() -> None:
    visit, dial, _ = ring(AAA, BBB, retries=0)
    visit.gone(dial.leg_sid, Cause.NO_ANSWER)
    visit.refused(visit.take(Dial), "no such trunk")
    visit.take(StopPlaying)
    assert visit.left("on_nobody_answered").reason == "nobody answered: no such trunk"


def test_variables_name_whom_to_dial_and_may_name_several() -> None:
    settings = ConnectSettings(numbers=["{CustomField}", AAA], caller_id="{From}", trunk="main")
    visit = Visit(settings, make_setup(custom_field="sip:anna@pbx.example, (0) 98-76"))
    dial = visit.take(Dial)
    assert dial.spec.destination == "sip:anna@pbx.example"
    assert (dial.spec.caller_id, dial.spec.trunk) == ("+919876500001", "main")
    visit.take(Play)
    visit.gone(dial.leg_sid, Cause.REJECTED)
    assert visit.take(Dial).spec.destination == "09876"


def test_variables_that_name_nobody_dial_nobody() -> None:
    visit = Visit(ConnectSettings(numbers=["{CustomField}"], next="x", on_nobody_dialled="y"))
    assert visit.left("on_nobody_dialled").reason == (
        "nobody was dialled: the list of numbers is empty"
    )


def test_one_wrong_number_does_not_cost_the_others_their_call() -> None:
    settings = ConnectSettings(numbers=["{CustomField}", AAA], retries=0)
    visit = Visit(settings, make_setup(custom_field="anna"))
    dial = visit.take(Dial)
    assert dial.spec.destination == AAA
    visit.gone(dial.leg_sid, Cause.BUSY)
    visit.take(Play)
    visit.take(StopPlaying)
    assert visit.left("on_nobody_answered").reason == (
        "nobody answered: busy; 'anna' is neither a number nor a sip address"
    )


def test_a_callee_who_goes_while_it_is_whispered_to_is_not_a_conversation() -> None:
    visit, dial, music = ring(AAA, BBB, whisper_text="A caller for you")
    visit.up(dial.leg_sid)
    whisper = visit.take(Play)
    assert whisper.prompt == Speech("A caller for you")
    visit.gone(dial.leg_sid)
    second = visit.take(Dial)
    visit.expect_nothing()  # the caller hears ringing all the time
    visit.gone(second.leg_sid, Cause.BUSY)
    third = visit.take(Dial)  # AAA hung up on us; only BBB is tried again
    assert third.spec.destination == BBB
    visit.gone(third.leg_sid, Cause.NO_ANSWER)
    visit.expect(StopPlaying(music.prompt_id))
    visit.left("on_nobody_answered")


def test_a_caller_who_goes_while_it_is_whispered_has_given_up() -> None:
    visit, dial, _ = ring(AAA, whisper_text="A caller for you")
    visit.up(dial.leg_sid)
    visit.take(Play)
    visit.hangs_up()
    visit.left("on_nobody_answered")
    parties = (DialledParty(AAA, "canceled", 0, EXOPHONE, Cause.CANCELED),)
    assert visit.context.dial == Dialled("canceled", AAA, 0, EXOPHONE, parties)


def test_two_who_cannot_be_bridged_do_not_wait_for_each_other() -> None:
    visit, dial, _ = ring(AAA)
    visit.up(dial.leg_sid)
    visit.take(StopPlaying)
    visit.refused(visit.take(Bridge), "the leg is ended, not talking")
    visit.expect(HangUpLeg(dial.leg_sid))
    left = visit.left("on_nobody_answered")
    assert left.reason == "nobody answered: the leg is ended, not talking"


# Early media and music


def test_a_network_that_speaks_before_the_answer_is_heard() -> None:
    visit, dial, music = ring(AAA)
    visit.rings(dial.leg_sid)
    visit.expect_nothing()
    visit.rings(dial.leg_sid, early=True)
    visit.expect(StopPlaying(music.prompt_id), Bridge(LEG, dial.leg_sid))
    visit.bridged(dial.leg_sid)
    visit.rings(dial.leg_sid, early=True)
    visit.up(dial.leg_sid)
    visit.expect_nothing()  # they hear each other already
    visit.gone(dial.leg_sid)
    visit.left("on_conversation_ended")


def test_music_is_not_given_up_for_early_media() -> None:
    visit, dial, music = ring(AAA, music_on_hold="default_tone")
    assert music.prompt == AudioFile("builtin:default_tone")
    visit.rings(dial.leg_sid, early=True)
    visit.expect_nothing()


def test_ringing_begins_again_when_the_network_that_spoke_has_gone() -> None:
    visit, dial, _ = ring(AAA, BBB)
    visit.rings(dial.leg_sid, early=True)
    visit.take(StopPlaying)
    visit.take(Bridge)
    visit.bridged(dial.leg_sid)
    visit.gone(dial.leg_sid, Cause.BUSY)
    second = visit.take(Dial)
    music = visit.take(Play)
    visit.rings(second.leg_sid)
    visit.expect_nothing()
    visit.hangs_up()
    visit.left("on_nobody_answered")
    assert music.loops == 0


def test_early_media_that_cannot_be_bridged_leaves_the_ringing() -> None:
    visit, dial, _ = ring(AAA)
    visit.rings(dial.leg_sid, early=True)
    visit.take(StopPlaying)
    visit.refused(visit.take(Bridge))
    music = visit.take(Play)
    visit.expect_nothing()
    talk(visit, dial, music)


def test_a_whisper_parts_early_media_so_that_only_the_callee_hears_it() -> None:
    visit, dial, _ = ring(AAA, whisper_audio="sounds/for-you.wav")
    visit.rings(dial.leg_sid, early=True)
    visit.take_all()
    visit.bridged(dial.leg_sid)
    visit.up(dial.leg_sid)
    steps = [type(step).__name__ for step in visit.take_all()]
    assert steps == ["Unbridge", "Play", "Play"]  # ringing for the caller, the whisper


def test_what_does_not_concern_a_connect_is_ignored() -> None:
    visit, dial, _ = ring(AAA)
    visit.up(LegSid("another"))
    visit.refused(Dial(LegSid("another"), DialSpec(AAA)))
    visit.refused(Bridge(LEG, LegSid("another")))
    visit.refused(HangUpLeg(dial.leg_sid))
    visit.bridged(LegSid("another"))
    visit.expect_nothing()


def test_a_leave_says_who_made_the_flow_move() -> None:
    visit, dial, music = ring(AAA)
    talk(visit, dial, music)
    visit.gone(dial.leg_sid, Cause.SIGNALLING_LOST, Party.NETWORK)
    visit.expect(Leave("on_conversation_ended", Cause.SIGNALLING_LOST, Party.NETWORK))


def test_a_trunk_gets_the_connects_own_headers_and_a_number_does_not_sip_13_fl_4() -> None:
    params = "ticket={CallFrom}&X-Tier=go%6Cd"
    _, dial, _ = ring("sip:trmum1a2b", custom_params=params)
    assert dial.spec.to_number == EXOPHONE
    assert dial.spec.headers == (("X-ticket", make_setup().from_number), ("X-Tier", "gold"))
    _, dial, _ = ring(AAA, custom_params=params)
    assert dial.spec.headers == ()


def test_custom_headers_that_grow_too_long_are_an_end_with_its_reason() -> None:
    fields = {"numbers": ["sip:trmum1a2b"], "custom_params": "t={CustomField}", "next": "n"}
    visit = Visit(ConnectSettings.model_validate(fields), make_setup(custom_field="c" * 200))
    assert "more than 200 bytes" in visit.take(Leave).reason


# --- the caller's own side is asked to call there (SIP-61, OP-1) ---------------------------------

REFERS = replace(make_setup(), takes_refer=True)


def refer(numbers: str | list[str] = AAA, setup: CallSetup = REFERS, **fields: object) -> Visit:
    named = numbers if isinstance(numbers, list) else [numbers]
    document = {"numbers": named, "refer": True, **fields}
    return Visit(ConnectSettings.model_validate(document), setup)


def referred(outcome: TransferOutcome, second_sid: LegSid, status: int) -> TransferFinished:
    return TransferFinished(CALL, LEG, second_sid, "+91900000***", outcome, status)


def test_the_callers_side_calls_there_and_the_call_is_a_conversation_op_1() -> None:
    visit = refer(on_conversation_ended="after")
    wish = visit.take(TransferLeg)
    assert (wish.leg_sid, wish.spec.destination, wish.dials) == (LEG, AAA, False)
    visit.expect_nothing()
    visit.feed(referred("referred", wish.second_sid, 200))
    visit.expect_nothing()
    visit.hangs_up(Party.SYSTEM)
    visit.left("on_conversation_ended")
    assert visit.context.dial is not None
    assert (visit.context.dial.status, visit.context.dial.whom) == ("completed", AAA)


def test_where_the_callers_side_will_not_the_party_is_dialled_op_1() -> None:
    for refusal in ("refused", "command"):
        visit = refer()
        wish = visit.take(TransferLeg)
        if refusal == "command":
            visit.refused(wish, "the leg is being transferred already")
        else:
            visit.feed(referred("refused", wish.second_sid, 405))
        dial, music = visit.take(Dial), visit.take(Play)
        assert dial.spec.destination == AAA
        talk(visit, dial, music)


@pytest.mark.parametrize(
    ("status", "exit_name"), [(486, "on_busy"), (480, "on_no_answer"), (404, "on_failed")]
)
def test_a_party_that_the_callers_side_could_not_reach_is_not_rung_again(
    status: int, exit_name: str
) -> None:
    visit = refer(on_busy="b", on_no_answer="n", on_failed="f")
    wish = visit.take(TransferLeg)
    visit.feed(referred("failed", wish.second_sid, status))
    visit.left(exit_name)


def test_a_caller_who_gives_up_meanwhile_has_given_up() -> None:
    visit = refer(on_nobody_answered="n")
    visit.take(TransferLeg)
    visit.hangs_up()
    visit.left("on_nobody_answered")
    assert visit.context.call_type == "client-hangup"


@pytest.mark.parametrize(
    ("numbers", "setup", "fields"),
    [
        (AAA, make_setup(), {}),  # its trunk takes no transfers
        ("sip:carrier", REFERS, {}),  # a name of ours
        ([AAA, BBB], REFERS, {}),
        (AAA, REFERS, {"record": True}),
        (AAA, REFERS, {"whisper_text": "a call"}),
        (AAA, REFERS, {"refer": False}),
    ],
)
def test_what_another_side_cannot_do_is_dialled_from_here(
    numbers: str | list[str], setup: CallSetup, fields: dict[str, object]
) -> None:
    refer(numbers, setup, **fields).take(Dial)
