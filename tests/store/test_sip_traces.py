"""Signalling in the store: redacted, read back as it was, forgotten in time."""

import json
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agentstream.base.ids import CallSid, LegSid, SipCallId
from agentstream.sip.kept import KeptCall, KeptDialog, KeptMessage
from agentstream.store.database import open_database
from agentstream.store.sip_traces import UNPACKED_BYTES, SqlSipTraces, pack, unpack

START = datetime(2027, 1, 12, 10, 4, 5, tzinfo=UTC)
SECRET = b"Authorization: Basic c2VjcmV0\r\n"


def a_call(sid: str, at: datetime = START) -> KeptCall:
    at_us = round(at.timestamp() * 1_000_000)
    data = b"INVITE sip:x SIP/2.0\r\nSubject: \xff\x00\r\n" + SECRET + b"\r\n"
    message = KeptMessage(at_us, True, "tls", ("::1", 5061), ("::2", 40_000), data, 9_000)
    leg = KeptDialog(LegSid("l1"), SipCallId("a\udcff@b"), (message,), 3)
    return KeptCall(CallSid(sid), (leg, KeptDialog(LegSid("l2"), SipCallId("c"), ())))


async def test_what_is_written_is_read_back_without_its_secrets_sd_5(database_url: str) -> None:
    """SD-5, in both databases."""
    database = open_database(database_url)
    await database.migrate()
    traces = SqlSipTraces(database)
    try:
        assert await traces.write([a_call("c1"), a_call("c2")]) == 2
        assert await traces.write([a_call("c1")]) == 0
        found = await traces.of(CallSid("c1"))
        assert found is not None
        [(dialog, message)] = found.messages
        assert (dialog.sip_call_id, dialog.dropped, message.size) == ("a\udcff@b", 3, 9_000)
        assert message.data == a_call("c1").messages[0][1].data.replace(
            b"Basic c2VjcmV0", b"***** ********"
        )
        assert await traces.of(CallSid("c3")) is None
    finally:
        await database.close()


async def test_old_calls_are_forgotten_sd_5(tmp_path: Path) -> None:
    """SD-5: kept for 7 days."""
    database = open_database(f"sqlite+aiosqlite:///{tmp_path / 'a.db'}")
    await database.migrate()
    traces = SqlSipTraces(database)
    try:
        await traces.write([a_call("old"), a_call("new", START + timedelta(days=6))])
        assert await traces.forget(START + timedelta(days=1)) == 1
        assert await traces.of(CallSid("old")) is None
        assert await traces.of(CallSid("new")) is not None
    finally:
        await database.close()


def test_a_row_that_unpacks_without_end_is_refused() -> None:
    bomb = zlib.compress(b"[" + b" " * (UNPACKED_BYTES + 1) + b"]")
    with pytest.raises(json.JSONDecodeError):
        unpack(bomb)
    assert unpack(pack(())) == ()
