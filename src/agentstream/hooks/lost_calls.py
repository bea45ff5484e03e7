"""Calls that a crash took: their records are written, and whoever had them placed is told.

placed.lost() ─▶ its legs are told ─▶ record, status failed ─▶ rows and webhook, in one transaction
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from agentstream.base.clock import Clock
from agentstream.calls.causes import Cause, Party
from agentstream.calls.record import CallRecord
from agentstream.hooks.call_records import TellEnd, rows_of
from agentstream.store.placed_calls import BEAT_MS, LostCall, PlacedCalls
from agentstream.store.protocols import Calls, StoreError

# The end of a lost call's legs, at a time; raises StoreError.
TellLegs = Callable[[LostCall, datetime], Awaitable[None]]
TEXT: Final = "The server broke off while this call lived; how it went on is not known."
_log = structlog.get_logger("lost_calls")


class LostCalls:
    """Looks for them at the start, and again and again for those of other nodes."""

    def __init__(
        self,
        placed: PlacedCalls,
        calls: Calls,
        tell_end: TellEnd,
        clock: Clock,
        on_written: Callable[[], None] = lambda: None,
        tell_legs: TellLegs | None = None,
    ) -> None:
        self._placed = placed
        self._calls = calls
        self._tell_end = tell_end
        self._clock = clock
        self._on_written = on_written
        self._tell_legs = tell_legs

    async def run(self, beat_ms: int = BEAT_MS) -> None:
        """Look, and say that our own calls live, until cancelled."""
        while True:
            try:
                await self.settle()
                await self._placed.beat()
            except StoreError as error:
                _log.warning("lost_calls_not_settled", error=str(error))
            except Exception:
                # The top of a task: our own calls must go on being said to live.
                _log.exception("lost_calls_broke_off")
            await asyncio.sleep(beat_ms / 1000)

    async def settle(self) -> int:
        """Write down how these calls ended; returns how many there were. Raises StoreError."""
        count = 0
        while lost := await self._placed.lost():
            now = self._clock.wall()
            for call in lost:
                record = record_of(call)
                if self._tell_legs is not None:
                    await self._tell_legs(call, now)
                await self._calls.write([*rows_of(record), *self._tell_end(record, now)])
                _log.warning("placed_call_lost", call_sid=call.setup.call_sid)
            count += len(lost)
            self._on_written()
        return count


def record_of(call: LostCall) -> CallRecord:
    """Return what can be said of a call whose process is gone: it ended when last heard of."""
    lived_ms = max(0, (call.seen_at - call.setup.started_at) // timedelta(milliseconds=1))
    return CallRecord(
        setup=call.setup,
        status="failed",
        cause=Cause.INTERNAL,
        ended_by=Party.SYSTEM,
        text=TEXT,
        rang_ms=None,
        answered_ms=None,
        hung_up_ms=lived_ms,
        ended_ms=lived_ms,
        rang_at=None,
        answered_at=None,
        ended_at=call.setup.started_at + timedelta(milliseconds=lived_ms),
        duration_ms=lived_ms,
        talk_ms=0,
        billable_s=0,
        digits=0,
        stray_reports=0,
    )
