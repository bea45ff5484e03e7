"""Call events in the store: written once, read in order, forgotten in time."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from agentstream.base.ids import CallSid
from agentstream.store.call_events import (
    CallEvent,
    CallEvents,
    Story,
    StoryWriter,
)
from agentstream.store.call_query import CallQuery
from agentstream.store.forgetting import forget_old
from agentstream.store.protocols import Store, StoreError
from agentstream.store.sql_store import SqlStore, open_store
from agentstream.testing.manual_clock import ManualClock
from agentstream.testing.memory_events import MemoryCallEvents
from agentstream.testing.memory_store import MemoryStore
from agentstream.testing.records import a_call, a_story
from agentstream.testing.waiting import until

START = datetime(2027, 1, 12, 10, 4, 5, 250_000, tzinfo=UTC)


def story(sid: str, count: int = 3, start: datetime = START) -> Story:
    return a_story(
        [
            CallEvent(
                CallSid(sid),
                seq,
                100 * seq,
                start + timedelta(milliseconds=100 * seq),
                "bot_spoke",
                '{"n":1}',
            )
            for seq in range(count)
        ]
    )


@pytest.fixture
async def events(store: SqlStore | MemoryStore) -> CallEvents:
    return store.call_events


async def test_what_is_written_is_read_back_in_order(events: CallEvents) -> None:
    first, second = story("c1"), story("c2", 12)
    assert await events.write([first, second]) == 15
    assert tuple(await events.of(CallSid("c1"))) == first.events
    assert tuple(await events.of(CallSid("c2"))) == second.events
    assert await events.of(CallSid("c3")) == []
    assert await events.write([]) == 0


async def test_a_story_that_is_there_already_does_not_take_the_others_with_it(
    events: CallEvents,
) -> None:
    await events.write([story("c1")])
    assert await events.write([story("c1", 5), story("c2", 2)]) == 2
    assert len(await events.of(CallSid("c1"))) == 3
    assert len(await events.of(CallSid("c2"))) == 2


async def test_old_calls_are_forgotten_a_few_at_a_time(events: CallEvents) -> None:
    old = [story(f"old{n}", start=START - timedelta(days=2)) for n in range(3)]
    await events.write([*old, story("new")])
    before = START - timedelta(days=1)
    assert await events.forget(before, calls=2) == 2
    assert await events.forget(before, calls=2) == 1
    assert await events.forget(before) == 0
    assert len(await events.of(CallSid("new"))) == 3


async def test_what_is_older_than_the_days_to_keep_goes_by_itself() -> None:
    clock = ManualClock()
    events = MemoryCallEvents()
    now = clock.wall()
    await events.write([story("old", start=now - timedelta(days=31)), story("new", start=now)])
    task = asyncio.create_task(forget_old(events, "events", 30, clock))
    await until(lambda: "old" not in events.stories)
    assert "new" in events.stories
    task.cancel()


async def test_a_database_that_does_not_answer_is_asked_again_later() -> None:
    class Down(MemoryCallEvents):
        async def forget(self, before: datetime, calls: int = 0) -> int:
            raise StoreError("database is locked")

    with capture_logs() as logs:
        task = asyncio.create_task(forget_old(Down(), "events", 30, ManualClock()))
        await until(lambda: bool(logs))
    assert [log["event"] for log in logs] == ["not_forgotten"]
    assert not task.done()
    task.cancel()


async def test_the_bound_of_the_writer_counts_events_and_not_calls() -> None:
    events = MemoryCallEvents()
    writer = StoryWriter(events, queue_limit=10)
    with capture_logs() as logs:
        for number in range(5):
            writer.write(story(f"c{number}", 6))
    assert (writer.waiting, writer.counts.refused) == (12, 3)
    assert [log["event"] for log in logs] == ["row_refused"]
    task = asyncio.create_task(writer.run())
    async with asyncio.timeout(5):
        await writer.stop()
        await task
    assert (writer.waiting, writer.counts.written) == (0, 12)
    assert sorted(events.stories) == ["c0", "c1"]


async def test_a_batch_holds_few_long_stories() -> None:
    events = MemoryCallEvents()
    writer = StoryWriter(events, queue_limit=10_000)
    for number in range(5):
        writer.write(story(f"c{number}", 400))
    task = asyncio.create_task(writer.run())
    async with asyncio.timeout(5):
        await writer.stop()
        await task
    assert (writer.counts.written, writer.counts.batches) == (2_000, 3)


async def test_calls_are_found_by_how_their_sid_begins(store: Store) -> None:
    await store.calls.write([a_call("51e0aa"), a_call("51e0bb"), a_call("77%")])
    assert [call.sid for call in await store.calls.list(CallQuery(sid_prefix="51e0a"))] == [
        "51e0aa"
    ]
    assert len(await store.calls.list(CallQuery(sid_prefix="51"))) == 2
    assert await store.calls.list(CallQuery(sid_prefix="%")) == []


@pytest.mark.integration
async def test_the_events_of_a_call_cost_a_fifth_of_a_millisecond_to_write(tmp_path: Path) -> None:
    store = await open_store(tmp_path)
    stories = [story(f"{number:032x}", 20) for number in range(1_000)]
    writer = StoryWriter(store.call_events, queue_limit=100_000)
    task = asyncio.create_task(writer.run())
    before = time.process_time()
    for each in stories:
        writer.write(each)
    await writer.stop(timeout_ms=30_000)
    await task
    spent_ms = (time.process_time() - before) * 1000
    await store.close()
    assert writer.counts.written == 20_000
    assert spent_ms / len(stories) < 0.4  # 0.13 on a quiet machine
