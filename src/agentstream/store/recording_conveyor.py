"""A bounded line of recordings that wait for a piece of work, done again until it succeeds.

put() ─▶ line ─▶ some workers ─▶ done
           ▲         │ StoreError, OSError: to the end of the line, and a longer and longer rest
           └─────────┘
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import structlog

from agentstream.store.protocols import StoreError
from agentstream.store.values import Recording

LINE_LIMIT = 10_000
RETRY_MS = (200, 1_000, 2_000, 5_000)  # the rests after failures; the last one repeats
_log = structlog.get_logger("recordings")


class Conveyor:
    """Runs `work` for each recording, `workers` at once; a recording is in the line only once."""

    def __init__(
        self,
        name: str,
        work: Callable[[Recording], Awaitable[None]],
        workers: int = 2,
        limit: int = LINE_LIMIT,
        retry_ms: tuple[int, ...] = RETRY_MS,
    ) -> None:
        self.done = 0
        self.failures = 0  # attempts, not recordings
        self._name = name
        self._work = work
        self._workers = workers
        self._limit = limit
        self._retry_ms = retry_ms
        self._line: OrderedDict[str, Recording] = OrderedDict()
        self._at_work: set[str] = set()
        self._failed_in_a_row = 0
        self._changed = asyncio.Event()  # set, and replaced, whenever something changes
        self._is_stopping = False

    @property
    def waiting(self) -> int:
        """How many are not done yet."""
        return len(self._line) + len(self._at_work)

    @property
    def has_room(self) -> bool:
        """Whether one more may come."""
        return self.waiting < self._limit

    def holds(self, sid: str) -> bool:
        """Whether this recording waits or is being worked on."""
        return sid in self._line or sid in self._at_work

    def put(self, recording: Recording) -> bool:
        """Take a recording and return at once; False when there is no room, or it is here."""
        if not self.has_room or self.holds(recording.sid):
            return False
        self._line[recording.sid] = recording
        self._tell()
        return True

    async def room(self) -> None:
        """Wait until one more may come."""
        await self._until(lambda: self.has_room)

    async def idle(self) -> None:
        """Wait until nothing is left to do."""
        await self._until(lambda: not self.waiting)

    async def run(self) -> None:
        """Work until `stop`; the task of whoever owns the conveyor."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._workers):
                tasks.create_task(self._run_one())

    async def stop(self, timeout_ms: int) -> int:
        """Work off what waits, within the time; returns how many are left for the next start.

        While nothing succeeds there is no waiting. `run` returns once what is at work is over.
        """
        self._is_stopping = True
        self._tell()
        await self._until(lambda: not self.waiting or self._failed_in_a_row > 0, timeout_ms)
        left = self.waiting
        self._line.clear()
        self._tell()
        return left

    async def _run_one(self) -> None:
        while True:
            await self._until(lambda: bool(self._line) or self._is_stopping)
            if not self._line:
                return
            sid, recording = self._line.popitem(last=False)
            self._at_work.add(sid)
            rest_ms = await self._try(recording)
            self._at_work.discard(sid)
            if rest_ms and not self._is_stopping:
                self._line[sid] = recording
            self._tell()
            if rest_ms:
                await self._until(lambda: self._is_stopping, rest_ms)

    async def _try(self, recording: Recording) -> int:
        """Work on a recording; returns for how long to rest because it failed, else 0."""
        try:
            await self._work(recording)
        except (StoreError, OSError) as error:
            if self._failed_in_a_row == 0:
                sid, text = recording.sid, str(error)
                _log.warning("recording_waits", sid=sid, line=self._name, error=text)
        except Exception:
            # The top of a task: one recording that breaks us must not keep the others waiting.
            _log.exception("recording_broke_off", sid=recording.sid, line=self._name)
        else:
            self.done += 1
            self._failed_in_a_row = 0
            return 0
        self.failures += 1
        rest_ms = self._retry_ms[min(self._failed_in_a_row, len(self._retry_ms) - 1)]
        self._failed_in_a_row += 1
        return rest_ms

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _until(self, holds: Callable[[], bool], timeout_ms: int | None = None) -> None:
        """Wait until something holds, or the time is over."""
        try:
            async with asyncio.timeout(None if timeout_ms is None else timeout_ms / 1000):
                while not holds():
                    await self._changed.wait()
        except TimeoutError:
            pass
