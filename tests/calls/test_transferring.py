"""Transfers, asked for by a far end or by us: who talks with whom then, and who ends."""

import pytest

from agentstream.base.ids import LegSid, PromptId, StreamSid
from agentstream.calls.call import Call
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import (
    Answer,
    AudioFile,
    Bridge,
    Dial,
    DialSpec,
    HangUp,
    OpenStream,
    Play,
    StreamSpec,
    TransferLeg,
)
from agentstream.calls.effects import (
    BridgeLegs,
    DialLeg,
    EndLeg,
    EndStream,
    ReleaseLeg,
    StopPrompt,
    UnbridgeLegs,
)
from agentstream.calls.events import (
    CallHungUp,
    LegDialled,
    LegGone,
    LegRinging,
    LegsBridged,
    LegsUnbridged,
    LegUp,
)
from agentstream.calls.legs import RING_GRACE_MS
from agentstream.calls.record import CallLimits
from agentstream.calls.reports import (
    LegAnswered,
    LegEnded,
    LegOffered,
    LegRang,
    StreamStarted,
    TransferAsked,
    TransferTold,
)
from agentstream.calls.transfer_words import (
    AnswerTransfer,
    LegReplaced,
    ReferLeg,
    TellTransfer,
    TransferFinished,
    TransferOutcome,
    TransferStarted,
)
from agentstream.testing.calls import CALL, LEG, CallScript, make_setup, the_record
from agentstream.testing.script import Script

AGENT, CAROL = LegSid("agent"), LegSid("carol")
SPEC = DialSpec("sip:carol@c.example")
BOT = StreamSid("s1")
STEERED = CallLimits(outlives_first=True)


def lone_call(limits: CallLimits | None = None) -> CallScript:
    """Return a call of one party, which talks to a bot and hears a prompt."""
    script: CallScript = Script(Call(make_setup(), limits or CallLimits(), 0, awaits_flow=False))
    script.feed(LegOffered(LEG), Answer(LEG), LegAnswered(LEG))
    script.feed(OpenStream(LEG, BOT, StreamSpec("wss://bot.example/ws")), StreamStarted(BOT))
    script.feed(Play(LEG, PromptId("p"), AudioFile("music.wav"), loops=0))
    script.take_all()
    return script


def talk(limits: CallLimits | None = None) -> CallScript:
    """Return a call whose first party and an agent hear each other."""
    script: CallScript = Script(Call(make_setup(), limits or CallLimits(), 0, awaits_flow=False))
    script.feed(LegOffered(LEG), Answer(LEG), LegAnswered(LEG))
    script.feed(Dial(AGENT, DialSpec("+918040000009")), LegAnswered(AGENT), Bridge(LEG, AGENT))
    script.take_all()
    return script


def asked(leg_sid: LegSid) -> TransferAsked:
    return TransferAsked(leg_sid, CAROL, SPEC.destination, SPEC)


def finished(
    leg_sid: LegSid, outcome: TransferOutcome, status: int, text: str = ""
) -> TransferFinished:
    return TransferFinished(CALL, leg_sid, CAROL, SPEC.destination, outcome, status, text)


def ends(script: CallScript, *leg_sids: LegSid) -> None:
    """Let the legs end that were told to; nothing may be left of the call."""
    script.take_all()
    for leg_sid in leg_sids:
        script.feed(LegEnded(leg_sid, Cause.NORMAL, Party.SYSTEM))
    the_record(script)


# What a far end asks for


