"""The signalling of calls in the store: one packed row per call, redacted, forgotten in time."""

import asyncio
import json
import zlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import compress
from typing import Any, Final, Protocol

from sqlalchemy import select

from agentstream.base.ids import CallSid, LegSid, SipCallId
from agentstream.base.values import replace
from agentstream.sip.kept import KeptCall, KeptDialog, KeptMessage
from agentstream.sip.redact import redact
from agentstream.store.call_rows import FORGET_CALLS, forget_calls, insert_new
from agentstream.store.call_writer import BatchWriter
from agentstream.store.database import Database
from agentstream.store.tables import sip_traces

UNPACKED_BYTES: Final = 64 * 1_048_576  # a row that becomes more than that is no row of ours
_QUEUE_MESSAGES: Final = 50_000  # waiting for the database; full: calls go unwritten, and counted
_LEVEL: Final = 1  # zlib's fastest: messages of one call repeat each other, so it does well
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class SipTraces(Protocol):
    """The door; see `protocols` for its errors."""

    async def write(self, rows: Sequence[KeptCall]) -> int:
        """Write in one transaction, return how many messages; a known call is left alone."""

    async def of(self, call_sid: CallSid) -> KeptCall | None:
        """Return what is kept of a call; None: nothing (any more)."""

    async def forget(self, before: datetime) -> int:
        """Drop some calls that are older than this; return how many."""


class SipTraceWriter(BatchWriter[KeptCall]):
    """Writes signalling behind the calls' backs; its bound counts messages."""

    def __init__(self, shelf: SipTraces, queue_limit: int = _QUEUE_MESSAGES) -> None:
        super().__init__(shelf, queue_limit, rows_of=message_count)


class SqlSipTraces:
    """See `SipTraces`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, rows: Sequence[KeptCall]) -> int:
        """Write in one transaction, return how many messages; a known call is left alone."""
        if not rows:
            return 0
        # Packing takes a tenth of a millisecond of each call: not of the loop's.
        values = await asyncio.to_thread(_values, rows)
        fresh = await insert_new(self._database, sip_traces, values)
        return sum(map(message_count, compress(rows, fresh)))

    async def of(self, call_sid: CallSid) -> KeptCall | None:
        """Return what is kept of a call; None: nothing (any more)."""
        query = select(sip_traces.c.packed).where(sip_traces.c.call_sid == call_sid)
        async with self._database.read() as connection:
            packed = (await connection.execute(query)).scalar_one_or_none()
        return None if packed is None else KeptCall(call_sid, unpack(packed))

    async def forget(self, before: datetime) -> int:
        """Drop some calls that are older than this; return how many."""
        return await forget_calls(self._database, sip_traces, before, FORGET_CALLS)


def message_count(call: KeptCall) -> int:
    """Return how many messages are kept of a call, 1 at least."""
    return max(1, sum(len(dialog.messages) for dialog in call.dialogs))


def redacted(call: KeptCall) -> KeptCall:
    """Return the call without what is secret in its messages."""
    return KeptCall(
        call.sid,
        tuple(
            replace(
                dialog,
                messages=tuple(replace(one, data=redact(one.data)) for one in dialog.messages),
            )
            for dialog in call.dialogs
        ),
    )


def pack(dialogs: Iterable[KeptDialog]) -> bytes:
    """Write dialogs as a row has them: compressed JSON, each byte of a message one character."""
    plain = [
        [
            dialog.leg_sid,
            dialog.sip_call_id,
            dialog.dropped,
            [
                [
                    one.at_us,
                    one.is_ours,
                    one.transport,
                    *one.local,
                    *one.remote,
                    one.size,
                    redact(one.data).decode("latin-1"),
                ]
                for one in dialog.messages
            ],
        ]
        for dialog in dialogs
    ]
    return zlib.compress(json.dumps(plain).encode(), _LEVEL)


def unpack(packed: bytes) -> tuple[KeptDialog, ...]:
    """Read what `pack` wrote."""
    plain = zlib.decompressobj().decompress(packed, UNPACKED_BYTES)
    return tuple(
        KeptDialog(LegSid(leg_sid), SipCallId(sip_call_id), tuple(map(_message, messages)), dropped)
        for leg_sid, sip_call_id, dropped, messages in json.loads(plain)
    )


def _message(row: list[Any]) -> KeptMessage:
    at_us, is_ours, transport, host, port, far_host, far_port, size, data = row
    local, remote = (host, port), (far_host, far_port)
    return KeptMessage(at_us, is_ours, transport, local, remote, data.encode("latin-1"), size)


def _values(rows: Sequence[KeptCall]) -> list[dict[str, Any]]:
    return [{"call_sid": row.sid, "at": _began(row), "packed": pack(row.dialogs)} for row in rows]


def _began(call: KeptCall) -> datetime:
    times = [one.at_us for dialog in call.dialogs for one in dialog.messages]
    return _EPOCH + timedelta(microseconds=min(times, default=0))
