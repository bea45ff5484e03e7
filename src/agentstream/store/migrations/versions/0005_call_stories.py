"""What happened in a call, in one row."""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
_AT_ONCE = 500
_COLUMNS = ("call_sid", "seq", "at_ms", "at", "kind", "body")


def upgrade() -> None:
    """Go up."""
    stories = op.create_table(
        "call_stories",
        sa.Column("call_sid", sa.String(64), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("events", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("call_sid", name="pk_call_stories"),
    )
    op.create_index("ix_call_stories_at", "call_stories", ["at"])
    rows: list[dict[str, Any]] = []
    for row in _stories():
        rows.append(row)
        if len(rows) == _AT_ONCE:
            op.bulk_insert(stories, rows)
            rows = []
    op.bulk_insert(stories, rows)
    op.drop_table("call_events")


def _stories() -> Iterator[dict[str, Any]]:
    events = sa.table("call_events", *map(sa.column, _COLUMNS))
    found = op.get_bind().execute(sa.select(events).order_by(events.c.call_sid, events.c.seq))
    for call_sid, told in groupby(found, key=lambda event: str(event.call_sid)):
        yield _story(call_sid, list(told))


def _story(call_sid: str, told: Sequence[Any]) -> dict[str, Any]:
    events = [[event.at_ms, event.kind, json.loads(event.body)] for event in told]
    return {"call_sid": call_sid, "at": told[0].at, "events": json.dumps(events)}
