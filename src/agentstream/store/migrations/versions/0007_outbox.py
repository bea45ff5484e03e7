"""What is to be told to customers' servers, and the calls that were placed and still live."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up."""
    op.create_table(
        "outbox",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("sid", sa.String(64), nullable=False),
        sa.Column("account_sid", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("host", sa.String(300), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("attempts", "last_status")),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("created_at", "next_at")),
        *(sa.Column(name, sa.Text, nullable=False) for name in _TEXTS),
        sa.PrimaryKeyConstraint("number", name="pk_outbox"),
        sa.UniqueConstraint("sid", name="uq_outbox_sid"),
    )
    op.create_index("ix_outbox_due", "outbox", ["state", "next_at", "host"])
    op.create_index("ix_outbox_subject", "outbox", ["subject", "number"])
    op.create_table(
        "placed_calls",
        sa.Column("sid", sa.String(64), nullable=False),
        sa.Column("node", sa.String(64), nullable=False),
        sa.Column("run", sa.String(64), nullable=False),
        sa.Column("setup", sa.Text, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("sid", name="pk_placed_calls"),
    )
    op.create_index("ix_placed_calls_run", "placed_calls", ["run"])


_TEXTS = ("kind", "url", "content_type", "last_error", "body")
