"""Flow documents and their versions in SQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, and_, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from agentstream.base.clock import Clock
from agentstream.base.errors import CommandError
from agentstream.base.ids import AccountSid, FlowSid, Tokens
from agentstream.store import tables
from agentstream.store.database import Database
from agentstream.store.revisions import touch
from agentstream.store.values import Flow, FlowVersion, Published

_FLOW = tables.flows.c
_VERSION = tables.flow_versions.c


class SqlFlows:
    """See `protocols.Flows`."""

    def __init__(self, database: Database, clock: Clock, tokens: Tokens) -> None:
        self._database = database
        self._clock = clock
        self._tokens = tokens

    async def apply(
        self, account_sid: AccountSid, name: str, document: str, publish: bool | None = None
    ) -> Flow:
        """Add a version of the flow with this name, or make the flow; see `protocols.Flows`."""
        name = check_flow_name(name)
        try:
            async with self._database.edit() as connection:
                flow = await self._with_document(connection, account_sid, name, document)
                if publish or (publish is None and flow.published_version is not None):
                    flow = await _publish(connection, flow, flow.latest_version)
                await touch(connection)
        except IntegrityError as error:
            raise CommandError(f"no account {account_sid}") from error
        return flow

    async def publish(self, sid: FlowSid, version: int | None = None) -> Flow:
        """Let calls enter this version (None: the latest)."""
        async with self._database.edit() as connection:
            flow = await _one(connection, _flows().where(_FLOW.sid == sid))
            if flow is None:
                raise CommandError(f"no flow {sid}")
            wanted = flow.latest_version if version is None else version
            if not 1 <= wanted <= flow.latest_version:
                raise CommandError(f"flow {flow.name} has no version {wanted}")
            flow = await _publish(connection, flow, wanted)
            await touch(connection)
        return flow

    async def find(self, account_sid: AccountSid, sid_or_name: str) -> Flow | None:
        """Return a flow by its sid or name."""
        query = (
            _flows()
            .where(_FLOW.account_sid == account_sid)
            .where(or_(_FLOW.sid == sid_or_name, _FLOW.name == sid_or_name))
        )
        async with self._database.read() as connection:
            return await _one(connection, query)

    async def list(self, account_sid: AccountSid | None = None) -> Sequence[Flow]:
        """Return the flows, by account and name."""
        query = _flows().order_by(_FLOW.account_sid, _FLOW.name)
        if account_sid is not None:
            query = query.where(_FLOW.account_sid == account_sid)
        async with self._database.read() as connection:
            return [Flow(*row) for row in await connection.execute(query)]

    async def version(self, sid: FlowSid, version: int | None = None) -> FlowVersion | None:
        """Return one document (None: the latest)."""
        query = select(tables.flow_versions).where(_VERSION.flow_sid == sid)
        if version is None:
            query = query.order_by(_VERSION.version.desc()).limit(1)
        else:
            query = query.where(_VERSION.version == version)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else FlowVersion(*row)

    async def published(self) -> Sequence[Published]:
        """Return every published flow with its document."""
        live = and_(_VERSION.flow_sid == _FLOW.sid, _VERSION.version == _FLOW.published_version)
        query = (
            select(tables.flows, _VERSION.version, _VERSION.document)
            .join(tables.flow_versions, live)
            .order_by(_FLOW.sid)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [Published(Flow(*row[:-2]), row.version, row.document) for row in rows]

    async def _with_document(
        self, connection: AsyncConnection, account_sid: AccountSid, name: str, document: str
    ) -> Flow:
        query = _flows().where(_FLOW.account_sid == account_sid, _FLOW.name == name)
        old, now = await _one(connection, query), self._clock.wall()
        if old is None:
            flow = Flow(FlowSid(self._tokens.hex(16)), account_sid, name, 1, None, now)
            await connection.execute(insert(tables.flows).values(_flow_row(flow)))
        else:
            latest = select(_VERSION.document).where(
                _VERSION.flow_sid == old.sid, _VERSION.version == old.latest_version
            )
            if (await connection.execute(latest)).scalar_one() == document:
                return old
            flow = Flow(
                old.sid, account_sid, name, old.latest_version + 1, old.published_version, now
            )
            changed = update(tables.flows).where(_FLOW.sid == flow.sid)
            await connection.execute(changed.values(_flow_row(flow)))
        row = {
            "flow_sid": flow.sid,
            "version": flow.latest_version,
            "document": document,
            "created_at": now,
        }
        await connection.execute(insert(tables.flow_versions).values(row))
        return flow


def check_flow_name(name: str) -> str:
    """Return the name without outer spaces; CommandError when it is empty or too long."""
    plain = name.strip()
    if not 1 <= len(plain) <= 200:
        raise CommandError("a flow's name has 1 to 200 characters")
    return plain


def _flows() -> Select[Any]:
    return select(tables.flows)


def _flow_row(flow: Flow) -> dict[str, object]:
    return {
        "sid": flow.sid,
        "account_sid": flow.account_sid,
        "name": flow.name,
        "latest_version": flow.latest_version,
        "published_version": flow.published_version,
        "updated_at": flow.updated_at,
    }


async def _one(connection: AsyncConnection, query: Select[Any]) -> Flow | None:
    row = (await connection.execute(query)).first()
    return None if row is None else Flow(*row)


async def _publish(connection: AsyncConnection, flow: Flow, version: int) -> Flow:
    changed = Flow(
        flow.sid, flow.account_sid, flow.name, flow.latest_version, version, flow.updated_at
    )
    statement = update(tables.flows).where(_FLOW.sid == flow.sid)
    await connection.execute(statement.values(_flow_row(changed)))
    return changed
