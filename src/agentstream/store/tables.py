"""The tables as SQLAlchemy Core knows them; `migrations/` makes them, a test compares the two."""

import json
from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic_core import to_json
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from agentstream.store.values import LegRecord

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Moment(TypeDecorator[datetime]):
    """A time of day in UTC, kept as microseconds since 1970: the same in every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """From an aware datetime to the number."""
        return None if value is None else (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """From the number to an aware datetime."""
        return None if value is None else EPOCH + value * MICROSECOND


class Sids(TypeDecorator[tuple[str, ...]]):
    """A list of sids, kept with blanks between them."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str | None:
        """From sids to the text."""
        return None if value is None else " ".join(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...] | None:
        """From the text to sids."""
        return None if value is None else tuple(value.split())


_LEG_FIELDS = frozenset(each.name for each in fields(LegRecord))


class Parties(TypeDecorator[tuple[LegRecord, ...]]):
    """The legs of a call, kept as a JSON list."""

    impl = Text
    cache_ok = True

    def process_bind_param(
        self, value: tuple[LegRecord, ...] | None, dialect: Dialect
    ) -> str | None:
        """From values to the text."""
        return None if value is None else to_json(value).decode()

    def process_result_value(
        self, value: str | None, dialect: Dialect
    ) -> tuple[LegRecord, ...] | None:
        """From the text to values; what a later release has written beside them is left out."""
        if value is None:
            return None
        return tuple(
            LegRecord(**{name: said for name, said in leg.items() if name in _LEG_FIELDS})
            for leg in json.loads(value)
        )


def _columns(kind: type[TypeEngine[Any]], names: str) -> Iterable[Column[Any]]:
    return [Column(name, kind, nullable=False) for name in names.split()]


