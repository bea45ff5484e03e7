"""What happens to a recording after it was made, behind the calls' backs: nothing of it is lost.

made ─▶ settling: encrypt, hash, row "ready" ─▶ uploading: S3, row moved, local copy removed
             ▲                                        ▲
             └──── patrol: what lies in the folder, at the start and from time to time ──┘
                   keep_days over: removed everywhere, row "deleted"
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TypeVar

import structlog

from agentstream.base.clock import Clock
from agentstream.base.errors import CommandError
from agentstream.base.ids import AccountSid, CallSid
from agentstream.store.protocols import RecordingQuery, Store, StoreError
from agentstream.store.recording_conveyor import Conveyor
from agentstream.store.recording_files import RecordingFiles
from agentstream.store.recording_seal import SealError
from agentstream.store.recording_storage import StoredName
from agentstream.store.recording_wav import WavError
from agentstream.store.values import Recording

PATROL_S = 3_600.0
PRUNE_S = 86_400.0
UPLOAD_RETRY_MS = (200, 1_000, 5_000, 15_000, 60_000)
AGAIN_S = 600.0  # after a patrol or a pruning that failed
BATCH = 200
LONGEST = timedelta(hours=25)  # a recording ends with its call, which has at most a day (AS-49)
_WORKERS = 2
_log = structlog.get_logger("recordings")
T = TypeVar("T")


class RecordingKeeper:
    """Two conveyors, a patrol and the retention of one node's recordings."""

    def __init__(
        self,
        files: RecordingFiles,
        store: Store,
        clock: Clock,
        keep_days: int = 0,
        on_settled: Callable[[Recording], None] = lambda _: None,
        is_live: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`is_live` tells of a recording that is being made now; `keep_days` 0: for ever."""
        self.settling = Conveyor("settling", self._settle, _WORKERS)
        self.uploading = Conveyor("uploading", self._upload, _WORKERS, retry_ms=UPLOAD_RETRY_MS)
        self._files = files
        self._store = store
        self._clock = clock
        self._keep_days = keep_days
        self._on_settled = on_settled
        self._is_live = is_live
        self._is_behind = asyncio.Event()  # somebody found no room: the folder must be looked at
        self._threads = ThreadPoolExecutor(2 * _WORKERS, "rec-keeper")

    def take(self, recording: Recording) -> None:
        """Take a recording that was just made, or has failed; returns at once."""
        if not self.settling.put(recording) and not self.settling.has_room:
            self._is_behind.set()

    async def run(self) -> None:
        """Work until `stop`, or until cancelled; one keeper of a folder at a time."""
        with suppress(OSError):
            await self._off(self._files.clear_left_over)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.settling.run())
            tasks.create_task(self.uploading.run())
            tasks.create_task(self._repeat(self.patrol, PATROL_S, self._is_behind))
            tasks.create_task(self._repeat(self._keep_retention, PRUNE_S, asyncio.Event()))

    async def stop(self, timeout_ms: int = 5_000) -> None:
        """Settle and upload what waits, within the time; the rest is for the next start."""
        left = await self.settling.stop(timeout_ms)
        left += await self.uploading.stop(timeout_ms)
        if left:
            _log.warning("recordings_left_for_the_next_start", count=left)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def patrol(self) -> None:
        """Look at every file of the folder, and let be done what was left undone."""
        names = await self._off(self._files.local_names)
        for at in range(0, len(names), BATCH):
            batch = names[at : at + BATCH]
            known = await self._store.recordings.known([name.sid for name in batch])
            for name in batch:
                if not self._is_live(name.sid) and not self.settling.holds(name.sid):
                    await self._look_at(name, known.get(name.sid))

    async def prune(self, keep_days: int) -> int:
        """Delete what is older, and finish deletions that broke off; returns how many were old."""
        cutoff = self._clock.wall() - timedelta(days=keep_days)
        old = RecordingQuery(states=("ready", "failed"), limit=BATCH, before=cutoff)
        count = 0
        while rows := await self._store.recordings.list(old):
            for row in rows:
                await self.delete(row)
                count += 1
        if count:
            _log.info("recordings_pruned", count=count, keep_days=keep_days)
        return count

    async def delete(self, row: Recording) -> None:
        """Remove a recording everywhere; its row stays. CommandError while it is being made."""
        if row.state == "recording":
            raise CommandError(f"recording {row.sid} is still being made")
        # First the row: what is being uploaded meanwhile then finds out that it must not be.
        await self._store.recordings.mark_deleted(row.sid)
        self._on_settled(replace(row, state="deleted"))
        await self._off(self._files.delete, row.sid)
        await self._store.recordings.clear_path(row.sid)

    async def _settle(self, recording: Recording) -> None:
        if recording.state == "failed":
            await self._save(recording)
            return
        try:
            settled = await self._off(self._files.settle, recording.sid)
        except (WavError, SealError) as error:  # again would be the same
            await self._save(replace(recording, state="failed", error=str(error)))
            return
        if settled is None:
            await self._missing(recording)
            return
        ready = replace(
            recording,
            state="ready",
            path=settled.path,
            storage="folder",
            channels=settled.channels,
            duration_ms=settled.duration_ms,
            size_bytes=settled.size_bytes,
            sha256=settled.sha256,
            is_encrypted=settled.name.is_sealed,
        )
        if recording.state == "ready":  # it was encrypted later
            moved = self._store.recordings.move
            await moved(ready.sid, ready.storage, ready.path, ready.is_encrypted)
            self._on_settled(ready)
        else:
            await self._save(ready)
        if self._files.remote is not None:
            self._hand_on(ready)

    async def _missing(self, recording: Recording) -> None:
        """Nothing lies in the folder: it was settled and moved before, deleted, or is lost."""
        row = await self._store.recordings.find(recording.sid)
        if row is None or row.state == "recording":
            text = recording.error or "the file of the recording is gone"
            await self._save(replace(recording, state="failed", error=text))

    async def _save(self, recording: Recording) -> None:
        await self._store.calls.write([recording])
        self._on_settled(recording)

    async def _upload(self, recording: Recording) -> None:
        remote = self._files.remote
        assert remote is not None, "only what has a remote storage uploads"
        name = StoredName(recording.sid, recording.is_encrypted)
        place = await self._off(self._files.upload, name)
        if place is None:
            return
        if await self._store.recordings.move(
            recording.sid, remote.kind, place, recording.is_encrypted
        ):
            self._on_settled(replace(recording, storage=remote.kind, path=place))
            if not self._files.keeps_local:
                await self._off(self._files.delete_local, recording.sid)
        else:  # deleted meanwhile
            await self._off(remote.delete, name)

    async def _look_at(self, name: StoredName, row: Recording | None) -> None:
        files = self._files
        if row is None:
            written_at = await self._off(files.written_at, name)
            await self._settle_later(
                Recording(
                    sid=name.sid,
                    call_sid=CallSid(""),
                    account_sid=AccountSid(""),
                    path=files.folder.place(name),
                    created_at=written_at,
                    state="recording",
                )
            )
        elif row.state == "deleted":
            await self._off(files.delete, name.sid)
        elif row.state != "ready" or self._is_to_be_sealed(name, row):
            await self._settle_later(row)
        elif files.remote is not None and row.storage != files.remote.kind:
            await self.uploading.room()
            self._hand_on(replace(row, is_encrypted=name.is_sealed))
        elif files.remote is not None and not files.keeps_local:
            await self._off(files.delete_local, name.sid)

    def _is_to_be_sealed(self, name: StoredName, row: Recording) -> bool:
        return bool(self._files.keys) and not name.is_sealed and row.storage == "folder"

    async def _settle_later(self, recording: Recording) -> None:
        await self.settling.room()
        self.settling.put(recording)

    def _hand_on(self, recording: Recording) -> None:
        if not self.uploading.put(recording) and not self.uploading.has_room:
            self._is_behind.set()

    async def _keep_retention(self) -> None:
        recordings = self._store.recordings
        if self._keep_days:
            await self.prune(self._keep_days)
        broken_off = RecordingQuery(states=("deleted",), limit=BATCH, has_path=True)
        for row in await recordings.list(broken_off):
            await self.delete(row)
        latest = self._clock.wall() - LONGEST
        lost = RecordingQuery(states=("recording",), limit=BATCH, before=latest)
        for row in await recordings.list(lost):
            self.take(row)

    async def _repeat(
        self, work: Callable[[], Awaitable[None]], every_s: float, sooner: asyncio.Event
    ) -> None:
        while True:
            sooner.clear()
            wait_s = every_s
            try:
                await work()
            except (StoreError, OSError) as error:
                _log.warning("recordings_not_looked_at", error=str(error))
                wait_s = AGAIN_S
            except Exception:
                # The top of a task: what waits in the lines goes on without a patrol.
                _log.exception("recordings_not_looked_at")
                wait_s = AGAIN_S
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await sooner.wait()

    async def _off(self, work: Callable[..., T], *arguments: object) -> T:
        """Do something in a worker thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(work, *arguments))
