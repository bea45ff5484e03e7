"""Tables that have one row per call: written once, when it has ended, and forgotten in time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Insert, Table, delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from agentstream.store.database import Database

Row = dict[str, Any]
FORGET_CALLS: Final = 200  # in one transaction, so that nobody waits long for it


async def insert_new(database: Database, table: Table, rows: Sequence[Row]) -> Sequence[bool]:
    """Insert in one transaction, and leave known keys alone; tell of each row whether it was new.

    Known keys are rare: rows go one by one only where the batch as a whole was refused.
    """
    statement = insert(table)
    try:
        async with database.write() as connection:
            await connection.execute(statement, rows)
    except IntegrityError:
        async with database.write() as connection:
            return [await insert_one(connection, statement, row) for row in rows]
    return [True] * len(rows)


async def insert_one(connection: AsyncConnection, statement: Insert, row: Row) -> bool:
    """Insert a row within a transaction that goes on either way; False: its key is known."""
    try:
        async with connection.begin_nested():
            await connection.execute(statement, row)
    except IntegrityError:
        return False
    return True


async def forget_calls(database: Database, table: Table, before: datetime, calls: int) -> int:
    """Delete rows of so many calls at most that are older, by `at`; return how many."""
    old = select(table.c.call_sid).where(table.c.at < before).limit(calls)
    async with database.write() as connection:
        sids = list(await connection.scalars(old))
        if sids:
            await connection.execute(delete(table).where(table.c.call_sid.in_(sids)))
    return len(sids)
