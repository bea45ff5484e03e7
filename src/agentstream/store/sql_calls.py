"""Call, stream and recording rows in SQL."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

from sqlalchemy import Insert, Table, bindparam, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from agentstream.base.ids import CallSid
from agentstream.store import tables
from agentstream.store.database import Database
from agentstream.store.protocols import CallQuery
from agentstream.store.values import CallRecord, Recording, StreamRecord, Written


class _Shelf:
    """One table and the value that a row of it becomes."""

    def __init__(self, table: Table, value: type[Written]) -> None:
        self.names = tuple(field.name for field in fields(value))
        self.value = value
        self.columns = [table.c[name] for name in self.names]
        self.insert: Insert = insert(table).values({n: bindparam(n) for n in self.names})
        self._read = attrgetter(*self.names)

    def row(self, value: Written) -> dict[str, Any]:
        return dict(zip(self.names, self._read(value), strict=True))


_CALLS = _Shelf(tables.calls, CallRecord)
_STREAMS = _Shelf(tables.streams, StreamRecord)
_RECORDINGS = _Shelf(tables.recordings, Recording)
_SHELVES = (_CALLS, _STREAMS, _RECORDINGS)


class SqlCalls:
    """See `protocols.Calls`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, rows: Sequence[Written]) -> int:
        """Write rows in one transaction and return how many were new; a known sid is left alone."""
        batches = [
            (shelf, [shelf.row(row) for row in rows if type(row) is shelf.value])
            for shelf in _SHELVES
        ]
        try:
            async with self._database.write() as connection:
                for shelf, batch in batches:
                    if batch:
                        await connection.execute(shelf.insert, batch)
            return len(rows)
        except IntegrityError:
            return await self._write_singly(batches)

    async def find(self, sid: CallSid) -> CallRecord | None:
        """Return one call."""
        query = select(*_CALLS.columns).where(tables.calls.c.sid == sid)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else CallRecord(**row._mapping)

    async def list(self, query: CallQuery) -> Sequence[CallRecord]:
        """Return calls, newest first."""
        calls = tables.calls.c
        statement = select(*_CALLS.columns).order_by(calls.created_at.desc(), calls.sid)
        if query.account_sid is not None:
            statement = statement.where(calls.account_sid == query.account_sid)
        if query.sid_prefix:
            prefix = func.substr(calls.sid, 1, len(query.sid_prefix))
            statement = statement.where(prefix == query.sid_prefix)
        if query.before is not None:
            statement = statement.where(calls.created_at < query.before)
        async with self._database.read() as connection:
            rows = await connection.execute(statement.limit(query.limit))
            return [CallRecord(**row._mapping) for row in rows]

    async def streams(self, call_sid: CallSid) -> Sequence[StreamRecord]:
        """Return the streams of a call, oldest first."""
        streams = tables.streams.c
        query = (
            select(*_STREAMS.columns)
            .where(streams.call_sid == call_sid)
            .order_by(streams.started_at, streams.sid)
        )
        async with self._database.read() as connection:
            return [StreamRecord(**row._mapping) for row in await connection.execute(query)]

    async def recordings(self, call_sid: CallSid) -> Sequence[Recording]:
        """Return the recordings of a call, oldest first."""
        recordings = tables.recordings.c
        query = (
            select(*_RECORDINGS.columns)
            .where(recordings.call_sid == call_sid)
            .order_by(recordings.created_at, recordings.sid)
        )
        async with self._database.read() as connection:
            return [Recording(**row._mapping) for row in await connection.execute(query)]

    async def _write_singly(
        self, batches: Iterable[tuple[_Shelf, Sequence[dict[str, Any]]]]
    ) -> int:
        written = 0
        async with self._database.write() as connection:
            for shelf, batch in batches:
                for row in batch:
                    written += await _insert_one(connection, shelf, row)
        return written


async def _insert_one(connection: AsyncConnection, shelf: _Shelf, row: dict[str, Any]) -> int:
    try:
        async with connection.begin_nested():
            await connection.execute(shelf.insert, row)
    except IntegrityError:
        return 0
    return 1
