"""Which bridge a leg is in, is about to join or listens to; and whose call it is."""

from collections.abc import Callable

from agentstream.base.ids import CallSid, LegSid
from agentstream.switch.leg_view import LegView


class BridgeLegs:
    """The legs that live bridges are concerned with."""

    def __init__(self, find_leg: Callable[[LegSid], LegView | None]) -> None:
        self._find_leg = find_leg
        self._bridges: dict[LegSid, str] = {}
        self._calls: dict[CallSid, set[LegSid]] = {}  # until the call ends

    def __contains__(self, leg_sid: LegSid) -> bool:
        return leg_sid in self._bridges

    def bridge_of(self, leg_sid: LegSid | None) -> str:
        """Return the bridge of a leg; "" for none."""
        return "" if leg_sid is None else self._bridges.get(leg_sid, "")

    def note(self, bridge_sid: str, before: frozenset[LegSid], now: frozenset[LegSid]) -> None:
        """Take with which legs a bridge is concerned."""
        for leg_sid in before - now:
            if self._bridges.get(leg_sid) == bridge_sid:
                del self._bridges[leg_sid]
        for leg_sid in now - before:
            self._bridges[leg_sid] = bridge_sid
            view = self._find_leg(leg_sid)
            if view is not None:
                self._calls.setdefault(view.call_sid, set()).add(leg_sid)

    def take_call(self, call_sid: CallSid) -> list[LegSid]:
        """Return the legs of a call that has ended, which are in a bridge all the same."""
        return [sid for sid in self._calls.pop(call_sid, ()) if sid in self._bridges]
