"""What the register of bridges is ordered, what it asks of calls, its bounds and its counters."""

from typing import Protocol

from agentstream.base.ids import AccountSid, LegSid
from agentstream.base.values import dataclass
from agentstream.flows.bridges.values import BridgeTerms
from agentstream.flows.legs.bridge_signs import BridgeSign
from agentstream.flows.legs.verbs import Act
from agentstream.media.engine import MediaLeg


@dataclass(frozen=True, slots=True)
class BridgeLimits:
    """Bounds of one register."""

    bridges: int = 1_000
    bridges_per_account: int = 200


@dataclass(frozen=True, slots=True)
class BridgeOrder:
    """A bridge to make; without legs it waits for the first."""

    account_sid: AccountSid
    terms: BridgeTerms
    leg_sids: tuple[LegSid, ...] = ()


class LegLine(Protocol):
    """A call, as far as bridges know it."""

    def post(self, happening: BridgeSign | Act) -> None:
        """Let a leg of it know something, or do it; nobody is told that it cannot."""

    def media(self, leg_sid: LegSid) -> MediaLeg | None:
        """Return a leg's audio; None for one that has none any more."""


class LegLines(Protocol):
    """Where the calls of legs are found."""

    def line_of(self, leg_sid: LegSid) -> LegLine | None:
        """Return the live call of a leg; None when there is none (any more)."""

    async def act(self, act: Act) -> None:
        """Steer a leg; raises CommandError when it cannot be done now."""


@dataclass(slots=True)
class BridgeCounts:
    """Since the start, for metrics."""

    created: int = 0
    failed: int = 0
    refused: int = 0  # for a bound
