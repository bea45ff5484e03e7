"""Transfers: the party of one leg goes over to somebody else (RFC 3515, RFC 5589; SIP-62, LG-128).

TransferAsked ──▶ the new leg is dialled ──answered──▶ it has the place of the one that asked
                     │                                 (or talks with it, if nobody else was there)
                     └──refused, gone──▶ failed: the call goes on as it was

TransferLeg ──▶ the far end is asked ──accepted, 200──▶ its leg is hung up
                     │      └──accepted, refused there──▶ failed
                     └──it will not──▶ the new leg is dialled, and the two talk

Who asked may hang up as soon as it likes: its place is kept for the new leg, and whoever talked
with it waits there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from agentstream.base.errors import CommandError
from agentstream.base.ids import CallSid, LegSid
from agentstream.calls.attached import Attached, Output
from agentstream.calls.causes import Cause, Party, sip_status
from agentstream.calls.commands import Bridge, Dial, HangUpLeg
from agentstream.calls.dial_spec import DialSpec, check_spec
from agentstream.calls.effects import RejectLeg, ReleaseLeg
from agentstream.calls.ledger import masked
from agentstream.calls.leg import Leg
from agentstream.calls.legs import Legs, LegTold
from agentstream.calls.reports import LegAnswered, LegEnded, LegRang
from agentstream.calls.transfer_words import (
    AnswerTransfer,
    LegReplaced,
    LegReplaces,
    ReferLeg,
    TellTransfer,
    TransferAsked,
    TransferFinished,
    TransferLeg,
    TransferOutcome,
    TransferStarted,
    TransferTold,
)

TRANSFERRED: Final = "It was transferred."
OK: Final = 200


@dataclass(slots=True)
class Transfer:
    """One that is under way."""

    leg_sid: LegSid  # whose far end asks, or is asked
    second_sid: LegSid
    spec: DialSpec
    by_far_end: bool
    other_sid: LegSid | None = None  # who waits where the far end has hung up
    is_orphan: bool = False  # it has
    was_accepted: bool = False  # by the far end that was asked
    dials: bool = True  # where that one will not


Step = Output | HangUpLeg
EndLeg = Callable[[HangUpLeg, int], list[Output]]  # the end of a leg may be that of the call


class Transfers:
    """A machine inside the call's machine."""

    def __init__(self, call_sid: CallSid, legs: Legs, attached: Attached) -> None:
        self._call_sid = call_sid
        self._legs = legs
        self._attached = attached
        self._running: dict[LegSid, Transfer] = {}  # by the leg that is transferred
        self._joined: dict[LegSid, LegSid] = {}  # who was dialled: with whom it talks
        self._replacing: dict[LegSid, LegSid] = {}  # who is being answered: in whose place

    def order(self, wish: TransferLeg) -> list[Output]:
        """Transfer a leg; raises CommandError."""
        self._legs.check_talking(wish.leg_sid)
        check_spec(wish.spec)
        self._check_free(wish.leg_sid)
        if self._legs.known(wish.second_sid):
            raise CommandError("this leg is already there")
        transfer = Transfer(
            wish.leg_sid, wish.second_sid, wish.spec, by_far_end=False, dials=wish.dials
        )
        self._running[wish.leg_sid] = transfer
        return [self._started(transfer), ReferLeg(wish.leg_sid, wish.spec)]

    def hear(
        self, report: TransferAsked | TransferTold | LegReplaces, now_ms: int, end_leg: EndLeg
    ) -> list[Output] | None:
        """Take what a far end wants or tells; None when it is about nothing that runs."""
        steps: list[Step] | None
        match report:
            case TransferAsked():
                steps = self._asked(report, now_ms)
            case TransferTold():
                steps = self._told(report, now_ms)
            case LegReplaces():
                steps = self._replaces(report, now_ms)
        return None if steps is None else _carried_out(steps, now_ms, end_leg)

    def leg_heard(self, leg: Leg, report: LegTold, now_ms: int, end_leg: EndLeg) -> list[Output]:
        """Take a report that the leg accepts, and what it is to a transfer."""
        steps = self._ends(leg) if isinstance(report, LegEnded) else []
        steps += self._legs.hear(leg, report, now_ms)
        return _carried_out([*steps, *self._leg_told(leg, report, now_ms)], now_ms, end_leg)

    def end_all(self) -> list[Output]:
        """Take it that the call ends."""
        outputs: list[Output] = []
        for transfer in self._running.values():
            if transfer.by_far_end:
                outputs.append(TellTransfer(transfer.leg_sid, 487, True))
            outputs.append(self._finished(transfer, "failed", 487))
        self._running.clear()
        return outputs

    def _asked(self, report: TransferAsked, now_ms: int) -> list[Step]:
        """Dial, or say why not."""
        leg_sid, spec = report.leg_sid, report.spec
        if spec is None:
            return self._refused(report, report.status, report.text)
        try:
            self._legs.check_talking(leg_sid)
            self._check_free(leg_sid)
            dialled = self._legs.dial(Dial(report.second_sid, spec), now_ms)
        except CommandError as error:
            return self._refused(report, 503, str(error))
        transfer = Transfer(leg_sid, report.second_sid, spec, by_far_end=True)
        self._running[leg_sid] = transfer
        return [AnswerTransfer(leg_sid, 202), self._started(transfer), *dialled]

    def _told(self, report: TransferTold, now_ms: int) -> list[Step] | None:
        transfer = self._running.get(report.leg_sid)
        if transfer is None or transfer.by_far_end or self._legs.known(transfer.second_sid):
            return None
        transfer.was_accepted |= report.was_accepted
        if not report.is_final:
            return []
        if not transfer.was_accepted and transfer.dials:
            return self._dial(transfer, now_ms)
        del self._running[report.leg_sid]
        if not transfer.was_accepted:
            return [self._finished(transfer, "refused", report.status)]
        if report.status != OK:
            return [self._finished(transfer, "failed", report.status)]
        gone = HangUpLeg(report.leg_sid, Cause.NORMAL, Party.SYSTEM, TRANSFERRED)
        return [self._finished(transfer, "referred", OK), gone]

    def _ends(self, leg: Leg) -> list[Step]:
        """Keep the place of a leg that has asked and is about to be over."""
        transfer = self._running.get(leg.leg_sid)
        if transfer is None:
            return []
        if transfer.was_accepted and not transfer.by_far_end:
            # Many hang up without a word once they have called the new party themselves.
            del self._running[leg.leg_sid]
            return [self._finished(transfer, "referred", 0)]
        transfer.other_sid = self._legs.partner(leg.leg_sid)
        if not transfer.by_far_end or transfer.other_sid is None:
            return []
        transfer.is_orphan = True
        return [*self._replace(transfer)]

    def _leg_told(self, leg: Leg, report: LegTold, now_ms: int) -> list[Step]:
        if isinstance(report, LegEnded):
            self._replacing.pop(leg.leg_sid, None)
            return self._ended(leg, report)
        if isinstance(report, LegAnswered) and leg.leg_sid in self._replacing:
            return self._replaced(leg, self._replacing.pop(leg.leg_sid))
        found = [one for one in self._running.values() if one.second_sid == leg.leg_sid]
        for transfer in found:
            match report:
                case LegRang() if transfer.by_far_end:
                    return [TellTransfer(transfer.leg_sid, 180, False)]
                case LegAnswered():
                    return self._answered(transfer, now_ms)
                case _:
                    pass
        return []

    def _check_free(self, leg_sid: LegSid) -> None:
        if leg_sid in self._running:
            raise CommandError("the leg is being transferred already")

    def _refused(self, report: TransferAsked, status: int, text: str) -> list[Step]:
        leg_sid, shown = report.leg_sid, masked(report.destination)
        told = TransferFinished(
            self._call_sid, leg_sid, report.second_sid, shown, "refused", status, text
        )
        return [AnswerTransfer(leg_sid, status), told]

    def _dial(self, transfer: Transfer, now_ms: int) -> list[Step]:
        try:
            return [*self._legs.dial(Dial(transfer.second_sid, transfer.spec), now_ms)]
        except CommandError as error:
            del self._running[transfer.leg_sid]
            return [self._finished(transfer, "failed", 503, str(error))]

    def _answered(self, transfer: Transfer, now_ms: int) -> list[Step]:
        """Let the new party talk: with whoever talked with the one that asked, or with itself."""
        leg_sid, second_sid = transfer.leg_sid, transfer.second_sid
        del self._running[leg_sid]
        other_sid = transfer.other_sid or self._legs.partner(leg_sid)
        if transfer.by_far_end and other_sid is not None:
            return self._take_over(transfer, other_sid)
        leg = self._legs.get(leg_sid)
        if leg is None or not leg.is_talking:
            return self._too_late(transfer)
        joined = self._legs.leave(leg_sid) + self._attached.part_from_bot(leg_sid, now_ms)
        joined += self._legs.bridge(Bridge(leg_sid, second_sid))
        self._joined[second_sid] = leg_sid
        told = [TellTransfer(leg_sid, OK, True)] if transfer.by_far_end else []
        return [self._finished(transfer, "bridged", OK), *joined, *told]

    def _take_over(self, transfer: Transfer, other_sid: LegSid) -> list[Step]:
        leg_sid, second_sid = transfer.leg_sid, transfer.second_sid
        other = self._legs.get(other_sid)
        partner = self._legs.partner(other_sid)
        if other is None or not other.is_talking or partner not in (None, leg_sid):
            return self._too_late(transfer)
        outputs: list[Step] = [] if transfer.is_orphan else [*self._replace(transfer)]
        outputs += self._legs.leave(leg_sid)
        outputs += self._legs.bridge(Bridge(other_sid, second_sid))
        outputs.append(self._finished(transfer, "bridged", OK))
        leg = self._legs.get(leg_sid)
        if leg is not None and leg.is_talking:  # SIP-62: our BYE, after the last word
            outputs.append(TellTransfer(leg_sid, OK, True))
            outputs.append(HangUpLeg(leg_sid, Cause.NORMAL, Party.SYSTEM, TRANSFERRED))
        return outputs

    def _too_late(self, transfer: Transfer) -> list[Step]:
        """Nobody is left for the new party to talk with."""
        told = [TellTransfer(transfer.leg_sid, 487, True)] if transfer.by_far_end else []
        gone = HangUpLeg(transfer.second_sid, Cause.CANCELED, Party.SYSTEM)
        return [*told, self._finished(transfer, "failed", 487), gone]

    def _replace(self, transfer: Transfer) -> list[Output]:
        self._legs.put_in_place(transfer.leg_sid, transfer.second_sid)
        return [LegReplaced(self._call_sid, transfer.leg_sid, transfer.second_sid)]

    def _replaces(self, report: LegReplaces, now_ms: int) -> list[Step]:
        """Answer who is to have a leg's place, if that leg talks with somebody (RFC 3891)."""
        leg_sid, old_sid = report.leg_sid, report.old_sid
        is_taken = old_sid in self._running or old_sid in self._replacing.values()
        try:
            if is_taken or self._legs.partner(self._legs.check_talking(old_sid).leg_sid) is None:
                return _rejected(leg_sid, "the leg talks with nobody whom another one could have")
            answered = self._legs.admit(leg_sid, report.remote, now_ms)
        except CommandError as error:
            return _rejected(leg_sid, str(error))
        self._replacing[leg_sid] = old_sid
        return [*answered]

    def _replaced(self, leg: Leg, old_sid: LegSid) -> list[Step]:
        other_sid = self._legs.partner(old_sid)
        if other_sid is None:
            return [HangUpLeg(leg.leg_sid, Cause.CANCELED, Party.SYSTEM)]
        self._legs.put_in_place(old_sid, leg.leg_sid)
        steps: list[Step] = [LegReplaced(self._call_sid, old_sid, leg.leg_sid)]
        steps += self._legs.leave(old_sid)
        steps += self._legs.bridge(Bridge(other_sid, leg.leg_sid))
        return [*steps, HangUpLeg(old_sid, Cause.NORMAL, Party.SYSTEM, TRANSFERRED)]

    def _ended(self, leg: Leg, report: LegEnded) -> list[Step]:
        other_sid = self._joined.pop(leg.leg_sid, None)
        if other_sid is not None:
            return self._left_alone(other_sid, leg)
        outputs: list[Step] = []
        for transfer in list(self._running.values()):
            if transfer.second_sid == leg.leg_sid:
                outputs += self._failed(transfer, leg, report)
            elif transfer.leg_sid == leg.leg_sid and not transfer.is_orphan:
                del self._running[leg.leg_sid]
                outputs += self._given_up(transfer)
        return outputs

    def _left_alone(self, other_sid: LegSid, gone: Leg) -> list[Step]:
        """End with the new party the talk that nothing follows, unless somebody steers the leg."""
        other = self._legs.get(other_sid)
        if self._legs.outlive_first or other is None or not other.is_talking:
            return []
        assert gone.cause is not None, "a leg that has ended says why"
        assert gone.party is not None, "a leg that has ended says who"
        return [HangUpLeg(other_sid, gone.cause, gone.party, gone.text)]

    def _failed(self, transfer: Transfer, leg: Leg, report: LegEnded) -> list[Step]:
        del self._running[transfer.leg_sid]
        status = report.status or sip_status(leg.cause or report.cause)
        told = [TellTransfer(transfer.leg_sid, status, True)] if transfer.by_far_end else []
        return [*told, self._finished(transfer, "failed", status, leg.text)]

    def _given_up(self, transfer: Transfer) -> list[Step]:
        """Take it that the leg has gone for which somebody was dialled."""
        steps: list[Step] = [self._finished(transfer, "failed", 487)]
        if self._legs.get(transfer.second_sid) is not None:
            steps.append(HangUpLeg(transfer.second_sid, Cause.CANCELED, Party.SYSTEM))
        return steps

    def _started(self, transfer: Transfer) -> Output:
        shown = masked(transfer.spec.destination)
        return TransferStarted(
            self._call_sid, transfer.leg_sid, transfer.second_sid, shown, transfer.by_far_end
        )

    def _finished(
        self, transfer: Transfer, outcome: TransferOutcome, status: int, text: str = ""
    ) -> Output:
        leg_sid, second_sid = transfer.leg_sid, transfer.second_sid
        shown = masked(transfer.spec.destination)
        return TransferFinished(self._call_sid, leg_sid, second_sid, shown, outcome, status, text)


def _rejected(leg_sid: LegSid, why: str) -> list[Step]:
    return [RejectLeg(leg_sid, Cause.REJECTED, why), ReleaseLeg(leg_sid)]


def _carried_out(steps: list[Step], now_ms: int, end_leg: EndLeg) -> list[Output]:
    outputs: list[Output] = []
    for step in steps:
        outputs += end_leg(step, now_ms) if isinstance(step, HangUpLeg) else [step]
    return outputs
