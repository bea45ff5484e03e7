"""Numbers in SQL."""

from collections.abc import Sequence

from sqlalchemy import delete, insert, select, update

from agentstream.base.clock import Clock
from agentstream.base.errors import CommandError
from agentstream.base.ids import AccountSid, FlowSid
from agentstream.base.phone import normalise
from agentstream.store import tables
from agentstream.store.database import Database
from agentstream.store.revisions import touch
from agentstream.store.values import Number


class SqlNumbers:
    """See `protocols.Numbers`."""

    def __init__(self, database: Database, clock: Clock, country_code: str) -> None:
        self._database = database
        self._clock = clock
        self._country_code = country_code

    async def assign(self, number: str, account_sid: AccountSid, flow_sid: FlowSid) -> Number:
        """Let a number ring a flow of the same account; takes it from another flow if need be."""
        plain = check_number(number, self._country_code)
        columns = tables.numbers.c
        async with self._database.edit() as connection:
            owner = select(tables.flows.c.account_sid).where(tables.flows.c.sid == flow_sid)
            if (await connection.execute(owner)).scalar_one_or_none() != account_sid:
                raise CommandError(f"account {account_sid} has no flow {flow_sid}")
            query = select(tables.numbers).where(columns.number == plain)
            row = (await connection.execute(query)).one_or_none()
            if row is not None and row.account_sid != account_sid:
                raise CommandError(f"number {plain} belongs to another account")
            created_at = self._clock.wall() if row is None else row.created_at
            values = {"account_sid": account_sid, "flow_sid": flow_sid, "created_at": created_at}
            await connection.execute(
                insert(tables.numbers).values(number=plain, **values)
                if row is None
                else update(tables.numbers).where(columns.number == plain).values(values)
            )
            await touch(connection)
        return Number(plain, account_sid, flow_sid, created_at)

    async def release(self, number: str) -> None:
        """Forget a number."""
        plain = check_number(number, self._country_code)
        async with self._database.edit() as connection:
            result = await connection.execute(
                delete(tables.numbers).where(tables.numbers.c.number == plain)
            )
            await touch(connection)
        if result.rowcount == 0:
            raise CommandError(f"no number {plain}")

    async def list(self, account_sid: AccountSid | None = None) -> Sequence[Number]:
        """Return the numbers, in order."""
        query = select(tables.numbers).order_by(tables.numbers.c.number)
        if account_sid is not None:
            query = query.where(tables.numbers.c.account_sid == account_sid)
        async with self._database.read() as connection:
            return [Number(*row) for row in await connection.execute(query)]


def check_number(text: str, country_code: str) -> str:
    """Return the number in its one form; CommandError when it is empty or too long to be one."""
    plain = normalise(text, country_code)
    if not 1 <= len(plain) <= 64:
        raise CommandError(f"number {text!r}: 1 to 64 characters")
    return plain
