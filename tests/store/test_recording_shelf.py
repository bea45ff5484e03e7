"""The shelf: a recording can be heard as soon as it is made, from wherever it is."""

import asyncio
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from agentstream.base.clock import SystemClock
from agentstream.base.errors import BusyError
from agentstream.base.ids import RecordingSid
from agentstream.store import recording_shelf
from agentstream.store.protocols import StoreError
from agentstream.store.recording_files import RecordingFiles
from agentstream.store.recording_mp3 import Mp3Folder
from agentstream.store.recording_s3 import S3Storage
from agentstream.store.recording_seal import SealKey
from agentstream.store.recording_shelf import OpenRecording, RecordingShelf
from agentstream.store.recording_storage import FolderStorage, RecordingStorage
from agentstream.store.recording_urls import RecordingUrls
from agentstream.store.values import Recording
from agentstream.testing import sound
from agentstream.testing.memory_store import MemoryStore
from agentstream.testing.records import a_recording
from agentstream.testing.s3_server import S3Server
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration
KEY = SealKey(b"k" * 32)
R1 = RecordingSid("r1")


@dataclass
class Shelved:
    """A shelf and what is around it."""

    shelf: RecordingShelf
    files: RecordingFiles
    store: MemoryStore
    begun: list[Recording] = field(default_factory=list)
    made: list[Recording] = field(default_factory=list)

    def begin(self, sid: str) -> Recording:
        row = a_recording(sid, "c1", state="recording", duration_ms=0)
        self.shelf.begun(row)
        return row

    def record(self, sid: str, seconds: float = 0.5) -> bytes:
        noise = np.random.default_rng(1).normal(size=int(8_000 * seconds)) * 3_000
        path = self.shelf.path_for(RecordingSid(sid))
        return sound.write_wav(path, noise, 8_000).read_bytes()


@asynccontextmanager
async def a_shelf(
    tmp_path: Path, remote: RecordingStorage | None = None, keys: tuple[SealKey, ...] = ()
) -> AsyncIterator[Shelved]:
    (tmp_path / "recordings").mkdir(exist_ok=True)
    mp3 = Mp3Folder(tmp_path / "mp3", 10_000_000, 32, keys)
    files = RecordingFiles(FolderStorage(tmp_path / "recordings"), mp3, keys, remote)
    store, urls = MemoryStore(), RecordingUrls("http://house", b"k")
    begun, made = list[Recording](), list[Recording]()
    shelf = RecordingShelf(files, urls, store.recordings, SystemClock(), begun.append)
    shelf.hand_over_to(made.append)
    yield Shelved(shelf, files, store, begun, made)
    await shelf.close()


async def content(opened: OpenRecording | None, start: int = 0, length: int = 2**40) -> bytes:
    assert opened is not None
    read = b"".join([piece async for piece in opened.read(start, length)])
    opened.close()
    return read


async def test_a_recording_can_be_heard_before_anything_else_is_done_with_it(
    tmp_path: Path,
) -> None:
    async with a_shelf(tmp_path) as shelved:
        shelf, row = shelved.shelf, shelved.begin("r1")
        assert shelf.is_live("r1")
        assert shelved.begun == [row]
        whole = shelved.record("r1")
        shelf.finished(R1, 500, "")
        assert not shelf.is_live("r1")
        assert [(each.sid, each.state) for each in shelved.made] == [("r1", "recording")]
        found = await shelf.find("r1")
        assert found is not None
        assert (found.state, found.duration_ms) == ("ready", 500)
        assert await content(await shelf.open(found, "wav")) == whole
        assert await content(await shelf.open(found, "wav"), 44, 10) == whole[44:54]
        mp3 = await content(await shelf.open(found, "mp3"))
        assert mp3[0] == 0xFF
        assert shelf.encoded == 1
        assert await content(await shelf.open(found, "mp3")) == mp3
        assert shelf.encoded == 1


async def test_who_asks_too_early_waits_a_little(tmp_path: Path) -> None:
    """US-17: a Passthru's receiver may ask in the moment in which it is told."""
    async with a_shelf(tmp_path) as shelved:
        shelved.begin("r1")
        asking = asyncio.create_task(shelved.shelf.find("r1", wait_ms=10_000))
        await asyncio.sleep(0)
        shelved.record("r1")
        shelved.shelf.finished(R1, 500, "")
        found = await asking
        assert found is not None
        assert found.state == "ready"


async def test_who_asks_much_too_early_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_shelf(tmp_path) as shelved:
        row = shelved.begin("r1")
        assert await shelved.shelf.find("r1", wait_ms=1) == row
        monkeypatch.setattr(recording_shelf, "WAITERS_LIMIT", 0)
        async with asyncio.timeout(2):
            assert await shelved.shelf.find("r1", wait_ms=60_000) == row


async def test_a_recording_that_broke_off_says_so(tmp_path: Path) -> None:
    async with a_shelf(tmp_path) as shelved:
        shelved.begin("r1")
        shelved.shelf.finished(R1, 0, "the disk is full")
        found = await shelved.shelf.find("r1")
        assert found is not None
        assert (found.state, found.error) == ("failed", "the disk is full")
        assert shelved.made == [found]
        shelved.shelf.finished(R1, 0, "again")  # told twice is told once
        assert len(shelved.made) == 1


