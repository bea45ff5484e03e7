"""Steered legs, bridges and their events in memory: the same door as the database's."""

from collections.abc import Sequence
from datetime import datetime

from agentstream.base.ids import CallSid, LegSid
from agentstream.store.bridges import BridgeRow
from agentstream.store.legs import FORGET_ROWS, HISTORY_LIMIT, LegEventRow, LegRow, LegWritten


class MemoryLegs:
    """See `legs.Legs`."""

    def __init__(self) -> None:
        self.rows: dict[LegSid, LegRow] = {}
        self.told: dict[str, LegEventRow] = {}
        self.bridges: dict[str, BridgeRow] = {}

    async def write(self, rows: Sequence[LegWritten]) -> int:
        """Write rows, each over an earlier one of its sid; return how many."""
        for row in rows:
            match row:
                case LegRow(sid=leg_sid):
                    self.rows[leg_sid] = row
                case BridgeRow(sid=sid):
                    self.bridges[sid] = row
                case LegEventRow(sid=sid):
                    self.told[sid] = row
        return len(rows)

    async def find(self, sid: LegSid) -> LegRow | None:
        """Return one leg."""
        return self.rows.get(sid)

    async def unended(self, call_sid: CallSid, since: datetime) -> Sequence[LegRow]:
        """Return the legs of a call that have not ended, of those written since then."""
        return [
            row
            for row in self.rows.values()
            if row.updated_at >= since and row.call_sid == call_sid and row.state != "terminal"
        ]

    async def events(
        self, leg_sid: LegSid, name: str = "", after: int = 0, limit: int = HISTORY_LIMIT
    ) -> Sequence[LegEventRow]:
        """Return events of a leg with a higher sequence, in order; `name` "" is every one."""
        return self._told(leg_sid, name, after)[:limit]

    async def find_bridge(self, sid: str) -> BridgeRow | None:
        """Return one bridge."""
        return self.bridges.get(sid)

    async def bridge_events(
        self, bridge_sid: str, name: str = "", after: int = 0, limit: int = HISTORY_LIMIT
    ) -> Sequence[LegEventRow]:
        """Return the same of a bridge."""
        return self._told(bridge_sid, name, after)[:limit]

    def _told(self, subject: str, name: str, after: int) -> list[LegEventRow]:
        found = [
            row
            for row in self.told.values()
            if row.subject == subject and row.sequence > after and name in ("", row.name)
        ]
        return sorted(found, key=lambda row: row.sequence)

    async def untold(self, since: datetime, limit: int) -> Sequence[LegEventRow]:
        """Return events from then on whose telling is not over, by leg and in order."""
        found = [row for row in self.told.values() if row.state == "waiting" and row.at >= since]
        return sorted(found, key=lambda row: (row.subject, row.sequence))[:limit]

    async def forget(self, before: datetime, rows: int = FORGET_ROWS) -> int:
        """Drop some events, ended legs and bridges that are older; return how many rows."""
        events = [sid for sid, row in self.told.items() if row.at < before][:rows]
        legs = [sid for sid, row in self.rows.items() if row.updated_at < before][:rows]
        bridges = [sid for sid, row in self.bridges.items() if row.updated_at < before][:rows]
        for sid in bridges:
            del self.bridges[sid]
        for sid in events:
            del self.told[sid]
        for leg_sid in legs:
            del self.rows[leg_sid]
        return len(events) + len(legs) + len(bridges)
