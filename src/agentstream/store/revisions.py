"""The counter by which one process learns that another changed what the directory holds."""

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from agentstream.store.tables import revisions

_DIRECTORY = "directory"


async def touch(connection: AsyncConnection) -> None:
    """Count one change, in the transaction that makes it."""
    await connection.execute(
        update(revisions).where(revisions.c.name == _DIRECTORY).values(value=revisions.c.value + 1)
    )


async def current(connection: AsyncConnection) -> int:
    """Return the count."""
    query = select(revisions.c.value).where(revisions.c.name == _DIRECTORY)
    return int((await connection.execute(query)).scalar_one())
