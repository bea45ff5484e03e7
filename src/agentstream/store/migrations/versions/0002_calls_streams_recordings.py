"""What is written when a call, a stream or a recording ends."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _columns(kind: Any, names: str) -> Iterable[sa.Column[Any]]:  # noqa: ANN401  (any SQL type)
    return [sa.Column(name, kind, nullable=False) for name in names.split()]


def upgrade() -> None:
    """Go up."""
    op.create_table(
        "calls",
        sa.Column("sid", sa.String(64), nullable=False),
        sa.Column("account_sid", sa.String(64), nullable=False),
        *_columns(sa.Text, "direction from_number to_number status cause ended_by"),
        *_columns(sa.BigInteger, "created_at ended_at"),
        sa.Column("answered_at", sa.BigInteger),
        sa.Column("flow_sid", sa.String(64)),
        sa.Column("flow_version", sa.Integer),
        *_columns(sa.Text, "sip_call_id source detail codec custom_field"),
        *_columns(sa.Integer, "sip_status q850 duration_ms"),
        sa.Column("setup_ms", sa.Integer),
        sa.Column("mos", sa.Float),
        *_columns(sa.BigInteger, "packets_received packets_sent packets_lost packets_late"),
        *_columns(sa.Float, "jitter_ms round_trip_ms remote_loss"),
        sa.PrimaryKeyConstraint("sid", name="pk_calls"),
    )
    op.create_index("ix_calls_account_created", "calls", ["account_sid", "created_at"])
    op.create_index("ix_calls_created", "calls", ["created_at"])
    op.create_table(
        "streams",
        sa.Column("sid", sa.String(64), nullable=False),
        sa.Column("call_sid", sa.String(64), nullable=False),
        sa.Column("account_sid", sa.String(64), nullable=False),
        *_columns(sa.Text, "bot_url status disconnected_by error detailed_status encoding"),
        *_columns(sa.BigInteger, "started_at ended_at"),
        *_columns(sa.Integer, "close_code http_status attempts duration_ms rate_hz"),
        *(
            sa.Column(f"{name}_ms", sa.Integer)
            for name in ("resolve", "tcp", "tls", "upgrade", "first_audio")
        ),
        *_columns(sa.BigInteger, "media_sent media_received bytes_sent bytes_received played_ms"),
        *_columns(sa.Integer, "clears marks underruns messages_ignored"),
        *_columns(sa.Integer, "media_dropped_in_ms media_dropped_out"),
        *_columns(sa.Float, "rtp_to_ws_p99_ms ws_to_rtp_p99_ms clear_to_silence_max_ms"),
        sa.PrimaryKeyConstraint("sid", name="pk_streams"),
    )
    op.create_index("ix_streams_call_sid", "streams", ["call_sid"])
    op.create_table(
        "recordings",
        sa.Column("sid", sa.String(64), nullable=False),
        sa.Column("call_sid", sa.String(64), nullable=False),
        sa.Column("account_sid", sa.String(64), nullable=False),
        sa.Column("leg_sid", sa.String(64)),
        *_columns(sa.Text, "path channels sha256 error"),
        *_columns(sa.BigInteger, "duration_ms size_bytes"),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("sid", name="pk_recordings"),
    )
    op.create_index("ix_recordings_call_sid", "recordings", ["call_sid"])
