"""What was signalled in calls, packed."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up."""
    op.create_table(
        "sip_traces",
        sa.Column("call_sid", sa.String(64), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("packed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("call_sid", name="pk_sip_traces"),
    )
    op.create_index("ix_sip_traces_at", "sip_traces", ["at"])
