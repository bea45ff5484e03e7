"""Call, stream, recording and webhook rows in SQL."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from agentstream.base.ids import CallSid
from agentstream.store import tables
from agentstream.store.call_query import CallQuery
from agentstream.store.call_rows import insert_one
from agentstream.store.database import Database
from agentstream.store.shelf import Shelf
from agentstream.store.sql_call_query import conditions, order_of
from agentstream.store.values import CallRecord, Recording, StreamRecord, Webhook, Written

UNFINISHED = ("recording", "failed")  # the states of a recording that another row may replace
_CALLS = Shelf(tables.calls, CallRecord)
_STREAMS = Shelf(tables.streams, StreamRecord)
RECORDINGS = Shelf(tables.recordings, Recording)
WEBHOOKS = Shelf(tables.outbox, Webhook)
_SHELVES = (_CALLS, _STREAMS, RECORDINGS, WEBHOOKS)


class SqlCalls:
    """See `protocols.Calls`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, rows: Sequence[Written]) -> int:
        """Write rows in one transaction and return how many were new; see `protocols.Calls`."""
        batches = [
            (shelf, [shelf.row(row) for row in rows if type(row) is shelf.value])
            for shelf in _SHELVES
        ]
        placed = [
            row.sid for row in rows if isinstance(row, CallRecord) and row.direction != "inbound"
        ]
        written = 0
        try:
            async with self._database.write() as connection:
                await _end_placed(connection, placed)
                for shelf, batch in batches:
                    if batch and shelf is RECORDINGS:
                        written += await _write_recordings(connection, batch)
                    elif batch:
                        await connection.execute(shelf.insert, batch)
                        written += len(batch)
        except IntegrityError:
            return await self._write_singly(batches, placed)
        return written

    async def find(self, sid: CallSid) -> CallRecord | None:
        """Return one call."""
        query = select(*_CALLS.columns).where(tables.calls.c.sid == sid)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else CallRecord(**row._mapping)

    async def list(self, query: CallQuery) -> Sequence[CallRecord]:
        """Return calls, newest first, unless the query wants the oldest first."""
        async with self._database.read() as connection:
            return await _read(connection, query)

    async def page(self, query: CallQuery, of: CallQuery) -> tuple[Sequence[CallRecord], int]:
        """Return calls as `list`, and how many `of` means at that moment, whatever its limit."""
        counting = select(func.count()).select_from(tables.calls).where(*conditions(of))
        async with self._database.read() as connection:
            calls = await _read(connection, query)
            return calls, int((await connection.execute(counting)).scalar_one())

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
            select(*RECORDINGS.columns)
            .where(recordings.call_sid == call_sid)
            .order_by(recordings.created_at, recordings.sid)
        )
        async with self._database.read() as connection:
            return [Recording(**row._mapping) for row in await connection.execute(query)]

    async def _write_singly(
        self, batches: Iterable[tuple[Shelf, Sequence[dict[str, Any]]]], placed: Sequence[CallSid]
    ) -> int:
        written = 0
        async with self._database.write() as connection:
            await _end_placed(connection, placed)
            for shelf, batch in batches:
                if batch and shelf is RECORDINGS:
                    written += await _write_recordings(connection, batch)
                    continue
                for row in batch:
                    written += await insert_one(connection, shelf.insert, row)
        return written


async def _read(connection: AsyncConnection, query: CallQuery) -> list[CallRecord]:
    statement = select(*_CALLS.columns).where(*conditions(query)).order_by(*order_of(query))
    rows = await connection.execute(statement.limit(query.limit))
    return [CallRecord(**row._mapping) for row in rows]


async def _end_placed(connection: AsyncConnection, sids: Sequence[CallSid]) -> None:
    """Take away the notes of calls that have a record now."""
    if sids:
        await connection.execute(
            delete(tables.placed_calls).where(tables.placed_calls.c.sid.in_(sids))
        )


async def _write_recordings(connection: AsyncConnection, batch: Sequence[dict[str, Any]]) -> int:
    recordings = tables.recordings.c
    latest = {row["sid"]: row for row in batch}  # begun and finished may come in one batch
    # The row of a beginning may come late, when the database was locked; it replaces nothing.
    ended = [sid for sid, row in latest.items() if row["state"] != "recording"]
    is_unfinished = recordings.state.in_(UNFINISHED)
    await connection.execute(
        delete(tables.recordings).where(recordings.sid.in_(ended), is_unfinished)
    )
    found = await connection.execute(select(recordings.sid).where(recordings.sid.in_(latest)))
    known = set(found.scalars())
    fresh = [row for sid, row in latest.items() if sid not in known]
    if fresh:
        await connection.execute(RECORDINGS.insert, fresh)
    return len(fresh)
