"""A line of recordings: each is worked on until it succeeds, none waits for another for ever."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from structlog.testing import capture_logs

from agentstream.store.protocols import StoreError
from agentstream.store.recording_conveyor import Conveyor
from agentstream.store.values import Recording
from agentstream.testing.records import a_recording
from agentstream.testing.waiting import until

Work = Callable[[Recording], Awaitable[None]]
ROWS = [a_recording(f"r{number}", "c1") for number in range(6)]


@asynccontextmanager
async def running(work: Work, workers: int = 2, limit: int = 100) -> AsyncIterator[Conveyor]:
    conveyor = Conveyor("testing", work, workers, limit, (5, 10))
    task = asyncio.create_task(conveyor.run())
    try:
        async with asyncio.timeout(10):
            yield conveyor
    finally:
        await conveyor.stop(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_everything_is_done_once_and_some_at_the_same_time() -> None:
    at_once, most, done = [0], [0], list[str]()

    async def work(recording: Recording) -> None:
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        await asyncio.sleep(0)
        at_once[0] -= 1
        done.append(recording.sid)

    async with running(work) as conveyor:
        assert all(conveyor.put(row) for row in ROWS)
        assert not conveyor.put(ROWS[0])  # it is here already
        assert conveyor.holds("r0")
        await conveyor.idle()
        assert sorted(done) == [row.sid for row in ROWS]
        assert (most[0], conveyor.done, conveyor.failures) == (2, 6, 0)
        assert not conveyor.holds("r0")


async def test_what_fails_is_tried_again_after_the_others() -> None:
    tries, done = [0], list[str]()

    async def work(recording: Recording) -> None:
        if recording.sid == "r0" and tries[0] < 3:
            tries[0] += 1
            raise StoreError("the storage is down")
        done.append(recording.sid)

    with capture_logs() as logs:
        async with running(work, workers=1) as conveyor:
            for row in ROWS[:3]:
                conveyor.put(row)
            await conveyor.idle()
            assert done == ["r1", "r2", "r0"]
            assert (conveyor.done, conveyor.failures) == (3, 3)
    assert logs[0]["event"] == "recording_waits"


async def test_a_fault_of_ours_does_not_end_the_work() -> None:
    faults = [RuntimeError("a bug"), OSError("disk")]

    async def work(_recording: Recording) -> None:
        if faults:
            raise faults.pop(0)

    with capture_logs() as logs:
        async with running(work) as conveyor:
            conveyor.put(ROWS[0])
            await conveyor.idle()
            assert conveyor.done == 1
    assert "recording_broke_off" in [log["event"] for log in logs]


async def test_the_line_has_a_limit_and_room_can_be_waited_for() -> None:
    gate = asyncio.Event()

    async def work(_recording: Recording) -> None:
        await gate.wait()

    async with running(work, limit=3) as conveyor:
        assert [conveyor.put(row) for row in ROWS[:4]] == [True, True, True, False]
        assert (conveyor.waiting, conveyor.has_room) == (3, False)
        waiter = asyncio.create_task(conveyor.room())
        await asyncio.sleep(0)
        assert not waiter.done()
        gate.set()
        await waiter
        assert conveyor.put(ROWS[3])


async def test_a_stop_works_off_what_waits() -> None:
    done = list[str]()

    async def work(recording: Recording) -> None:
        await asyncio.sleep(0)
        done.append(recording.sid)

    async with running(work) as conveyor:
        for row in ROWS:
            conveyor.put(row)
        assert await conveyor.stop(5_000) == 0
    assert len(done) == 6


async def test_a_stop_does_not_wait_while_nothing_succeeds() -> None:
    async def work(_recording: Recording) -> None:
        raise StoreError("down")

    async with running(work) as conveyor:
        for row in ROWS:
            conveyor.put(row)
        await until(lambda: conveyor.failures)
        async with asyncio.timeout(2):
            assert await conveyor.stop(60_000) >= 4
        assert not conveyor.holds("r5")


async def test_a_stop_has_a_deadline() -> None:
    async def work(_recording: Recording) -> None:
        await asyncio.Event().wait()

    async with running(work) as conveyor:
        conveyor.put(ROWS[0])
        assert await conveyor.stop(20) == 1
