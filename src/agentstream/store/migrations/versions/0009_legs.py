"""Legs that are steered from outside, and what was told of them."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up."""
    texts = (
        "contact_uri exophone network_type direction state custom_param event_endpoint"
        " requested_dc_code requested_nso_code terminal_status"
    )
    op.create_table(
        "legs",
        sa.Column("sid", sa.String(64), nullable=False),
        sa.Column("account_sid", sa.String(64), nullable=False),
        sa.Column("call_sid", sa.String(64), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in texts.split()),
        sa.Column("time_limit_s", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("answered_at", sa.BigInteger),
        sa.Column("ended_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("sid", name="pk_legs"),
    )
    op.create_index("ix_legs_updated", "legs", ["updated_at"])
    told = "type name body endpoint error"
    op.create_table(
        "leg_events",
        sa.Column("sid", sa.String(64), nullable=False),
        sa.Column("leg_sid", sa.String(64), nullable=False),
        sa.Column("account_sid", sa.String(64), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in told.split()),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("sid", name="pk_leg_events"),
    )
    op.create_index("ix_leg_events_leg_sequence", "leg_events", ["leg_sid", "sequence"])
    op.create_index("ix_leg_events_state_at", "leg_events", ["state", "at"])
    for column in (
        sa.Column("event_endpoint", sa.Text, nullable=False, server_default=""),
        sa.Column("answer_mode", sa.String(16), nullable=False, server_default="auto"),
    ):
        op.add_column("numbers", column)
