"""A request that is sent again has the first one's result (OC-6)."""

import asyncio

import pytest

from agentstream.api import idempotency
from agentstream.api.errors import ApiError
from agentstream.api.forms import form_of
from agentstream.api.idempotency import FirstResults, fingerprint
from agentstream.base.errors import BusyError
from agentstream.base.ids import AccountSid
from agentstream.testing.manual_clock import ManualClock

MINE, OTHER = AccountSid("GreenLeaf1"), AccountSid("other")
FORM = form_of([("From", "1"), ("To", "2")])


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


@pytest.fixture
def results() -> FirstResults[int]:
    return FirstResults(ManualClock())


async def test_two_at_once_make_it_once(results: FirstResults[int]) -> None:
    work = Work()
    work.may_go_on.clear()
    async with asyncio.TaskGroup() as tasks:
        both = [tasks.create_task(results.once(MINE, "k", FORM, work.make)) for _ in range(2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        work.may_go_on.set()
    assert [task.result() for task in both] == [1, 1]


async def test_accounts_keys_and_no_key_are_apart(results: FirstResults[int]) -> None:
    work = Work()
    asked = [(MINE, "k"), (OTHER, "k"), (MINE, "l"), (MINE, ""), (MINE, ""), (MINE, "k")]
    made = [await results.once(account, key, FORM, work.make) for account, key in asked]
    assert made == [1, 2, 3, 4, 5, 1]


async def test_what_failed_may_be_tried_again_and_who_waited_is_told(
    results: FirstResults[int],
) -> None:
    work = Work()
    work.may_go_on.clear()
    work.error = BusyError("full")
    both = [asyncio.create_task(results.once(MINE, "k", FORM, work.make)) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    work.may_go_on.set()
    told = await asyncio.gather(*both, return_exceptions=True)
    assert [str(error) for error in told] == ["full", "full"]
    work.error = None
    assert await results.once(MINE, "k", FORM, work.make) == 2


async def test_a_request_that_is_given_up_leaves_nothing(results: FirstResults[int]) -> None:
    work = Work()
    work.may_go_on.clear()
    both = [asyncio.create_task(results.once(MINE, "k", FORM, work.make)) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    both[0].cancel()
    given_up, waited = await asyncio.gather(*both, return_exceptions=True)
    assert isinstance(given_up, asyncio.CancelledError)
    assert "broke off" in str(waited)
    work.may_go_on.set()
    assert await results.once(MINE, "k", FORM, work.make) == 2


async def test_keys_have_a_length_and_results_a_number(
    results: FirstResults[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work()
    with pytest.raises(ApiError, match="more than 255 characters"):
        await results.once(MINE, "k" * 256, FORM, work.make)
    monkeypatch.setattr(idempotency, "RESULTS_LIMIT", 2)
    monkeypatch.setattr(idempotency, "ACCOUNTS_LIMIT", 1)
    made = [await results.once(MINE, key, FORM, work.make) for key in "abca"]
    assert made == [1, 2, 3, 4]  # the first gave way
    await results.once(OTHER, "a", FORM, work.make)
    assert await results.once(MINE, "a", FORM, work.make) == 6  # its account gave way


def test_a_print_knows_values_and_no_order() -> None:
    assert fingerprint(FORM) == fingerprint(form_of([("to", "2"), ("FROM", "1")]))
    assert fingerprint(FORM) != fingerprint(form_of([("From", "1"), ("To", "2"), ("Record", "1")]))
    assert fingerprint(form_of([("A", "b\nc=1")])) != fingerprint(form_of([("A", "b"), ("c", "1")]))
