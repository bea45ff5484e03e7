"""The outbox in SQL."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, bindparam, delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from agentstream.store.database import Database
from agentstream.store.outbox import FORGET_ROWS, Census, Claim, Outcome, WebhookQuery
from agentstream.store.sql_calls import WEBHOOKS
from agentstream.store.tables import outbox
from agentstream.store.values import Webhook

_ROW: Final = outbox.c
_EARLIER: Final = outbox.alias()
_IS_BEHIND: Final = exists().where(
    _EARLIER.c.subject == _ROW.subject,
    _EARLIER.c.state == "waiting",
    _EARLIER.c.number < _ROW.number,
)
_NOTE: Final = (
    update(outbox)
    # Somebody else may have settled it, if this attempt took longer than it was claimed for.
    .where(
        _ROW.sid == bindparam("of"),
        _ROW.state == "waiting",
        _ROW.attempts == bindparam("before"),
    )
    .values({name: bindparam(name) for name in ("state", "next_at", "attempts", "last_error")})
    .values(last_status=bindparam("last_status"))
)
_MINE: Final = (_ROW.subject == bindparam("of"), _ROW.state == "waiting")
# Those behind one that failed rest with it, else each look would pass over all of them.
_REST: Final = (
    update(outbox).where(*_MINE, _ROW.next_at < bindparam("at")).values(next_at=bindparam("at"))
)
_GO_ON: Final = (
    update(outbox).where(*_MINE, _ROW.next_at > bindparam("at")).values(next_at=bindparam("at"))
)


class SqlOutbox:
    """See `outbox.Outbox`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, wish: Claim) -> Sequence[Webhook]:
        """Take the webhooks whose time has come, of each subject its first one only."""
        taken: list[Webhook] = []
        running, full = Counter(wish.running), set(wish.full)
        async with self._database.write() as connection:
            while len(taken) < wish.limit:
                found = await _due(connection, wish, {one.sid for one in taken}, full)
                for one in found:
                    if running[one.host] < wish.per_host and len(taken) < wish.limit:
                        running[one.host] += 1
                        taken.append(one)
                fuller = {host for host, count in running.items() if count >= wish.per_host}
                if fuller <= full or not found:  # nobody was passed over for a full host
                    break
                full = fuller
            if taken:
                mine = _ROW.sid.in_([one.sid for one in taken])
                await connection.execute(update(outbox).where(mine).values(next_at=wish.until))
        return taken

    async def settle(self, outcomes: Sequence[Outcome], *, keep: bool = False) -> None:
        """Write down what became of them, in one transaction; `keep` leaves delivered rows."""
        gone = [o for o in outcomes if o.state == "delivered" and not keep]
        noted = [o for o in outcomes if o.state != "delivered" or keep]
        resting = [_moment(o) for o in outcomes if o.state == "waiting"]
        # Nobody rests behind one that had not failed before.
        freed = [_moment(o) for o in outcomes if o.state != "waiting" and o.webhook.attempts]
        async with self._database.write() as connection:
            if gone:
                sids = [outcome.webhook.sid for outcome in gone]
                await connection.execute(delete(outbox).where(_ROW.sid.in_(sids)))
            for statement, rows in (
                (_NOTE, [_noted(outcome) for outcome in noted]),
                (_REST, resting),
                (_GO_ON, freed),
            ):
                if rows:
                    await connection.execute(statement, rows)

    async def find(self, sid: str) -> Webhook | None:
        """Return one."""
        async with self._database.read() as connection:
            found = await connection.execute(_select().where(_ROW.sid == sid))
            row = found.one_or_none()
        return None if row is None else Webhook(**row._mapping)

    async def list(self, query: WebhookQuery) -> Sequence[Webhook]:
        """Return webhooks, the newest first."""
        statement = _select().order_by(_ROW.number.desc()).limit(query.limit)
        if query.account_sid is not None:
            statement = statement.where(_ROW.account_sid == query.account_sid)
        if query.states:
            statement = statement.where(_ROW.state.in_(query.states))
        if query.subject:
            statement = statement.where(_ROW.subject == query.subject)
        async with self._database.read() as connection:
            return [Webhook(**row._mapping) for row in await connection.execute(statement)]

    async def redeliver(self, sids: Collection[str] | None, now: datetime) -> int:
        """Let these be sent again from the first attempt on (None: all that are dead)."""
        which = _ROW.state == "dead" if sids is None else _ROW.sid.in_(sids)
        async with self._database.write() as connection:
            done = await connection.execute(
                update(outbox).where(which).values(state="waiting", attempts=0, next_at=now)
            )
        return done.rowcount

    async def census(self) -> Census:
        """Count."""
        counted = select(_ROW.state, func.count().label("rows")).group_by(_ROW.state)
        oldest = select(func.min(_ROW.created_at)).where(_ROW.state == "waiting")
        async with self._database.read() as connection:
            found = {row.state: row.rows for row in await connection.execute(counted)}
            oldest_at = (await connection.execute(oldest)).scalar_one()
        return Census(found.get("waiting", 0), found.get("dead", 0), oldest_at)

    async def forget(self, before: datetime, rows: int = FORGET_ROWS) -> int:
        """Drop some that were over before this time; return how many."""
        over = _ROW.state.in_(("dead", "delivered"))
        old = select(_ROW.number).where(over, _ROW.next_at < before).limit(rows)
        async with self._database.write() as connection:
            done = await connection.execute(delete(outbox).where(_ROW.number.in_(old)))
        return done.rowcount


def _select() -> Select[Any]:
    return select(*WEBHOOKS.columns)


async def _due(
    connection: AsyncConnection, wish: Claim, taken: Collection[str], full: Collection[str]
) -> Sequence[Webhook]:
    query = (
        _select()
        .where(_ROW.state == "waiting", _ROW.next_at <= wish.now, ~_IS_BEHIND)
        .where(_ROW.host.not_in(full), _ROW.sid.not_in(taken))
        .order_by(_ROW.next_at)  # in the order of the index: no more is sorted than is read
        .limit(wish.limit)
        .with_for_update(of=outbox, skip_locked=True)  # PostgreSQL: another process takes others
    )
    return [Webhook(**row._mapping) for row in await connection.execute(query)]


def _noted(outcome: Outcome) -> dict[str, Any]:
    webhook = outcome.webhook
    return {
        "of": webhook.sid,
        "before": webhook.attempts,
        "state": outcome.state,
        "next_at": outcome.next_at or outcome.at,
        "attempts": webhook.attempts + 1,
        "last_error": outcome.error,
        "last_status": outcome.status,
    }


def _moment(outcome: Outcome) -> dict[str, Any]:
    return {"of": outcome.webhook.subject, "at": outcome.next_at or outcome.at}
