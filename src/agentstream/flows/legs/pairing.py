"""The party that an action dials, and the talk with it (EX-21, EX-32, EX-48, BR-9).

idle ──start──▶ dial_initiated ──LegUp──▶ joining ──LegsBridged──▶ dial_success
                       └── LegGone ──▶ dial_failed     └── it goes ──▶ dial_completed
"""

from collections.abc import Callable
from dataclasses import dataclass

from agentstream.base.ids import LegSid
from agentstream.calls.causes import Cause, Party, sip_status, status_word
from agentstream.calls.commands import Bridge, DialSpec, HangUpLeg
from agentstream.calls.commands import Dial as DialLeg
from agentstream.calls.events import LegGone, LegsBridged, LegUp
from agentstream.calls.transfer_words import LegReplaced
from agentstream.flows.applet import CommandRefused
from agentstream.flows.legs.told import IMPOSSIBLE, LegInput, Origin, Over, Step, Teller
from agentstream.flows.legs.verbs import Dial


@dataclass(slots=True)
class Pair:
    """One dialled party."""

    origin: Origin
    verb: Dial
    second_sid: LegSid
    bridge_sid: str
    answered_ms: int | None = None
    has_talked: bool = False


class Pairing:
    """What one leg dials; one party at a time."""

    def __init__(self, teller: Teller, new_sid: Callable[[], str]) -> None:
        self._teller = teller
        self._new_sid = new_sid
        self.pair: Pair | None = None

    def start(self, origin: Origin, verb: Dial) -> list[Step]:
        """Dial."""
        pair = Pair(origin, verb, LegSid(self._new_sid()), self._new_sid())
        self.pair = pair
        spec = DialSpec(verb.contact_uri, caller_id=verb.exophone, ring_ms=verb.timeout_ms)
        return [DialLeg(pair.second_sid, spec), self._tell("dial_initiated", pair)]

    def receive(self, happening: LegInput, now_ms: int) -> list[Step]:
        """Take what becomes of the party."""
        pair = self.pair
        if pair is None:
            return []
        match happening:
            case LegReplaced(leg_sid=pair.second_sid, by_sid=by_sid):
                pair.second_sid = by_sid  # a transfer: the talk goes on with another one
                return []
            case LegUp(leg_sid=pair.second_sid) if pair.answered_ms is None:
                pair.answered_ms = now_ms
                relays = not pair.verb.absorb_dtmf
                return [Bridge(self._teller.leg_sid, pair.second_sid, relays_digits=relays)]
            case LegsBridged(other_sid=pair.second_sid) if not pair.has_talked:
                pair.has_talked = True
                return [self._tell("dial_success", pair)]
            case LegGone(leg_sid=pair.second_sid):
                return self._gone(pair, happening.cause, now_ms)
            case CommandRefused(command=DialLeg(leg_sid=pair.second_sid), text=text):
                return self._failed(pair, Cause.FAILED, IMPOSSIBLE, text)
            case CommandRefused(command=Bridge(other_sid=pair.second_sid), text=text):
                gone = HangUpLeg(pair.second_sid, Cause.FAILED, Party.SYSTEM, text)
                return [gone, *self._failed(pair, Cause.FAILED, IMPOSSIBLE, text)]
            case _:
                return []

    def end(self, now_ms: int) -> list[Step]:
        """Take it that the leg is over: who was reached stays, and others end with the call."""
        pair = self.pair
        return [] if pair is None else self._gone(pair, Cause.CANCELED, now_ms)

    def _gone(self, pair: Pair, cause: Cause, now_ms: int) -> list[Step]:
        if pair.answered_ms is None:
            return self._failed(pair, cause, sip_status(cause), "")
        self.pair = None
        talk_s = (now_ms - pair.answered_ms) // 1000
        told = self._teller.tell(
            "dial_completed",
            pair.origin,
            second_leg_sid=pair.second_sid,
            bridge_sid=pair.bridge_sid,
            duration=talk_s,
            status="completed",
        )
        return [told, Over(pair.origin)]

    def _failed(self, pair: Pair, cause: Cause, code: int, text: str) -> list[Step]:
        """EX-47."""
        self.pair = None
        status = status_word(cause, was_answered=False)
        return self._teller.fail(
            "dial_failed",
            pair.origin,
            code,
            text or f"the party was not reached: {status}",
            second_leg_sid=pair.second_sid,
            bridge_sid=pair.bridge_sid,
            status=status,
            sip_code=sip_status(cause),
        )

    def _tell(self, name: str, pair: Pair) -> Step:
        """EX-32."""
        bridge_sid, second_sid = pair.bridge_sid, pair.second_sid
        return self._teller.tell(
            name, pair.origin, bridge_sid=bridge_sid, second_leg_sid=second_sid
        )
