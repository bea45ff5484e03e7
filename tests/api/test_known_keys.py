"""Keys that were right a moment ago: the database is asked for the others."""

import pytest

from agentstream.api.known_keys import KEYS_LIMIT, KNOWN_MS, KnownKeys
from agentstream.store.values import KeyHolder, NewKey
from agentstream.testing.manual_clock import ManualClock
from agentstream.testing.memory_store import MemoryStore


class Counted:
    """The accounts of a store, and how often they were asked."""

    def __init__(self, store: MemoryStore) -> None:
        self._accounts = store.accounts
        self.asked = 0

    async def verify(self, user: str, token: str) -> KeyHolder | None:
        self.asked += 1
        return await self._accounts.verify(user, token)


@pytest.fixture
async def house() -> tuple[MemoryStore, NewKey, Counted, ManualClock, KnownKeys]:
    store, clock = MemoryStore(), ManualClock()
    account = await store.accounts.create("Green Leaf", "greenleaf1")
    key = await store.accounts.create_key(account.sid)
    counted = Counted(store)
    return store, key, counted, clock, KnownKeys(counted, clock)  # type: ignore[arg-type]  # (it)


async def test_a_key_that_was_right_is_known_for_a_moment(house: tuple) -> None:  # type: ignore[type-arg]
    _, key, counted, clock, known = house
    for _ in range(5):
        holder = await known.verify(key.key, key.token)
        assert holder is not None
        assert holder.account.sid == "greenleaf1"
    assert counted.asked == 1
    clock.advance(KNOWN_MS)
    await known.verify(key.key, key.token)
    assert counted.asked == 2


async def test_a_revoked_key_is_refused_once_the_moment_is_over(house: tuple) -> None:  # type: ignore[type-arg]
    store, key, _, clock, known = house
    await known.verify(key.key, key.token)
    await store.accounts.revoke_key(key.key)
    clock.advance(KNOWN_MS)
    assert await known.verify(key.key, key.token) is None


async def test_what_is_wrong_is_asked_each_time_and_never_taken_for_another(house: tuple) -> None:  # type: ignore[type-arg]
    _, key, counted, _, known = house
    await known.verify(key.key, key.token)
    for user, token in ((key.key, key.token + "x"), (key.key + ":" + key.token[:1], key.token[1:])):
        for _ in range(2):
            assert await known.verify(user, token) is None
    assert counted.asked == 5


async def test_no_more_keys_are_known_than_the_limit(house: tuple) -> None:  # type: ignore[type-arg]
    store, key, counted, _, known = house
    account = await store.accounts.create("Many", "many")
    await known.verify(key.key, key.token)
    for name in range(KEYS_LIMIT):
        known._known[str(name).encode()] = next(iter(known._known.values()))
    more = await store.accounts.create_key(account.sid)
    await known.verify(more.key, more.token)
    await known.verify(key.key, key.token)  # forgotten by now
    assert (counted.asked, len(known._known) <= KEYS_LIMIT + 1) == (3, True)