def test_who_asks_is_told_step_by_step_and_the_new_party_has_its_place() -> None:
    """SIP-61, SIP-62."""
    script = talk()
    script.feed(asked(AGENT))
    script.expect(
        AnswerTransfer(AGENT, 202),
        TransferStarted(CALL, AGENT, CAROL, SPEC.destination, by_far_end=True),
        LegDialled(CALL, CAROL, SPEC.destination, "+918040000002"),
        DialLeg(CAROL, SPEC),
    )
    script.feed(LegRang(CAROL))
    script.expect(LegRinging(CALL, CAROL, False), TellTransfer(AGENT, 180, False))
    script.feed(LegAnswered(CAROL))
    script.expect(
        LegUp(CALL, CAROL),
        LegReplaced(CALL, AGENT, CAROL),
        UnbridgeLegs(LEG, AGENT),
        LegsUnbridged(CALL, LEG, AGENT),
        BridgeLegs(LEG, CAROL),
        LegsBridged(CALL, LEG, CAROL),
        finished(AGENT, "bridged", 200),
        TellTransfer(AGENT, 200, True),
        EndLeg(AGENT, Cause.NORMAL, "It was transferred."),
    )
    script.expect_nothing()
    script.feed(LegEnded(AGENT, Cause.NORMAL, Party.SYSTEM))
    assert script.take(LegGone).leg_sid == AGENT
    script.expect(ReleaseLeg(AGENT))
    script.wait(60_000)
    script.expect_nothing()
    script.feed(HangUp(Cause.NORMAL, Party.OPERATOR))
    ends(script, LEG, CAROL)


def test_the_call_ends_with_whoever_took_the_place_of_its_first_party() -> None:
    script = talk()
    script.feed(asked(LEG), LegAnswered(CAROL))
    taken = script.take_all()
    assert LegReplaced(CALL, LEG, CAROL) in taken
    assert BridgeLegs(AGENT, CAROL) in taken
    assert EndLeg(LEG, Cause.NORMAL, "It was transferred.") in taken
    script.feed(LegEnded(LEG, Cause.NORMAL, Party.SYSTEM))
    assert script.take(LegGone).leg_sid == LEG
    script.feed(LegEnded(CAROL, Cause.NORMAL, Party.CALLEE))
    assert script.skip_to(CallHungUp).party is Party.CALLEE
    ends(script, AGENT)


@pytest.mark.parametrize("leg_sid", [LEG, AGENT])
def test_who_asked_may_hang_up_before_the_new_party_answers(leg_sid: LegSid) -> None:
    """SIP-62: the other party never loses the call by that BYE."""
    script, other_sid = talk(), AGENT if leg_sid == LEG else LEG
    script.feed(asked(leg_sid), LegEnded(leg_sid, Cause.NORMAL, Party.CALLER))
    taken = script.take_all()
    assert LegReplaced(CALL, leg_sid, CAROL) in taken
    assert not [one for one in taken if isinstance(one, CallHungUp)]
    script.feed(LegAnswered(CAROL))
    script.expect(
        LegUp(CALL, CAROL),
        BridgeLegs(other_sid, CAROL),
        LegsBridged(CALL, other_sid, CAROL),
        finished(leg_sid, "bridged", 200),
    )
    script.feed(HangUp(Cause.NORMAL, Party.OPERATOR))
    ends(script, other_sid, CAROL)


@pytest.mark.parametrize(
    ("cause", "status", "told"),
    [(Cause.BUSY, 486, 486), (Cause.REJECTED, 403, 403), (Cause.NO_ANSWER, 0, 480)],
)
def test_a_new_party_that_is_not_reached_leaves_the_call_as_it_was(
    cause: Cause, status: int, told: int
) -> None:
    """SIP-62: the failure's code is reported."""
    script = talk()
    script.feed(asked(AGENT))
    script.take_all()
    script.feed(LegEnded(CAROL, cause, Party.CALLEE, "why", status))
    assert script.take(LegGone).leg_sid == CAROL
    script.expect(
        TellTransfer(AGENT, told, True), finished(AGENT, "failed", told, "why"), ReleaseLeg(CAROL)
    )
    script.expect_nothing()
    script.feed(asked(AGENT))  # but under a new name
    assert script.take(AnswerTransfer).status == 503
    script.take_all()
    script.feed(TransferAsked(AGENT, LegSid("dave"), "sip:dave@d.example", SPEC))
    assert script.take(AnswerTransfer).status == 202


def test_a_new_party_that_rings_too_long_is_given_up() -> None:
    script = talk()
    script.feed(asked(AGENT), LegRang(CAROL))
    script.take_all()
    script.wait(SPEC.ring_ms + RING_GRACE_MS)
    assert script.take(EndLeg).leg_sid == CAROL
    script.feed(LegEnded(CAROL, Cause.CANCELED, Party.SYSTEM))
    assert script.skip_to(TellTransfer) == TellTransfer(AGENT, 480, True)