accounts = Table(
    "accounts",
    metadata,
    Column("sid", String(64), primary_key=True),
    Column("sid_lower", String(64), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("stream_limit", Integer, nullable=False),
    Column("egress_allow", Text, nullable=False),  # one entry per line
    Column("created_at", Moment, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("account_sid", ForeignKey(accounts.c.sid), nullable=False, index=True),
    Column("token_hash", String(64), nullable=False),
    Column("label", String(200), nullable=False),
    Column("is_revoked", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("role", String(16), nullable=False),
    Column("requests_per_minute", Integer),  # null: the account's rates only
)

flows = Table(
    "flows",
    metadata,
    Column("sid", String(64), primary_key=True),
    Column("account_sid", ForeignKey(accounts.c.sid), nullable=False),
    Column("name", String(200), nullable=False),
    Column("latest_version", Integer, nullable=False),
    Column("published_version", Integer),
    Column("updated_at", Moment, nullable=False),
    UniqueConstraint("account_sid", "name"),
)

flow_versions = Table(
    "flow_versions",
    metadata,
    Column("flow_sid", ForeignKey(flows.c.sid), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("document", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
)

numbers = Table(
    "numbers",
    metadata,
    Column("number", String(64), primary_key=True),
    Column("account_sid", ForeignKey(accounts.c.sid), nullable=False, index=True),
    Column("flow_sid", ForeignKey(flows.c.sid), index=True),
    Column("created_at", Moment, nullable=False),
    # Instead of a flow: where the events of legs go that ring here, and who answers them.
    Column("event_endpoint", Text, nullable=False),
    Column("answer_mode", String(16), nullable=False),
)

# One row per thing that other processes keep a copy of; a writer adds one in its own transaction.
revisions = Table(
    "revisions",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

calls = Table(
    "calls",
    metadata,
    Column("sid", String(64), primary_key=True),
    Column("account_sid", String(64), nullable=False),
    *_columns(Text, "direction from_number to_number status cause ended_by"),
    *_columns(Moment, "created_at ended_at"),
    Column("answered_at", Moment),
    Column("flow_sid", String(64)),
    Column("flow_version", Integer),
    *_columns(Text, "sip_call_id source detail codec custom_field phone_number"),
    Column("legs", Parties, nullable=False),
    *_columns(Integer, "sip_status q850 duration_ms"),
    Column("setup_ms", Integer),
    Column("mos", Float),
    *_columns(BigInteger, "packets_received packets_sent packets_lost packets_late"),
    *_columns(Float, "jitter_ms round_trip_ms remote_loss"),
    Index("ix_calls_account_created", "account_sid", "created_at"),
    Index("ix_calls_created", "created_at"),
)

# A stream ends, and is written, before its call: hence an index and no foreign key.
streams = Table(
    "streams",
    metadata,
    Column("sid", String(64), primary_key=True),
    Column("call_sid", String(64), nullable=False, index=True),
    Column("account_sid", String(64), nullable=False),
    *_columns(Text, "bot_url status disconnected_by error detailed_status encoding"),
    *_columns(Moment, "started_at ended_at"),
    *_columns(Integer, "close_code http_status attempts duration_ms rate_hz"),
    *(Column(f"{p}_ms", Integer) for p in ("resolve", "tcp", "tls", "upgrade", "first_audio")),
    *_columns(BigInteger, "media_sent media_received bytes_sent bytes_received played_ms"),
    *_columns(Integer, "clears marks underruns messages_ignored"),
    *_columns(Integer, "media_dropped_in_ms media_dropped_out"),
    *_columns(Float, "rtp_to_ws_p99_ms ws_to_rtp_p99_ms clear_to_silence_max_ms"),
)

# The events of a call are written together when it has ended, before or after the call itself,
# and are read together: one row, as a row each would cost a busy node a tenth of its signalling.
call_stories = Table(
    "call_stories",
    metadata,
    Column("call_sid", String(64), primary_key=True),
    Column("at", Moment, nullable=False),  # of the first event
    Column("events", Text, nullable=False),  # a JSON list of [milliseconds since then, kind, body]
    Index("ix_call_stories_at", "at"),
)

recordings = Table(
    "recordings",
    metadata,
    Column("sid", String(64), primary_key=True),
    Column("call_sid", String(64), nullable=False, index=True),
    Column("account_sid", String(64), nullable=False),
    Column("leg_sid", String(64)),
    *_columns(Text, "path channels sha256 error"),
    *_columns(BigInteger, "duration_ms size_bytes"),
    Column("created_at", Moment, nullable=False),
    *_columns(Text, "state storage"),
    Column("is_encrypted", Boolean, nullable=False),
    Index("ix_recordings_account_created", "account_sid", "created_at"),
    Index("ix_recordings_created", "created_at"),
)

# How steered legs were ordered; written at their beginning and end.
legs = Table(
    "legs",
    metadata,
    Column("sid", String(64), primary_key=True),
    *(Column(name, String(64), nullable=False) for name in ("account_sid", "call_sid")),
    *_columns(Text, "contact_uri exophone network_type direction state custom_param"),
    *_columns(Text, "event_endpoint requested_dc_code requested_nso_code terminal_status"),
    Column("time_limit_s", Integer, nullable=False),
    *_columns(Moment, "created_at updated_at"),
    *(Column(name, Moment) for name in ("answered_at", "ended_at")),
    Index("ix_legs_updated", "updated_at"),
)

# Bridges of their own: written when they begin, change and end.
bridges = Table(
    "bridges",
    metadata,
    Column("sid", String(64), primary_key=True),
    Column("account_sid", String(64), nullable=False),
    *_columns(Text, "event_endpoint state terminal_status"),
    *_columns(Boolean, "absorb_dtmf recording"),
    Column("max_participants", Integer, nullable=False),
    Column("leg_sids", Sids, nullable=False),
    *_columns(Moment, "created_at updated_at"),
    *(Column(name, Moment) for name in ("started_at", "ended_at")),
    Index("ix_bridges_updated", "updated_at"),
)

# What is told of legs and bridges, and what became of it. An event may be written before its leg.
leg_events = Table(
    "leg_events",
    metadata,
    Column("sid", String(64), primary_key=True),
    *(Column(name, String(64), nullable=False) for name in ("leg_sid", "account_sid")),
    *_columns(Integer, "sequence attempts"),
    *_columns(Text, "type name body endpoint error"),
    Column("state", String(16), nullable=False),
    *_columns(Moment, "at updated_at"),
    Column("bridge_sid", String(64), nullable=False),  # "" for what a leg is told of
    Index("ix_leg_events_leg_sequence", "leg_sid", "sequence"),
    Index("ix_leg_events_bridge_sequence", "bridge_sid", "sequence"),
    Index("ix_leg_events_state_at", "state", "at"),
)

# What is to be told to customers' servers. `number` is the order in which it became true: one
# of a subject waits until the one before it is delivered or given up.
outbox = Table(
    "outbox",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("sid", String(64), nullable=False, unique=True),
    Column("account_sid", String(64), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("host", String(300), nullable=False),
    Column("state", String(16), nullable=False),
    *_columns(Integer, "attempts last_status"),
    *_columns(Moment, "created_at next_at"),
    *_columns(Text, "kind url content_type last_error body"),  # SQLite reads no row beyond need
    # With the host, so that passing over a full one needs no row.
    Index("ix_outbox_due", "state", "next_at", "host"),
    Index("ix_outbox_subject", "subject", "number"),
)

# Calls that we placed and that live: what a crash leaves here broke off with it.
placed_calls = Table(
    "placed_calls",
    metadata,
    Column("sid", String(64), primary_key=True),
    Column("node", String(64), nullable=False),
    Column("run", String(64), nullable=False, index=True),  # of the node: its process
    Column("setup", Text, nullable=False),  # a JSON object
    Column("seen_at", Moment, nullable=False),
)

# What was made for requests that have an Idempotency-Key.
first_results = Table(
    "first_results",
    metadata,
    Column("account_sid", String(64), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("at", Moment, nullable=False, index=True),
    Column("result", Text),  # JSON; null: it is being made
)

# Who changed what: only added to, and forgotten in time.
changes = Table(
    "changes",
    metadata,
    Column("sid", String(64), primary_key=True),
    Column("at", Moment, nullable=False, index=True),
    *_columns(Text, "account_sid who what outcome about"),
)

# What was signalled in calls, redacted and packed (see `sip_traces.pack`).
sip_traces = Table(
    "sip_traces",
    metadata,
    Column("call_sid", String(64), primary_key=True),
    Column("at", Moment, nullable=False, index=True),
    Column("packed", LargeBinary, nullable=False),
)
