"""The outbox, on both databases and in its double."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agentstream.base.ids import AccountSid
from agentstream.store.outbox import Census, Claim, Outbox, Outcome, WebhookQuery
from agentstream.store.protocols import Store
from agentstream.store.values import Webhook
from agentstream.testing.records import a_call, a_webhook

pytestmark = pytest.mark.integration
NOW = datetime(2027, 1, 12, 10, 6, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


def a_claim(now: datetime = NOW, limit: int = 10, per_host: int = 10, **running: int) -> Claim:
    return Claim(now, now + timedelta(seconds=30), limit, per_host, running)


async def sids(outbox: Outbox, claim: Claim) -> list[str]:
    return [webhook.sid for webhook in await outbox.claim(claim)]


def delivered(webhook: Webhook) -> Outcome:
    return Outcome(webhook, NOW, 200, "")


def failed(webhook: Webhook, next_at: datetime | None = None) -> Outcome:
    return Outcome(webhook, NOW, 503, "it answered 503", next_at)


async def test_a_webhook_comes_out_as_it_went_in(store: Store) -> None:
    webhook = a_webhook("w1", url="https://me:secret@shop.example/s?key=7", body="Grüße\r\n")
    assert await store.calls.write([a_call("c1"), webhook]) == 2
    assert await store.outbox.find("w1") == webhook
    assert await store.outbox.find("w2") is None
    assert await store.outbox.claim(a_claim()) == [webhook]


async def test_a_webhook_that_is_known_is_left_alone(store: Store) -> None:
    await store.calls.write([a_webhook("w1")])
    assert await store.calls.write([a_webhook("w1", body="other"), a_webhook("w2")]) == 1
    assert await store.outbox.find("w1") == a_webhook("w1")


async def test_what_is_claimed_is_nobody_elses_until_its_time_is_over(store: Store) -> None:
    await store.calls.write([a_webhook("w1")])
    assert await sids(store.outbox, a_claim()) == ["w1"]
    assert await sids(store.outbox, a_claim()) == []
    assert await sids(store.outbox, a_claim(NOW + timedelta(seconds=31))) == ["w1"]


async def test_of_a_subject_the_first_goes_alone_and_the_next_after_it(store: Store) -> None:
    await store.calls.write([a_webhook("w2"), a_webhook("w1"), a_webhook("x1", "c2")])
    [first, other] = await store.outbox.claim(a_claim())
    assert (first.sid, other.sid) == ("w2", "x1")
    await store.outbox.settle([delivered(first), delivered(other)])
    assert await sids(store.outbox, a_claim()) == ["w1"]


async def test_those_behind_one_that_failed_wait_for_its_next_attempt(store: Store) -> None:
    await store.calls.write([a_webhook("w1"), a_webhook("w2")])
    [first] = await store.outbox.claim(a_claim())
    await store.outbox.settle([failed(first, LATER)])
    assert await sids(store.outbox, a_claim(LATER - timedelta(seconds=1))) == []
    [again] = await store.outbox.claim(a_claim(LATER))
    assert (again.sid, again.attempts, again.last_status) == ("w1", 1, 503)
    assert (again.last_error, again.state) == ("it answered 503", "waiting")
    await store.outbox.settle([Outcome(again, NOW, 200, "")])
    assert await sids(store.outbox, a_claim(NOW)) == ["w2"]


@pytest.mark.parametrize("attempts", [0, 2])
async def test_those_behind_a_dead_one_go_on(store: Store, attempts: int) -> None:
    await store.calls.write([a_webhook("w1"), a_webhook("w2")])
    for _ in range(attempts):
        [first] = await store.outbox.claim(a_claim())
        await store.outbox.settle([failed(first, NOW)])
    [first] = await store.outbox.claim(a_claim())
    await store.outbox.settle([failed(first)])
    assert await sids(store.outbox, a_claim()) == ["w2"]
    dead = await store.outbox.find("w1")
    assert dead is not None
    assert (dead.state, dead.attempts) == ("dead", attempts + 1)


async def test_a_host_has_no_more_than_its_share_and_holds_nobody_up(store: Store) -> None:
    slow = [a_webhook(f"s{n}", f"slow{n}", host="slow.example") for n in range(30)]
    others = [a_webhook(f"o{n}", f"other{n}", host=f"h{n}.example") for n in range(3)]
    await store.calls.write([*slow, *others])
    claim = Claim(NOW, LATER, limit=6, per_host=2)
    taken = await sids(store.outbox, claim)
    assert sorted(taken) == ["o0", "o1", "o2", "s0", "s1"]
    running = {"slow.example": 2}
    assert await sids(store.outbox, replace(claim, running=running)) == []
    assert await sids(store.outbox, replace(claim, running={"slow.example": 1})) == ["s2"]


async def test_no_more_is_claimed_than_there_is_room_for_and_the_oldest_first(
    store: Store,
) -> None:
    await store.calls.write(
        [a_webhook(f"w{n}", f"c{n}", next_at=NOW - timedelta(seconds=n)) for n in range(9)]
    )
    assert sorted(await sids(store.outbox, a_claim(limit=3))) == ["w6", "w7", "w8"]


async def test_delivered_ones_go_unless_they_are_to_be_kept(store: Store) -> None:
    await store.calls.write([a_webhook("w1"), a_webhook("x1", "c2")])
    [kept, gone] = await store.outbox.claim(a_claim())
    await store.outbox.settle([delivered(kept)], keep=True)
    await store.outbox.settle([delivered(gone)])
    assert await store.outbox.find(gone.sid) is None
    row = await store.outbox.find(kept.sid)
    assert row is not None
    assert (row.state, row.attempts, row.last_status) == ("delivered", 1, 200)
    assert await sids(store.outbox, a_claim(LATER)) == []


async def test_an_attempt_that_took_too_long_does_not_undo_what_another_wrote(
    store: Store,
) -> None:
    await store.calls.write([a_webhook("w1")])
    [mine] = await store.outbox.claim(a_claim())
    [theirs] = await store.outbox.claim(a_claim(LATER))
    await store.outbox.settle([failed(theirs)])
    await store.outbox.settle([failed(mine, LATER)])
    row = await store.outbox.find("w1")
    assert row is not None
    assert (row.state, row.attempts) == ("dead", 1)


async def test_dead_ones_wait_again_from_their_first_attempt(store: Store) -> None:
    await store.calls.write([a_webhook(f"w{n}", f"c{n}") for n in range(3)])
    await store.outbox.settle([failed(each) for each in await store.outbox.claim(a_claim())])
    assert await store.outbox.redeliver(["w1", "nobody"], NOW) == 1
    [again] = await store.outbox.claim(a_claim())
    assert (again.sid, again.attempts, again.last_error) == ("w1", 0, "it answered 503")
    assert await store.outbox.redeliver(None, NOW) == 2
    assert sorted(await sids(store.outbox, a_claim())) == ["w0", "w2"]


async def test_one_that_rests_is_due_at_once_when_it_is_wanted(store: Store) -> None:
    await store.calls.write([a_webhook("w1")])
    [first] = await store.outbox.claim(a_claim())
    await store.outbox.settle([failed(first, LATER)])
    assert await store.outbox.redeliver(["w1"], NOW) == 1
    assert await sids(store.outbox, a_claim()) == ["w1"]


async def test_they_are_counted_and_listed(store: Store) -> None:
    assert await store.outbox.census() == Census()
    old = NOW - timedelta(hours=1)
    await store.calls.write(
        [
            a_webhook("w1", created_at=old),
            a_webhook("x1", "c2", account_sid=AccountSid("other")),
            a_webhook("y1", "c3", host="dead.example"),
        ]
    )
    claimed = await store.outbox.claim(a_claim())
    await store.outbox.settle([failed(one) for one in claimed if one.sid == "y1"])
    assert await store.outbox.census() == Census(waiting=2, dead=1, oldest_at=old)
    for query, wanted in (
        (WebhookQuery(), ["y1", "x1", "w1"]),
        (WebhookQuery(limit=1), ["y1"]),
        (WebhookQuery(states=("dead",)), ["y1"]),
        (WebhookQuery(subject="c1"), ["w1"]),
        (WebhookQuery(AccountSid("other")), ["x1"]),
    ):
        assert [one.sid for one in await store.outbox.list(query)] == wanted, query


async def test_those_that_are_over_are_forgotten_some_at_a_time(store: Store) -> None:
    await store.calls.write([a_webhook(f"w{n}", f"c{n}") for n in range(4)])
    claimed = await store.outbox.claim(a_claim(limit=3))
    await store.outbox.settle([failed(one) for one in claimed[:2]])
    await store.outbox.settle([delivered(claimed[2])], keep=True)
    assert await store.outbox.forget(NOW) == 0
    assert await store.outbox.forget(LATER, rows=2) == 2
    assert await store.outbox.forget(LATER) == 1
    assert [one.sid for one in await store.outbox.list(WebhookQuery())] == ["w3"]
