"""Bridges: which legs of a call hear each other, two and two, and which wait for each other.

joined ◀──hold, unhold──▶ held: one of the two hears music      both end with `part`
"""

from dataclasses import dataclass

from agentstream.base.errors import CommandError
from agentstream.base.ids import CallSid, LegSid, PromptId
from agentstream.calls.commands import Bridge
from agentstream.calls.effects import BridgeLegs, Effect, UnbridgeLegs
from agentstream.calls.events import Event, LegHeld, LegsBridged, LegsUnbridged, LegUnheld


@dataclass(slots=True)
class _Pair:
    leg_sid: LegSid
    other_sid: LegSid
    relays_digits: bool = True
    held_sid: LegSid | None = None
    music_id: PromptId | None = None  # what the held one hears


class Bridges:
    """The bridges of one call; a leg is in one at most."""

    def __init__(self, call_sid: CallSid) -> None:
        self._call_sid = call_sid
        self._pairs: dict[LegSid, _Pair] = {}  # each of the two: theirs

    def join(self, wish: Bridge) -> list[Event | Effect]:
        """Let two legs hear each other; raises CommandError when either is in a bridge."""
        leg_sid, other_sid, relays_digits = wish.leg_sid, wish.other_sid, wish.relays_digits
        if leg_sid == other_sid:
            raise CommandError("a leg cannot be bridged with itself")
        if leg_sid in self._pairs or other_sid in self._pairs:
            raise CommandError("the leg is in a bridge already; end that first")
        self._pairs[leg_sid] = self._pairs[other_sid] = _Pair(leg_sid, other_sid, relays_digits)
        joined = LegsBridged(self._call_sid, leg_sid, other_sid)
        return [BridgeLegs(leg_sid, other_sid, relays_digits), joined]

    def part(self, leg_sid: LegSid) -> list[Event | Effect]:
        """End a leg's bridge; nothing when it is in none."""
        pair = self._pairs.get(leg_sid)
        if pair is None:
            return []
        for one in (pair.leg_sid, pair.other_sid):
            del self._pairs[one]
        unbridge = [] if pair.held_sid else [UnbridgeLegs(pair.leg_sid, pair.other_sid)]
        return [*unbridge, LegsUnbridged(self._call_sid, pair.leg_sid, pair.other_sid)]

    def part_all(self) -> list[Event | Effect]:
        """End every bridge."""
        return [output for leg_sid in list(self._pairs) for output in self.part(leg_sid)]

    def check_hold(self, leg_sid: LegSid) -> None:
        """Raise CommandError for a leg that cannot be held."""
        if leg_sid not in self._pairs:
            raise CommandError("the leg is in no bridge: there is nobody to hold it from")
        if self._pairs[leg_sid].held_sid is not None:
            raise CommandError("this bridge is held already")

    def hold(self, leg_sid: LegSid, music_id: PromptId) -> list[Event | Effect]:
        """Let the two of a bridge, which can be held, not hear each other."""
        pair = self._pairs[leg_sid]
        pair.held_sid, pair.music_id = leg_sid, music_id
        return [UnbridgeLegs(pair.leg_sid, pair.other_sid), LegHeld(self._call_sid, leg_sid)]

    def unhold(self, leg_sid: LegSid) -> list[Event | Effect]:
        """Let them hear each other again; raises CommandError."""
        pair = self._pairs.get(leg_sid)
        if pair is None or pair.held_sid != leg_sid:
            raise CommandError("the leg is not held")
        pair.held_sid, pair.music_id = None, None
        joined = BridgeLegs(pair.leg_sid, pair.other_sid, pair.relays_digits)
        return [joined, LegUnheld(self._call_sid, leg_sid)]

    def partner(self, leg_sid: LegSid, *, for_digits: bool = False) -> LegSid | None:
        """Return the other leg of a leg's bridge, or (`for_digits`) of one that relays keys."""
        pair = self._pairs.get(leg_sid)
        if pair is None or (for_digits and (pair.held_sid or not pair.relays_digits)):
            return None
        return pair.other_sid if pair.leg_sid == leg_sid else pair.leg_sid

    def music(self, leg_sid: LegSid) -> PromptId | None:
        """Return what is played to the held one of a leg's bridge; None when none is held."""
        pair = self._pairs.get(leg_sid)
        return None if pair is None else pair.music_id
