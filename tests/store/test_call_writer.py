import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from agentstream.base.ids import CallSid
from agentstream.store.call_writer import BATCH_LIMIT, CallWriter
from agentstream.store.files import DATABASE_FILE
from agentstream.store.protocols import Calls, StoreError
from agentstream.store.sql_store import open_store
from agentstream.store.values import Written
from agentstream.testing.memory_store import MemoryCalls
from agentstream.testing.records import a_call, a_recording, a_stream, a_webhook
from agentstream.testing.waiting import until


@asynccontextmanager
async def running(calls: Calls, queue_limit: int = 1_000) -> AsyncIterator[CallWriter]:
    writer = CallWriter(calls, queue_limit, batch_ms=1)
    task = asyncio.create_task(writer.run())
    try:
        yield writer
        async with asyncio.timeout(5):
            await writer.stop()
            await task
    finally:
        task.cancel()


async def test_rows_are_written_in_few_batches() -> None:
    calls = MemoryCalls()
    async with running(calls) as writer:
        for number in range(300):
            writer.write(a_call(f"c{number}"))
            writer.write(a_stream(f"s{number}", f"c{number}"))
        await writer.flush()
        assert (writer.counts.written, writer.waiting) == (600, 0)
        assert writer.counts.batches == 2
        writer.write(a_recording("r1", "c1"))
    assert len(calls.rows) == 601  # what came before the stop was written by it


async def test_a_writer_that_never_had_a_row_stops_at_once() -> None:
    async with running(MemoryCalls()) as writer:
        pass
    assert writer.counts.batches == 0


async def test_rows_given_together_are_in_one_transaction_and_are_told_once_written() -> None:
    class Watched(MemoryCalls):
        batches: list[list[str]]

        async def write(self, rows: Sequence[Written]) -> int:
            self.batches.append([row.sid for row in rows])
            return await super().write(rows)

    calls, told = Watched(), list[list[str]]()
    calls.batches = []
    writer = CallWriter(
        calls, batch_ms=1, on_written=lambda rows: told.append([row.sid for row in rows])
    )
    for number in range(BATCH_LIMIT - 1):
        writer.write(a_call(f"c{number}"))
    writer.write(a_call("last"), a_webhook("w1"))
    writer.write(a_call("after"))
    task = asyncio.create_task(writer.run())
    async with asyncio.timeout(5):
        await writer.stop()
        await task
    assert [batch[-1] for batch in calls.batches] == ["w1", "after"]
    assert calls.batches == told
    assert (writer.counts.written, writer.waiting) == (BATCH_LIMIT + 2, 0)


async def test_a_locked_database_delays_rows_and_loses_none() -> None:
    calls = MemoryCalls()
    calls.fail_with = [StoreError("database is locked")] * 2
    with capture_logs() as logs:
        async with running(calls) as writer:
            writer.write(a_call("c1"))
            writer.write(a_stream("s1", "c1"))
            await writer.flush()
    assert (writer.counts.written, writer.counts.retries) == (2, 2)
    assert [log["event"] for log in logs] == ["rows_wait"]


async def test_a_row_that_no_database_takes_does_not_keep_the_others() -> None:
    class Picky(MemoryCalls):
        async def write(self, rows: Sequence[Written]) -> int:
            if any(row.sid == "odd" for row in rows):
                raise OverflowError("too large")
            return await super().write(rows)

    calls = Picky()
    with capture_logs() as logs:
        async with running(calls) as writer:
            for sid in ("c1", "odd", "c2"):
                writer.write(a_call(sid))
            await writer.flush()
            writer.write(a_call("c3"))
    assert sorted(calls.rows) == ["c1", "c2", "c3"]
    assert (writer.counts.written, writer.counts.lost) == (3, 1)
    assert [log["event"] for log in logs] == ["batch_broke_off", "row_lost"]


