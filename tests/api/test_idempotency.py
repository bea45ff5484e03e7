"""A request that is sent again has the first one's result (OC-6, LG-42)."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import TypeAdapter

from agentstream.api.errors import ApiError
from agentstream.api.forms import form_of
from agentstream.api.idempotency import BUSY_MS, Kind, Once, check_key, fingerprint
from agentstream.base.errors import BusyError
from agentstream.base.ids import AccountSid
from agentstream.store.first_results import KeyedRequest
from agentstream.store.protocols import StoreError
from agentstream.testing.manual_clock import ManualClock
from agentstream.testing.memory_first_results import MemoryFirstResults
from agentstream.testing.waiting import until

MINE, OTHER = AccountSid("GreenLeaf1"), AccountSid("other")
FORM = form_of([("From", "1"), ("To", "2")])
NUMBER = Kind("number", TypeAdapter(int))
WORD = Kind("word", TypeAdapter(int))


class Work:
    """Counts how often something is made; waits, and fails, as a test wants."""

    def __init__(self) -> None:
        self.made = 0
        self.may_go_on = asyncio.Event()
        self.error: BaseException | None = None
        self.may_go_on.set()

    async def make(self) -> int:
        self.made += 1
        made = self.made
        await self.may_go_on.wait()
        if self.error is not None:
            raise self.error
        return made


class Rows(MemoryFirstResults):
    """Rows of a database that a test may let fail once a request has claimed its key."""

    fails = False

    async def keep(self, request: KeyedRequest, result: str) -> None:
        if self.fails:
            raise StoreError("database: disk is full")
        await super().keep(request, result)

    async def release(self, request: KeyedRequest) -> None:
        if self.fails:
            raise StoreError("database: disk is full")
        await super().release(request)


class House:
    """Processes on one database."""

    def __init__(self) -> None:
        self.clock, self.rows, self.work = ManualClock(), Rows(), Work()
        self.first, self.second = (Once(self.rows, self.clock) for _ in range(2))

    async def ask(
        self,
        once: Once,
        key: str = "k",
        account: AccountSid = MINE,
        kind: Kind[int] = NUMBER,
        **how: Any,
    ) -> int:
        now = self.clock.wall()
        request = KeyedRequest(account, kind.name, key, fingerprint(FORM), now)
        return await once.make(kind, replace(request, **how), self.work.make)


@pytest.fixture
def house() -> House:
    return House()


def other(house: House) -> Once:
    return house.second


def same(house: House) -> Once:
    return house.first


@pytest.mark.parametrize("whose", [same, other])
async def test_two_at_once_make_it_once(house: House, whose: Callable[[House], Once]) -> None:
    house.work.may_go_on.clear()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(house.ask(house.first))
        await until(lambda: house.work.made == 1)
        second = tasks.create_task(house.ask(whose(house)))
        await asyncio.sleep(0)
        house.work.may_go_on.set()
    assert [first.result(), second.result()] == [1, 1]
    assert whose(house).counts["repeated"] == 1


async def test_accounts_kinds_and_keys_are_apart(house: House) -> None:
    asked: list[tuple[str, AccountSid, Kind[int]]] = [
        ("k", MINE, NUMBER),
        ("k", OTHER, NUMBER),
        ("l", MINE, NUMBER),
        ("k", MINE, WORD),
        ("k", MINE, NUMBER),
    ]
    made = [await house.ask(house.first, *how) for how in asked]
    assert made == [1, 2, 3, 4, 1]
    assert house.first.counts == {"first": 4, "repeated": 1}


async def test_a_restart_and_a_day_later_oc_6(house: House) -> None:
    assert await house.ask(house.first) == 1
    house.clock.advance(86_399_999)
    assert await house.ask(Once(house.rows, house.clock)) == 1
    house.clock.advance(1)
    assert await house.ask(house.second) == 2


async def test_a_key_belongs_to_one_request(house: House) -> None:
    await house.ask(house.first)
    with pytest.raises(ApiError, match="used before, with other parameters") as refused:
        await house.ask(house.second, fingerprint="another")
    assert (refused.value.status, house.second.counts) == (422, {"mismatched": 1})


async def test_what_failed_may_be_tried_again_by_whoever_waits(house: House) -> None:
    house.work.may_go_on.clear()
    house.work.error = BusyError("full")
    both = [asyncio.create_task(house.ask(one)) for one in (house.first, house.second)]
    await until(lambda: house.work.made == 1)
    house.work.may_go_on.set()
    told = await asyncio.gather(*both, return_exceptions=True)
    assert [str(error) for error in told] == ["full", "full"]
    house.work.error = None
    assert await house.ask(house.first) == 3


async def test_a_request_that_is_given_up_leaves_nothing(house: House) -> None:
    house.work.may_go_on.clear()
    both = [asyncio.create_task(house.ask(one)) for one in (house.first, house.second)]
    await until(lambda: house.work.made == 1)
    both[0].cancel()
    await until(lambda: house.work.made == 2)  # whoever waited makes it
    house.work.may_go_on.set()
    given_up, made = await asyncio.gather(*both, return_exceptions=True)
    assert isinstance(given_up, asyncio.CancelledError)
    assert made == 2


async def test_what_broke_off_with_its_process_is_not_made_again(house: House) -> None:
    house.work.may_go_on.clear()
    lost = asyncio.create_task(house.ask(house.first))
    await until(lambda: house.work.made == 1)
    house.rows.fails = True  # nobody writes down how it ended
    lost.cancel()
    await asyncio.gather(lost, return_exceptions=True)
    assert house.first.counts["not_kept"] == 1
    house.clock.advance(BUSY_MS + 1)
    with pytest.raises(ApiError, match="is not known: see whether it was done") as refused:
        await house.ask(house.second)
    assert (refused.value.status, house.work.made) == (409, 1)
    assert house.second.counts == {"unknown": 1}


async def test_what_was_made_is_told_although_it_cannot_be_kept(house: House) -> None:
    house.rows.fails = True
    assert await house.ask(house.first) == 1
    house.clock.advance(BUSY_MS + 1)
    with pytest.raises(ApiError, match="is not known"):
        await house.ask(house.first)


async def test_a_wait_has_an_end(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentstream.api.idempotency.BUSY_MS", 120)
    house.work.may_go_on.clear()
    running = asyncio.create_task(house.ask(house.first))
    await until(lambda: house.work.made == 1)
    with pytest.raises(ApiError, match="is not known"):  # this clock stands still
        await house.ask(house.second)
    house.work.may_go_on.set()
    assert await running == 1


async def test_a_result_in_unknown_words_is_not_made_again(house: House) -> None:
    await house.ask(house.first)
    renamed: Kind[Any] = Kind(NUMBER.name, TypeAdapter(list[int]))
    with pytest.raises(ApiError, match="by another release") as refused:
        await house.ask(house.second, kind=renamed)
    assert (refused.value.status, house.work.made) == (409, 1)


@pytest.mark.parametrize(
    ("key", "says"),
    [("k" * 256, "more than 255 characters"), ("a\tb", "cannot be printed")],
)
def test_a_key_that_cannot_be_kept_is_refused(key: str, says: str) -> None:
    check_key("k" * 255)
    with pytest.raises(ApiError, match=says):
        check_key(key)


def test_a_print_knows_values_and_no_order() -> None:
    assert fingerprint(FORM) == fingerprint(form_of([("to", "2"), ("FROM", "1")]))
    assert fingerprint(FORM) != fingerprint(form_of([("From", "1"), ("To", "2"), ("Record", "1")]))
    assert fingerprint(form_of([("A", "b\nc=1")])) != fingerprint(form_of([("A", "b"), ("c", "1")]))
