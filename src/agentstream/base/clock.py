"""Clocks: whole milliseconds of one monotonic clock, and the wall for what people read."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where `now_ms` comes from."""

    def now_ms(self) -> int:
        """Milliseconds of a monotonic clock; the native audio path stamps events with the same."""

    def wall(self) -> datetime:
        """Return the time of day, in UTC."""


class SystemClock:
    """The machine's own clocks (CLOCK_MONOTONIC and the wall)."""

    def now_ms(self) -> int:
        """Milliseconds of CLOCK_MONOTONIC."""
        return time.monotonic_ns() // 1_000_000

    def wall(self) -> datetime:
        """Return the time of day, in UTC."""
        return datetime.now(UTC)


def utc_ms(at: datetime) -> str:
    """Return a time in RFC 3339, in UTC and whole milliseconds, with a Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