def test_who_asked_and_left_is_missed_when_the_new_party_is_not_reached() -> None:
    script = talk()
    script.feed(asked(LEG), LegEnded(LEG, Cause.NORMAL, Party.CALLER))
    script.take_all()
    script.feed(LegEnded(CAROL, Cause.BUSY, Party.CALLEE, "", 486))
    taken = script.take_all()
    assert [one.cause for one in taken if isinstance(one, CallHungUp)] == [Cause.BUSY]
    assert [one.leg_sid for one in taken if isinstance(one, EndLeg)] == [AGENT]
    ends(script, AGENT)


def test_the_other_party_that_hangs_up_ends_the_wait() -> None:
    script = talk()
    script.feed(asked(AGENT), LegRang(CAROL), LegEnded(LEG, Cause.NORMAL, Party.CALLER))
    taken = script.take_all()
    assert TellTransfer(AGENT, 487, True) in taken
    assert finished(AGENT, "failed", 487) in taken
    ends(script, AGENT, CAROL)


def test_what_is_not_allowed_is_refused_with_its_status() -> None:
    script = talk()
    script.feed(TransferAsked(AGENT, CAROL, "sip:carol@c.example", None, 403, "not allowed"))
    script.expect(AnswerTransfer(AGENT, 403), finished(AGENT, "refused", 403, "not allowed"))
    script.expect_nothing()


def test_one_transfer_of_a_leg_at_a_time() -> None:
    script = talk()
    script.feed(asked(AGENT))
    script.take_all()
    script.feed(TransferAsked(AGENT, LegSid("dave"), "sip:dave@d.example", SPEC))
    assert script.take(AnswerTransfer).status == 503
    assert "already" in script.refuse(TransferLeg(AGENT, LegSid("dave"), SPEC))


def test_a_party_that_talked_to_a_bot_talks_to_the_new_party_instead() -> None:
    script = lone_call()
    script.feed(asked(LEG))
    script.take_all()
    script.feed(LegAnswered(CAROL))
    script.expect(
        LegUp(CALL, CAROL),
        finished(LEG, "bridged", 200),
        StopPrompt(LEG, PromptId("p")),
        EndStream(BOT, "stopped"),
        BridgeLegs(LEG, CAROL),
        LegsBridged(CALL, LEG, CAROL),
        TellTransfer(LEG, 200, True),
    )
    script.feed(LegEnded(CAROL, Cause.NORMAL, Party.CALLEE))
    assert script.skip_to(CallHungUp).party is Party.CALLEE


def test_a_party_that_leaves_its_bot_while_the_new_one_rings_ends_the_call() -> None:
    script = lone_call()
    script.feed(asked(LEG), LegEnded(LEG, Cause.NORMAL, Party.CALLER))
    taken = script.take_all()
    assert finished(LEG, "failed", 487) in taken
    assert [one.leg_sid for one in taken if isinstance(one, EndLeg)] == [CAROL]
    assert [one.party for one in taken if isinstance(one, CallHungUp)] == [Party.CALLER]


def test_of_a_call_that_outlives_its_first_leg_every_leg_may_be_transferred() -> None:
    script = talk(STEERED)
    script.feed(asked(LEG), LegAnswered(CAROL), LegEnded(LEG, Cause.NORMAL, Party.SYSTEM))
    taken = script.take_all()
    assert BridgeLegs(AGENT, CAROL) in taken
    assert not [one for one in taken if isinstance(one, CallHungUp)]
    script.feed(LegEnded(CAROL, Cause.NORMAL, Party.CALLEE))
    assert not [one for one in script.take_all() if isinstance(one, CallHungUp)]
    script.feed(LegEnded(AGENT, Cause.NORMAL, Party.CALLEE))
    the_record(script)


# What we ask for


def transferring(limits: CallLimits | None = None) -> CallScript:
    script = lone_call(limits)
    script.feed(TransferLeg(LEG, CAROL, SPEC))
    script.expect(
        TransferStarted(CALL, LEG, CAROL, SPEC.destination, by_far_end=False), ReferLeg(LEG, SPEC)
    )
    return script


def test_a_far_end_that_calls_the_new_party_itself_is_let_go() -> None:
    """LG-128."""
    script = transferring()
    script.feed(TransferTold(LEG, 100, False, True), TransferTold(LEG, 180, False, False))
    script.expect_nothing()
    script.feed(TransferTold(LEG, 200, True, True))
    script.expect(finished(LEG, "referred", 200))
    assert script.take(CallHungUp).text == "It was transferred."


