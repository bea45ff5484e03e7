from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.dialects.sqlite.base import SQLiteDialect

from agentstream.base.ids import AccountSid, CallSid, LegSid
from agentstream.store.call_query import CallQuery, Place
from agentstream.store.protocols import RecordingQuery, Store
from agentstream.store.tables import Parties
from agentstream.store.values import LegRecord
from agentstream.testing.records import a_call, a_recording, a_stream


async def test_what_is_written_is_read_back_exactly(store: Store) -> None:
    legs = (
        LegRecord(sid=LegSid("l1"), direction="outbound-api", status="completed", talk_ms=21_000),
        LegRecord(
            sid=LegSid("l2"),
            direction="outbound-dial",
            status="busy",
            cause="busy",
            ended_by="callee",
            destination="sip:grüße@pbx.example",
            started_ms=5_000,
            rang_ms=5_100,
            sip_call_id="two@host",
            srtp="AES_CM_128_HMAC_SHA1_80",
            mos=4.25,
            first_out_ms=5_300,
        ),
    )
    call = a_call("c1", detail="Grüße, 你好", setup_ms=812, remote_loss=0.25, legs=legs)
    stream = a_stream("s1", "c1", bytes_sent=2**40)
    recording = a_recording("r1", "c1")
    assert await store.calls.write([stream, call, recording]) == 3
    assert await store.calls.find(CallSid("c1")) == call
    assert await store.calls.streams(CallSid("c1")) == [stream]
    assert await store.calls.recordings(CallSid("c1")) == [recording]
    assert await store.calls.find(CallSid("c2")) is None


def test_what_a_later_release_has_written_of_a_leg_is_left_out() -> None:
    """Two releases may run on one database while one takes the other's place."""
    later = '[{"sid": "l1", "direction": "inbound", "status": "busy", "colour": "red"}]'
    (leg,) = Parties().process_result_value(later, SQLiteDialect()) or ()
    assert leg == LegRecord(sid=LegSid("l1"), direction="inbound", status="busy")


async def test_calls_are_listed_newest_first_by_account_and_page(store: Store) -> None:
    start = a_call("x").created_at
    calls = [a_call(f"c{n}", created_at=start + timedelta(seconds=n)) for n in range(5)]
    other = a_call("other", account_sid=AccountSid("two"))
    await store.calls.write([*calls, other])
    query = CallQuery(AccountSid("greenleaf1"), limit=2)
    assert [call.sid for call in await store.calls.list(query)] == ["c4", "c3"]
    page = CallQuery(AccountSid("greenleaf1"), 2, calls[3].created_at)
    assert [call.sid for call in await store.calls.list(page)] == ["c2", "c1"]
    assert len(await store.calls.list(CallQuery())) == 6


async def test_a_row_that_is_there_already_does_not_take_the_others_with_it(store: Store) -> None:
    first = a_call("c1")
    await store.calls.write([first])
    written = await store.calls.write(
        [a_call("c1", status="failed"), a_call("c2"), a_stream("s", "c2")]
    )
    assert written == 2
    assert await store.calls.find(CallSid("c1")) == first
    assert await store.calls.find(CallSid("c2")) is not None


START = a_call("x").created_at
SECOND = timedelta(seconds=1)
CALLS = [
    a_call("c1", from_number="+919876500001", status="busy", duration_ms=0),
    a_call("c2", to_number="+918040000009", created_at=START + SECOND, duration_ms=9_001),
    a_call(
        "c3",
        direction="outbound-api",
        phone_number="+918040000009",
        created_at=START + 2 * SECOND,
        duration_ms=30_000,
    ),
    a_call("d4", from_number="+14155550100", created_at=START + 2 * SECOND, duration_ms=45_000),
    a_call("e5", account_sid=AccountSid("other"), created_at=START + 3 * SECOND),
]


@pytest.mark.parametrize(
    ("wanted", "sids"),
    [
        ({}, "e5 d4 c3 c2 c1"),
        ({"order": "oldest"}, "c1 c2 c3 d4 e5"),
        ({"account_sid": "greenleaf1"}, "d4 c3 c2 c1"),
        ({"account_sid": "GREENLEAF1"}, ""),
        ({"sids": ("c1", "e5", "none")}, "e5 c1"),
        ({"sid_prefix": "c", "limit": 2}, "c3 c2"),
        ({"created_from": START + SECOND, "created_until": START + 2 * SECOND}, "c2"),
        ({"before": START + SECOND}, "c1"),
        ({"from_numbers": ("+14155550100", "+1")}, "d4"),
        ({"to_numbers": ("+918040000009",)}, "c2"),
        ({"account_numbers": ("+918040000009",)}, "c3 c2"),
        ({"statuses": ("busy", "failed")}, "c1"),
        ({"directions": ("outbound", "outbound-api")}, "c3"),
        ({"talk_from_ms": 9_001, "talk_until_ms": 45_000}, "c3 c2"),
        ({"older_than": Place(START + 2 * SECOND, "d4")}, "c3 c2 c1"),
        ({"older_than": Place(START + 2 * SECOND, "c3")}, "c2 c1"),
        ({"newer_than": Place(START + SECOND, "c2"), "order": "oldest", "limit": 2}, "c3 d4"),
        ({"newer_than": Place(START + 2 * SECOND, "c3")}, "e5 d4"),
    ],
)
async def test_calls_are_found_by_what_is_asked_of_them(
    store: Store, wanted: dict[str, Any], sids: str
) -> None:
    await store.calls.write(CALLS)
    query = CallQuery(**wanted)
    assert [call.sid for call in await store.calls.list(query)] == sids.split()
    if "limit" not in wanted:
        assert (await store.calls.page(CallQuery(limit=1), query))[1] == len(sids.split())


async def test_the_count_does_not_stop_at_the_limit(store: Store) -> None:
    await store.calls.write(CALLS)
    [newest], total = await store.calls.page(CallQuery(limit=1), CallQuery(limit=1))
    assert ([newest], total) == (await store.calls.list(CallQuery(limit=1)), 5)


async def test_recordings_of_several_calls_are_read_at_once(store: Store) -> None:
    await store.calls.write([a_recording(f"r{n}", f"c{n}") for n in range(3)])
    query = RecordingQuery(call_sids=(CallSid("c0"), CallSid("c2")))
    assert {row.sid for row in await store.recordings.list(query)} == {"r0", "r2"}
