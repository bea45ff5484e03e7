"""A machine: state that receives what happened, and answers with what follows.

Time is an argument, so a test can live through a bad night in a millisecond. A driver (in `net` or
`switch`) owns the machine, calls `wake` no earlier than `wake_at_ms`, and performs what it returns.
"""

from typing import Protocol, TypeVar

In_contra = TypeVar("In_contra", contravariant=True)
Out = TypeVar("Out")


class Machine(Protocol[In_contra, Out]):
    """Pure state: no sockets, no clock, no chance."""

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first; None when no timer is set."""

    def receive(self, happening: In_contra, now_ms: int) -> list[Out]:
        """Take one happening; return what follows, in order."""

    def wake(self, now_ms: int) -> list[Out]:
        """Let timers that are due fire; harmless when none is."""


def earliest(*times_ms: int | None) -> int | None:
    """Return the earliest of the times that are set."""
    first: int | None = None
    for time_ms in times_ms:
        if time_ms is not None and (first is None or time_ms < first):
            first = time_ms
    return first
