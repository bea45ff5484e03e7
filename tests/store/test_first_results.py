"""First results of keyed requests, in both databases and their double (OC-6, LG-42)."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agentstream.base.ids import AccountSid
from agentstream.store.first_results import FirstResult, KeyedRequest
from agentstream.store.protocols import Store
from agentstream.store.sql_store import open_store

NOW = datetime(2027, 1, 12, 10, 4, 5, 123_456, tzinfo=UTC)
FIRST = KeyedRequest(AccountSid("GreenLeaf1"), "call", "order-5531", "ab12", NOW)
LATER = replace(FIRST, at=NOW + timedelta(seconds=2))
TOMORROW = replace(FIRST, at=NOW + timedelta(days=1))


async def test_the_first_one_claims_its_key_until_it_gives_it_back(store: Store) -> None:
    rows = store.first_results
    assert await rows.find(FIRST) is None
    assert [await rows.claim(one) for one in (FIRST, LATER)] == [True, False]
    assert await rows.find(LATER) == FirstResult("ab12", NOW, None)
    await rows.release(LATER)  # it is not the later one's
    assert await rows.find(LATER) is not None
    await rows.release(FIRST)
    assert await rows.claim(LATER)


async def test_a_result_is_there_for_a_day(store: Store) -> None:
    rows = store.first_results
    await rows.claim(FIRST)
    await rows.keep(FIRST, '{"sid":"c1"}')
    await rows.release(FIRST)  # what was made is not taken back
    nearly = replace(FIRST, at=TOMORROW.at - timedelta(microseconds=1))
    assert await rows.find(nearly) == FirstResult("ab12", NOW, '{"sid":"c1"}')
    assert not await rows.claim(nearly)
    assert await rows.find(TOMORROW) is None
    assert await rows.claim(TOMORROW)
    await rows.keep(FIRST, "late")  # by a request that took more than the day
    assert await rows.find(TOMORROW) == FirstResult("ab12", TOMORROW.at, None)


async def test_accounts_kinds_and_keys_are_apart(store: Store) -> None:
    others = [
        replace(FIRST, account_sid=AccountSid("other")),
        replace(FIRST, kind="leg"),
        replace(FIRST, key="Order-5531"),
        replace(FIRST, key="ö" * 255),
    ]
    assert all([await store.first_results.claim(one) for one in (FIRST, *others)])


async def test_what_is_old_is_forgotten(store: Store) -> None:
    rows = store.first_results
    for number in range(3):
        await rows.claim(replace(FIRST, key=str(number), at=NOW + timedelta(hours=number)))
    assert await rows.forget(NOW + timedelta(hours=2)) == 2
    assert await rows.forget(NOW + timedelta(hours=2)) == 0
    assert await rows.find(replace(LATER, key="2")) is not None


@pytest.mark.integration
async def test_of_two_processes_one_is_first(tmp_path: Path, database_url: str) -> None:
    stores = [await open_store(tmp_path, database_url) for _ in range(2)]
    tries = [stores[number % 2].first_results.claim(FIRST) for number in range(8)]
    assert sorted(await asyncio.gather(*tries)) == [False] * 7 + [True]
    await stores[0].first_results.keep(FIRST, "{}")
    assert await stores[1].first_results.find(LATER) == FirstResult("ab12", NOW, "{}")
    for store in stores:
        await store.close()


@pytest.mark.integration
async def test_a_restart_forgets_no_key_lg_42(tmp_path: Path, database_url: str) -> None:
    before = await open_store(tmp_path, database_url)
    await before.first_results.claim(FIRST)
    await before.first_results.keep(FIRST, "{}")
    await before.close()
    after = await open_store(tmp_path, database_url)
    assert not await after.first_results.claim(LATER)
    assert await after.first_results.find(LATER) == FirstResult("ab12", NOW, "{}")
    await after.close()