async def test_what_others_made_is_found_by_its_row(tmp_path: Path) -> None:
    async with a_shelf(tmp_path) as shelved:
        assert await shelved.shelf.find("r1") is None
        await shelved.store.calls.write([a_recording("r1", "c1")])
        found = await shelved.shelf.find("r1")
        assert found is not None
        assert await shelved.shelf.open(found, "wav") is None
        assert await shelved.shelf.open(found, "mp3") is None


async def test_what_somebody_else_deleted_is_not_remembered(tmp_path: Path) -> None:
    """A command deletes while the server runs."""
    async with a_shelf(tmp_path) as shelved:
        shelved.begin("r1")
        shelved.shelf.finished(R1, 500, "")
        await shelved.store.calls.write([a_recording("r1", "c1", state="deleted", path="")])
        found = await shelved.shelf.find("r1")
        assert found is not None
        assert await shelved.shelf.open(found, "wav") is None
        found = await shelved.shelf.find("r1")
        assert found is not None
        assert found.state == "deleted"


@pytest.mark.parametrize("keys", [(), (KEY,)])
async def test_a_recording_in_s3_is_read_from_there(
    tmp_path: Path, s3: S3Server, keys: tuple[SealKey, ...]
) -> None:
    remote = S3Storage(s3.settings())
    async with a_shelf(tmp_path, remote, keys) as shelved:
        whole = shelved.record("r1", 40)  # more than one chunk and one piece
        settled = await asyncio.to_thread(shelved.files.settle, R1)
        assert settled is not None
        await asyncio.to_thread(shelved.files.upload, settled.name)
        shelved.files.delete_local(R1)
        row = a_recording("r1", "c1", storage="s3", is_encrypted=bool(keys))
        assert await content(await shelved.shelf.open(row, "wav")) == whole
        part = await content(await shelved.shelf.open(row, "wav"), 65_000, 200_000)
        assert part == whole[65_000:265_000]
        assert len(await content(await shelved.shelf.open(row, "mp3"))) > 100_000
    remote.close()


async def test_a_damaged_recording_is_an_error_and_not_a_noise(tmp_path: Path) -> None:
    async with a_shelf(tmp_path, keys=(KEY,)) as shelved:
        shelved.record("r1", 20)
        await asyncio.to_thread(shelved.files.settle, R1)
        path = tmp_path / "recordings" / "r1.wav.enc"
        broken = bytearray(path.read_bytes())
        broken[100_000] ^= 1
        path.write_bytes(broken)
        row = a_recording("r1", "c1", is_encrypted=True)
        with pytest.raises(StoreError, match=r"r1\.wav\.enc is damaged: chunk 1 was changed"):
            await content(await shelved.shelf.open(row, "wav"))
        with pytest.raises(StoreError, match="damaged"):
            await shelved.shelf.open(row, "mp3")


async def test_many_who_ask_at_once_share_one_encoding(tmp_path: Path) -> None:
    async with a_shelf(tmp_path) as shelved:
        shelved.record("r1", 30)
        row = a_recording("r1", "c1")
        opened = await asyncio.gather(*(shelved.shelf.open(row, "mp3") for _ in range(8)))
        assert len({await content(each) for each in opened}) == 1
        assert shelved.shelf.encoded == 1


async def test_encodings_are_bounded_and_go_on_when_a_client_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_shelf(tmp_path) as shelved:
        for sid in ("r1", "r2"):
            shelved.record(sid, 30)
        monkeypatch.setattr(recording_shelf, "ENCODINGS_LIMIT", 1)
        monkeypatch.setattr(recording_shelf, "ENCODE_WAIT_MS", 0)
        with pytest.raises(BusyError, match="r1 is being encoded"):
            await shelved.shelf.open(a_recording("r1", "c1"), "mp3")
        with pytest.raises(BusyError, match="1 recordings are being encoded"):
            await shelved.shelf.open(a_recording("r2", "c1"), "mp3")
        await until(lambda: shelved.shelf.encoded == 1)
        made = await content(await shelved.shelf.open(a_recording("r1", "c1"), "mp3"))
        assert len(made) == pytest.approx(30 * 4_000, rel=0.05)


async def test_a_closing_shelf_gives_long_encodings_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_shelf, "ENCODE_WAIT_MS", 0)
    async with a_shelf(tmp_path) as shelved:
        with wave.open(str(shelved.shelf.path_for(R1)), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(bytes(16_000 * 4 * 1_200))
        with pytest.raises(BusyError):
            await shelved.shelf.open(a_recording("r1", "c1"), "mp3")
    assert list((tmp_path / "mp3").glob("*.mp3")) == []


async def test_nobody_who_never_finishes_is_kept_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_shelf, "_LIVE_LIMIT", 2)
    monkeypatch.setattr(recording_shelf, "_RECENT_LIMIT", 2)
    async with a_shelf(tmp_path) as shelved:
        for number in range(4):
            shelved.begin(f"r{number}")
            shelved.shelf.remember(a_recording(f"s{number}", "c1"))
        assert [shelved.shelf.is_live(f"r{number}") for number in range(4)] == [
            *(False, False),
            *(True, True),
        ]
        assert await shelved.shelf.find("s0") is None
        assert await shelved.shelf.find("s3") is not None


async def test_the_link_is_known_from_the_beginning(tmp_path: Path) -> None:
    async with a_shelf(tmp_path) as shelved:
        shelf = shelved.shelf
        assert shelf.path_for(R1) == tmp_path / "recordings" / "r1.wav"
        assert shelf.url_for(R1).startswith("http://house/recordings/r1.mp3?expires=")
