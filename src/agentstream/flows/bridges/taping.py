"""The recording of a bridge: made on one of its legs, whose ear hears everybody.

When that leg leaves, its file ends, and another one begins on the leg that has been in for longest.
"""

from agentstream.base.errors import CommandError
from agentstream.base.ids import LegSid
from agentstream.base.values import dataclass
from agentstream.flows.legs.verbs import Act, StartRecording, StopRecording


@dataclass(frozen=True, slots=True)
class _Order:
    verb: StartRecording
    action_sid: str
    custom: str


class BridgeTape:
    """One recording at a time (LG-103)."""

    def __init__(self, bridge_sid: str) -> None:
        self._bridge_sid = bridge_sid
        self._order: _Order | None = None
        self._leg_sid: LegSid | None = None  # on which it is made now

    def order(self, verb: StartRecording, action_sid: str, custom: str) -> None:
        """Record as soon as somebody is in; raises CommandError while it is recorded."""
        if self._order is not None:
            raise CommandError("this bridge is being recorded already")
        self._order = _Order(verb, action_sid, custom)

    def settle(self, inside: tuple[LegSid, ...]) -> list[Act]:
        """Begin where nothing is recorded that should be."""
        order = self._order
        if order is None or self._leg_sid is not None or not inside:
            return []
        self._leg_sid = inside[0]
        return [Act(order.action_sid, self._leg_sid, (order.verb,), order.custom)]

    def left(self, leg_sid: LegSid, *, has_ended: bool) -> list[Act]:
        """Take it that a leg is in no more; one that has ended has ended its file itself."""
        if leg_sid != self._leg_sid:
            return []
        self._leg_sid = None
        return [] if has_ended else [self._stop(leg_sid)]

    def refused(self, leg_sid: LegSid) -> None:
        """Take it that this leg cannot be recorded: there is no recording."""
        if leg_sid == self._leg_sid:
            self._order = self._leg_sid = None

    def stop(self) -> list[Act]:
        """End it; nothing to end is no mistake (LG-104)."""
        leg_sid, self._order, self._leg_sid = self._leg_sid, None, None
        return [] if leg_sid is None else [self._stop(leg_sid)]

    def _stop(self, leg_sid: LegSid) -> Act:
        return Act(self._bridge_sid, leg_sid, (StopRecording(),))
