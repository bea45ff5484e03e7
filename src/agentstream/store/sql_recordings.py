"""What is known of recordings, in SQL; `sql_calls` writes their rows."""

from collections.abc import Mapping, Sequence

from sqlalchemy import and_, or_, select, update

from agentstream.base.ids import RecordingSid
from agentstream.store import tables
from agentstream.store.database import Database
from agentstream.store.protocols import RecordingQuery
from agentstream.store.sql_calls import RECORDINGS
from agentstream.store.values import Recording

_TABLE = tables.recordings


class SqlRecordings:
    """See `protocols.Recordings`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, sid: RecordingSid) -> Recording | None:
        """Return one recording."""
        return (await self.known([sid])).get(sid)

    async def known(self, sids: Sequence[RecordingSid]) -> Mapping[RecordingSid, Recording]:
        """Return those of some hundred recordings that have a row."""
        query = select(*RECORDINGS.columns).where(_TABLE.c.sid.in_(sids))
        async with self._database.read() as connection:
            rows = [Recording(**row._mapping) for row in await connection.execute(query)]
        return {row.sid: row for row in rows}

    async def list(self, query: RecordingQuery) -> Sequence[Recording]:
        """Return recordings, newest first."""
        columns = _TABLE.c
        statement = select(*RECORDINGS.columns)
        if query.account_sid is not None:
            statement = statement.where(columns.account_sid == query.account_sid)
        if query.call_sid is not None:
            statement = statement.where(columns.call_sid == query.call_sid)
        if query.call_sids:
            statement = statement.where(columns.call_sid.in_(query.call_sids))
        if query.states:
            statement = statement.where(columns.state.in_(query.states))
        if query.has_path:
            statement = statement.where(columns.path != "")
        if query.before is not None:
            is_later = and_(columns.created_at == query.before, columns.sid < query.before_sid)
            statement = statement.where(or_(columns.created_at < query.before, is_later))
        statement = statement.order_by(columns.created_at.desc(), columns.sid.desc())
        async with self._database.read() as connection:
            rows = await connection.execute(statement.limit(query.limit))
            return [Recording(**row._mapping) for row in rows]

    async def move(self, sid: RecordingSid, storage: str, path: str, is_encrypted: bool) -> bool:
        """Note where a ready recording is now, and how; False when it is none (any more)."""
        is_meant = and_(_TABLE.c.sid == sid, _TABLE.c.state == "ready")
        async with self._database.write() as connection:
            statement = (
                update(_TABLE)
                .where(is_meant)
                .values(storage=storage, path=path, is_encrypted=is_encrypted)
            )
            return (await connection.execute(statement)).rowcount == 1

    async def mark_deleted(self, sid: RecordingSid) -> bool:
        """Let nobody listen any more; False when there is no such row. Its path stays."""
        async with self._database.write() as connection:
            statement = update(_TABLE).where(_TABLE.c.sid == sid).values(state="deleted")
            return (await connection.execute(statement)).rowcount == 1

    async def clear_path(self, sid: RecordingSid) -> None:
        """Note that the bytes of a deleted recording are gone."""
        is_meant = and_(_TABLE.c.sid == sid, _TABLE.c.state == "deleted")
        async with self._database.write() as connection:
            await connection.execute(update(_TABLE).where(is_meant).values(path=""))
