"""Hears what an engine reports of registrations and probes, for tests.

heard = Heard(engine)
await heard.until(Registered, 2)
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from agentstream.sip.reports import OutsideReport
from agentstream.testing.waiting import until

R = TypeVar("R", bound=OutsideReport)


class _Engine(Protocol):
    def on_outside(self, receive: Callable[[OutsideReport], None]) -> None:
        """See `SignalingEngine`."""


@dataclass
class Heard:
    """Everything that was reported, in order."""

    engine: _Engine
    reports: list[OutsideReport] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine.on_outside(self.reports.append)

    def of(self, kind: type[R]) -> list[R]:
        """Return the reports of one kind."""
        return [report for report in self.reports if isinstance(report, kind)]

    async def until(self, kind: type[R], count: int = 1, timeout_ms: int = 10_000) -> R:
        """Wait for so many reports of a kind; returns the last."""
        await until(lambda: len(self.of(kind)) >= count, timeout_ms)
        return self.of(kind)[count - 1]
