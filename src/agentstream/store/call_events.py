"""What happened in calls, event by event: written once when a call has ended, forgotten in time."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

import structlog
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from agentstream.base.clock import Clock
from agentstream.base.ids import CallSid
from agentstream.store.call_writer import BatchWriter
from agentstream.store.database import Database
from agentstream.store.protocols import StoreError
from agentstream.store.tables import EPOCH, MICROSECOND, call_events

FORGET_CALLS = 200  # in one transaction, so that nobody waits long for it
FORGET_EVERY_S = 3_600
_log = structlog.get_logger("call_events")


class CallEvent(NamedTuple):
    """One event. `at_ms` counts from the call's first event; `body` is a JSON object."""

    call_sid: CallSid
    seq: int
    at_ms: int
    at: datetime
    kind: str
    body: str


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that is kept of one call, in order."""

    sid: CallSid
    events: tuple[CallEvent, ...]


class CallEvents(Protocol):
    """The door; see `protocols` for its errors."""

    async def write(self, rows: Sequence[Story]) -> int:
        """Write stories in one transaction, return how many events; a known call is left alone."""

    async def of(self, call_sid: CallSid) -> Sequence[CallEvent]:
        """Return the events of a call, in order."""

    async def forget(self, before: datetime, calls: int = FORGET_CALLS) -> int:
        """Drop the events of some calls with an event before this time; return how many calls."""


class StoryWriter(BatchWriter[Story]):
    """Writes stories; its bound counts their events."""

    def __init__(self, shelf: CallEvents, queue_limit: int) -> None:
        super().__init__(shelf, queue_limit, rows_of=lambda story: len(story.events))


class SqlCallEvents:
    """See `CallEvents`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, rows: Sequence[Story]) -> int:
        """Write stories in one transaction, return how many events; a known call is left alone."""
        events = [event for story in rows for event in story.events]
        try:
            async with self._database.write() as connection:
                await _insert(connection, events)
            return len(events)
        except IntegrityError:
            return await self._write_singly(rows)

    async def of(self, call_sid: CallSid) -> Sequence[CallEvent]:
        """Return the events of a call, in order."""
        query = (
            select(call_events)
            .where(call_events.c.call_sid == call_sid)
            .order_by(call_events.c.seq)
        )
        async with self._database.read() as connection:
            return [CallEvent(**row._mapping) for row in await connection.execute(query)]

    async def forget(self, before: datetime, calls: int = FORGET_CALLS) -> int:
        """Drop the events of some calls with an event before this time; return how many calls."""
        old = select(call_events.c.call_sid).where(call_events.c.at < before).distinct()
        async with self._database.write() as connection:
            sids = list(await connection.scalars(old.limit(calls)))
            if sids:
                await connection.execute(
                    delete(call_events).where(call_events.c.call_sid.in_(sids))
                )
        return len(sids)

    async def _write_singly(self, stories: Sequence[Story]) -> int:
        written = 0
        async with self._database.write() as connection:
            for story in stories:
                try:
                    async with connection.begin_nested():
                        await _insert(connection, story.events)
                except IntegrityError:
                    continue
                written += len(story.events)
        return written


async def forget_old(events: CallEvents, keep_days: int, clock: Clock) -> None:
    """Forget what is older than so many days, once an hour; the task of whoever owns it."""
    while True:
        before = clock.wall() - timedelta(days=keep_days)
        forgotten = 0
        try:
            while calls := await events.forget(before):
                forgotten += calls
                await asyncio.sleep(0)  # those who write have their turn between two transactions
        except StoreError as error:
            _log.warning("events_not_forgotten", error=str(error))
        if forgotten:
            _log.info("events_forgotten", calls=forgotten)
        await asyncio.sleep(FORGET_EVERY_S)


async def _insert(connection: AsyncConnection, events: Sequence[CallEvent]) -> None:
    """Insert rows as the driver takes them: a third less work than by way of names and types."""
    statement = insert(call_events).compile(dialect=connection.dialect)
    rows: list[Any] = [
        (call_sid, seq, at_ms, _moment(at), kind, body)
        for call_sid, seq, at_ms, at, kind, body in events
    ]
    if not statement.positional:
        rows = [dict(zip(CallEvent._fields, row, strict=True)) for row in rows]
    if rows:
        await connection.exec_driver_sql(statement.string, rows)


def _moment(at: datetime) -> int:
    """Return what a column of the type Moment keeps."""
    return (at - EPOCH) // MICROSECOND
