"""What the Legs API asks of the house, as shapes that a double can have."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from agentstream.api.v2.bridge_doors import BridgeDoor
from agentstream.base.ids import AccountSid, LegSid
from agentstream.flows.legs.verbs import Act
from agentstream.store.legs import LegEventRow, LegRow
from agentstream.switch.leg_style import LegStyle
from agentstream.switch.leg_view import LegTerms, LegView


class LegViews(Protocol):
    """Legs that live, or have ended a moment ago."""

    def expect(self, leg_sid: LegSid, terms: LegTerms) -> None:
        """Say how a leg is ordered that is about to be dialled."""

    def forget(self, leg_sid: LegSid) -> None:
        """Take that back: it was not dialled."""

    def find(self, leg_sid: LegSid) -> LegView | None:
        """Return how a leg stands."""


class LegHistory(Protocol):
    """Legs that have ended, and what was told of each."""

    async def find(self, sid: LegSid) -> LegRow | None:
        """Return one leg."""

    async def events(
        self, leg_sid: LegSid, name: str = "", after: int = 0
    ) -> Sequence[LegEventRow]:
        """Return events of a leg with a higher sequence, in order; `name` "" is every one."""


class Steering(Protocol):
    """Where actions go."""

    async def act(self, act: Act) -> None:
        """Let a leg do something; raises CommandError with a sentence when it cannot."""

    def change(self, leg_sid: LegSid, terms: LegTerms, at: datetime) -> LegView | None:
        """Let a live leg have other terms (LG-61); None when it has ended."""


class EventSource(Protocol):
    """What is told of legs, as it happens."""

    @property
    def listeners(self) -> int:
        """How many listen."""

    def listen(
        self, account_sid: AccountSid, listener: Callable[[LegEventRow], None]
    ) -> Callable[[], None]:
        """Let somebody hear the events of an account's legs; returns how to leave."""


@dataclass(frozen=True, slots=True)
class LegDoor:
    """What the Legs API needs."""

    views: LegViews
    history: LegHistory
    steering: Steering
    events: EventSource
    settings: LegStyle
    bridges: BridgeDoor | None = None  # None: there are none
    masks_digits: bool = True  # in the history: keys may be PINs and card numbers
