"""The audit log in memory: the same door as the database's."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from agentstream.store.audit import FORGET_ROWS, TEXT_LIMIT, Change, ChangeQuery


class MemoryAudit:
    """See `audit.Audit`."""

    def __init__(self) -> None:
        self.changes: dict[str, Change] = {}

    async def write(self, rows: Sequence[Change]) -> int:
        """Write rows and return how many were new."""
        fresh = {row.sid: row for row in rows if row.sid not in self.changes}
        for sid, row in fresh.items():
            self.changes[sid] = replace(row, what=row.what[:TEXT_LIMIT])
        return len(fresh)

    async def list(self, query: ChangeQuery) -> Sequence[Change]:
        """Return changes, newest first."""
        found = [
            change
            for change in self.changes.values()
            if query.account_sid in ("", change.account_sid)
            and change.who.startswith(query.who)
            and (query.since is None or change.at >= query.since)
        ]
        found.sort(key=lambda change: (change.at, change.sid), reverse=True)
        return found[: query.limit]

    async def forget(self, before: datetime) -> int:
        """Drop some that are older than this; return how many."""
        old = [sid for sid, change in self.changes.items() if change.at < before][:FORGET_ROWS]
        for sid in old:
            del self.changes[sid]
        return len(old)
