"""A call whose legs are steered from outside, in the place of a flow.

  event of the call ─┐                   ┌─▶ command for the call
  request, sign ─────┴▶ LegControl ──────┴─▶ LegTold for the customer's endpoint

Each leg has a life, requests and events of its own: the call outlives its first one while another
talks (BR-9). LegGone tells the end of a leg; CallHungUp that of a first leg with which all ends.
"""

from agentstream.base.errors import CommandError
from agentstream.base.ids import LegSid, Tokens
from agentstream.base.machine import earliest
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import HangUp, Ring
from agentstream.calls.events import (
    CallAnswered,
    CallHungUp,
    CallStarted,
    LegDialled,
    LegGone,
    LegRinging,
    LegUp,
)
from agentstream.calls.ledger import masked
from agentstream.calls.record import CallSetup
from agentstream.flows.legs.settings import USUAL, LegSettings
from agentstream.flows.legs.steered import SteeredLeg
from agentstream.flows.legs.told import LegInput, LegOutput
from agentstream.flows.legs.verbs import Acknowledged, Act


class LegControl:
    """A Machine[LegInput, LegOutput]."""

    def __init__(self, setup: CallSetup, tokens: Tokens, settings: LegSettings = USUAL) -> None:
        self._setup = setup
        self._tokens = tokens
        self._settings = settings
        self._legs: dict[LegSid, SteeredLeg] = {}  # all there ever were: the call bounds them
        self._first: SteeredLeg | None = None
        self._answer_at_ms: int | None = None  # or, with manual answers, give up

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""
        return earliest(self._answer_at_ms, *(leg.wake_at_ms for leg in self._legs.values()))

    def receive(self, happening: LegInput, now_ms: int) -> list[LegOutput]:
        """Take a fact, a sign or a request; raises CommandError for one that cannot begin."""
        match happening:
            case Act(leg_sid=leg_sid):
                return self._found(leg_sid).act(happening, now_ms)
            case Acknowledged():
                return self._answer() if self._settings.answers == "auto" else []
            case CallStarted():
                return self._begin(happening.leg_sid, now_ms)
            case CallAnswered() if self._first is not None:
                self._answer_at_ms = None
                return self._first.answered(now_ms)
            case CallHungUp(cause=cause, party=party, text=text):
                return self._end_first(cause, party, text, now_ms)
            case LegDialled() | LegRinging() | LegUp() | LegGone():
                return self._leg_told(happening, now_ms)
            case _:
                return self._tell_all(happening, now_ms)

    def wake(self, now_ms: int) -> list[LegOutput]:
        """Let the timers that are due fire."""
        outputs: list[LegOutput] = []
        if self._answer_at_ms is not None and self._answer_at_ms <= now_ms:
            outputs += self._answer() if self._settings.answers == "auto" else self._give_up()
        for leg in list(self._legs.values()):
            outputs += leg.wake(now_ms)
        return outputs

    def _found(self, leg_sid: LegSid) -> SteeredLeg:
        leg = self._legs.get(leg_sid)
        if leg is None:
            raise CommandError("this leg is not part of the call")
        return leg

    def _begin(self, leg_sid: LegSid, now_ms: int) -> list[LegOutput]:
        """LG-113: a leg that comes in connects and rings at once."""
        rings_here = self._setup.direction == "inbound"
        self._first = leg = self._leg(leg_sid, rings_here=rings_here)
        if not rings_here:
            return leg.connects()
        is_auto = self._settings.answers == "auto"
        wait_ms = self._settings.auto_answer_ms if is_auto else self._settings.manual_answer_ms
        self._answer_at_ms = now_ms + wait_ms
        return [*leg.connects(), Ring(leg_sid), *leg.rings()]

    def _leg(self, leg_sid: LegSid, *, rings_here: bool = False) -> SteeredLeg:
        call_sid, tokens, settings = self._setup.call_sid, self._tokens, self._settings
        leg = SteeredLeg(call_sid, leg_sid, tokens, settings, rings_here=rings_here)
        self._legs[leg_sid] = leg
        return leg

    def _answer(self) -> list[LegOutput]:
        self._answer_at_ms = None
        return self._first.answer() if self._first else []

    def _give_up(self) -> list[LegOutput]:
        self._answer_at_ms = None
        return [HangUp(Cause.NO_ANSWER, Party.SYSTEM)]

    def _end_first(self, cause: Cause, party: Party, text: str, now_ms: int) -> list[LegOutput]:
        self._answer_at_ms = None
        if self._first is None or self._first.is_over:
            return []
        return self._first.ended(cause, party, text, now_ms)

    def _leg_told(
        self, told: LegDialled | LegRinging | LegUp | LegGone, now_ms: int
    ) -> list[LegOutput]:
        if isinstance(told, LegDialled):
            leg = self._leg(told.leg_sid)
            return [*leg.connects(**self._dialled_with(told)), *self._tell_all(told, now_ms)]
        leg = self._legs[told.leg_sid]
        match told:
            case LegRinging():
                outputs = leg.rings()
            case LegUp():
                outputs = leg.answered(now_ms)
            case LegGone(cause=cause, party=party, text=text):
                outputs = leg.ended(cause, party, text, now_ms)
        return outputs + self._tell_all(told, now_ms)

    def _dialled_with(self, told: LegDialled) -> dict[str, str]:
        for leg in self._legs.values():
            pair = leg.pairing.pair
            if pair is not None and pair.second_sid == told.leg_sid:
                return {
                    "contact_uri": masked(pair.verb.contact_uri),
                    "exophone": pair.verb.exophone,
                    "network_type": pair.verb.network_type,
                    "custom_param": pair.verb.custom_param,
                    "parent_leg_sid": leg.leg_sid,
                }
        return {"contact_uri": told.destination, "exophone": told.caller_id}

    def _tell_all(self, happening: LegInput, now_ms: int) -> list[LegOutput]:
        outputs: list[LegOutput] = []
        for leg in list(self._legs.values()):
            outputs += leg.receive(happening, now_ms)
        return outputs
