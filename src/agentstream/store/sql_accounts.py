"""Accounts and API keys in SQL."""

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from agentstream.base.clock import Clock
from agentstream.base.errors import CommandError
from agentstream.base.ids import AccountSid, Tokens
from agentstream.store import tables
from agentstream.store.database import Database
from agentstream.store.key_hash import is_token, token_hash
from agentstream.store.revisions import touch
from agentstream.store.values import (
    DEFAULT_STREAM_LIMIT,
    Account,
    ApiKey,
    KeyHolder,
    KeyRole,
    NewKey,
)

_SID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_NO_TOKEN = "0" * 64
_KEY = tuple(  # in the order of ApiKey
    tables.api_keys.c[name]
    for name in (
        "key",
        "account_sid",
        "label",
        "created_at",
        "is_revoked",
        "role",
        "requests_per_minute",
    )
)


class SqlAccounts:
    """See `protocols.Accounts`."""

    def __init__(self, database: Database, secret: bytes, clock: Clock, tokens: Tokens) -> None:
        self._database = database
        self._secret = secret
        self._clock = clock
        self._tokens = tokens

    async def create(
        self,
        name: str,
        sid: str = "",
        egress_allow: tuple[str, ...] = (),
        stream_limit: int = DEFAULT_STREAM_LIMIT,
    ) -> Account:
        """Make an account; `sid` is made up when it is empty."""
        account = Account(
            sid=AccountSid(check_account_sid(sid) if sid else self._tokens.hex(16)),
            name=name,
            created_at=self._clock.wall(),
            stream_limit=stream_limit,
            egress_allow=egress_allow,
        )
        row = {
            "sid": account.sid,
            "sid_lower": account.sid.lower(),
            "name": name,
            "stream_limit": account.stream_limit,
            "egress_allow": "\n".join(egress_allow),
            "created_at": account.created_at,
        }
        try:
            async with self._database.edit() as connection:
                await connection.execute(insert(tables.accounts).values(row))
                await touch(connection)
        except IntegrityError as error:
            raise CommandError(f"account {account.sid} exists already") from error
        return account

    async def find(self, sid: str) -> Account | None:
        """Return the account, its sid compared without regard to case (CC-4)."""
        query = select(tables.accounts).where(tables.accounts.c.sid_lower == sid.lower())
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _account(row)

    async def list(self) -> Sequence[Account]:
        """Return every account, oldest first."""
        query = select(tables.accounts).order_by(
            tables.accounts.c.created_at, tables.accounts.c.sid
        )
        async with self._database.read() as connection:
            return [_account(row) for row in await connection.execute(query)]

    async def change(
        self,
        sid: AccountSid,
        stream_limit: int | None = None,
        egress_allow: tuple[str, ...] | None = None,
    ) -> Account:
        """Change what is given."""
        changes: dict[str, object] = {"sid_lower": sid.lower()}
        if stream_limit is not None:
            changes["stream_limit"] = stream_limit
        if egress_allow is not None:
            changes["egress_allow"] = "\n".join(egress_allow)
        statement = update(tables.accounts).where(tables.accounts.c.sid_lower == sid.lower())
        async with self._database.edit() as connection:
            result = await connection.execute(statement.values(changes))
            await touch(connection)
        if result.rowcount == 0:
            raise no_account(sid)
        account = await self.find(sid)
        assert account is not None
        return account

    async def create_key(
        self,
        sid: AccountSid,
        label: str = "",
        role: KeyRole = "admin",
        requests_per_minute: int | None = None,
    ) -> NewKey:
        """Make a key; its token is returned here and never again."""
        account = await self.find(sid)
        if account is None:
            raise no_account(sid)
        fresh = NewKey(self._tokens.hex(16), self._tokens.hex(24), account.sid)
        row = {
            "key": fresh.key,
            "account_sid": account.sid,
            "token_hash": token_hash(self._secret, fresh.token),
            "label": label,
            "is_revoked": False,
            "created_at": self._clock.wall(),
            "role": role,
            "requests_per_minute": requests_per_minute,
        }
        async with self._database.edit() as connection:
            await connection.execute(insert(tables.api_keys).values(row))
        return fresh

    async def keys(self, sid: AccountSid) -> Sequence[ApiKey]:
        """Return the account's keys, oldest first."""
        keys = tables.api_keys.c
        query = (
            select(*_KEY)
            .join(tables.accounts, tables.accounts.c.sid == keys.account_sid)
            .where(tables.accounts.c.sid_lower == sid.lower())
            .order_by(keys.created_at, keys.key)
        )
        async with self._database.read() as connection:
            return [ApiKey(*row) for row in await connection.execute(query)]

    async def revoke_key(self, key: str) -> None:
        """Refuse this key from now on."""
        keys = tables.api_keys
        async with self._database.edit() as connection:
            result = await connection.execute(
                update(keys).where(keys.c.key == key).values(is_revoked=True)
            )
        if result.rowcount == 0:
            raise CommandError(f"no key {key}")

    async def verify(self, user: str, token: str) -> KeyHolder | None:
        """Return whose key and token these are; the account sid may stand for the key (CC-3)."""
        keys, accounts = tables.api_keys.c, tables.accounts
        query = (
            select(
                keys.token_hash, *(column.label(f"key_{column.name}") for column in _KEY), accounts
            )
            .join(accounts, accounts.c.sid == keys.account_sid)
            .where(or_(keys.key == user, accounts.c.sid_lower == user.lower()))
            .where(keys.is_revoked.is_(False))
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        if not rows:
            is_token(self._secret, token, _NO_TOKEN)  # an unknown key takes as long as a known one
        for row in rows:
            if is_token(self._secret, token, row.token_hash):
                return KeyHolder(_account(row), ApiKey(*row[1 : 1 + len(_KEY)]))
        return None


def check_account_sid(sid: str) -> str:
    """Return the sid; CommandError when it could not stand in a path."""
    if not _SID.fullmatch(sid):
        raise CommandError(
            f"account sid {sid!r}: letters, digits, - and _, 64 at most, a letter or digit first"
        )
    return sid


def no_account(sid: str) -> CommandError:
    """Return the error for an account that is not there."""
    return CommandError(f"no account {sid}")


def _account(row: Row[*tuple[Any, ...]]) -> Account:
    return Account(
        sid=AccountSid(row.sid),
        name=row.name,
        created_at=row.created_at,
        stream_limit=row.stream_limit,
        egress_allow=tuple(row.egress_allow.split("\n")) if row.egress_allow else (),
    )
