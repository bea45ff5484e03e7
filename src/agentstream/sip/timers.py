"""The timers of RFC 3261 (table 4), 6026 and 3262, and the one heap that wakes their owners."""

import heapq
from collections.abc import Iterator
from itertools import count
from typing import Protocol

from agentstream.base.values import dataclass


@dataclass(frozen=True, slots=True)
class Timers:
    """T1: estimated round trip. T2: longest gap of repetitions. T4: longest life of a message."""

    t1_ms: int = 500
    t2_ms: int = 4_000
    t4_ms: int = 5_000

    @property
    def transaction_ms(self) -> int:
        """64*T1: how long a transaction waits (B, F, H, J, L, M) and a 2xx is repeated."""
        return 64 * self.t1_ms

    def absorb_ms(self, *, is_reliable: bool) -> int:
        """D and J: how long an unreliable transport may still bring repetitions."""
        return 0 if is_reliable else 64 * self.t1_ms

    def linger_ms(self, *, is_reliable: bool) -> int:
        """I and K: T4, or nothing on a reliable transport."""
        return 0 if is_reliable else self.t4_ms


class Alarms:
    """The few named times of one sleeper; each rings once."""

    __slots__ = ("_at_ms",)

    def __init__(self) -> None:
        self._at_ms: dict[str, int] = {}

    @property
    def wake_at_ms(self) -> int | None:
        """The earliest of them."""
        return min(self._at_ms.values()) if self._at_ms else None

    def set(self, name: str, at_ms: int) -> None:
        """Set or move one."""
        self._at_ms[name] = at_ms

    def __contains__(self, name: str) -> bool:
        return name in self._at_ms

    def clear(self, *names: str) -> None:
        """Clear these; harmless when they are not set."""
        for name in names:
            self._at_ms.pop(name, None)

    def clear_all(self) -> None:
        """Clear every one."""
        self._at_ms.clear()

    def take_due(self, now_ms: int) -> list[str]:
        """Clear and return those whose time has come, earliest first."""
        due = sorted(
            (name for name, at_ms in self._at_ms.items() if at_ms <= now_ms),
            key=self._at_ms.__getitem__,
        )
        self.clear(*due)
        return due


class Sleeper(Protocol):
    """Whoever wants to be woken. `alarm` belongs to the queue."""

    alarm: "Alarm | None"

    @property
    def wake_at_ms(self) -> int | None:
        """When to wake it; None for never."""


class Alarm:
    """One entry of the heap; emptied rather than searched for when its owner is gone."""

    __slots__ = ("at_ms", "sleeper")

    def __init__(self, at_ms: int, sleeper: Sleeper) -> None:
        self.at_ms = at_ms
        self.sleeper: Sleeper | None = sleeper


class WakeQueue:
    """A heap of alarms, O(log n) for each change.

    A sleeper that wants to sleep longer keeps its alarm, which is set again when it rings; one that
    wants to wake earlier gets a new one. Empty alarms are swept out once they are the greater part.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Alarm]] = []  # by time, then in the order of setting
        self._order = count()
        self._empty = 0

    @property
    def wake_at_ms(self) -> int | None:
        """When the next alarm rings."""
        heap = self._heap
        while heap and heap[0][2].sleeper is None:
            heapq.heappop(heap)
            self._empty -= 1
        return heap[0][0] if heap else None

    def __len__(self) -> int:
        return len(self._heap) - self._empty

    def watch(self, sleeper: Sleeper) -> None:
        """Set, move or clear the sleeper's alarm, after its `wake_at_ms` may have changed."""
        at_ms = sleeper.wake_at_ms
        alarm = sleeper.alarm
        if at_ms is None:
            self.forget(sleeper)
        elif alarm is None or at_ms < alarm.at_ms:
            self.forget(sleeper)
            sleeper.alarm = Alarm(at_ms, sleeper)
            heapq.heappush(self._heap, (at_ms, next(self._order), sleeper.alarm))

    def forget(self, sleeper: Sleeper) -> None:
        """Clear the sleeper's alarm; harmless when it has none."""
        if sleeper.alarm is None:
            return
        sleeper.alarm.sleeper = None
        sleeper.alarm = None
        self._empty += 1
        if self._empty > 64 and self._empty * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].sleeper is not None]
            heapq.heapify(self._heap)
            self._empty = 0

    def due(self, now_ms: int) -> Iterator[Sleeper]:
        """Take out, one by one, the sleepers whose time has come; `watch` each again afterwards."""
        while (at_ms := self.wake_at_ms) is not None and at_ms <= now_ms:
            sleeper = heapq.heappop(self._heap)[2].sleeper
            assert sleeper is not None  # wake_at_ms has swept the empty ones
            sleeper.alarm = None
            wanted_ms = sleeper.wake_at_ms
            if wanted_ms is None:
                continue
            if wanted_ms > now_ms:
                self.watch(sleeper)
            else:
                yield sleeper
