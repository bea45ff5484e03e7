import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from agentstream.api.live import QUEUE_LIMIT, LiveHub, fact_text, server_sent_events
from agentstream.base.errors import BusyError
from agentstream.base.ids import AccountSid, CallSid
from agentstream.calls.events import CallAnswered
from agentstream.store.call_events import CallEvent, Story
from agentstream.switch.feed import Feed
from agentstream.testing.calls import CALL, LEG
from agentstream.testing.facts import fact, whole_call
from agentstream.testing.records import a_story


async def read(watcher: Any) -> dict[str, Any]:
    text = await watcher.next(1_000)
    assert text
    plain: dict[str, Any] = json.loads(text)
    return plain


async def test_a_watcher_reads_what_happens_in_order() -> None:
    feed = Feed()
    hub = LiveHub(feed)
    watcher = hub.watch(None)
    for each in whole_call():
        feed.publish(each)
    told = [await read(watcher) for _ in whole_call()]
    assert [each["event"] for each in told] == [
        "call_started",
        "call_answered",
        "stream_attempt_failed",
        "stream_connected",
        "stream_counted",
        "stream_finished",
        "leg_counted",
        "call_ended",
    ]
    assert told[0]["call_sid"] == CALL
    assert told[0]["setup"]["from_number"] == "+919876500001"
    assert told[0]["at"] == "2027-02-16T10:26:26.000+00:00"
    assert told[4]["stats"]["media_sent"] == 400
    assert told[-1]["record"]["cause"] == "normal"


async def test_who_comes_later_is_told_how_live_calls_began() -> None:
    feed = Feed()
    hub = LiveHub(feed)
    for each in whole_call()[:4]:
        feed.publish(each)
    watcher = hub.watch(AccountSid("greenleaf1"))
    assert [(await read(watcher))["event"] for _ in range(2)] == ["call_started", "call_answered"]
    feed.publish(whole_call()[-1])
    assert (await read(watcher))["event"] == "call_ended"
    late = hub.watch(None)
    assert await late.next(1) == ""


async def test_a_watcher_sees_its_own_account_only() -> None:
    feed = Feed()
    hub = LiveHub(feed)
    watcher = hub.watch(AccountSid("other"))
    for each in whole_call():
        feed.publish(each)
    feed.publish(fact(CallAnswered(CALL, LEG), account_sid="other"))
    assert (await read(watcher))["account_sid"] == "other"
    assert await watcher.next(1) == ""


async def test_a_slow_watcher_loses_facts_and_is_told_how_many() -> None:
    feed = Feed()
    hub = LiveHub(feed)
    watcher = hub.watch(None)
    for _ in range(QUEUE_LIMIT + 5):
        feed.publish(fact(CallAnswered(CALL, LEG)))
    assert await read(watcher) == {"event": "facts_lost", "count": 5}
    assert (await read(watcher))["event"] == "call_answered"


async def test_watchers_have_a_bound_and_leave() -> None:
    hub = LiveHub(Feed(), watchers_limit=1)
    watcher = hub.watch(None)
    with pytest.raises(BusyError):
        hub.check_room()
    hub.leave(watcher)
    hub.check_room()


async def test_the_events_are_written_as_the_standard_says() -> None:
    feed = Feed()
    hub = LiveHub(feed)
    lines: AsyncIterator[str] = server_sent_events(hub, None, ping_ms=1)
    assert await anext(lines) == "retry: 2000\n\n"
    assert await anext(lines) == ": still here\n\n"
    feed.publish(fact(CallAnswered(CALL, LEG)))
    assert (await anext(lines)).startswith('data: {"event": "call_answered"')
    hub.close()
    assert [line async for line in lines] == []
    assert hub.watchers == 0


async def test_the_feed_is_served_to_those_who_may(site: Any) -> None:
    assert (await site.client.get("/v1/live")).status_code == 401
    for each in whole_call()[:1]:
        site.feed.publish(each)
    site.hub.watch(None)
    site.hub.watch(None)
    assert (await site.client.get("/v1/live", auth=site.auth)).status_code == 429


def test_nothing_is_written_down_while_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_fact: object) -> str:
        raise AssertionError

    monkeypatch.setattr("agentstream.api.live.fact_text", refuse)
    feed = Feed()
    LiveHub(feed)
    for each in whole_call():
        feed.publish(each)


def test_every_fact_is_one_line() -> None:
    for each in whole_call():
        assert "\n" not in fact_text(each)


def story(sid: str) -> Story:
    event = CallEvent(CallSid(sid), 0, 0, datetime.now(UTC), "call_started", '{"leg_sid": "a"}')
    return a_story([event])


async def test_a_live_call_is_told_so_far(site: Any) -> None:
    site.stories += [story("c1aa"), story("c2bb")]
    for named, sid in (("c1aa", "c1aa"), ("c2", "c2bb"), ("last", "c2bb")):
        answer = await site.client.get(f"/v1/live/{named}", auth=site.auth)
        assert answer.status_code == 200
        told = answer.json()
        assert told["call_sid"] == sid
        assert 0 <= told["age_ms"] < 60_000
        [event] = told["events"]
        assert (event["at_ms"], event["kind"]) == (0, "call_started")
        assert event["body"] == {"leg_sid": "a"}


async def test_a_live_call_that_is_not_there_or_not_the_only_one_is_said(site: Any) -> None:
    empty = await site.client.get("/v1/live/last", auth=site.auth)
    assert (empty.status_code, empty.json()["RestException"]["Message"]) == (
        *(404, "There is no live call"),
    )
    site.stories += [story("c1aa"), story("c1bb")]
    several = await site.client.get("/v1/live/c1", auth=site.auth)
    assert several.status_code == 409
    assert "c1aa, c1bb" in several.text
    assert (await site.client.get("/v1/live/c9", auth=site.auth)).status_code == 404
    assert (await site.client.get("/v1/live/c1aa")).status_code == 401
    other = await site.store.accounts.create("Other", sid="Other1")
    key = await site.store.accounts.create_key(other.sid)
    theirs = await site.client.get("/v1/live/c1aa", auth=(key.key, key.token))
    assert theirs.status_code == 404
