"""Numbers in SQL."""

from collections.abc import Sequence
from dataclasses import fields, replace

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from agentstream.base.clock import Clock
from agentstream.base.errors import CommandError
from agentstream.base.ids import AccountSid, FlowSid
from agentstream.base.phone import normalise
from agentstream.store import tables
from agentstream.store.database import Database
from agentstream.store.revisions import touch
from agentstream.store.values import AnswerMode, Number


class SqlNumbers:
    """See `protocols.Numbers`."""

    def __init__(self, database: Database, clock: Clock, country_code: str) -> None:
        self._database = database
        self._clock = clock
        self._country_code = country_code

    async def assign(self, number: str, account_sid: AccountSid, flow_sid: FlowSid) -> Number:
        """Let a number ring a flow of the same account; takes it from another flow if need be."""
        async with self._database.edit() as connection:
            owner = select(tables.flows.c.account_sid).where(tables.flows.c.sid == flow_sid)
            if (await connection.execute(owner)).scalar_one_or_none() != account_sid:
                raise CommandError(f"account {account_sid} has no flow {flow_sid}")
            plain = check_number(number, self._country_code)
            return await self._keep(
                connection, Number(plain, account_sid, flow_sid, self._clock.wall())
            )

    async def attach(
        self,
        number: str,
        account_sid: AccountSid,
        event_endpoint: str,
        answer_mode: AnswerMode = "auto",
    ) -> Number:
        """Let a number ring legs that are steered from outside (LG-114), and no flow any more."""
        plain, now = check_number(number, self._country_code), self._clock.wall()
        async with self._database.edit() as connection:
            owner = select(tables.accounts.c.sid).where(tables.accounts.c.sid == account_sid)
            if (await connection.execute(owner)).scalar_one_or_none() is None:
                raise CommandError(f"no account {account_sid}")
            wanted = Number(plain, account_sid, None, now, event_endpoint, answer_mode)
            return await self._keep(connection, wanted)

    async def _keep(self, connection: AsyncConnection, wanted: Number) -> Number:
        """Write what a number rings from now on."""
        columns = tables.numbers.c
        query = select(tables.numbers).where(columns.number == wanted.number)
        row = (await connection.execute(query)).one_or_none()
        if row is not None and row.account_sid != wanted.account_sid:
            raise CommandError(f"number {wanted.number} belongs to another account")
        if row is not None:
            wanted = replace(wanted, created_at=row.created_at)
        values = {each.name: getattr(wanted, each.name) for each in fields(wanted)}
        await connection.execute(
            insert(tables.numbers).values(values)
            if row is None
            else update(tables.numbers).where(columns.number == wanted.number).values(values)
        )
        await touch(connection)
        return wanted

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
