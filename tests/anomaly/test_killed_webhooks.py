"""A server that is killed in the middle of telling customers' servers, and its next run."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from agentstream.base.clock import SystemClock
from agentstream.base.ids import CallSid
from agentstream.calls.record import StatusCallback
from agentstream.server.config import Config
from agentstream.store.outbox import WebhookQuery
from agentstream.store.sql_store import SqlStore, open_store
from agentstream.testing.customer import Asked, Reply, customer
from agentstream.testing.placed import placed_setup
from agentstream.testing.records import a_webhook

pytestmark = pytest.mark.acceptance
CALLS = 40
HELD = {f"c{number}-1" for number in (3, 11, 25)}  # what the receiver is slow to answer
HOUSE = """
import asyncio, sys
from agentstream.server.config import Config
from agentstream.testing.node import AsyncHouse

async def main():
    async with AsyncHouse(Config.model_validate_json(sys.argv[1]), pairs=1):
        print("up", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[Process]:
    """Run a server without telephony in a process of its own; killed at the end."""
    config = Config.model_validate(
        {
            "data_dir": folder,
            "sip": {"listeners": []},
            "limits": {"calls": 1},
            "speech": {"engine": "none"},
            "callbacks": {"timeout_ms": 4_000, "retry_seconds": [1, 1, 1, 1]},
        }
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOUSE, config.model_dump_json()), stdout=PIPE, stderr=DEVNULL
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            assert await process.stdout.readline() == b"up\n"
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def until_left(store: SqlStore, sids: set[str]) -> None:
    async with asyncio.timeout(40):
        while await left(store) != sids:  # noqa: ASYNC110  (another process writes)
            await asyncio.sleep(0.05)


async def left(store: SqlStore) -> set[str]:
    return {one.sid for one in await store.outbox.list(WebhookQuery(limit=1_000))}


async def test_nothing_is_lost_and_only_what_was_not_answered_comes_twice(tmp_path: Path) -> None:
    open_door = asyncio.Event()

    async def answer(asked: Asked) -> Reply:
        if asked.headers["webhook-id"] in HELD:
            await open_door.wait()
        return Reply(200)

    now = SystemClock().wall()
    store = await open_store(tmp_path)
    await store.accounts.create("Green Leaf", "greenleaf1")
    async with customer(s=answer, ended=Reply(204)) as shop:
        where = {"url": shop.url("/s"), "host": "shop", "created_at": now, "next_at": now}
        await store.calls.write(
            [a_webhook(f"c{n}-{k}", f"c{n}", **where) for n in range(CALLS) for k in (1, 2)]
        )
        async with house(tmp_path) as first:
            # Those behind the ones that are not answered wait for them.
            await until_left(store, HELD | {sid.replace("-1", "-2") for sid in HELD})
            first.send_signal(signal.SIGKILL)
            assert await first.wait() == -signal.SIGKILL
        wanted = StatusCallback(shop.url("/ended"), is_json=True)
        setup = placed_setup(wanted, two_numbers=False, call_sid=CallSid("lost"))
        await store.placed.begin(replace(setup, started_at=now))
        open_door.set()
        async with house(tmp_path):
            last = await shop.until_asked("/ended")
            await until_left(store, set())
    names = [asked.headers["webhook-id"] for asked in shop.asked("/s")]
    counted = Counter(names)
    assert len(counted) == 2 * CALLS
    assert {name for name, count in counted.items() if count > 1} == HELD
    for number in range(CALLS):
        mine = [name for name in names if name.startswith(f"c{number}-")]
        assert mine == sorted(mine)
    body = json.loads(last.body)
    assert (body["CallSid"], body["Status"]) == ("lost", "failed")
    assert len(shop.asked("/ended")) == 1
    record = await store.calls.find(CallSid("lost"))
    assert record is not None
    assert (record.status, record.cause) == ("failed", "internal-error")
    await store.close()
