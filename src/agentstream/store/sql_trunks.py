"""Accounts' trunks in SQL: the tables' constraints decide what is taken."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog
from sqlalchemy import ColumnElement, Table, and_, delete, func, insert, select, true, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from agentstream.base.ids import AccountSid, TrunkSid
from agentstream.base.values import fields_of, replace
from agentstream.store.database import Database
from agentstream.store.revisions import touch
from agentstream.store.secret_text import SecretTexts, is_sealed
from agentstream.store.sql_accounts import no_account
from agentstream.store.tables import accounts
from agentstream.store.trunk_options import SECRETS
from agentstream.store.trunk_tables import (
    trunk_acl,
    trunk_credentials,
    trunk_destinations,
    trunk_numbers,
    trunk_settings,
    trunks,
)
from agentstream.store.trunks import (
    PART_LIMITS,
    SETTINGS_LIMIT,
    TRUNKS_LIMIT,
    AccountTrunk,
    AclEntry,
    PartT,
    TakenError,
    TrunkCredential,
    TrunkDestination,
    TrunkNumber,
    TrunkPart,
    TrunkParts,
    TrunkSetting,
    no_part,
    no_trunk,
    over_limit,
    what_is_taken,
)

log = structlog.get_logger("store")
_TABLES: Final[Mapping[type[object], Table]] = {
    TrunkNumber: trunk_numbers,
    AclEntry: trunk_acl,
    TrunkCredential: trunk_credentials,
    TrunkDestination: trunk_destinations,
}
_SETTING: Final = trunk_settings.c


class SqlTrunks:
    """See `trunks.Trunks`."""

    def __init__(self, database: Database, secrets: SecretTexts) -> None:
        self._database = database
        self._secrets = secrets

    async def all(self) -> Sequence[TrunkParts]:
        """Return every trunk of every account with its parts, oldest first."""
        query = select(trunks).order_by(trunks.c.created_at, trunks.c.sid)
        async with self._database.read() as connection:
            found = [AccountTrunk(**row._mapping) for row in await connection.execute(query)]
            return await self._with_parts(connection, found, true())

    async def of_account(self, account_sid: AccountSid) -> Sequence[TrunkParts]:
        """Return the trunks of an account with their parts, newest first (TR-7)."""
        is_own = trunks.c.account_sid == account_sid
        order = (trunks.c.created_at.desc(), trunks.c.sid.desc())
        query = select(trunks).where(is_own).order_by(*order)
        async with self._database.read() as connection:
            found = [AccountTrunk(**row._mapping) for row in await connection.execute(query)]
            return await self._with_parts(connection, found, is_own)

    async def find(self, account_sid: AccountSid, sid: str) -> TrunkParts | None:
        """Return an account's trunk, its sid without regard to case; parts are oldest first."""
        is_it = and_(trunks.c.sid == sid.lower(), trunks.c.account_sid == account_sid)
        query = select(trunks).where(is_it)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
            if row is None:
                return None
            [whole] = await self._with_parts(connection, [AccountTrunk(**row._mapping)], is_it)
            return whole

    async def mapped(self, account_sid: AccountSid, phone_number: str) -> TrunkNumber | None:
        """Return the map of a number (TR-49)."""
        columns = trunk_numbers.c
        query = select(trunk_numbers).where(
            columns.account_sid == account_sid, columns.phone_number == phone_number
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else TrunkNumber(**row._mapping)

    async def create(self, trunk: AccountTrunk) -> None:
        """Add a trunk."""
        try:
            async with self._database.edit() as connection:
                owner = select(accounts.c.sid).where(accounts.c.sid == trunk.account_sid)
                if (await connection.execute(owner)).scalar_one_or_none() is None:
                    raise no_account(trunk.account_sid)
                is_own = trunks.c.account_sid == trunk.account_sid
                await _check_room(connection, trunks, is_own, TRUNKS_LIMIT)
                await connection.execute(insert(trunks).values(fields_of(trunk)))
                await touch(connection)
        except IntegrityError as error:
            raise TakenError(f"there is a trunk {trunk.name} already") from error

    async def change(self, was: AccountTrunk, now: AccountTrunk) -> None:
        """Write the fields that differ."""
        try:
            async with self._database.edit() as connection:
                if not await _update(connection, trunks, trunks.c.sid == was.sid, was, now):
                    raise no_trunk(was.sid)
        except IntegrityError as error:
            raise TakenError(f"there is a trunk {now.name} already") from error

    async def delete(self, sid: TrunkSid) -> bool:
        """Forget a trunk with all its parts (TR-41); False when there is none."""
        async with self._database.edit() as connection:
            for table in (*_TABLES.values(), trunk_settings):
                await connection.execute(delete(table).where(table.c.trunk_sid == sid))
            done = await connection.execute(delete(trunks).where(trunks.c.sid == sid))
            await touch(connection)
        return done.rowcount == 1

    async def add(self, part: PartT) -> PartT:
        """Add a part of a trunk, and return it with the id that it has now; its own is ignored."""
        table = _TABLES[type(part)]
        try:
            async with self._database.edit() as connection:
                await _check_trunk(connection, part.trunk_sid)
                is_own = table.c.trunk_sid == part.trunk_sid
                await _check_room(connection, table, is_own, PART_LIMITS[type(part)])
                kept = await _insert(connection, part)
                await touch(connection)
        except IntegrityError as error:
            raise TakenError(what_is_taken(part)) from error
        return kept

    async def change_part(self, was: PartT, now: PartT) -> None:
        """Write the fields that differ; CommandError when the part is gone."""
        table = _TABLES[type(was)]
        try:
            async with self._database.edit() as connection:
                if not await _update(connection, table, table.c.id == was.id, was, now):
                    raise no_part(was)
        except IntegrityError as error:
            raise TakenError(what_is_taken(now)) from error

    async def remove(self, part: TrunkPart) -> bool:
        """Forget a part of a trunk; False when it is gone."""
        table = _TABLES[type(part)]
        async with self._database.edit() as connection:
            done = await connection.execute(delete(table).where(table.c.id == part.id))
            await touch(connection)
        return done.rowcount == 1

    async def replace_destinations(
        self, sid: TrunkSid, destinations: Sequence[TrunkDestination]
    ) -> Sequence[TrunkDestination]:
        """Let a trunk have these destinations and no other (TR-65); return them with ids."""
        over_limit(len(destinations), PART_LIMITS[TrunkDestination])
        table = trunk_destinations
        try:
            async with self._database.edit() as connection:
                await _check_trunk(connection, sid)
                await connection.execute(delete(table).where(table.c.trunk_sid == sid))
                kept = [await _insert(connection, one) for one in destinations]
                await touch(connection)
        except IntegrityError as error:
            raise TakenError("a destination is there twice") from error
        return kept

    async def set(self, setting: TrunkSetting) -> TrunkSetting:
        """Write a setting; one of the name is overwritten, and stays as old as it is (TR-70)."""
        is_it = (_SETTING.trunk_sid == setting.trunk_sid) & (_SETTING.name == setting.name)
        async with self._database.edit() as connection:
            await _check_trunk(connection, setting.trunk_sid)
            row = (await connection.execute(select(trunk_settings).where(is_it))).one_or_none()
            if row is None:
                is_own = _SETTING.trunk_sid == setting.trunk_sid
                await _check_room(connection, trunk_settings, is_own, SETTINGS_LIMIT)
                await connection.execute(insert(trunk_settings).values(self._row(setting)))
            else:
                setting = replace(setting, created_at=row.created_at)
                written = update(trunk_settings).where(is_it).values(self._row(setting))
                await connection.execute(written)
            await touch(connection)
        return setting

    async def unset(self, sid: TrunkSid, name: str) -> bool:
        """Forget a setting; False when there is none of the name."""
        gone = delete(trunk_settings).where(_SETTING.trunk_sid == sid, _SETTING.name == name)
        async with self._database.edit() as connection:
            done = await connection.execute(gone)
            await touch(connection)
        return done.rowcount == 1

    def _row(self, setting: TrunkSetting) -> dict[str, Any]:
        row = fields_of(setting)
        if setting.name in SECRETS:
            row["value"] = self._secrets.seal(setting.value, _place(setting))
        return row

    def _read(self, setting: TrunkSetting) -> TrunkSetting:
        """Open a secret; one that another server's secret has sealed is as if it were not set.

        One that an earlier release wrote is not sealed; it is, with the next write.
        """
        if setting.name not in SECRETS or not is_sealed(setting.value):
            return setting
        value = self._secrets.open(setting.value, _place(setting))
        if value is None:
            log.warning("trunk_secret_unreadable", trunk_sid=setting.trunk_sid, name=setting.name)
        return replace(setting, value=value or "")

    async def _with_parts(
        self,
        connection: AsyncConnection,
        found: Sequence[AccountTrunk],
        are_meant: ColumnElement[bool],
    ) -> Sequence[TrunkParts]:
        """Put all that belongs to these trunks beside them; `are_meant` is how they were found."""
        numbers = await _by_trunk(connection, TrunkNumber, trunk_numbers, are_meant)
        acl = await _by_trunk(connection, AclEntry, trunk_acl, are_meant)
        credentials = await _by_trunk(connection, TrunkCredential, trunk_credentials, are_meant)
        destinations = await _by_trunk(connection, TrunkDestination, trunk_destinations, are_meant)
        settings = await _by_trunk(connection, TrunkSetting, trunk_settings, are_meant)
        return [
            TrunkParts(
                trunk,
                tuple(numbers[trunk.sid]),
                tuple(acl[trunk.sid]),
                tuple(credentials[trunk.sid]),
                tuple(destinations[trunk.sid]),
                tuple(map(self._read, settings[trunk.sid])),
            )
            for trunk in found
        ]


def _place(setting: TrunkSetting) -> str:
    return f"trunk {setting.trunk_sid} {setting.name}"


async def _by_trunk(
    connection: AsyncConnection, kind: type[Any], table: Table, are_meant: ColumnElement[bool]
) -> Mapping[TrunkSid, list[Any]]:
    order = (table.c.created_at, table.c.name) if table is trunk_settings else (table.c.id,)
    meant = select(trunks.c.sid).where(are_meant)
    query = select(table).where(table.c.trunk_sid.in_(meant)).order_by(*order)
    found: defaultdict[TrunkSid, list[Any]] = defaultdict(list)
    for row in await connection.execute(query):
        found[row.trunk_sid].append(kind(**row._mapping))
    return found


async def _insert(connection: AsyncConnection, part: PartT) -> PartT:
    values = fields_of(part)
    del values["id"]
    done = await connection.execute(insert(_TABLES[type(part)]).values(values))
    assert done.inserted_primary_key is not None
    return replace(part, id=done.inserted_primary_key[0])


async def _update(
    connection: AsyncConnection, table: Table, is_it: ColumnElement[bool], was: object, now: object
) -> bool:
    """Write what differs, so that two who change different things both have their way."""
    old = fields_of(was)
    changes = {name: value for name, value in fields_of(now).items() if value != old[name]}
    if not changes:
        return (await connection.execute(select(table).where(is_it))).first() is not None
    done = await connection.execute(update(table).where(is_it).values(changes))
    await touch(connection)
    return done.rowcount == 1


async def _check_trunk(connection: AsyncConnection, sid: TrunkSid) -> None:
    query = select(trunks.c.sid).where(trunks.c.sid == sid)
    if (await connection.execute(query)).scalar_one_or_none() is None:
        raise no_trunk(sid)


async def _check_room(
    connection: AsyncConnection, table: Table, is_own: ColumnElement[bool], limit: int
) -> None:
    query = select(func.count()).select_from(table).where(is_own)
    over_limit((await connection.execute(query)).scalar_one() + 1, limit)
