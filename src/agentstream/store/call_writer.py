"""The call writer: what ended calls leave goes to the database in batches; no call waits for it.

write() ─▶ queue, bounded ─▶ run(): one transaction per batch ─▶ Shelf.write ─▶ on_written
                │                        │ locked, disk full: again, later and later
                ▼ full: refused, counted ▼ stop(): what the time does not allow is counted

Rows that were given together are written in one transaction, or refused together.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import structlog

from agentstream.store.protocols import StoreError
from agentstream.store.values import Written

QUEUE_LIMIT = 20_000  # rows of about 1 KiB; full: new rows are refused, loudly; calls go on
BATCH_LIMIT = 500
BATCH_MS = 150  # gathered for this long before a transaction
BUSY_ROWS = 20  # in one batch: from there on rows are gathered for longer, for fewer transactions
BUSY_BATCH_MS = 500
RETRY_MS = (50, 100, 200, 500, 1_000, 2_000)
_log = structlog.get_logger("call_writer")


class Known(Protocol):
    """Something that has a name in the log."""

    @property
    def sid(self) -> str:
        """Its id."""


Kept = TypeVar("Kept", bound=Known)
Kept_contra = TypeVar("Kept_contra", contravariant=True)


class Shelf(Protocol[Kept_contra]):
    """Where a batch goes: `Calls`, say."""

    async def write(self, rows: Sequence[Kept_contra]) -> int:
        """Write in one transaction and return how many rows were new; raises StoreError."""


@dataclass(slots=True)
class WriterCounts:
    """Rows since the start, for metrics."""

    written: int = 0
    refused: int = 0  # the queue was full
    lost: int = 0  # no database takes them, or the time to stop was over
    retries: int = 0
    batches: int = 0


class BatchWriter(Generic[Kept]):
    """Writes behind the calls' backs. `rows_of` says how many rows an item of the queue becomes."""

    def __init__(
        self,
        shelf: Shelf[Kept],
        queue_limit: int = QUEUE_LIMIT,
        batch_ms: int = BATCH_MS,
        rows_of: Callable[[Kept], int] = lambda _: 1,
        on_written: Callable[[Sequence[Kept]], None] = lambda _: None,
    ) -> None:
        self.counts = WriterCounts()
        self._shelf = shelf
        self._rows_of = rows_of
        self._on_written = on_written
        self._queue: deque[tuple[Kept, ...]] = deque()
        self._rows = 0  # of what is in the queue
        self._queue_limit = queue_limit
        self._batch_ms = batch_ms
        self._filled = asyncio.Event()
        self._stopping = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def waiting(self) -> int:
        """Rows not yet in the database."""
        return self._rows

    def write(self, *rows: Kept) -> None:
        """Take rows and return at once; when the queue is full they are refused and counted."""
        if self._rows >= self._queue_limit:
            for row in rows:
                self.counts.refused += 1
                if self.counts.refused == 1 or self.counts.refused % 1_000 == 0:
                    _log.error("row_refused", sid=row.sid, refused=self.counts.refused)
            return
        self._queue.append(rows)
        self._rows += self._size(rows)
        self._idle.clear()
        self._filled.set()

    async def run(self) -> None:
        """Write until `stop`; the task of whoever owns the writer."""
        rows = 0  # of the batches before
        while True:
            await self._filled.wait()
            if not self._queue:  # woken by `stop`
                return
            await self._pause(self._batch_ms if rows < BUSY_ROWS else BUSY_BATCH_MS)
            rows = self._rows
            while self._queue:
                await self._write_batch()
            self._idle.set()
            self._filled.clear()
            if self._stopping.is_set():
                return

    async def flush(self) -> None:
        """Wait until every row is written; the caller sets the deadline."""
        await self._idle.wait()

    async def stop(self, timeout_ms: int = 5_000) -> None:
        """Write what waits, within the time, and let `run` return; the rest is counted as lost."""
        self._stopping.set()
        self._filled.set()
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await self._idle.wait()
        except TimeoutError:
            self.counts.lost += self._rows
            _log.error("rows_lost", rows=self._rows)
            self._queue.clear()
            self._rows = 0
            self._idle.set()

    async def _write_batch(self) -> None:
        taken, batch = self._next_batch()
        try:
            await self._write(batch)
        except Exception as error:
            # The top of a task: a row that no database takes must not keep the others waiting.
            _log.exception("batch_broke_off", rows=len(batch), error=type(error).__name__)
            for row in batch:
                await self._write_alone(row)
        # The rows stay in the queue until they are written, so that its bound is a bound.
        for _ in range(min(taken, len(self._queue))):
            self._rows -= self._size(self._queue.popleft())

    def _next_batch(self) -> tuple[int, list[Kept]]:
        """Return how many of the queue's places make a batch, and their rows."""
        batch: list[Kept] = []
        taken = rows = 0
        for together in self._queue:
            taken += 1
            batch += together
            rows += self._size(together)
            if rows >= BATCH_LIMIT:
                break
        return taken, batch

    def _size(self, rows: Iterable[Kept]) -> int:
        return sum(map(self._rows_of, rows))

    async def _write_alone(self, row: Kept) -> None:
        try:
            await self._write([row])
        except Exception as error:
            self.counts.lost += self._rows_of(row)
            _log.error("row_lost", sid=row.sid, error=str(error))

    async def _write(self, batch: list[Kept]) -> None:
        attempt = 0
        while self._queue:  # `stop` empties it when its time is over
            try:
                self.counts.written += await self._shelf.write(batch)
            except StoreError as error:
                wait_ms = RETRY_MS[min(attempt, len(RETRY_MS) - 1)]
                attempt += 1
                self.counts.retries += 1
                if attempt == 1:
                    _log.warning("rows_wait", rows=self._rows, error=str(error))
                await asyncio.sleep(wait_ms / 1000)
            else:
                self.counts.batches += 1
                self._on_written(batch)
                return

    async def _pause(self, pause_ms: int) -> None:
        if self._stopping.is_set():
            return
        try:
            async with asyncio.timeout(pause_ms / 1000):
                await self._stopping.wait()
        except TimeoutError:
            pass


class CallWriter(BatchWriter[Written]):
    """Writes CallRecord, StreamRecord, Recording and Webhook rows."""