def test_a_far_end_that_hangs_up_once_it_has_accepted_has_done_it() -> None:
    script = transferring()
    script.feed(TransferTold(LEG, 100, False, True), LegEnded(LEG, Cause.NORMAL, Party.CALLER))
    script.expect(finished(LEG, "referred", 0))
    script.take(CallHungUp)


@pytest.mark.parametrize("status", [0, 202, 408, 486])
def test_a_far_end_that_does_not_reach_the_new_party_goes_on_as_before(status: int) -> None:
    """RFC 3515: only 200 is success."""
    script = transferring()
    script.feed(TransferTold(LEG, status, True, True))
    script.expect(finished(LEG, "failed", status))
    script.wait(60_000)
    script.expect_nothing()
    script.feed(TransferLeg(LEG, CAROL, SPEC))
    script.take(TransferStarted)


@pytest.mark.parametrize("status", [403, 405, 408, 501, 603])
def test_a_far_end_that_will_not_is_bridged_with_the_new_party(status: int) -> None:
    """PN-1: LiveKit answers 405."""
    script = transferring()
    script.feed(TransferTold(LEG, status, True, False))
    script.take(LegDialled)
    script.expect(DialLeg(CAROL, SPEC))
    script.feed(TransferTold(LEG, status, True, False), LegAnswered(CAROL))
    script.expect(
        LegUp(CALL, CAROL),
        finished(LEG, "bridged", 200),
        StopPrompt(LEG, PromptId("p")),
        EndStream(BOT, "stopped"),
        BridgeLegs(LEG, CAROL),
        LegsBridged(CALL, LEG, CAROL),
    )


def test_a_new_party_that_is_not_reached_by_us_either_leaves_the_bot_where_it_is() -> None:
    script = transferring()
    script.feed(TransferTold(LEG, 405, True, False), LegEnded(CAROL, Cause.BUSY, Party.CALLEE))
    taken = script.take_all()
    assert finished(LEG, "failed", 486, "The called party ended the call: the number is busy.") in (
        taken
    )
    assert not [one for one in taken if isinstance(one, EndStream | CallHungUp)]


def test_a_party_that_goes_while_the_new_one_rings_ends_both() -> None:
    script = transferring(STEERED)
    script.feed(TransferTold(LEG, 405, True, False), LegEnded(LEG, Cause.NORMAL, Party.CALLER))
    taken = script.take_all()
    assert finished(LEG, "failed", 487) in taken
    assert [one.leg_sid for one in taken if isinstance(one, EndLeg)] == [CAROL]


def test_a_party_that_talks_with_another_one_leaves_it_for_the_new_one() -> None:
    script = talk(STEERED)
    script.feed(TransferLeg(LEG, CAROL, SPEC), TransferTold(LEG, 405, True, False))
    script.feed(LegAnswered(CAROL))
    taken = script.take_all()
    assert UnbridgeLegs(LEG, AGENT) in taken
    assert BridgeLegs(LEG, CAROL) in taken
    assert not [one for one in taken if isinstance(one, EndLeg)]


def test_a_transfer_that_may_not_dial_is_refused_and_nothing_else_changes() -> None:
    script = lone_call()
    script.feed(TransferLeg(LEG, CAROL, SPEC, dials=False))
    script.take_all()
    script.feed(TransferTold(LEG, 405, True, False))
    assert script.take_all() == [finished(LEG, "refused", 405)]
    script.feed(TransferLeg(LEG, CAROL, SPEC))  # it may be ordered again
    script.take_all()


def test_only_a_leg_that_talks_can_be_transferred_and_only_to_a_leg_that_is_new() -> None:
    script = talk()
    assert "not part" in script.refuse(TransferLeg(CAROL, AGENT, SPEC))
    assert "already" in script.refuse(TransferLeg(LEG, AGENT, SPEC))
    assert "ring_ms" in script.refuse(TransferLeg(LEG, CAROL, DialSpec("1", ring_ms=0)))
    script.feed(TransferTold(LEG, 200, True, True))  # nobody asked
    script.expect_nothing()
