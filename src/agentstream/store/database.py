"""One database: its engine, its transactions, its migrations. SQLite's own needs live only here."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from sqlite3 import OperationalError
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from agentstream.base.errors import ConfigError
from agentstream.store.protocols import StoreError

_MIGRATIONS = Path(__file__).parent / "migrations"
_WRITES = "agentstream_writes"
_EDITING = 7_264_001  # any number that is ours alone
BUSY_TIMEOUT_MS = 5_000
_WAL_ATTEMPTS = 100
_WAL_PAUSE_S = 0.01


class Database:
    """An engine and its two kinds of transaction; use `open_database`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(**{_WRITES: True})

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that only reads; StoreError when the database does not answer."""
        with _translated():
            async with self._engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that is committed at the end; StoreError when it cannot be."""
        with _translated():
            async with self._writing.begin() as connection:
                yield connection

    @asynccontextmanager
    async def edit(self) -> AsyncIterator[AsyncConnection]:
        """Open a write transaction that no other edit shares its time with: it may look first."""
        async with self.write() as connection:
            await connection.run_sync(_wait_for_the_turn)
            yield connection

    async def migrate(self, revision: str = "head") -> None:
        """Bring the tables to the newest form; two processes may do it at once."""
        async with self.edit() as connection:
            await connection.run_sync(_upgrade, revision)

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()


def open_database(url: str, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> Database:
    """Return the database at an SQLAlchemy URL; raises ConfigError when the URL makes no sense."""
    try:
        parsed = make_url(url)
        if parsed.drivername == "postgresql":  # whose usual driver is not for asyncio
            parsed = parsed.set(drivername="postgresql+asyncpg")
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_async_engine(parsed, pool_pre_ping=parsed.get_backend_name() != "sqlite")
    except ArgumentError as error:
        raise ConfigError("database_url is not an SQLAlchemy URL") from error
    except ModuleNotFoundError as error:
        raise ConfigError(f"database_url needs the Python package {error.name}") from error
    except OSError as error:
        raise ConfigError(f"database folder {error.filename}: {error.strerror}") from error
    if engine.dialect.name == "sqlite":
        _teach_sqlite(engine, busy_timeout_ms)
    return Database(engine)


def _teach_sqlite(engine: AsyncEngine, busy_timeout_ms: int) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:  # noqa: ANN401  (a DB-API connection)
        # The driver must not begin transactions by itself: we do, below, and know of which kind.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {busy_timeout_ms}")
        _enter_wal(cursor)
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Connection) -> None:
        # A transaction that reads first and writes later fails at once, without waiting, when
        # another wrote in between; one that says so at its begin waits for its turn.
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _enter_wal(cursor: Any) -> None:  # noqa: ANN401  (a DB-API cursor)
    """Choose the write-ahead log, which stays chosen; two who do it at once do not wait.

    For this one statement SQLite has no busy timeout.
    """
    for attempt in range(_WAL_ATTEMPTS):
        try:
            cursor.execute("PRAGMA journal_mode")
            if cursor.fetchone()[0] != "wal":
                cursor.execute("PRAGMA journal_mode = WAL")
        except OperationalError:
            if attempt + 1 == _WAL_ATTEMPTS:
                raise
            time.sleep(_WAL_PAUSE_S)
        else:
            return


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except PoolTimeoutError as error:
        raise StoreError("database: no connection is free") from error
    except (IntegrityError, ProgrammingError, DataError):
        raise  # for whoever wrote the statement; the others are for the operator
    except DBAPIError as error:
        raise StoreError(f"database: {error.orig}") from error
    except OSError as error:  # a server that cannot be reached, as asyncpg tells it
        raise StoreError(f"database: {error.strerror or error}") from error


def _wait_for_the_turn(connection: Connection) -> None:
    """Wait for other edits; SQLite's write transactions do so by themselves."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_EDITING})")


def _upgrade(connection: Connection, revision: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
