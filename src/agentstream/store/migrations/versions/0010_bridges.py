"""Bridges of their own, and what was told of them."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up."""
    texts = "event_endpoint state terminal_status"
    op.create_table(
        "bridges",
        sa.Column("sid", sa.String(64), nullable=False),
        sa.Column("account_sid", sa.String(64), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in texts.split()),
        sa.Column("absorb_dtmf", sa.Boolean, nullable=False),
        sa.Column("recording", sa.Boolean, nullable=False),
        sa.Column("max_participants", sa.Integer, nullable=False),
        sa.Column("leg_sids", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("ended_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("sid", name="pk_bridges"),
    )
    op.create_index("ix_bridges_updated", "bridges", ["updated_at"])
    column = sa.Column("bridge_sid", sa.String(64), nullable=False, server_default="")
    op.add_column("leg_events", column)
    op.create_index("ix_leg_events_bridge_sequence", "leg_events", ["bridge_sid", "sequence"])
