"""How much each road carries: calls at once, calls in a second, hours of the day.

A road is asked before a call takes it; one that is full is passed over for the next.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Final

from agentstream.base.values import dataclass
from agentstream.flows.hours import Hours
from agentstream.switch.second_rates import SecondRates


@dataclass(frozen=True, slots=True)
class RoadLimit:
    """The bounds of one road."""

    calls: int = 0  # at once; 0: no limit
    per_second: int = 0  # begun in a second; 0: no limit
    hours: Hours | None = None  # None: always


NO_LIMIT: Final = RoadLimit()


class RoadLimits:
    """Counts the calls of every road, by the road's key; times are `now_ms` and UTC."""

    def __init__(self, others: Callable[[str], int] = lambda _: 0) -> None:
        """Take who else counts calls that share a limit: those from an account's trunk."""
        self._others = others
        self._live: Counter[str] = Counter()
        self._rates = SecondRates()

    def live(self, key: str) -> int:
        """Return how many calls go by this road now."""
        return self._live[key]

    def take(self, key: str, limit: RoadLimit, now_ms: int, wall: datetime) -> str:
        """Take a place on a road; returns why there is none, "" when it was taken."""
        if limit.hours is not None and not limit.hours.are_open(wall):
            return "it is closed at this hour"
        if limit.calls and self._live[key] + self._others(key) >= limit.calls:
            return f"it has {limit.calls} calls, and no more may be"
        if not self._rates.draw(key, limit.per_second, now_ms):
            return f"it takes {limit.per_second} calls in a second, and no more"
        self._live[key] += 1
        return ""

    def leave(self, key: str) -> None:
        """Give a place back that was taken."""
        self._live[key] -= 1
        if self._live[key] <= 0:
            del self._live[key]
