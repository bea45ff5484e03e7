"""Rows of recordings: from their first sample to their deletion, in both stores."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from agentstream.base.ids import AccountSid, CallSid, RecordingSid
from agentstream.store import tables
from agentstream.store.database import open_database
from agentstream.store.protocols import RecordingQuery, Store
from agentstream.store.values import RecordingState
from agentstream.testing.records import a_call, a_recording

R1 = RecordingSid("r1")
BEGUN = a_recording("r1", "c1", state="recording", duration_ms=0)
READY = replace(BEGUN, state="ready", duration_ms=41_000, sha256="ab", size_bytes=656_044)


async def test_what_becomes_of_a_recording_replaces_what_was_known_of_it(store: Store) -> None:
    await store.calls.write([BEGUN])
    assert await store.recordings.find(R1) == BEGUN
    await store.calls.write([READY])
    assert await store.recordings.find(R1) == READY
    assert await store.calls.recordings(CallSid("c1")) == [READY]


async def test_a_recording_that_failed_may_still_be_saved(store: Store) -> None:
    failed = replace(BEGUN, state="failed", error="the disk is full")
    await store.calls.write([failed])
    saved = replace(READY, error="the disk is full")
    await store.calls.write([saved])
    assert await store.recordings.find(R1) == saved


@pytest.mark.parametrize("state", ["ready", "failed", "deleted"])
async def test_what_is_final_is_not_undone_by_a_late_row(
    store: Store, state: RecordingState
) -> None:
    final = replace(READY, state=state)
    await store.calls.write([final])
    assert await store.calls.write([BEGUN, a_call("c1")]) == 1
    assert await store.recordings.find(R1) == final


async def test_the_latest_of_one_batch_counts(store: Store) -> None:
    await store.calls.write([BEGUN, READY])
    assert await store.recordings.find(R1) == READY


async def test_a_batch_with_a_known_call_still_replaces_its_recording(store: Store) -> None:
    await store.calls.write([BEGUN, a_call("c1")])
    await store.calls.write([a_call("c1"), READY])
    assert await store.recordings.find(R1) == READY


async def test_recordings_are_listed_newest_first_by_account_call_state_and_page(
    store: Store,
) -> None:
    start = READY.created_at
    rows = [
        a_recording(f"r{n}", f"c{n % 2}", created_at=start + timedelta(seconds=n // 2))
        for n in range(6)
    ]
    other = a_recording("other", "c9", account_sid=AccountSid("two"), state="failed", path="")
    await store.calls.write([*rows, other])

    async def sids(query: RecordingQuery) -> list[str]:
        return [row.sid for row in await store.recordings.list(query)]

    mine = AccountSid("greenleaf1")
    assert await sids(RecordingQuery(mine, limit=3)) == ["r5", "r4", "r3"]
    page = RecordingQuery(mine, before=rows[3].created_at, before_sid="r3", limit=2)
    assert await sids(page) == ["r2", "r1"]  # of one moment, the smaller sid
    assert await sids(RecordingQuery(call_sid=CallSid("c1"))) == ["r5", "r3", "r1"]
    assert await sids(RecordingQuery(states=("failed",))) == ["other"]
    assert "other" not in await sids(RecordingQuery(has_path=True))
    assert await sids(RecordingQuery(before=start)) == []
    known = await store.recordings.known([R1, RecordingSid("none")])
    assert known == {"r1": rows[1]}


async def test_a_recording_moves_only_while_it_is_there(store: Store) -> None:
    await store.calls.write([READY])
    assert await store.recordings.move(R1, "s3", "s3://b/r1.wav.enc", is_encrypted=True)
    moved = replace(READY, storage="s3", path="s3://b/r1.wav.enc", is_encrypted=True)
    assert await store.recordings.find(R1) == moved
    assert await store.recordings.mark_deleted(R1)
    assert not await store.recordings.move(R1, "s3", "elsewhere", is_encrypted=True)
    assert await store.recordings.find(R1) == replace(moved, state="deleted")
    await store.recordings.clear_path(R1)
    assert await store.recordings.find(R1) == replace(moved, state="deleted", path="")
    assert not await store.recordings.mark_deleted(RecordingSid("none"))


async def test_a_path_is_cleared_of_deleted_recordings_only(store: Store) -> None:
    await store.calls.write([READY])
    await store.recordings.clear_path(R1)
    assert await store.recordings.find(R1) == READY


async def test_recordings_of_the_release_before_are_ready_or_failed(tmp_path: object) -> None:
    database = open_database(f"sqlite+aiosqlite:///{tmp_path}/x.db")
    await database.migrate("0002")
    row = (
        "INSERT INTO recordings VALUES ('{}','c','a',NULL,'p','mono','','{}',1,1,1800000000000000)"
    )
    async with database.write() as connection:
        await connection.execute(text(row.format("good", "")))
        await connection.execute(text(row.format("bad", "disk full")))
    await database.migrate()
    async with database.read() as connection:
        rows = (await connection.execute(tables.recordings.select())).all()
    await database.close()
    found = {row.sid: (row.state, row.storage, row.is_encrypted) for row in rows}
    assert found == {"good": ("ready", "folder", False), "bad": ("failed", "folder", False)}
