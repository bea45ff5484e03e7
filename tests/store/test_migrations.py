"""The tables are made by migrations, on both databases."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, text

from agentstream.base.errors import ConfigError
from agentstream.base.ids import CallSid
from agentstream.store import tables
from agentstream.store.database import Database, _enter_wal, open_database
from agentstream.store.protocols import StoreError
from agentstream.store.sql_store import open_store
from agentstream.testing.ports import free_port
from agentstream.testing.postgres_server import PostgresServer

pytestmark = pytest.mark.integration

A_CALL_OF_THE_FIFTH = """
INSERT INTO calls (
  sid, account_sid, direction, from_number, to_number, status, cause, ended_by,
  created_at, ended_at, sip_call_id, source, detail, codec, custom_field, sip_status, q850,
  duration_ms, packets_received, packets_sent, packets_lost, packets_late, jitter_ms,
  round_trip_ms, remote_loss
) VALUES (
  'c1', 'one', 'inbound', '+911', '+912', 'completed', 'normal', 'caller',
  0, 0, '', '', '', '', '', 0, 16, 0, 0, 0, 0, 0, 0, 0, 0
)
"""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = open_database(database_url)
    yield opened
    await opened.close()


def _shape(connection: Connection) -> dict[str, object]:
    inspector = inspect(connection)
    return {
        name: (
            sorted((c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(name)),
            inspector.get_pk_constraint(name)["constrained_columns"],
            sorted((i["name"], tuple(i["column_names"])) for i in inspector.get_indexes(name)),
            sorted(
                (u["name"], tuple(u["column_names"]))
                for u in inspector.get_unique_constraints(name)
            ),
            sorted((f["name"], f["referred_table"]) for f in inspector.get_foreign_keys(name)),
        )
        for name in inspector.get_table_names()
        if name != "alembic_version"
    }


async def test_the_migrations_make_the_tables_that_the_code_knows(
    database: Database,
) -> None:
    await database.migrate()
    async with database.read() as connection:
        found = await connection.run_sync(_shape)
    async with database.write() as connection:
        await connection.run_sync(tables.metadata.drop_all)
        await connection.run_sync(tables.metadata.create_all)
        wanted = await connection.run_sync(_shape)
    assert found == wanted


async def test_rows_of_the_first_revision_live_on_in_the_newest(database: Database) -> None:
    await database.migrate("0001")
    async with database.write() as connection:
        await connection.execute(
            text("INSERT INTO accounts VALUES ('One', 'one', 'One', 100, '', 1800000000000000)")
        )
    await database.migrate()
    async with database.read() as connection:
        rows = (await connection.execute(tables.accounts.select())).all()
        names = await connection.run_sync(lambda c: inspect(c).get_table_names())
    assert [row.sid for row in rows] == ["One"]
    assert {"calls", "streams", "recordings"} <= set(names)


async def test_the_events_of_the_fourth_revision_are_read_from_the_newest(
    tmp_path: Path, database_url: str, database: Database
) -> None:
    await database.migrate("0004")
    insert = "INSERT INTO call_events VALUES (:sid, :seq, :at_ms, :at, 'bot_spoke', :body)"
    rows = [
        {"sid": sid, "seq": seq, "at_ms": 40 * seq, "at": 1_800_000_000_000_000, "body": '{"n":1}'}
        for sid in ("c1", "c2")
        for seq in (1, 0)
    ]
    async with database.write() as connection:
        await connection.execute(text(insert), rows)
    store = await open_store(tmp_path, database_url)
    events = await store.call_events.of(CallSid("c2"))
    await store.close()
    assert [(event.seq, event.at_ms, event.body) for event in events] == [
        (0, 0, '{"n":1}'),
        (1, 40, '{"n":1}'),
    ]
    assert events[1].at == datetime.fromtimestamp(1_800_000_000, UTC) + timedelta(milliseconds=40)


async def test_the_calls_of_the_fifth_revision_have_a_number_and_no_parties(
    tmp_path: Path, database_url: str, database: Database
) -> None:
    await database.migrate("0005")
    async with database.write() as connection:
        await connection.execute(text(A_CALL_OF_THE_FIFTH))
    store = await open_store(tmp_path, database_url)
    call = await store.calls.find(CallSid("c1"))
    await store.close()
    assert call is not None
    assert (call.phone_number, call.legs) == ("+912", ())


async def test_two_processes_may_start_together(tmp_path: Path, database_url: str) -> None:
    stores = await asyncio.gather(*(open_store(tmp_path, database_url) for _ in range(4)))
    assert {await store.revision() for store in stores} == {1}
    for store in stores:
        await store.close()


async def test_starting_again_changes_nothing(tmp_path: Path, database_url: str) -> None:
    first = await open_store(tmp_path, database_url)
    account = await first.accounts.create("One")
    await first.close()
    second = await open_store(tmp_path, database_url)
    assert await second.accounts.list() == [account]
    await second.close()


async def test_a_file_is_wal_with_foreign_keys(tmp_path: Path) -> None:
    database = open_database(f"sqlite+aiosqlite:///{tmp_path}/x.db")
    async with database.read() as connection:
        wal = (await connection.exec_driver_sql("PRAGMA journal_mode")).scalar()
        keys = (await connection.exec_driver_sql("PRAGMA foreign_keys")).scalar()
    await database.close()
    assert (wal, keys) == ("wal", 1)


@pytest.mark.parametrize("database", ["nobody@127.0.0.1:{port}/x", "agentstream@{here}/none"])
async def test_a_server_that_does_not_let_us_in_is_a_store_error(
    postgres: PostgresServer, tmp_path: Path, database: str
) -> None:
    here = f"127.0.0.1:{postgres.port}"
    url = "postgresql://" + database.format(port=free_port(), here=here)
    with pytest.raises(StoreError, match="database: "):
        await open_store(tmp_path, url)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "not an SQLAlchemy URL"),
        ("mysql+aiomysql://db/x", "needs the Python package aiomysql"),
        ("sqlite+no://", "database_url"),
    ],
)
def test_a_database_that_cannot_be_opened_is_the_operators_to_mend(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        open_database(url)


def test_those_who_open_a_new_database_at_once_all_choose_its_log(tmp_path: Path) -> None:
    """For that statement SQLite does not wait: one of a hundred is refused."""
    refused: list[Exception] = []
    for number in range(30):
        together = threading.Barrier(6)

        def begin(path: Path = tmp_path / f"{number}.db", gate: Any = together) -> None:
            connection = sqlite3.connect(path, isolation_level=None)
            gate.wait(10)
            try:
                _enter_wal(connection.cursor())
            except sqlite3.OperationalError as error:
                refused.append(error)
            connection.close()

        threads = [threading.Thread(target=begin) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert refused == []