@pytest.mark.integration
async def test_a_number_too_large_for_its_column_loses_one_row_only(tmp_path: Path) -> None:
    store = await open_store(tmp_path)
    with capture_logs():
        async with running(store.calls) as writer:
            writer.write(a_stream("s1", "c1", bytes_sent=2**80))
            writer.write(a_call("c1"))
    assert (writer.counts.written, writer.counts.lost) == (1, 1)
    assert await store.calls.find(CallSid("c1")) is not None
    await store.close()


async def test_a_full_queue_refuses_new_rows_loudly_and_keeps_the_old() -> None:
    calls = MemoryCalls()
    with capture_logs() as logs:
        async with running(calls, queue_limit=3) as writer:
            for number in range(5):
                writer.write(a_call(f"c{number}"))
            assert (writer.waiting, writer.counts.refused) == (3, 2)
    assert sorted(calls.rows) == ["c0", "c1", "c2"]
    assert [log["event"] for log in logs] == ["row_refused"]


async def test_stopping_has_a_deadline_and_counts_what_it_leaves() -> None:
    calls = MemoryCalls()
    calls.fail_with = [StoreError("database is locked")] * 1_000
    writer = CallWriter(calls, batch_ms=1)
    task = asyncio.create_task(writer.run())
    writer.write(a_call("c1"))
    with capture_logs() as logs:
        await writer.stop(timeout_ms=20)
    async with asyncio.timeout(5):
        await task
    assert (writer.counts.lost, writer.waiting) == (1, 0)
    assert [log["event"] for log in logs] == ["rows_wait", "rows_lost"]


@pytest.mark.integration
async def test_another_process_that_holds_the_lock_is_waited_out(tmp_path: Path) -> None:
    store = await open_store(tmp_path, busy_timeout_ms=1)
    async with running(store.calls) as writer:
        other = sqlite3.connect(tmp_path / DATABASE_FILE, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        writer.write(a_call("c1"))
        await until(lambda: writer.counts.retries >= 2)
        other.execute("COMMIT")
        other.close()
        async with asyncio.timeout(10):
            await writer.flush()
    assert await store.calls.find(CallSid("c1")) == a_call("c1")
    await store.close()


@pytest.mark.integration
async def test_a_lock_that_never_goes_away_is_a_store_error(tmp_path: Path) -> None:
    store = await open_store(tmp_path, busy_timeout_ms=1)
    other = sqlite3.connect(tmp_path / DATABASE_FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        await store.calls.write([a_call("c1")])
    with pytest.raises(StoreError, match="locked"):
        await store.accounts.create("One")
    assert await store.revision() == 1  # WAL: readers do not wait for a writer
    other.close()
    await store.close()


@pytest.mark.integration
async def test_writers_and_readers_at_once_get_in_each_others_way_no_longer_than_they_must(
    tmp_path: Path,
) -> None:
    store, other = await open_store(tmp_path), await open_store(tmp_path)
    account = await store.accounts.create("One")

    async def edit(number: int) -> None:
        opened = (store, other)[number % 2]
        flow = await opened.flows.apply(account.sid, f"flow {number % 3}", f"d{number}")
        await opened.numbers.assign(f"{1000 + number}", account.sid, flow.sid)

    async with running(store.calls) as writer, asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(edit(number))
            writer.write(a_call(f"c{number}"))
    assert writer.counts.written == 20
    assert sum(flow.latest_version for flow in await store.flows.list()) == 20
    assert len(await other.numbers.list()) == 20
    await store.close()
    await other.close()


@pytest.mark.integration
async def test_a_call_costs_less_than_a_fifth_of_a_millisecond_of_processor(
    tmp_path: Path,
) -> None:
    store = await open_store(tmp_path)
    rows = [(a_call(f"c{n}"), a_stream(f"s{n}", f"c{n}")) for n in range(2_000)]
    async with running(store.calls, queue_limit=10_000) as writer:
        before = time.process_time()
        for call, stream in rows:
            writer.write(call)
            writer.write(stream)
        await writer.flush()
        spent_ms = (time.process_time() - before) * 1000
    await store.close()
    assert spent_ms / len(rows) < 0.2
