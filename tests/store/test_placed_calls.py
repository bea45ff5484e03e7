"""Calls that we placed, on both databases and in the double."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from agentstream.base.errors import ConfigError
from agentstream.base.ids import CallSid, CountedTokens, FlowSid
from agentstream.calls.record import StatusCallback
from agentstream.store.database import open_database
from agentstream.store.placed_calls import LOST_AFTER, LostCall, PlacedCalls
from agentstream.store.protocols import Calls
from agentstream.store.sql_calls import SqlCalls
from agentstream.store.sql_placed_calls import SqlPlacedCalls, load_node
from agentstream.store.tables import placed_calls
from agentstream.testing.calls import CALL, make_setup
from agentstream.testing.manual_clock import ManualClock
from agentstream.testing.memory_outbox import MemoryPlacedCalls
from agentstream.testing.memory_store import MemoryCalls
from agentstream.testing.records import a_call, a_stream

pytestmark = pytest.mark.integration
LOST_AFTER_MS = int(LOST_AFTER.total_seconds() * 1_000)
SETUP = replace(
    make_setup("outbound", "order 7", (("X-Order", "7"),)),
    flow_sid=FlowSid("f1"),
    callback=StatusCallback("https://shop.example/s?key=7", frozenset({"answered", "terminal"})),
)


@dataclass
class World:
    """One database, and the doors that runs of nodes have to it."""

    run: Callable[[str, str], PlacedCalls]
    calls: Calls
    clock: ManualClock


@pytest.fixture
async def world(database_url_or_none: str | None) -> AsyncIterator[World]:
    clock = ManualClock()
    if database_url_or_none is None:
        first = MemoryPlacedCalls(clock)
        yield World(first.another, MemoryCalls(first), clock)
        return
    database = open_database(database_url_or_none)
    await database.migrate()
    calls = SqlCalls(database)
    yield World(lambda node, run: SqlPlacedCalls(database, node, run, clock), calls, clock)
    await database.close()


async def test_a_call_is_lost_when_its_node_starts_again(world: World) -> None:
    before = world.run("one", "1")
    began_at = world.clock.wall()
    await before.begin(SETUP)
    assert await before.lost() == []
    after = world.run("one", "2")
    assert await after.lost() == [LostCall(SETUP, began_at)]
    assert await world.calls.write([a_call(CALL, direction="outbound")]) == 1
    assert await after.lost() == []


async def test_another_nodes_call_is_lost_when_it_was_not_heard_of_for_long(world: World) -> None:
    theirs, ours = world.run("one", "1"), world.run("two", "1b")
    await theirs.begin(SETUP)
    world.clock.advance(LOST_AFTER_MS)
    await theirs.beat()
    await ours.beat()
    seen_at = world.clock.wall()
    world.clock.advance(LOST_AFTER_MS)
    assert await ours.lost() == []
    world.clock.advance(1)
    assert await ours.lost() == [LostCall(SETUP, seen_at)]
    assert await theirs.lost() == []  # it has them still: it only slept


async def test_a_known_record_ends_a_placed_call_too(world: World) -> None:
    await world.run("one", "1").begin(SETUP)
    await world.calls.write([a_stream("s1", CALL)])
    assert len(await world.run("one", "2").lost()) == 1
    await world.calls.write([a_call("c9")])
    rows = [a_call("c9"), a_call(CALL, direction="outbound")]
    assert await world.calls.write(rows) == 1
    assert await world.run("one", "2").lost() == []


async def test_a_call_that_came_in_takes_no_note_away(world: World) -> None:
    await world.run("one", "1").begin(SETUP)
    await world.calls.write([a_call(CALL)])
    assert len(await world.run("one", "2").lost()) == 1


async def test_a_call_that_was_not_dialled_is_not_lost(world: World) -> None:
    placed = world.run("one", "1")
    await placed.begin(SETUP)
    await placed.forget(SETUP.call_sid)
    assert await world.run("one", "2").lost() == []


async def test_a_setup_of_another_release_holds_nothing_up(database_url: str) -> None:
    database = open_database(database_url)
    await database.migrate()
    clock = ManualClock()
    await SqlPlacedCalls(database, "one", "1", clock).begin(SETUP)
    await SqlPlacedCalls(database, "one", "1", clock).begin(replace(SETUP, call_sid=CallSid("c2")))
    spoil = update(placed_calls).where(placed_calls.c.sid == CALL).values(setup='{"odd": 1}')
    async with database.write() as connection:
        await connection.execute(spoil)
    after = SqlPlacedCalls(database, "one", "2", clock)
    with capture_logs() as logs:
        assert [call.setup.call_sid for call in await after.lost()] == ["c2"]
    assert [(log["event"], log["call_sid"]) for log in logs] == [("placed_call_unreadable", CALL)]
    with capture_logs() as logs:
        await after.lost()
    assert logs == []
    await database.close()


def test_a_node_keeps_its_name(tmp_path: Path) -> None:
    tokens = CountedTokens()
    name = load_node(tmp_path / "node.id", tokens)
    assert (len(name), load_node(tmp_path / "node.id", tokens)) == (64, name)
    assert load_node(tmp_path / "other.id", tokens) != name
    with pytest.raises(ConfigError, match=r"node file .*: Is a directory"):
        load_node(tmp_path, tokens)
