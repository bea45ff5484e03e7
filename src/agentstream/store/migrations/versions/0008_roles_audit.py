"""Keys have a role and a rate of their own, and changes are written down."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up."""
    op.add_column(
        "api_keys", sa.Column("role", sa.String(16), nullable=False, server_default="admin")
    )
    op.add_column("api_keys", sa.Column("requests_per_minute", sa.Integer))
    op.create_table(
        "changes",
        sa.Column("sid", sa.String(64), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        *(
            sa.Column(name, sa.Text, nullable=False)
            for name in ("account_sid", "who", "what", "outcome", "about")
        ),
        sa.PrimaryKeyConstraint("sid", name="pk_changes"),
    )
    op.create_index("ix_changes_at", "changes", ["at"])
