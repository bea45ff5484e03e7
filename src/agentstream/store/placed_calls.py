"""Calls that we placed and that live: whoever asked for one is told how it ended, crash or not.

begin() ─▶ a row ─▶ Calls.write of the call's record: the row goes in the same transaction
             └─▶ lost(): its process is gone
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from agentstream.base.ids import CallSid
from agentstream.calls.record import CallSetup

BEAT_MS = 20_000
LOST_AFTER: Final = timedelta(milliseconds=6 * BEAT_MS)  # a node not heard of for so long is gone
LOST_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class LostCall:
    """A call whose process is gone; it lived at `seen_at`, and nobody knows for how much longer."""

    setup: CallSetup
    seen_at: datetime


class PlacedCalls(Protocol):
    """The door; see `protocols` for its errors."""

    async def begin(self, setup: CallSetup) -> None:
        """Note a call before it is dialled; `Calls.write` of its record takes the note away."""

    async def forget(self, sid: CallSid) -> None:
        """Take the note of a call away that was not dialled after all, and leaves no record."""

    async def beat(self) -> None:
        """Say that this process, and so its calls, live."""

    async def lost(self) -> Sequence[LostCall]:
        """Return some calls whose process is gone: an earlier one of this node, or another's."""
