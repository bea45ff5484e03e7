"""A transfer of a leg's party: what is told of it, whoever wants it (LG-128, SIP-61).

start ──▶ transfer_initiated ──▶ transfer_success: by `refer`, and the leg ends, or by `bridge`
                      └────────▶ transfer_failed: the leg goes on as it was
"""

from collections.abc import Callable

from agentstream.base.ids import LegSid
from agentstream.calls.commands import DialSpec, TransferLeg
from agentstream.calls.transfer_words import TransferFinished, TransferStarted
from agentstream.flows.applet import CommandRefused
from agentstream.flows.legs.told import IMPOSSIBLE, NOBODY, LegInput, Origin, Over, Step, Teller
from agentstream.flows.legs.verbs import Transfer

UNKNOWN = "the far end does not say what became of it"


class Transferring:
    """The transfers of one leg; the call sees to it that there is one at a time."""

    def __init__(self, teller: Teller, new_sid: Callable[[], str]) -> None:
        self._teller = teller
        self._new_sid = new_sid
        self._origins: dict[LegSid, Origin] = {}  # by the leg that may be dialled

    def start(self, origin: Origin, verb: Transfer) -> list[Step]:
        """Ask the call for it."""
        second_sid = LegSid(self._new_sid())
        self._origins[second_sid] = origin
        spec = DialSpec(verb.contact_uri, caller_id=verb.exophone, ring_ms=verb.timeout_ms)
        return [TransferLeg(self._teller.leg_sid, second_sid, spec)]

    def receive(self, happening: LegInput) -> list[Step]:
        """Take what becomes of it."""
        leg_sid = self._teller.leg_sid
        match happening:
            case TransferStarted(leg_sid=sid, second_sid=second_sid) if sid == leg_sid:
                origin = self._origins.get(second_sid, NOBODY)
                data = {"second_leg_sid": second_sid, "contact_uri": happening.destination}
                return [self._teller.tell("transfer_initiated", origin, **data)]
            case TransferFinished(leg_sid=sid) if sid == leg_sid:
                return self._finished(happening)
            case CommandRefused(command=TransferLeg(leg_sid=sid, second_sid=second_sid)) if (
                sid == leg_sid
            ):
                origin = self._origins.pop(second_sid, NOBODY)
                return self._teller.fail("transfer_failed", origin, IMPOSSIBLE, happening.text)
            case _:
                return []

    def _finished(self, told: TransferFinished) -> list[Step]:
        origin = self._origins.pop(told.second_sid, NOBODY)
        if told.outcome in ("refused", "failed"):
            why = told.text or (f"SIP {told.status}" if told.status else UNKNOWN)
            steps = self._teller.fail(
                "transfer_failed",
                origin,
                told.status or IMPOSSIBLE,
                why,
                second_leg_sid=told.second_sid,
                sip_code=told.status,
            )
            return steps if origin != NOBODY else steps[:1]
        success = self._teller.tell(
            "transfer_success",
            origin,
            second_leg_sid=told.second_sid,
            method="refer" if told.outcome == "referred" else "bridge",
            sip_code=told.status,
        )
        return [success] if origin == NOBODY else [success, Over(origin)]
