"""The bridge that a leg is in, or listens to, where it is of no call (EX-26, EX-27, BR-9, BR-10).

free ──JoinBridge, Invited──▶ asks ──Admitted──▶ inside: leg_joined_bridge
                                └─Refused─▶ free    └─LeaveBridge, Dismissed, its end─▶ left
free ──StartMonitoring──▶ asks ──Watching──▶ listens: monitoring_started ─▶ monitoring_stopped
"""

from typing import Final

from agentstream.flows.legs.bridge_signs import (
    Admitted,
    BridgeSign,
    Dismissed,
    Refused,
    Watching,
    WatchOver,
    WatchRefused,
)
from agentstream.flows.legs.told import IMPOSSIBLE, NOBODY, LegInput, Origin, Over, Step, Teller
from agentstream.flows.legs.verbs import JoinBridge, LeaveBridge, StartMonitoring, StopMonitoring

INVITED: Final = NOBODY  # nobody's action waits for what becomes of an invitation


class Bridging:
    """A leg is in one bridge at most, and then listens to none."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._bridge_sid = ""  # of which it is, or wants to be
        self.is_inside = False
        self._origin = INVITED
        self._watched_sid = ""  # what it listens to
        self._watch: Origin | None = None  # asks to listen

    @property
    def is_taken(self) -> bool:
        """Whether it is in a bridge, or about to be."""
        return bool(self._bridge_sid)

    @property
    def listens(self) -> bool:
        """Whether it listens to one, or is about to."""
        return bool(self._watched_sid) or self.asks_to_listen

    @property
    def asks_to_listen(self) -> bool:
        """Whether it is about to."""
        return self._watch is not None

    def begin(
        self, origin: Origin, verb: JoinBridge | LeaveBridge | StartMonitoring | StopMonitoring
    ) -> list[Step]:
        """Begin what an action asks for, and can be done."""
        match verb:
            case JoinBridge(bridge_sid):
                return self._join(origin, bridge_sid)
            case LeaveBridge():
                return [*self._left(origin), Over(origin)]
            case StartMonitoring(bridge_sid, leg_sid, mode):
                # Who listens to this bridge already changes how.
                self._watch = origin
                return [self._teller.ask("watch", bridge_sid, mode, leg_sid)]
            case StopMonitoring():  # who does not listen is told nothing (LG-104)
                return [*self._stopped("stop_action", origin), Over(origin)]

    def invited(self, bridge_sid: str, why_not: str) -> list[Step]:
        """Answer a bridge that is being made."""
        if why_not:
            return [self._teller.ask("decline", bridge_sid, text=why_not)]
        return self._join(INVITED, bridge_sid)

    def end(self) -> list[Step]:
        """Take it that the leg is over (BR-11)."""
        steps = self._left() if self.is_inside else []
        self._bridge_sid, self._watch = "", None
        return [*steps, *self._stopped("leg_terminated")]

    def receive(self, happening: LegInput) -> list[Step]:
        """Take what a bridge says."""
        if not isinstance(happening, BridgeSign) or happening.leg_sid != self._teller.leg_sid:
            return []
        match happening:
            case Admitted(bridge_sid=self._bridge_sid) if not self.is_inside:
                return self._joined()
            case Refused(bridge_sid=self._bridge_sid, why=why) if not self.is_inside:
                return self._refused(why)
            case Dismissed(bridge_sid=self._bridge_sid):
                return self._left() if self.is_inside else []
            case Watching():
                return self._watching(happening)
            case WatchRefused(why=why) if self._watch is not None:
                origin, self._watch = self._watch, None
                name = "monitoring_failed_to_start"
                return self._teller.fail(name, origin, IMPOSSIBLE, why)
            case WatchOver(bridge_sid=self._watched_sid):
                return self._stopped("bridge_terminal")
            case _:
                return []

    def _join(self, origin: Origin, bridge_sid: str) -> list[Step]:
        self._bridge_sid, self._origin = bridge_sid, origin
        return [self._teller.ask("join", bridge_sid)]

    def _joined(self) -> list[Step]:
        self.is_inside = True
        sid, origin = self._bridge_sid, self._origin
        told = self._teller.tell("leg_joined_bridge", origin, bridge_sid=sid)
        return [told, *_over(origin)]

    def _refused(self, why: str) -> list[Step]:
        sid, self._bridge_sid = self._bridge_sid, ""
        if self._origin == INVITED:  # whoever made the bridge is told: bridge_failed_to_create
            return []
        name = "leg_failed_to_join_bridge"
        return self._teller.fail(name, self._origin, IMPOSSIBLE, why, bridge_sid=sid)

    def _left(self, origin: Origin = NOBODY) -> list[Step]:
        sid, self._bridge_sid, self.is_inside = self._bridge_sid, "", False
        return [self._teller.tell("leg_left_bridge", origin, bridge_sid=sid)]

    def _watching(self, sign: Watching) -> list[Step]:
        if self._watch is None:
            return []
        sid, origin, self._watch = sign.bridge_sid, self._watch, None
        before = self._stopped("replaced") if self._watched_sid != sid else []
        self._watched_sid = sid
        told = self._teller.tell("monitoring_started", origin, bridge_sid=sid, mode=sign.mode)
        return [*before, told, Over(origin)]

    def _stopped(self, reason: str, origin: Origin = NOBODY) -> list[Step]:
        sid, self._watched_sid = self._watched_sid, ""
        if not sid:
            return []
        name = "monitoring_stopped"
        return [self._teller.tell(name, origin, bridge_sid=sid, reason=reason)]


def _over(origin: Origin) -> list[Step]:
    return [] if origin == INVITED else [Over(origin)]
