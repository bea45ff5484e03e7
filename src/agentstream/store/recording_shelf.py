"""The shelf of recordings: where the audio path writes them, and where anybody reads them.

begun() ─▶ being made ─finished()─▶ keeper: encrypted, stored, row written
                            └─────▶ find(), open(): readable at once, from wherever it is
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from agentstream.base.clock import Clock
from agentstream.base.errors import BusyError
from agentstream.base.ids import RecordingSid
from agentstream.calls.commands import AudioKind
from agentstream.calls.storage import CustomerStorage
from agentstream.store.protocols import Recordings
from agentstream.store.recording_files import RecordingFiles
from agentstream.store.recording_source import PIECE, Source
from agentstream.store.recording_storage import StoredName
from agentstream.store.recording_urls import RecordingUrls
from agentstream.store.values import Recording

READY_WAIT_MS = 3_000  # a Passthru's receiver may ask in the moment in which it is told
ENCODE_WAIT_MS = 20_000  # then the client is told to come again; the work goes on
ENCODERS = 2
CLOSE_S = 5.0
ENCODINGS_LIMIT = 64  # waiting or at work; more are refused
WAITERS_LIMIT = 200  # for recordings that are not ready; more are told at once to come again
_LIVE_LIMIT = 50_000
_RECENT_LIMIT = 2_000
_READERS = 4
T = TypeVar("T")


@dataclass(slots=True)
class _Live:
    recording: Recording
    is_over: asyncio.Event


class OpenRecording:
    """An open recording as bytes of one kind; read it only once at a time."""

    def __init__(self, source: Source, kind: AudioKind, threads: ThreadPoolExecutor) -> None:
        self.kind = kind
        self.size = source.size
        self.source = source
        self._threads = threads

    async def read(self, start: int, length: int) -> AsyncGenerator[bytes, None]:
        """Read a part, piece by piece; raises StoreError when it cannot be read (any more)."""
        end = min(start + length, self.size)
        while start < end:
            piece = await _off(self._threads, self.source.read, start, min(PIECE, end - start))
            if not piece:
                return
            start += len(piece)
            yield piece

    def close(self) -> None:
        """Let go of it; more calls change nothing."""
        self.source.close()


class RecordingShelf:
    """Everything that was recorded on this node, and that others left in the same storage."""

    def __init__(
        self,
        files: RecordingFiles,
        urls: RecordingUrls,
        recordings: Recordings,
        clock: Clock,
        write: Callable[[Recording], None] = lambda _: None,
    ) -> None:
        """`write` takes the row of a recording that begins, and returns at once."""
        self.urls = urls
        self.encoded = 0  # MP3 files made
        self._files = files
        self._recordings = recordings
        self._clock = clock
        self._write = write
        self._on_finished: Callable[[Recording], None] = lambda _: None
        self._live: OrderedDict[str, _Live] = OrderedDict()
        self._recent: OrderedDict[str, Recording] = OrderedDict()
        self._promised: OrderedDict[str, tuple[AudioKind, CustomerStorage]] = OrderedDict()
        self._waiters = 0
        self._encodings: dict[str, asyncio.Task[None]] = {}
        self._is_open = True
        self._readers = ThreadPoolExecutor(_READERS, "rec-reader")
        self._remote_readers = ThreadPoolExecutor(_READERS, "rec-remote")
        self._encoders = ThreadPoolExecutor(ENCODERS, "rec-mp3")

    # For calls

    def path_for(self, recording_sid: RecordingSid) -> Path:
        """Return the file that the audio path is to write."""
        return self._files.folder.path(StoredName(recording_sid, is_sealed=False))

    def url_for(self, recording_sid: RecordingSid, kind: AudioKind = "mp3") -> str:
        """Return the link to a recording, whether it is ready yet or not."""
        return self.urls.url_for(recording_sid, self.now_s(), kind)

    def promise(
        self, recording_sid: RecordingSid, kind: AudioKind, storage: CustomerStorage
    ) -> None:
        """Take note that a recording is to be sent; in memory alone, as it holds secrets."""
        self._promised[recording_sid] = kind, storage
        if len(self._promised) > _LIVE_LIMIT:
            self._promised.popitem(last=False)

    def promised(self, recording_sid: RecordingSid) -> tuple[AudioKind, CustomerStorage] | None:
        """Return, once, as what and where a recording is to be sent."""
        return self._promised.pop(recording_sid, None)

    def now_s(self) -> int:
        """Return the seconds since 1970."""
        return int(self._clock.wall().timestamp())

    # From the feed

    def hand_over_to(self, on_finished: Callable[[Recording], None]) -> None:
        """Say who takes care of a recording once it is made."""
        self._on_finished = on_finished

    def is_live(self, sid: str) -> bool:
        """Whether a recording is being made now."""
        return sid in self._live

    def begun(self, recording: Recording) -> None:
        """Take note of a recording whose first sample comes now."""
        self._live[recording.sid] = _Live(recording, asyncio.Event())
        if len(self._live) > _LIVE_LIMIT:
            _, oldest = self._live.popitem(last=False)
            oldest.is_over.set()
        self._write(recording)

    def finished(self, sid: RecordingSid, duration_ms: int, error: str) -> None:
        """Take note of a recording that is whole, or has broken off with an error."""
        live = self._live.pop(sid, None)
        if live is None:
            return
        made = replace(
            live.recording,
            state="failed" if error else "recording",
            duration_ms=duration_ms,
            error=error,
        )
        self.remember(replace(made, state="failed" if error else "ready"))
        live.is_over.set()
        self._on_finished(made)

    def remember(self, recording: Recording) -> None:
        """Know of a recording before its row can be read."""
        self._recent[recording.sid] = recording
        self._recent.move_to_end(recording.sid)
        if len(self._recent) > _RECENT_LIMIT:
            self._recent.popitem(last=False)

    # For whoever wants to listen

    async def find(self, sid: str, wait_ms: int = READY_WAIT_MS) -> Recording | None:
        """Return what is known of a recording; one that is being made is waited for a little.

        After that time its state is still "recording". Raises StoreError.
        """
        live = self._live.get(sid)
        if live is not None and self._waiters < WAITERS_LIMIT:
            await self._wait(live, wait_ms)
        live = self._live.get(sid)
        if live is not None:
            return live.recording
        return self._recent.get(sid) or await self._recordings.find(RecordingSid(sid))

    async def open(self, recording: Recording, kind: AudioKind) -> OpenRecording | None:
        """Open a recording that is ready; None when its bytes are nowhere: `find` may know more.

        Raises BusyError while its MP3 is being made, or too many are, and StoreError.
        """
        if kind == "wav":
            opened = await self._open_wav(recording)
        else:
            opened = await self._open_mp3(recording.sid, kind)
            if opened is None and await self._encode(recording, kind):
                opened = await self._open_mp3(recording.sid, kind)
        if opened is None:  # deleted by somebody else, or lost
            self._recent.pop(recording.sid, None)
        return opened

    async def close(self) -> None:
        """Give up encodings, and let go of the threads."""
        self._is_open = False  # seen between two pieces
        if self._encodings:
            await asyncio.wait(self._encodings.values(), timeout=CLOSE_S)
        for threads in (self._readers, self._remote_readers, self._encoders):
            threads.shutdown(wait=False, cancel_futures=True)

    async def _wait(self, live: _Live, wait_ms: int) -> None:
        self._waiters += 1
        try:
            async with asyncio.timeout(wait_ms / 1000):
                await live.is_over.wait()
        except TimeoutError:
            pass
        finally:
            self._waiters -= 1

    async def _open_wav(self, recording: Recording) -> OpenRecording | None:
        sid, files = recording.sid, self._files
        source = await _off(self._readers, files.open_local, sid)
        if source is not None:
            return OpenRecording(source, "wav", self._readers)
        if files.remote is None:
            return None
        ask = partial(files.open_remote, is_sealed_first=recording.is_encrypted)
        source = await _off(self._remote_readers, ask, sid)
        return None if source is None else OpenRecording(source, "wav", self._remote_readers)

    async def _open_mp3(self, sid: RecordingSid, kind: AudioKind) -> OpenRecording | None:
        source = await _off(self._readers, self._files.mp3.open, sid, kind)
        return None if source is None else OpenRecording(source, kind, self._readers)

    async def _encode(self, recording: Recording, kind: AudioKind) -> bool:
        """Make the MP3, once for everybody who asks; False when there is no WAV."""
        sid, name = recording.sid, f"{recording.sid}.{kind}"
        task = self._encodings.get(name)
        if task is None:
            if len(self._encodings) >= ENCODINGS_LIMIT:
                raise BusyError(f"{ENCODINGS_LIMIT} recordings are being encoded")
            wav = await self._open_wav(recording)
            if wav is None:
                return False
            task = self._encodings.get(name)  # somebody else may have come meanwhile
            if task is None:
                task = asyncio.create_task(self._make(sid, kind, wav), name=f"encode {name}")
                self._encodings[name] = task
            else:
                wav.close()
        try:
            async with asyncio.timeout(ENCODE_WAIT_MS / 1000):
                await asyncio.shield(task)
        except TimeoutError:
            raise BusyError(f"recording {sid} is being encoded") from None
        return True

    async def _make(self, sid: RecordingSid, kind: AudioKind, wav: OpenRecording) -> None:
        encode, source = self._files.encode, wav.source
        try:
            with closing(wav):
                await _off(self._encoders, encode, sid, source, lambda: self._is_open, kind)
            self.encoded += 1
        finally:
            self._encodings.pop(f"{sid}.{kind}", None)


async def _off(threads: ThreadPoolExecutor, work: Callable[..., T], *arguments: object) -> T:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(threads, partial(work, *arguments))
