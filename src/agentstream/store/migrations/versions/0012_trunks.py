"""Trunks of accounts: their numbers, networks, users, destinations and settings."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def _times() -> list[sa.Column[Any]]:
    return [
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    ]


def _part(name: str, unique: tuple[str, ...], *columns: sa.Column[Any]) -> None:
    op.create_table(
        name,
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("trunk_sid", sa.String(64), nullable=False),
        *columns,
        *_times(),
        sa.ForeignKeyConstraint(["trunk_sid"], ["trunks.sid"], name=f"fk_{name}_trunk_sid"),
        sa.UniqueConstraint(*unique, name=f"uq_{name}_{unique[0]}"),
        sqlite_autoincrement=True,
    )
    op.create_index(f"ix_{name}_trunk_sid", name, ["trunk_sid"])


def upgrade() -> None:
    """Go up."""
    op.create_table(
        "trunks",
        sa.Column("sid", sa.String(64), nullable=False),
        sa.Column("account_sid", sa.String(64), nullable=False),
        *(sa.Column(n, sa.Text, nullable=False) for n in ("name", "nso_code", "domain_name")),
        *(sa.Column(n, sa.Boolean, nullable=False) for n in ("is_active", "is_secure")),
        sa.Column("auth_type", sa.Text, nullable=False),
        *_times(),
        sa.PrimaryKeyConstraint("sid", name="pk_trunks"),
        sa.ForeignKeyConstraint(["account_sid"], ["accounts.sid"], name="fk_trunks_account_sid"),
        sa.UniqueConstraint("account_sid", "name", name="uq_trunks_account_sid"),
    )
    _part(
        "trunk_numbers",
        ("account_sid", "phone_number"),
        sa.Column("account_sid", sa.String(64), nullable=False),
        sa.Column("phone_number", sa.String(64), nullable=False),
        sa.Column("mode", sa.String(16)),
    )
    _part(
        "trunk_acl",
        ("trunk_sid", "ip", "mask"),
        sa.Column("ip", sa.String(64), nullable=False),
        sa.Column("mask", sa.Integer, nullable=False),
        sa.Column("friendly_name", sa.Text, nullable=False),
    )
    _part(
        "trunk_credentials",
        ("trunk_sid", "user_name"),
        sa.Column("user_name", sa.Text, nullable=False),
        sa.Column("ha1", sa.Text, nullable=False),
        sa.Column("friendly_name", sa.Text, nullable=False),
    )
    _part(
        "trunk_destinations",
        ("trunk_sid", "uri"),
        sa.Column("uri", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("weight", sa.Integer, nullable=False),
    )
    op.create_table(
        "trunk_settings",
        sa.Column("trunk_sid", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        *_times(),
        sa.PrimaryKeyConstraint("trunk_sid", "name", name="pk_trunk_settings"),
        sa.ForeignKeyConstraint(["trunk_sid"], ["trunks.sid"], name="fk_trunk_settings_trunk_sid"),
    )
