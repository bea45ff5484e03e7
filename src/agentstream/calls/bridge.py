"""Bridges: which legs of a call hear each other, two and two."""

from agentstream.base.errors import CommandError
from agentstream.base.ids import CallSid, LegSid
from agentstream.calls.effects import BridgeLegs, Effect, UnbridgeLegs
from agentstream.calls.events import Event, LegsBridged, LegsUnbridged


class Bridges:
    """The bridges of one call; a leg is in one at most."""

    def __init__(self, call_sid: CallSid) -> None:
        self._call_sid = call_sid
        self._pairs: dict[LegSid, tuple[LegSid, LegSid]] = {}  # each of the two: both

    def join(self, leg_sid: LegSid, other_sid: LegSid) -> list[Event | Effect]:
        """Let two legs hear each other; raises CommandError when either is in a bridge."""
        if leg_sid == other_sid:
            raise CommandError("a leg cannot be bridged with itself")
        if leg_sid in self._pairs or other_sid in self._pairs:
            raise CommandError("the leg is in a bridge already; end that first")
        self._pairs[leg_sid] = self._pairs[other_sid] = (leg_sid, other_sid)
        return [BridgeLegs(leg_sid, other_sid), LegsBridged(self._call_sid, leg_sid, other_sid)]

    def part(self, leg_sid: LegSid) -> list[Event | Effect]:
        """End a leg's bridge; nothing when it is in none."""
        pair = self._pairs.get(leg_sid)
        if pair is None:
            return []
        for one in pair:
            del self._pairs[one]
        return [UnbridgeLegs(*pair), LegsUnbridged(self._call_sid, *pair)]

    def part_all(self) -> list[Event | Effect]:
        """End every bridge."""
        return [output for leg_sid in list(self._pairs) for output in self.part(leg_sid)]
