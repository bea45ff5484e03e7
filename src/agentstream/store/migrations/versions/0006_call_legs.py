"""The parties of a call, and the account's number in it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up."""
    for column in (
        sa.Column("phone_number", sa.Text, nullable=False, server_default=""),
        sa.Column("legs", sa.Text, nullable=False, server_default="[]"),
    ):
        op.add_column("calls", column)
    op.execute("UPDATE calls SET phone_number = to_number WHERE direction = 'inbound'")
