"""What the part of the Legs API that is about bridges asks of the house."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from agentstream.flows.bridges.values import BridgeAct, BridgeTerms
from agentstream.store.bridges import BridgeRow
from agentstream.store.legs import LegEventRow
from agentstream.switch.bridge_ports import BridgeOrder
from agentstream.switch.bridge_view import BridgeView


class BridgeBoard(Protocol):
    """Bridges that live, or have ended a moment ago.

    What cannot be done now raises CommandError with a sentence, and a bound BusyError.
    """

    def find(self, bridge_sid: str) -> BridgeView | None:
        """Return how a bridge stands."""

    def create(self, order: BridgeOrder) -> BridgeView:
        """Make a bridge; what becomes of it is told."""

    def stop(self, bridge_sid: str, *, hangs_up: bool) -> BridgeView:
        """Let a bridge end, its legs up or hung up."""

    def change(self, bridge_sid: str, terms: BridgeTerms) -> BridgeView:
        """Let a bridge be otherwise from now on."""

    async def act(self, act: BridgeAct) -> None:
        """Let the legs of a bridge do something."""


class BridgeHistory(Protocol):
    """Bridges that have ended, and what was told of each."""

    async def find_bridge(self, sid: str) -> BridgeRow | None:
        """Return one bridge."""

    async def bridge_events(
        self, bridge_sid: str, name: str = "", after: int = 0
    ) -> Sequence[LegEventRow]:
        """Return events of a bridge with a higher sequence, in order; `name` "" is every one."""


@dataclass(frozen=True, slots=True)
class BridgeDoor:
    """What requests for bridges need."""

    board: BridgeBoard
    history: BridgeHistory
