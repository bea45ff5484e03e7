"""Two processes on one database of either kind; and a node whose rows go to PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from agentstream.api.idempotency import Kind, Once
from agentstream.base.clock import SystemClock
from agentstream.base.errors import CommandError
from agentstream.base.ids import AccountSid
from agentstream.hooks.call_events import CallEvents
from agentstream.hooks.call_records import CallRecords
from agentstream.store.files import DATABASE_FILE
from agentstream.store.first_results import KeyedRequest
from agentstream.store.outbox import Claim, Outcome, WebhookQuery
from agentstream.store.sql_store import SqlStore, open_store
from agentstream.testing.node import running_node, scripted_caller
from agentstream.testing.postgres_server import PostgresServer
from agentstream.testing.records import a_call, a_webhook
from agentstream.testing.scripted_bot import scripted_bot
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration
AT_ONCE = 8


@pytest.fixture
async def stores(tmp_path: Path, database_url: str) -> AsyncIterator[list[SqlStore]]:
    opened = [await open_store(tmp_path, database_url) for _ in range(2)]
    yield opened
    for store in opened:
        await store.close()


async def test_edits_at_once_each_become_a_version(stores: list[SqlStore]) -> None:
    account = await stores[0].accounts.create("One")
    edits = [
        stores[number % 2].flows.apply(account.sid, "hello", f"text {number}", publish=True)
        for number in range(AT_ONCE)
    ]
    await asyncio.gather(*edits)
    [flow] = await stores[0].flows.list(account.sid)
    texts = [await stores[1].flows.version(flow.sid, number + 1) for number in range(AT_ONCE)]
    assert len({found.document for found in texts if found is not None}) == AT_ONCE
    assert await stores[0].revision() >= AT_ONCE


async def test_one_name_is_given_to_one_account(stores: list[SqlStore]) -> None:
    tries = [stores[number % 2].accounts.create("One", "one") for number in range(AT_ONCE)]
    told = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, CommandError) for one in told) == AT_ONCE - 1
    assert len(await stores[0].accounts.list()) == 1


async def test_rows_that_both_write_are_there_once(stores: list[SqlStore]) -> None:
    rows = [a_call(f"c{number}") for number in range(50)]
    written = await asyncio.gather(*(store.calls.write(rows) for store in stores))
    assert sum(written) == len(rows)


async def test_callbacks_are_claimed_by_one_and_in_their_order(stores: list[SqlStore]) -> None:
    now = a_webhook("w").next_at
    await stores[0].calls.write([a_webhook(f"w{n}", f"c{n % 40}") for n in range(120)])
    claimed: dict[str, list[int]] = {}

    async def work(store: SqlStore) -> None:
        while await store.outbox.list(WebhookQuery(limit=1)):
            wish = Claim(now, now + timedelta(seconds=30), limit=7, per_host=7)
            found = await store.outbox.claim(wish)
            for one in found:
                claimed.setdefault(one.subject, []).append(int(one.sid[1:]))
            await store.outbox.settle([Outcome(one, now, 200, "") for one in found])

    await asyncio.gather(*(work(stores[number % 2]) for number in range(4)))
    assert len(claimed) == 40
    assert all(numbers == sorted(numbers) and len(numbers) == 3 for numbers in claimed.values())


async def test_an_order_that_both_hear_at_once_is_made_by_one_oc_6(stores: list[SqlStore]) -> None:
    clock, kind, made = SystemClock(), Kind("call", TypeAdapter(str)), list[str]()

    async def make() -> str:
        made.append(f"c{len(made)}")
        await asyncio.sleep(0.2)  # as long as a database or a name server takes
        return made[-1]

    async def hear(once: Once) -> str:
        order = KeyedRequest(AccountSid("GreenLeaf1"), "call", "order-5531", "ab12", clock.wall())
        return await once.make(kind, order, make)

    houses = [Once(store.first_results, clock) for store in stores]
    told = await asyncio.gather(*(hear(houses[number % 2]) for number in range(AT_ONCE)))
    assert (told, made) == (["c0"] * AT_ONCE, ["c0"])
    assert sum(house.counts["repeated"] for house in houses) == AT_ONCE - 1


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_a_node_leaves_its_calls_in_postgres(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    url = await postgres.fresh_database()
    async with (
        scripted_bot() as bot,
        running_node(tmp_path, bot.url, database_url=url) as node,
        scripted_caller() as caller,
    ):
        parts = node.house.parts
        parts.feed.subscribe(CallEvents(parts.stories.write).hear)
        parts.feed.subscribe(CallRecords(parts.writer.write).hear, CallRecords.KINDS)
        call = await caller.dial(node.target())
        await until(lambda: bot.calls and bot.call.said("media"))
        await call.hang_up()
        [record] = await node.records()
    assert DATABASE_FILE not in [path.name for path in files(tmp_path)]
    store = await open_store(tmp_path, url)
    row = await store.calls.find(record.setup.call_sid)
    kinds = [event.kind for event in await store.call_events.of(record.setup.call_sid)]
    streams = await store.calls.streams(record.setup.call_sid)
    await store.close()
    assert row is not None
    assert (row.status, kinds[0], kinds[-1]) == ("completed", "call_started", "call_ended")
    assert [stream.status for stream in streams] == ["cancelled"]
