from datetime import timedelta

from agentstream.base.ids import AccountSid, CallSid, LegSid
from agentstream.store.protocols import CallQuery, Store
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
