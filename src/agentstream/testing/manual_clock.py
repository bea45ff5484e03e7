"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta

_START = datetime(2027, 1, 12, 10, 4, 5, tzinfo=UTC)


class ManualClock:
    """See `base.clock.Clock`; starts at 1,000,000 ms, on a Tuesday morning."""

    def __init__(self, now_ms: int = 1_000_000) -> None:
        self._start_ms = now_ms
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Return the time to which the test moved it."""
        return self._now_ms

    def wall(self) -> datetime:
        """Return the time of day that goes with it."""
        return _START + timedelta(milliseconds=self._now_ms - self._start_ms)

    def advance(self, duration_ms: int) -> None:
        """Move on."""
        self._now_ms += duration_ms
