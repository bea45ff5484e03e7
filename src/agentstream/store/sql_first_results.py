"""First results in SQL: the table's primary key decides who is first."""

from dataclasses import asdict
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, and_, delete, insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from agentstream.store.database import Database
from agentstream.store.first_results import FORGET_ROWS, KEPT, FirstResult, KeyedRequest
from agentstream.store.tables import first_results

_ROW: Final = first_results.c
_KEY: Final = (_ROW.account_sid, _ROW.kind, _ROW.key)


class SqlFirstResults:
    """See `first_results.FirstResults`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, request: KeyedRequest) -> bool:
        """Note this as the first request with its key in a day; False when it is not."""
        over = delete(first_results).where(_is_of(request), _ROW.at <= request.at - KEPT)
        try:
            async with self._database.write() as connection:
                await connection.execute(over)
                await connection.execute(insert(first_results).values(asdict(request)))
        except IntegrityError:
            return False
        return True

    async def find(self, request: KeyedRequest) -> FirstResult | None:
        """Return the first request with this key in the last day."""
        query = select(_ROW.fingerprint, _ROW.at, _ROW.result)
        query = query.where(_is_of(request), _ROW.at > request.at - KEPT)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else FirstResult(**row._mapping)

    async def keep(self, request: KeyedRequest, result: str) -> None:
        """Write down what a claimed request made."""
        mine = update(first_results).where(_is_claimed_by(request))
        async with self._database.write() as connection:
            await connection.execute(mine.values(result=result))

    async def release(self, request: KeyedRequest) -> None:
        """Take a claim back: nothing was made."""
        async with self._database.write() as connection:
            await connection.execute(delete(first_results).where(_is_claimed_by(request)))

    async def forget(self, before: datetime) -> int:
        """Drop some that are older than this; return how many."""
        old = select(*_KEY).where(_ROW.at < before).limit(FORGET_ROWS)
        async with self._database.write() as connection:
            done = await connection.execute(delete(first_results).where(tuple_(*_KEY).in_(old)))
        return done.rowcount


def _is_of(request: KeyedRequest) -> ColumnElement[bool]:
    return and_(
        _ROW.account_sid == request.account_sid,
        _ROW.kind == request.kind,
        _ROW.key == request.key,
    )


def _is_claimed_by(request: KeyedRequest) -> ColumnElement[bool]:
    """Another request may have claimed the key since, if this one took more than a day."""
    return and_(_is_of(request), _ROW.at == request.at, _ROW.result.is_(None))
