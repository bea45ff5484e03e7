"""What happens behind the calls' backs: encrypted, stored, saved after a crash, pruned."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from agentstream.base.clock import SystemClock
from agentstream.base.errors import CommandError
from agentstream.base.ids import RecordingSid
from agentstream.store.protocols import StoreError
from agentstream.store.recording_files import RecordingFiles
from agentstream.store.recording_keeper import RecordingKeeper
from agentstream.store.recording_mp3 import Mp3Folder
from agentstream.store.recording_s3 import S3Settings, S3Storage
from agentstream.store.recording_seal import SealKey
from agentstream.store.recording_storage import FolderStorage, RecordingStorage
from agentstream.store.values import Recording
from agentstream.testing import sound
from agentstream.testing.memory_store import MemoryStore
from agentstream.testing.ports import HOST, free_port
from agentstream.testing.records import a_recording
from agentstream.testing.s3_server import S3Server, running_s3
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration
KEY = SealKey(b"k" * 32)
R1 = RecordingSid("r1")


@dataclass
class Kept:
    """A keeper at work, and what is around it."""

    keeper: RecordingKeeper
    files: RecordingFiles
    store: MemoryStore
    settled: list[Recording]

    @property
    def folder(self) -> Path:
        return self.files.folder.folder

    def names(self) -> list[str]:
        return sorted(each.name for each in self.folder.iterdir())

    def record(self, sid: str, seconds: float = 0.5) -> bytes:
        """Leave a finished recording in the folder."""
        noise = np.random.default_rng(len(sid)).normal(size=int(8_000 * seconds)) * 3_000
        return sound.write_wav(self.folder / f"{sid}.wav", noise, 8_000).read_bytes()

    async def row(self, sid: str) -> Recording:
        found = await self.store.recordings.find(RecordingSid(sid))
        assert found is not None
        return found

    async def idle(self) -> None:
        async with asyncio.timeout(15):
            await self.keeper.settling.idle()
            await self.keeper.uploading.idle()


@asynccontextmanager
async def keeping(
    tmp_path: Path,
    remote: RecordingStorage | None = None,
    *,
    keys: tuple[SealKey, ...] = (),
    keeps_local: bool = False,
    keep_days: int = 0,
    store: MemoryStore | None = None,
    runs: bool = True,
) -> AsyncIterator[Kept]:
    folder = tmp_path / "recordings"
    folder.mkdir(exist_ok=True)
    mp3 = Mp3Folder(tmp_path / "mp3", 1_000_000, 32, keys)
    files = RecordingFiles(FolderStorage(folder), mp3, keys, remote, keeps_local)
    store, settled = store or MemoryStore(), list[Recording]()
    keeper = RecordingKeeper(files, store, SystemClock(), keep_days, settled.append)
    keeper.settling._retry_ms = keeper.uploading._retry_ms = (20, 50)
    task = asyncio.create_task(keeper.run()) if runs else None
    try:
        yield Kept(keeper, files, store, settled)
    finally:
        await keeper.stop(5_000)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def begun(sid: str) -> Recording:
    return a_recording(sid, "c1", state="recording", duration_ms=0)


async def test_a_recording_is_looked_into_and_its_row_written(tmp_path: Path) -> None:
    async with keeping(tmp_path) as kept:
        content = kept.record("r1")
        kept.keeper.take(begun("r1"))
        await kept.idle()
        row = await kept.row("r1")
        assert (row.state, row.duration_ms, row.channels) == ("ready", 500, "mono")
        assert (row.size_bytes, row.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        assert (row.path, row.storage) == (str(kept.folder / "r1.wav"), "folder")
        assert kept.settled == [row]


async def test_an_encrypted_recording_leaves_nothing_plain(tmp_path: Path) -> None:
    async with keeping(tmp_path, keys=(KEY,)) as kept:
        content = kept.record("r1")
        kept.keeper.take(begun("r1"))
        await kept.idle()
        assert kept.names() == ["r1.wav.enc"]
        row = await kept.row("r1")
        assert row.is_encrypted
        assert row.sha256 == hashlib.sha256(content).hexdigest()  # of the WAV
        opened = kept.files.open_local(R1)
        assert opened is not None
        assert opened.read(0, opened.size) == content
        opened.close()


async def test_a_recording_that_broke_off_has_a_row_that_says_why(tmp_path: Path) -> None:
    async with keeping(tmp_path) as kept:
        kept.keeper.take(replace(begun("r1"), state="failed", error="the disk is full"))
        await kept.idle()
        assert (await kept.row("r1")).error == "the disk is full"
        (kept.folder / "r2.wav").write_text("no sound")
        kept.keeper.take(begun("r2"))
        kept.keeper.take(begun("r3"))
        await kept.idle()
        assert ((await kept.row("r2")).state, (await kept.row("r3")).state) == ("failed", "failed")
        assert (await kept.row("r2")).error == "the recording is no WAV file"
        assert (await kept.row("r3")).error == "the file of the recording is gone"


@pytest.mark.parametrize("keeps_local", [False, True])
@pytest.mark.parametrize("keys", [(), (KEY,)])
async def test_a_recording_goes_to_s3(
    tmp_path: Path, s3: S3Server, keys: tuple[SealKey, ...], keeps_local: bool
) -> None:
    remote = S3Storage(s3.settings("calls/"))
    async with keeping(tmp_path, remote, keys=keys, keeps_local=keeps_local) as kept:
        content = kept.record("r1")
        kept.keeper.take(begun("r1"))
        await kept.idle()
        name = "r1.wav.enc" if keys else "r1.wav"
        assert kept.names() == ([name] if keeps_local else [])
        assert await asyncio.to_thread(s3.keys) == [f"calls/{name}"]
        row = await kept.row("r1")
        assert (row.storage, row.path) == ("s3", f"s3://{s3.bucket}/calls/{name}")
        opened = await asyncio.to_thread(
            kept.files.open_remote, R1, is_sealed_first=row.is_encrypted
        )
        assert opened is not None
        assert await asyncio.to_thread(opened.read, 0, opened.size) == content
        assert kept.keeper.uploading.done == 1
    remote.close()


async def test_nothing_is_lost_while_s3_is_down(tmp_path: Path) -> None:
    port = free_port()
    settings = S3Settings("bucket", "", f"http://{HOST}:{port}", "us-east-1", "k", "s")
    remote = S3Storage(settings)
    async with keeping(tmp_path, remote) as kept:
        for sid in ("r1", "r2", "r3"):
            kept.record(sid)
            kept.keeper.take(begun(sid))
        await until(lambda: kept.keeper.uploading.failures > 0)
        await kept.keeper.settling.idle()  # rows do not wait for S3
        assert [(await kept.row(sid)).state for sid in ("r1", "r2", "r3")] == ["ready"] * 3
        assert kept.keeper.uploading.waiting == 3
        assert len(kept.names()) == 3
        starting = running_s3(tmp_path / "s3", port)
        server = await asyncio.to_thread(starting.__enter__)
        await asyncio.to_thread(server.client.create_bucket, Bucket="bucket")
        await kept.idle()
        assert kept.names() == []
        assert {(await kept.row(sid)).storage for sid in ("r1", "r2", "r3")} == {"s3"}
        await asyncio.to_thread(starting.__exit__, None, None, None)
    remote.close()


async def test_what_was_left_in_the_folder_is_taken_up_at_the_next_start(
    tmp_path: Path, s3: S3Server
) -> None:
    """After a crash: begun, settled and not uploaded, uploaded and not removed, unknown."""
    store = MemoryStore()
    ready = a_recording("ready", "c1", duration_ms=500)
    moved = replace(ready, sid=RecordingSid("moved"), storage="s3", path="s3://x/moved.wav")
    gone = replace(ready, sid=RecordingSid("gone"), state="deleted", path="")
    await store.calls.write([begun("begun"), ready, moved, gone])
    async with keeping(tmp_path, store=store, runs=False) as kept:
        for sid in ("begun", "ready", "moved", "gone", "unknown"):
            kept.record(sid)
    remote = S3Storage(s3.settings())
    async with keeping(tmp_path, remote, store=store) as kept:
        await until(lambda: not kept.names())
        await kept.idle()
        for sid in ("begun", "ready", "unknown"):
            row = await kept.row(sid)
            assert (row.state, row.storage) == ("ready", "s3")
        assert (await kept.row("begun")).call_sid == "c1"
        assert (await kept.row("unknown")).account_sid == ""
        assert await kept.row("gone") == gone
    keys = await asyncio.to_thread(s3.keys)
    assert sorted(keys) == ["begun.wav", "ready.wav", "unknown.wav"]
    remote.close()


async def test_encryption_that_is_wanted_later_reaches_what_lies_in_the_folder(
    tmp_path: Path,
) -> None:
    store = MemoryStore()
    async with keeping(tmp_path, store=store) as kept:
        content = kept.record("r1")
        kept.keeper.take(begun("r1"))
        await kept.idle()
    async with keeping(tmp_path, store=store, keys=(KEY,)) as kept:
        await until(lambda: kept.names() == ["r1.wav.enc"])
        await kept.idle()
        row = await kept.row("r1")
        assert (row.is_encrypted, row.path) == (True, str(kept.folder / "r1.wav.enc"))
        assert row.sha256 == hashlib.sha256(content).hexdigest()


async def test_a_crash_between_encryption_and_its_row_loses_nothing(tmp_path: Path) -> None:
    store = MemoryStore()
    await store.calls.write([begun("r1")])
    async with keeping(tmp_path, keys=(KEY,), runs=False) as kept:
        content = kept.record("r1")
        await asyncio.to_thread(kept.files.settle, R1)
        (kept.folder / "r1.wav").write_bytes(content)  # as if it had not been removed yet
        (kept.folder / ".r2.wav.enc.tmp").touch()
    async with keeping(tmp_path, keys=(KEY,), store=store) as kept:
        await until(lambda: kept.settled)
        assert kept.names() == ["r1.wav.enc"]
        assert (await kept.row("r1")).sha256 == hashlib.sha256(content).hexdigest()


async def test_a_database_that_does_not_answer_is_asked_again(tmp_path: Path) -> None:
    async with keeping(tmp_path) as kept:
        kept.store.calls.fail_with = [StoreError("database is locked")] * 3
        kept.record("r1")
        with capture_logs() as logs:
            kept.keeper.take(begun("r1"))
            await kept.idle()
        assert (await kept.row("r1")).state == "ready"
        assert kept.keeper.settling.failures == 3
        assert [log["event"] for log in logs] == ["recording_waits"]


async def test_more_than_fits_in_the_line_is_found_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with keeping(tmp_path) as kept:
        monkeypatch.setattr(kept.keeper.settling, "_limit", 2)
        sids = [f"r{number:02}" for number in range(12)]
        for sid in sids:
            kept.record(sid, 0.05)
            kept.keeper.take(begun(sid))
        await until(lambda: len(kept.settled) == 12)
        assert {row.sid for row in kept.settled} == set(sids)


async def test_a_deleted_recording_is_gone_everywhere_and_its_row_stays(
    tmp_path: Path, s3: S3Server
) -> None:
    remote = S3Storage(s3.settings())
    async with keeping(tmp_path, remote, keeps_local=True) as kept:
        kept.record("r1")
        kept.keeper.take(begun("r1"))
        await kept.idle()
        wav = kept.files.open_local(R1)
        assert wav is not None
        await asyncio.to_thread(kept.files.encode, R1, wav, lambda: True)
        wav.close()
        await kept.keeper.delete(await kept.row("r1"))
        row = await kept.row("r1")
        assert (row.state, row.path, row.duration_ms) == ("deleted", "", 500)
        assert (kept.names(), await asyncio.to_thread(s3.keys)) == ([], [])
        assert list((tmp_path / "mp3").iterdir()) == []
    remote.close()


async def test_a_recording_that_is_being_made_cannot_be_deleted(tmp_path: Path) -> None:
    async with keeping(tmp_path) as kept:
        with pytest.raises(CommandError, match="still being made"):
            await kept.keeper.delete(begun("r1"))


async def test_a_recording_that_is_deleted_while_it_is_uploaded_does_not_stay_in_s3(
    tmp_path: Path, s3: S3Server
) -> None:
    remote = S3Storage(s3.settings())
    async with keeping(tmp_path, remote, runs=False) as kept:
        kept.record("r1")
        row = a_recording("r1", "c1")
        await kept.store.calls.write([replace(row, state="deleted")])
        await kept.keeper._upload(row)  # it was in the line before
    assert await asyncio.to_thread(s3.keys) == []
    remote.close()


async def test_what_is_older_than_it_may_be_is_deleted(tmp_path: Path) -> None:
    now = SystemClock().wall()
    old, young, failed = (
        a_recording(sid, "c1", created_at=now - timedelta(days=days), state=state)
        for sid, days, state in (("old", 31, "ready"), ("young", 29, "ready"), ("f", 40, "failed"))
    )
    store = MemoryStore()
    await store.calls.write([old, young, failed])
    async with keeping(tmp_path, store=store, keep_days=30, runs=False) as kept:
        for sid in ("old", "young"):
            kept.record(sid)
        (kept.folder / "f.wav.part").touch()
    async with keeping(tmp_path, store=store, keep_days=30) as kept:
        await until(lambda: kept.names() == ["young.wav"])
        await until(lambda: len(kept.settled) >= 2)
    states = {sid: (await kept.row(sid)).state for sid in ("old", "young", "f")}
    assert states == {"old": "deleted", "young": "ready", "f": "deleted"}


async def test_without_a_number_of_days_nothing_is_deleted(tmp_path: Path) -> None:
    store = MemoryStore()
    ancient = a_recording("r1", "c1", created_at=SystemClock().wall() - timedelta(days=9_999))
    await store.calls.write([ancient])
    async with keeping(tmp_path, store=store, runs=False) as kept:
        await kept.keeper._keep_retention()
        assert await kept.row("r1") == ancient
        assert await kept.keeper.prune(30) == 1
        assert await kept.keeper.prune(30) == 0


async def test_a_deletion_that_broke_off_is_finished_and_a_lost_recording_has_an_end(
    tmp_path: Path,
) -> None:
    store = MemoryStore()
    long_ago = SystemClock().wall() - timedelta(hours=26)
    half = a_recording("half", "c1", state="deleted", path="somewhere/half.wav")
    await store.calls.write([half, replace(begun("lost"), created_at=long_ago), begun("now")])
    await store.calls.write([replace(begun("now"), created_at=SystemClock().wall())])
    async with keeping(tmp_path, store=store, runs=False) as kept:
        kept.record("half")
        await kept.keeper._keep_retention()
        assert kept.names() == []
        assert (await kept.row("half")).path == ""
        assert kept.keeper.settling.holds("lost")
        assert not kept.keeper.settling.holds("now")
