"""A recording's state, where it is kept, and whether it is encrypted."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up."""
    for column in (
        sa.Column("state", sa.Text, nullable=False, server_default="ready"),
        sa.Column("storage", sa.Text, nullable=False, server_default="folder"),
        sa.Column("is_encrypted", sa.Boolean, nullable=False, server_default=sa.false()),
    ):
        op.add_column("recordings", column)
    op.execute("UPDATE recordings SET state = 'failed' WHERE error <> ''")
    op.create_index("ix_recordings_account_created", "recordings", ["account_sid", "created_at"])
    op.create_index("ix_recordings_created", "recordings", ["created_at"])
