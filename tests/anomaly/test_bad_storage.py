"""A locked database, a full disk, a lost folder: calls go on, and what waits is written later."""

import asyncio
import resource
import sqlite3
import wave
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from agentstream.calls.causes import Party
from agentstream.calls.events import RecordingFinished
from agentstream.calls.record import CallRecord
from agentstream.hooks.call_records import CallRecords
from agentstream.testing.scene import Scene, scene
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance
RECORDED = """
name: recorded
start: talk
applets:
  talk: {type: voicebot, url: "%s", record: true, next: bye}
  bye: {type: hangup}
"""


def write_rows(night: Scene) -> None:
    """Write call records as the server does."""
    night.node.house.parts.feed.subscribe(CallRecords(night.writer.write).hear)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the database's write lock."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def full_disk(free_bytes: int = 8_192) -> Iterator[None]:
    """Let no file grow beyond this: what is written there fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def written(night: Scene, record: CallRecord) -> None:
    """Wait for the call's row, and check that it is the record's."""
    await until(lambda: night.writer.waiting == 0, 15_000)
    row = await night.node.house.parts.store.calls.find(record.setup.call_sid)
    assert row is not None
    assert (row.status, row.ended_by, row.detail) == (
        record.status,
        record.ended_by.value,
        record.text,
    )


async def test_a_locked_database_delays_no_call_and_loses_no_row(tmp_path: Path) -> None:
    async with scene(tmp_path) as night:
        write_rows(night)
        file = night.node.house.config.database_file
        assert file is not None
        with locked(file):
            for _ in range(2):
                call = await night.talk()
                async with asyncio.timeout(4):  # less than SQLite waits for a lock
                    await call.hang_up()
                    await night.record()
            assert night.writer.waiting > 0
        for record in night.records:
            await written(night, record)
        assert night.writer.counts.lost == 0


async def failed_recording(night: Scene) -> RecordingFinished:
    await until(lambda: night.node.saw("RecordingFinished"), 10_000)
    finished = night.node.saw("RecordingFinished")[0]
    assert isinstance(finished, RecordingFinished)
    assert finished.error
    return finished


async def goes_on_to_its_end(night: Scene) -> CallRecord:
    """Check that the talk goes on, and let the caller end it."""
    before = len(night.bot.said("media"))
    await until(lambda: len(night.bot.said("media")) > before + 3)
    (call,) = night.caller._calls.values()
    await call.hang_up()
    record = await night.record()
    assert (record.status, record.ended_by) == ("completed", Party.CALLER)
    assert record.text == "The caller hung up."
    return record


async def test_a_full_disk_ends_the_recording_and_not_the_call(tmp_path: Path) -> None:
    async with scene(tmp_path, flow=RECORDED) as night:
        write_rows(night)
        await night.talk()
        with full_disk():
            finished = await failed_recording(night)
            record = await goes_on_to_its_end(night)
        await written(night, record)
        await night.node.house.parts.recordings.keeper.settling.idle()
        (part,) = (tmp_path / "recordings").glob("*.part")
        with wave.open(str(part)) as kept:
            assert kept.getnframes() > 1_000
        part.unlink()
        (row,) = await night.node.house.parts.store.calls.recordings(record.setup.call_sid)
        assert row.error == finished.error == record.recordings[0].error
    assert finished.error.endswith("the file is larger than the system allows"), finished


async def test_a_lost_recordings_folder_fails_the_recording_and_not_the_call(
    tmp_path: Path,
) -> None:
    """Works as any user: a file stands where the folder was."""
    folder = tmp_path / "recordings"
    async with scene(tmp_path, flow=RECORDED) as night:
        folder.rmdir()
        folder.write_text("no folder")
        await night.talk()
        finished = await failed_recording(night)
        record = await goes_on_to_its_end(night)
    assert record.recordings[0].error == finished.error
    assert "os error" in finished.error, finished
