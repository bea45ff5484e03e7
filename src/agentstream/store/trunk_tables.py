"""The tables of accounts' trunks; a migration makes them, as those of `tables`."""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from agentstream.store.tables import Moment, accounts, metadata

_ID: Final = BigInteger().with_variant(Integer, "sqlite")


def _times() -> list[Column[Any]]:
    return [Column(name, Moment, nullable=False) for name in ("created_at", "updated_at")]


trunks = Table(
    "trunks",
    metadata,
    Column("sid", String(64), primary_key=True),
    Column("account_sid", ForeignKey(accounts.c.sid), nullable=False),
    *(Column(name, Text, nullable=False) for name in ("name", "nso_code", "domain_name")),
    *(Column(name, Boolean, nullable=False) for name in ("is_active", "is_secure")),
    Column("auth_type", Text, nullable=False),
    *_times(),
    UniqueConstraint("account_sid", "name"),
)


def _part(name: str, *columns: Column[Any] | UniqueConstraint) -> Table:
    """Return a table of what belongs to trunks; an id is never given twice (TR-4)."""
    return Table(
        name,
        metadata,
        Column("id", _ID, primary_key=True),
        Column("trunk_sid", ForeignKey(trunks.c.sid), nullable=False, index=True),
        *columns,
        *_times(),
        sqlite_autoincrement=True,
    )


trunk_numbers = _part(
    "trunk_numbers",
    Column("account_sid", String(64), nullable=False),
    Column("phone_number", String(64), nullable=False),
    Column("mode", String(16)),
    UniqueConstraint("account_sid", "phone_number"),
)
trunk_acl = _part(
    "trunk_acl",
    Column("ip", String(64), nullable=False),
    Column("mask", Integer, nullable=False),
    Column("friendly_name", Text, nullable=False),
    UniqueConstraint("trunk_sid", "ip", "mask"),
)
trunk_credentials = _part(
    "trunk_credentials",
    Column("user_name", Text, nullable=False),
    Column("ha1", Text, nullable=False),
    Column("friendly_name", Text, nullable=False),
    UniqueConstraint("trunk_sid", "user_name"),
)
trunk_destinations = _part(
    "trunk_destinations",
    Column("uri", Text, nullable=False),
    *(Column(name, Integer, nullable=False) for name in ("priority", "weight")),
    UniqueConstraint("trunk_sid", "uri"),
)
trunk_settings = Table(
    "trunk_settings",
    metadata,
    Column("trunk_sid", ForeignKey(trunks.c.sid), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
    *_times(),
)
