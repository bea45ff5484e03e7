"""Accounts with their keys, numbers, flows with their versions, and the revision counter."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up."""
    op.create_table(
        "accounts",
        sa.Column("sid", sa.String(64), nullable=False),
        sa.Column("sid_lower", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("stream_limit", sa.Integer, nullable=False),
        sa.Column("egress_allow", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("sid", name="pk_accounts"),
        sa.UniqueConstraint("sid_lower", name="uq_accounts_sid_lower"),
    )
    op.create_table(
        "api_keys",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("account_sid", sa.String(64), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("label", sa.String(200), nullable=False),
        sa.Column("is_revoked", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_api_keys"),
        sa.ForeignKeyConstraint(["account_sid"], ["accounts.sid"], name="fk_api_keys_account_sid"),
    )
    op.create_index("ix_api_keys_account_sid", "api_keys", ["account_sid"])
    op.create_table(
        "flows",
        sa.Column("sid", sa.String(64), nullable=False),
        sa.Column("account_sid", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("latest_version", sa.Integer, nullable=False),
        sa.Column("published_version", sa.Integer),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("sid", name="pk_flows"),
        sa.ForeignKeyConstraint(["account_sid"], ["accounts.sid"], name="fk_flows_account_sid"),
        sa.UniqueConstraint("account_sid", "name", name="uq_flows_account_sid"),
    )
    op.create_table(
        "flow_versions",
        sa.Column("flow_sid", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("flow_sid", "version", name="pk_flow_versions"),
        sa.ForeignKeyConstraint(["flow_sid"], ["flows.sid"], name="fk_flow_versions_flow_sid"),
    )
    op.create_table(
        "numbers",
        sa.Column("number", sa.String(64), nullable=False),
        sa.Column("account_sid", sa.String(64), nullable=False),
        sa.Column("flow_sid", sa.String(64)),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_numbers"),
        sa.ForeignKeyConstraint(["account_sid"], ["accounts.sid"], name="fk_numbers_account_sid"),
        sa.ForeignKeyConstraint(["flow_sid"], ["flows.sid"], name="fk_numbers_flow_sid"),
    )
    op.create_index("ix_numbers_account_sid", "numbers", ["account_sid"])
    op.create_index("ix_numbers_flow_sid", "numbers", ["flow_sid"])
    revisions = op.create_table(
        "revisions",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_revisions"),
    )
    op.bulk_insert(revisions, [{"name": "directory", "value": 1}])
