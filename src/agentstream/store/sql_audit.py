"""The audit log in SQL."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import delete, insert, select

from agentstream.store.audit import FORGET_ROWS, TEXT_LIMIT, Change, ChangeQuery
from agentstream.store.database import Database
from agentstream.store.tables import changes


class SqlAudit:
    """See `audit.Audit`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, rows: Sequence[Change]) -> int:
        """Write rows in one transaction and return how many were new."""
        if not rows:
            return 0
        values = [{**asdict(row), "what": row.what[:TEXT_LIMIT]} for row in rows]
        async with self._database.write() as connection:
            known = select(changes.c.sid).where(changes.c.sid.in_([row.sid for row in rows]))
            have = set(await connection.scalars(known))
            fresh = [row for row in values if row["sid"] not in have]
            if fresh:
                await connection.execute(insert(changes), fresh)
        return len(fresh)

    async def list(self, query: ChangeQuery) -> Sequence[Change]:
        """Return changes, newest first."""
        columns = changes.c
        found = select(changes).order_by(columns.at.desc(), columns.sid.desc()).limit(query.limit)
        if query.account_sid:
            found = found.where(columns.account_sid == query.account_sid)
        if query.who:
            found = found.where(columns.who.startswith(query.who, autoescape=True))
        if query.since is not None:
            found = found.where(columns.at >= query.since)
        async with self._database.read() as connection:
            return [Change(**row) for row in (await connection.execute(found)).mappings()]

    async def forget(self, before: datetime) -> int:
        """Drop some that are older than this; return how many."""
        old = select(changes.c.sid).where(changes.c.at < before).limit(FORGET_ROWS)
        async with self._database.write() as connection:
            sids = list(await connection.scalars(old))
            if sids:
                await connection.execute(delete(changes).where(changes.c.sid.in_(sids)))
        return len(sids)
