"""Legs, bridges and their events in SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from agentstream.base.ids import CallSid, LegSid
from agentstream.store import tables
from agentstream.store.bridges import BridgeRow
from agentstream.store.database import Database
from agentstream.store.legs import FORGET_ROWS, HISTORY_LIMIT, LegEventRow, LegRow, LegWritten
from agentstream.store.shelf import Shelf

_LEGS = Shelf(tables.legs, LegRow)
_EVENTS = Shelf(tables.leg_events, LegEventRow)
_BRIDGES = Shelf(tables.bridges, BridgeRow)
_EVENT = tables.leg_events.c
_LEG = tables.legs.c
_BRIDGE = tables.bridges.c


class SqlLegs:
    """See `legs.Legs`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, rows: Sequence[LegWritten]) -> int:
        """Write rows in one transaction, each over an earlier one of its sid; return how many."""
        async with self._database.write() as connection:
            for shelf in (_LEGS, _EVENTS, _BRIDGES):
                latest = {row.sid: row for row in rows if type(row) is shelf.value}
                if latest:
                    await _write(connection, shelf, latest)
        return len(rows)

    async def find(self, sid: LegSid) -> LegRow | None:
        """Return one leg."""
        async with self._database.read() as connection:
            found = await connection.execute(select(*_LEGS.columns).where(_LEG.sid == sid))
            row = found.one_or_none()
        return None if row is None else LegRow(**row._mapping)

    async def find_bridge(self, sid: str) -> BridgeRow | None:
        """Return one bridge."""
        async with self._database.read() as connection:
            found = await connection.execute(select(*_BRIDGES.columns).where(_BRIDGE.sid == sid))
            row = found.one_or_none()
        return None if row is None else BridgeRow(**row._mapping)

    async def unended(self, call_sid: CallSid, since: datetime) -> Sequence[LegRow]:
        """Return the legs of a call that have not ended, of those written since then."""
        query = select(*_LEGS.columns).where(
            _LEG.updated_at >= since, _LEG.call_sid == call_sid, _LEG.state != "terminal"
        )
        async with self._database.read() as connection:
            return [LegRow(**row._mapping) for row in await connection.execute(query)]

    async def events(
        self, leg_sid: LegSid, name: str = "", after: int = 0, limit: int = HISTORY_LIMIT
    ) -> Sequence[LegEventRow]:
        """Return events of a leg with a higher sequence, in order; `name` "" is every one."""
        return await self._told(_EVENT.leg_sid == leg_sid, name, after, limit)

    async def bridge_events(
        self, bridge_sid: str, name: str = "", after: int = 0, limit: int = HISTORY_LIMIT
    ) -> Sequence[LegEventRow]:
        """Return the same of a bridge."""
        return await self._told(_EVENT.bridge_sid == bridge_sid, name, after, limit)

    async def _told(
        self, whose: ColumnElement[bool], name: str, after: int, limit: int
    ) -> Sequence[LegEventRow]:
        query = (
            select(*_EVENTS.columns)
            .where(whose, _EVENT.sequence > after)
            .order_by(_EVENT.sequence)
            .limit(limit)
        )
        if name:
            query = query.where(_EVENT.name == name)
        async with self._database.read() as connection:
            return [LegEventRow(**row._mapping) for row in await connection.execute(query)]

    async def untold(self, since: datetime, limit: int) -> Sequence[LegEventRow]:
        """Return events from then on whose telling is not over, by leg and in order."""
        query = (
            select(*_EVENTS.columns)
            .where(_EVENT.state == "waiting", _EVENT.at >= since)
            .order_by(_EVENT.bridge_sid, _EVENT.leg_sid, _EVENT.sequence)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [LegEventRow(**row._mapping) for row in await connection.execute(query)]

    async def forget(self, before: datetime, rows: int = FORGET_ROWS) -> int:
        """Drop some events, ended legs and bridges that are older; return how many rows."""
        events = select(_EVENT.sid).where(_EVENT.at < before).limit(rows)
        # A leg lives for some hours at most: one so old has ended, if its end was written or not.
        legs = select(_LEG.sid).where(_LEG.updated_at < before).limit(rows)
        bridges = select(_BRIDGE.sid).where(_BRIDGE.updated_at < before).limit(rows)
        async with self._database.write() as connection:
            first = await connection.execute(
                delete(tables.leg_events).where(_EVENT.sid.in_(events))
            )
            second = await connection.execute(delete(tables.legs).where(_LEG.sid.in_(legs)))
            third = await connection.execute(delete(tables.bridges).where(_BRIDGE.sid.in_(bridges)))
        return first.rowcount + second.rowcount + third.rowcount


async def _write(connection: AsyncConnection, shelf: Shelf, latest: dict[Any, LegWritten]) -> None:
    await connection.execute(delete(shelf.table).where(shelf.table.c.sid.in_(latest)))
    await connection.execute(shelf.insert, [shelf.row(row) for row in latest.values()])
