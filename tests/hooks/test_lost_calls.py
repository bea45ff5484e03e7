"""Calls that a crash took, settled by the next run of their node."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, timedelta

from structlog.testing import capture_logs

from agentstream.base.ids import CallSid
from agentstream.calls.record import StatusCallback
from agentstream.hooks.callbacks import Callbacks, CallbackStyle
from agentstream.hooks.lost_calls import LostCalls
from agentstream.store.outbox import WebhookQuery
from agentstream.store.placed_calls import LostCall
from agentstream.store.protocols import StoreError
from agentstream.store.values import CallRecord
from agentstream.switch.call_terms import Terms
from agentstream.switch.call_view import CallViews
from agentstream.testing.calls import CALL, STARTED_AT
from agentstream.testing.manual_clock import ManualClock
from agentstream.testing.memory_outbox import MemoryPlacedCalls
from agentstream.testing.memory_store import MemoryStore
from agentstream.testing.placed import placed_setup
from agentstream.testing.waiting import until

WANTED = StatusCallback("https://shop.example/s", frozenset({"terminal"}), is_json=True)
SETUP = placed_setup(WANTED, two_numbers=True)
CLOCK = ManualClock()
CLOCK.advance((STARTED_AT - CLOCK.wall()) // timedelta(milliseconds=1) + 90_000)


def settling(store: MemoryStore, placed: MemoryPlacedCalls, woken: list[int]) -> LostCalls:
    tell_end = Callbacks(CallViews(CLOCK).find, lambda _: None, CallbackStyle(Terms(UTC))).ended
    return LostCalls(placed, store.calls, tell_end, CLOCK, lambda: woken.append(1))


async def test_its_record_says_so_and_whoever_had_it_placed_is_told() -> None:
    store, woken = MemoryStore(clock=CLOCK), list[int]()
    await store.placed.begin(SETUP)
    again = store.placed.another("here", "2")
    with capture_logs() as logs:
        assert await settling(store, again, woken).settle() == 1
    record = await store.calls.find(CALL)
    assert isinstance(record, CallRecord)
    assert (record.status, record.cause, record.ended_by) == ("failed", "internal-error", "system")
    assert record.detail.startswith("The server broke off while this call lived")
    assert (record.created_at, record.length_ms) == (STARTED_AT, 90_000)
    [webhook] = await store.outbox.list(WebhookQuery())
    body = json.loads(webhook.body)
    assert (webhook.sid, webhook.created_at) == (f"{CALL}-end", CLOCK.wall())
    assert (body["EventType"], body["Status"], body["Duration"]) == ("terminal", "failed", 90)
    assert [leg["Status"] for leg in body["Legs"]] == [None, None]
    assert [log["call_sid"] for log in logs] == [CALL]
    assert (woken, await again.lost()) == ([1], [])
    assert await settling(store, again, woken).settle() == 0


async def test_a_call_that_two_nodes_find_is_told_once() -> None:
    store, woken = MemoryStore(clock=CLOCK), list[int]()
    await store.placed.begin(SETUP)
    lost = await store.placed.another("here", "2").lost()

    class Slow(MemoryPlacedCalls):
        """Read what is lost before the other has settled it."""

        looks = 0

        async def lost(self) -> Sequence[LostCall]:
            self.looks += 1
            return lost if self.looks == 1 else []

    with capture_logs():
        for _ in range(2):
            await settling(store, Slow(CLOCK), woken).settle()
    assert len(await store.outbox.list(WebhookQuery())) == 1


async def test_it_goes_on_looking_and_says_that_its_own_calls_live() -> None:
    store, woken = MemoryStore(clock=CLOCK), list[int]()

    class Down(MemoryPlacedCalls):
        failures = [StoreError("database is locked"), RuntimeError("a bug")]  # noqa: RUF012
        beats = 0

        async def beat(self) -> None:
            if self.failures:
                raise self.failures.pop(0)
            self.beats += 1

    placed = Down(CLOCK)
    with capture_logs() as logs:
        task = asyncio.create_task(settling(store, placed, woken).run(beat_ms=1))
        await until(lambda: placed.beats == 2)
        task.cancel()
    assert [log["event"] for log in logs] == ["lost_calls_not_settled", "lost_calls_broke_off"]


async def test_a_call_without_a_callback_leaves_its_record_only() -> None:
    store = MemoryStore(clock=CLOCK)
    await store.placed.begin(placed_setup(None, two_numbers=False, call_sid=CallSid("c2")))
    with capture_logs():
        await settling(store, store.placed.another("here", "2"), []).settle()
    assert await store.calls.find(CallSid("c2")) is not None
    assert await store.outbox.list(WebhookQuery()) == []
