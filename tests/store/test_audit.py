"""The audit log: rows are added once, found by who, whose and when, and forgotten in time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agentstream.store import audit
from agentstream.store.audit import TEXT_LIMIT, Change, ChangeQuery
from agentstream.store.protocols import Store

NOON = datetime(2027, 1, 12, 12, tzinfo=UTC)
FIRST = Change("a", NOON, "greenleaf1", "key 51e0", "POST /v1/x", "200", "call c1")
SECOND = Change("b", NOON + timedelta(minutes=1), "other", "key 9f3c", "DELETE /v1/y", "404")
THIRD = Change("c", NOON + timedelta(hours=1), "", "command line (root)", "keys revoke", "done")


@pytest.fixture
async def kept(store: Store) -> Store:
    assert await store.audit.write([FIRST, SECOND, THIRD]) == 3
    return store


async def test_changes_are_read_newest_first_and_a_known_one_is_left_alone(kept: Store) -> None:
    assert await kept.audit.write([replace(FIRST, outcome="500"), replace(FIRST, sid="d")]) == 1
    found = await kept.audit.list(ChangeQuery())
    assert found == [THIRD, SECOND, replace(FIRST, sid="d"), FIRST]
    assert await kept.audit.write([]) == 0


@pytest.mark.parametrize(
    ("query", "sids"),
    [
        (ChangeQuery(account_sid="greenleaf1"), "a"),
        (ChangeQuery(who="key"), "ba"),
        (ChangeQuery(who="key 5"), "a"),
        (ChangeQuery(who="%"), ""),
        (ChangeQuery(since=SECOND.at), "cb"),
        (ChangeQuery(limit=1), "c"),
    ],
)
async def test_changes_are_found_by_whose_who_and_when(
    kept: Store, query: ChangeQuery, sids: str
) -> None:
    assert [change.sid for change in await kept.audit.list(query)] == list(sids)


async def test_what_is_long_is_cut(store: Store) -> None:
    await store.audit.write([replace(FIRST, what="x" * (TEXT_LIMIT + 1))])
    [found] = await store.audit.list(ChangeQuery())
    assert found.what == "x" * TEXT_LIMIT


async def test_what_is_old_is_forgotten_a_little_at_a_time(
    kept: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("agentstream.store.sql_audit", "agentstream.testing.memory_audit"):
        monkeypatch.setattr(f"{module}.FORGET_ROWS", 1)
    assert audit.FORGET_ROWS > 1
    counts = [await kept.audit.forget(THIRD.at) for _ in range(3)]
    assert counts == [1, 1, 0]
    assert await kept.audit.list(ChangeQuery()) == [THIRD]
