"""The deliverer, over the outbox in memory and a world that answers as the test says."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from agentstream.base.errors import AgentStreamError
from agentstream.calls.commands import HttpRequest
from agentstream.hooks.webhooks import Deliverer, DeliveryRules
from agentstream.store.outbox import Census, Claim, Outcome, WebhookQuery
from agentstream.store.protocols import StoreError
from agentstream.store.values import Webhook
from agentstream.testing.board import Page
from agentstream.testing.manual_clock import ManualClock
from agentstream.testing.memory_outbox import MemoryOutbox
from agentstream.testing.memory_store import MemoryStore
from agentstream.testing.records import a_webhook
from agentstream.testing.waiting import until

MINUTE_MS = 60_000


@dataclass
class Receivers:
    """Servers by host: each answers 200, or what is in `answers`, once it is not held."""

    answers: dict[str, int | Exception] = field(default_factory=dict)
    held: dict[str, asyncio.Event] = field(default_factory=dict)
    asked: list[tuple[str, HttpRequest]] = field(default_factory=list)
    allowed: list[tuple[str, ...]] = field(default_factory=list)
    running: Counter[str] = field(default_factory=Counter)
    most: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.asked]

    async def send(self, question: HttpRequest, *, allow: tuple[str, ...], message_id: str) -> Page:
        host = urlsplit(question.url).hostname or ""
        self.asked.append((message_id, question))
        self.allowed.append(allow)
        self.running[host] += 1
        self.most[host] = max(self.most[host], self.running[host])
        try:
            if host in self.held:
                await self.held[host].wait()
        finally:
            self.running[host] -= 1
        answer = self.answers.get(host, 200)
        if isinstance(answer, Exception):
            raise answer
        return Page(answer)


@dataclass
class World:
    """A deliverer that runs."""

    clock: ManualClock
    outbox: MemoryOutbox
    web: Receivers
    deliverer: Deliverer
    store: MemoryStore

    async def add(self, *webhooks: Webhook) -> None:
        await self.store.calls.write(webhooks)
        self.deliverer.wake()

    async def pass_time(self, duration_ms: int) -> None:
        self.clock.advance(duration_ms)
        self.deliverer.wake()

    async def left(self) -> Sequence[Webhook]:
        return await self.outbox.list(WebhookQuery())

    async def until_left(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(await self.left()) != count or self.deliverer.running:  # noqa: ASYNC110
                await asyncio.sleep(0)

    async def until_settled(self, attempts: int) -> Webhook:
        """Wait until the only webhook has failed so often; returns it."""
        async with asyncio.timeout(10):
            while (await self.left())[0].attempts != attempts:  # noqa: ASYNC110
                await asyncio.sleep(0)
        return (await self.left())[0]


@asynccontextmanager
async def delivering(
    rules: DeliveryRules | None = None, outbox: MemoryOutbox | None = None
) -> AsyncIterator[World]:
    clock = ManualClock()
    clock.advance(1_000)  # by then webhooks of tests are due
    store, web = MemoryStore(clock=clock), Receivers()
    box = outbox or store.outbox
    if outbox is not None:
        outbox._rows = store.calls.rows
    deliverer = Deliverer(box, web, lambda sid: (f"{sid}.example",), clock, rules)
    task = asyncio.create_task(deliverer.run())
    try:
        yield World(clock, box, web, deliverer, store)
        await deliverer.stop()
        await task
    finally:
        task.cancel()


async def test_a_webhook_is_posted_as_it_is_with_its_name_and_then_forgotten() -> None:
    async with delivering() as world:
        await world.add(a_webhook("w1", url="https://me:secret@shop.example/s?key=7"))
        await world.until_left(0)
    [(name, request)] = world.web.asked
    assert (name, request.headers) == ("w1", (("webhook-id", "w1"),))
    assert (request.method, request.url) == ("POST", "https://me:secret@shop.example/s?key=7")
    assert (request.body, request.content_type) == ('{"CallSid":"c1"}', "application/json")
    assert (request.timeout_ms, request.redirects) == (15_000, 0)
    assert world.web.allowed == [("greenleaf1.example",)]
    assert (world.deliverer.counts.delivered, world.deliverer.counts.failed_attempts) == (1, 0)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
async def test_any_2xx_is_success_cb_11(status: int) -> None:
    async with delivering() as world:
        world.web.answers["shop.example"] = status
        await world.add(a_webhook("w1"))
        await world.until_left(0)
    assert world.web.names == ["w1"]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (301, "it answered 301"),
        (404, "it answered 404"),
        (500, "it answered 500"),
        (AgentStreamError("no such host"), "no such host"),
        (RuntimeError("a bug"), "a fault in the server"),
    ],
)
async def test_a_failure_is_tried_again_after_5_and_then_15_minutes_cb_11(
    answer: int | Exception, says: str
) -> None:
    async with delivering() as world:
        world.web.answers["shop.example"] = answer
        with capture_logs():
            await world.add(a_webhook("w1"))
            first = await world.until_settled(1)
            assert (first.state, first.last_error) == ("waiting", says)
            assert first.last_status == (answer if isinstance(answer, int) else 0)
            await world.pass_time(5 * MINUTE_MS - 1)
            await world.pass_time(0)
            assert len(world.web.asked) == 1
            await world.pass_time(1)
            await world.until_settled(2)
            await world.pass_time(15 * MINUTE_MS - 1)
            await world.pass_time(0)
            assert len(world.web.asked) == 2
            await world.pass_time(1)
            dead = await world.until_settled(3)
        assert dead.state == "dead"
        await world.pass_time(1_000 * MINUTE_MS)
    assert world.web.names == ["w1", "w1", "w1"]
    assert (world.deliverer.counts.failed_attempts, world.deliverer.counts.died) == (3, 1)


async def test_the_next_of_a_call_waits_until_the_one_before_is_delivered_or_dead() -> None:
    async with delivering(DeliveryRules(retry_ms=(MINUTE_MS,))) as world:
        world.web.answers["shop.example"] = 500
        with capture_logs():
            await world.add(a_webhook("w1"), a_webhook("w2"), a_webhook("x1", "c2"))
            await until(lambda: world.deliverer.counts.failed_attempts == 2)
            assert sorted(world.web.names) == ["w1", "x1"]
            await world.pass_time(MINUTE_MS)
            await until(lambda: "w2" in world.web.names)
        world.web.answers.clear()
        await world.pass_time(MINUTE_MS)
        await world.until_left(2)
    assert [name for name in world.web.names if name != "x1"] == ["w1", "w1", "w2", "w2"]
    assert sorted(one.sid for one in await world.left()) == ["w1", "x1"]


async def test_a_receiver_that_hangs_has_its_share_and_others_are_not_held_up() -> None:
    async with delivering(DeliveryRules(at_once=8, per_host=3)) as world:
        slow = world.web.held["slow.example"] = asyncio.Event()
        for number in range(20):
            await world.add(
                a_webhook(
                    f"s{number}", f"s{number}", host="slow.example", url="https://slow.example/"
                ),
                a_webhook(f"q{number}", f"q{number}"),
            )
        await until(lambda: world.deliverer.counts.delivered == 20)
        assert world.web.running["slow.example"] == 3
        assert all(name.startswith("q") for name in world.web.names[6:])
        slow.set()
        await world.until_left(0)
    assert world.web.most["slow.example"] == 3


async def test_no_more_run_at_once_than_may() -> None:
    async with delivering(DeliveryRules(at_once=4, per_host=4)) as world:
        hosts = [f"h{number}.example" for number in range(9)]
        doors = [world.web.held.setdefault(host, asyncio.Event()) for host in hosts]
        for host in hosts:
            await world.add(a_webhook(host, host, host=host, url=f"https://{host}/"))
        await until(lambda: world.deliverer.running == 4)
        for door in doors:
            door.set()
        await world.until_left(0)
    assert world.deliverer.counts.delivered == 9


async def test_what_a_database_does_not_take_is_written_later_and_not_sent_twice() -> None:
    class Locked(MemoryOutbox):
        refusals = 3

        async def settle(self, outcomes: Sequence[Outcome], *, keep: bool = False) -> None:
            if self.refusals:
                self.refusals -= 1
                raise StoreError("database is locked")
            await super().settle(outcomes, keep=keep)

    async with delivering(outbox=Locked({})) as world:
        with capture_logs() as logs:
            await world.add(a_webhook("w1"))
            while await world.left():
                world.deliverer.wake()
                await asyncio.sleep(0)
    assert world.web.names == ["w1"]
    assert [log["event"] for log in logs] == ["outbox_does_not_answer"]


async def test_a_fault_in_the_outbox_does_not_end_the_work() -> None:
    class Broken(MemoryOutbox):
        faults = 1

        async def census(self) -> Census:
            if self.faults:
                self.faults -= 1
                raise RuntimeError("a bug")
            return await super().census()

    async with delivering(outbox=Broken({})) as world:
        with capture_logs() as logs:
            await until(lambda: bool(logs))
        await world.add(a_webhook("w1"))
        await world.until_left(0)
    assert [log["event"] for log in logs] == ["outbox_broke_off"]


async def test_a_stop_delivers_what_is_due_and_leaves_what_is_not() -> None:
    async with delivering(DeliveryRules(at_once=1)) as world:
        door = world.web.held["shop.example"] = asyncio.Event()
        later = world.clock.wall() + timedelta(seconds=1)
        await world.add(a_webhook("w1"), a_webhook("w2"), a_webhook("x1", "c2", next_at=later))
        await until(lambda: world.deliverer.running == 1)
        stopping = asyncio.create_task(world.deliverer.stop())
        await asyncio.sleep(0)
        assert not stopping.done()
        door.set()
        await stopping
    assert world.web.names == ["w1", "w2"]
    assert [one.sid for one in await world.left()] == ["x1"]


class SlowBox(MemoryOutbox):
    """Looks at once, and answers when the test lets it."""

    def __init__(self) -> None:
        super().__init__({})
        self.looked, self.answer = asyncio.Event(), asyncio.Event()

    async def claim(self, wish: Claim) -> Sequence[Webhook]:
        found = await super().claim(wish)
        self.looked.set()
        await self.answer.wait()
        return found


async def test_what_was_written_while_the_stop_came_is_delivered_too() -> None:
    box = SlowBox()
    async with delivering(outbox=box) as world:
        await box.looked.wait()
        await world.store.calls.write([a_webhook("w1")])
        stopping = asyncio.create_task(world.deliverer.stop())
        await asyncio.sleep(0)
        box.answer.set()
        await stopping
    assert world.web.names == ["w1"]


async def test_in_the_second_half_of_a_stop_nothing_is_begun() -> None:
    async with delivering(DeliveryRules(at_once=1)) as world:
        door = world.web.held["shop.example"] = asyncio.Event()
        await world.add(a_webhook("w1"), a_webhook("w2"))
        await until(lambda: world.deliverer.running == 1)
        stopping = asyncio.create_task(world.deliverer.stop(timeout_ms=4_000))
        await asyncio.sleep(0)
        world.clock.advance(2_000)
        door.set()
        await stopping
    assert world.web.names == ["w1"]
    assert [one.sid for one in await world.left()] == ["w2"]


async def test_a_stop_has_a_deadline_and_what_it_gave_up_is_tried_again() -> None:
    async with delivering() as world:
        world.web.held["shop.example"] = asyncio.Event()
        await world.add(a_webhook("w1"))
        await until(lambda: world.deliverer.running == 1)
        with capture_logs() as logs:
            await world.deliverer.stop(timeout_ms=5)
        assert world.deliverer.running == 0
    assert [(log["event"], log["running"]) for log in logs] == [("webhooks_given_up", 1)]
    [left] = await world.left()
    assert (left.state, left.attempts) == ("waiting", 0)
    again = Deliverer(world.outbox, Receivers(), lambda _: (), world.clock)
    task = asyncio.create_task(again.run())
    world.clock.advance(30_000)
    again.wake()
    await until(lambda: again.counts.delivered == 1)
    await again.stop()
    await task


async def test_what_is_dead_can_be_sent_again() -> None:
    async with delivering(DeliveryRules(retry_ms=())) as world:
        world.web.answers["shop.example"] = 410
        with capture_logs() as logs:
            await world.add(a_webhook("w1"))
            assert (await world.until_settled(1)).state == "dead"
        assert [(log["event"], log["status"]) for log in logs] == [("webhook_dead", 410)]
        world.web.answers.clear()
        await world.outbox.redeliver(None, world.clock.wall())
        world.deliverer.wake()
        await world.until_left(0)
    assert world.web.names == ["w1", "w1"]


async def test_delivered_ones_are_kept_if_that_is_wanted() -> None:
    async with delivering(DeliveryRules(keeps_delivered=True)) as world:
        await world.add(a_webhook("w1"))
        kept = await world.until_settled(1)
    assert (kept.state, kept.last_status, kept.last_error) == ("delivered", 200, "")


async def test_what_lies_there_is_counted_now_and_then() -> None:
    async with delivering(DeliveryRules(retry_ms=())) as world:
        world.web.held["shop.example"] = asyncio.Event()
        await world.add(a_webhook("w1"))
        await world.pass_time(5_000)
        await until(lambda: world.deliverer.census.waiting == 1)
        began = a_webhook("w1").created_at
        assert world.deliverer.oldest_s == int((world.clock.wall() - began).total_seconds())
        world.web.held["shop.example"].set()
        await world.until_left(0)
        await world.pass_time(5_000)
        await until(lambda: world.deliverer.census.waiting == 0)
    assert world.deliverer.oldest_s == 0


async def test_neither_logs_nor_rows_tell_a_receivers_secrets() -> None:
    async with delivering() as world:
        url = "https://me:hidden@shop.example/s?key=hidden"
        world.web.answers["shop.example"] = AgentStreamError(f"{url}: refused")
        with capture_logs() as logs:
            await world.add(a_webhook("w1", url=url))
            row = await world.until_settled(1)
    assert "hidden" not in str(logs) + row.last_error
    assert "refused" in row.last_error
    assert logs[0]["call_sid"] == "c1"
