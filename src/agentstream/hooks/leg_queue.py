"""The events of one leg on their way to its endpoint: in order, one in flight (EV-32 to EV-39).

waiting ─Attempt▶ in flight ─taken─▶ Settled: delivered       ─▶ the next one
   ▲                     ├─not now─▶ again, up to `attempts`
   └──── retry_ms ───────┘    is_final, or the last time ─▶ Settled: dropped
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from agentstream.store.legs import LegEventRow

QUEUE_LIMIT: Final = 200  # of one leg; full: the newest is dropped, and its row says so


@dataclass(frozen=True, slots=True)
class Patience:
    """How hard an event is tried (EV-32, EV-33, EV-36)."""

    attempts: int = 3
    retry_ms: tuple[int, ...] = (200, 500)  # after the first, the second ...; then the last again
    jitter: float = 0.2  # of it, at random, is added


@dataclass(frozen=True, slots=True)
class Told:
    """An event is to be sent."""

    row: LegEventRow


@dataclass(frozen=True, slots=True)
class Answered:
    """An attempt is over: `error` "" when it was taken; `is_final`: another would be the same."""

    error: str
    is_final: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """Send this event now; `number` counts from 1 (EV-34)."""

    row: LegEventRow
    number: int


@dataclass(frozen=True, slots=True)
class Settled:
    """The telling of an event is over; the row says how."""

    row: LegEventRow


Input = Told | Answered
Output = Attempt | Settled


class LegQueue:
    """A machine; `chance` returns a number from 0 to 1, for the jitter."""

    def __init__(self, patience: Patience, chance: Callable[[], float]) -> None:
        self.wake_at_ms: int | None = None
        self._patience = patience
        self._chance = chance
        self._waiting: deque[LegEventRow] = deque()  # the first is the one that is tried
        self._is_flying = False

    @property
    def waiting(self) -> int:
        """How many events are not settled."""
        return len(self._waiting)

    def receive(self, happening: Input, now_ms: int) -> list[Output]:
        """Take an event, or what became of an attempt."""
        match happening:
            case Told(row):
                return self._told(row)
            case Answered():
                return self._answered(happening, now_ms)

    def wake(self, now_ms: int) -> list[Output]:
        """Try again, once it is time."""
        if self.wake_at_ms is None or now_ms < self.wake_at_ms:
            return []
        self.wake_at_ms = None
        return self._fly()

    def _told(self, row: LegEventRow) -> list[Output]:
        if len(self._waiting) >= QUEUE_LIMIT:
            error = f"{QUEUE_LIMIT} events of this leg wait already"
            return [Settled(replace(row, state="dropped", error=error))]
        self._waiting.append(row)
        return self._fly() if len(self._waiting) == 1 else []

    def _answered(self, answer: Answered, now_ms: int) -> list[Output]:
        self._is_flying = False
        row = self._waiting[0]
        row = replace(row, attempts=row.attempts + 1, error=answer.error, updated_at=answer.at)
        if not answer.error:
            return self._settle(replace(row, state="delivered"))
        if answer.is_final or row.attempts >= self._patience.attempts:
            return self._settle(replace(row, state="dropped"))
        self._waiting[0] = row
        self.wake_at_ms = now_ms + self._rest_ms(row.attempts)
        return []

    def _settle(self, row: LegEventRow) -> list[Output]:
        self._waiting.popleft()
        return [Settled(row), *self._fly()]

    def _fly(self) -> list[Output]:
        if self._is_flying or not self._waiting:
            return []
        self._is_flying = True
        row = self._waiting[0]
        return [Attempt(row, row.attempts + 1)]

    def _rest_ms(self, failed: int) -> int:
        retries = self._patience.retry_ms
        rest_ms = retries[min(failed, len(retries)) - 1]
        return round(rest_ms * (1 + self._patience.jitter * self._chance()))
