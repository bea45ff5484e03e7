"""Facts of calls become rows: all of them, small, and harmless."""

import json
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.ids import AccountSid, CallSid, RequestId
from agentstream.calls import events
from agentstream.calls.causes import Cause, Party
from agentstream.hooks.call_events import (
    BODY_LIMIT,
    EVENTS_LIMIT,
    EXCERPT_LIMIT,
    CallEvents,
)
from agentstream.store.call_events import Story
from agentstream.switch import feed
from agentstream.testing.calls import CALL, LEG, STARTED_AT
from agentstream.testing.facts import STREAM, fact, whole_call


def told(*happened: events.Event | feed.Note, mask_digits: bool = True) -> Story:
    """Return the story of a call in which this happened between its first and last event."""
    stories: list[Story] = []
    hooks = CallEvents(stories.append, mask_digits=mask_digits)
    first, *_, last = whole_call()
    hooks.hear(first)
    for event in happened:
        hooks.hear(fact(event, at_ms=500))
    hooks.hear(last)
    [story] = stories
    return story


def body_of(event: events.Event | feed.Note, *, mask_digits: bool = True) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(told(event, mask_digits=mask_digits).events[1].body)
    return body


def test_a_call_is_told_at_its_end_in_order_with_its_times() -> None:
    stories: list[Story] = []
    hooks = CallEvents(stories.append)
    facts = whole_call()
    for each in facts[:-1]:
        hooks.hear(each)
    assert stories == []
    hooks.hear(facts[-1])
    [story] = stories
    assert story.sid == CALL
    assert [event.kind for event in story.events] == [
        "call_started",
        "call_answered",
        "stream_attempt_failed",
        "stream_connected",
        "stream_counted",
        "stream_finished",
        "leg_counted",
        "call_ended",
    ]
    assert [event.seq for event in story.events] == list(range(8))
    assert [event.at_ms for event in story.events][:4] == [0, 120, 140, 180]
    assert story.events[0].at == STARTED_AT
    assert json.loads(story.events[3].body) == {
        "stream_sid": STREAM,
        "attempt": 2,
        "dns_ms": 1,
        "tcp_ms": 2,
        "tls_ms": 3,
        "upgrade_ms": 4,
    }
    assert json.loads(story.events[6].body)["stats"]["mos"] == 4.3


def test_a_live_call_can_be_told_so_far_to_its_own_account() -> None:
    hooks = CallEvents(lambda _: None)
    facts = whole_call()
    for each in facts[:4]:
        hooks.hear(each)
    for asked in (hooks.live(None), hooks.live(AccountSid("greenleaf1"), CALL[:4])):
        [story] = asked
        assert story.sid == CALL
        assert [event.kind for event in story.events][-1] == "stream_connected"
    assert hooks.live(AccountSid("other")) == []
    assert hooks.live(None, "no such sid") == []
    for each in facts[4:]:
        hooks.hear(each)
    assert hooks.live(None) == []


def test_the_beginning_and_the_end_are_kept_without_what_other_rows_have() -> None:
    story = told()
    begin, end = (json.loads(event.body) for event in story.events)
    assert begin["from"] == "+919876500001"
    assert "variables" not in begin
    assert (end["status"], end["cause"], end["ended_by"]) == ("completed", "normal", "caller")
    assert end["answered_ms"] == 120


def test_a_call_that_was_refused_is_told_too() -> None:
    stories: list[Story] = []
    CallEvents(stories.append).hear(whole_call()[-1])
    assert [event.kind for event in stories[0].events] == ["call_ended"]


def test_of_a_servers_answer_only_a_few_words_are_kept() -> None:
    answer = events.RequestFinished(
        CALL, RequestId("r1"), "passthru", 200, "text/plain", b"x" * 60_000, 143, 1, ""
    )
    body = body_of(answer)
    assert body["excerpt"] == "x" * EXCERPT_LIMIT
    assert (body["bytes"], body["elapsed_ms"], body["status"]) == (60_000, 143, 200)
    assert body_of(replace(answer, body=b"\0\1\2"))["excerpt"] == ""
    assert body_of(replace(answer, content_type="audio/wav"))["excerpt"] == ""
    assert body_of(replace(answer, body=b"\xff\xfe"))["excerpt"] == "\ufffd\ufffd"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("wss://me:hunter2@bot.example/ws", "wss://***@bot.example/ws"),
        ("https://crm.example/hook?key=k3y&a=b", "https://crm.example/hook?key=***&a=b"),
        ("https://x.example/?a=b&api_token=t#f", "https://x.example/?a=b&api_token=***#f"),
        ("https://x.example/?keyword=lamp", "https://x.example/?keyword=lamp"),
    ],
)
def test_credentials_in_addresses_are_not_kept(url: str, kept: str) -> None:
    started = events.RequestStarted(CALL, RequestId("r1"), "passthru", "GET", url)
    assert body_of(started)["url"] == kept
    failed = feed.StreamAttemptFailed(STREAM, 1, "tcp", 0, f"refused by {url} today")
    assert body_of(failed)["detail"] == f"refused by {kept} today"


def test_gathered_keys_are_masked_too_unless_they_are_wanted() -> None:
    gathered = events.LegTold(CALL, LEG, "gather_success", data=(("digits", "4711"), ("n", 1)))
    assert body_of(gathered)["data"] == [["digits", ""], ["n", 1]]
    assert body_of(gathered, mask_digits=False)["data"] == [["digits", "4711"], ["n", 1]]


def test_keys_are_masked_unless_they_are_wanted() -> None:
    pressed = events.DigitReceived(CALL, LEG, "7", 120)
    left = events.AppletLeft(CALL, "menu", "next", "bye", "skipped with key 7")
    noted = events.AppletNoted(CALL, "ivr", "line 3: <Record>: ended with key 7")
    asked = events.BotAsked(CALL, LEG, STREAM, "send_dtmf", "1234#")
    url = "https://crm.example/?CallSid=1&digits=%221234%22&x=y"
    started = events.RequestStarted(CALL, RequestId("r1"), "passthru", "GET", url)
    assert body_of(pressed) == {"leg_sid": LEG, "digit": "", "duration_ms": 120}
    assert body_of(left)["reason"] == "skipped with key ·"
    assert body_of(noted)["text"] == "line 3: <Record>: ended with key ·"
    assert body_of(asked)["value"] == ""
    assert body_of(started)["url"] == "https://crm.example/?CallSid=1&digits=·&x=y"
    assert body_of(pressed, mask_digits=False)["digit"] == "7"
    assert body_of(left, mask_digits=False)["reason"] == "skipped with key 7"
    assert body_of(asked, mask_digits=False)["value"] == "1234#"
    assert body_of(started, mask_digits=False)["url"] == url
    transfer = events.BotAsked(CALL, LEG, STREAM, "transfer", "+918040000009")
    assert body_of(transfer)["value"] == "+918040000009"


def test_events_that_become_json_together_stay_apart() -> None:
    secret = "wss://me:hunter2@bot.example"
    happened = [feed.StreamWarned(STREAM, secret if n == 20 else f"warning {n}") for n in range(50)]
    story = told(*happened, feed.StreamWarned(STREAM, "x" * 9_000))
    bodies = [json.loads(event.body) for event in story.events]
    assert [event.seq for event in story.events] == list(range(53))
    assert [body["text"] for body in bodies[1:4]] == ["warning 0", "warning 1", "warning 2"]
    assert bodies[21]["text"] == "wss://***@bot.example"
    assert (bodies[50]["text"], bodies[51]["cut"]) == ("warning 49", True)
    assert story.events[-1].kind == "call_ended"


def test_a_call_that_never_stops_chattering_keeps_its_end() -> None:
    marks = [feed.MarkEchoed(STREAM, f"m{n}", n, cleared=False) for n in range(3_000)]
    hung_up = events.CallHungUp(CALL, Cause.NORMAL, Party.CALLER, "")
    story = told(*marks, hung_up)
    assert len(story.events) == EVENTS_LIMIT - 200 + 3
    *_, before, end, more = story.events
    assert (before.kind, end.kind, more.kind) == ("call_hung_up", "call_ended", "events_dropped")
    assert json.loads(more.body) == {"count": 3_000 - (EVENTS_LIMIT - 201)}
    assert more.seq == len(story.events) - 1


def test_no_call_keeps_more_than_the_limit_and_one_row() -> None:
    story = told(*[events.CallAnswered(CALL, LEG)] * 5_000)
    assert len(story.events) == EVENTS_LIMIT + 1
    assert json.loads(story.events[-1].body) == {"count": 5_002 - EVENTS_LIMIT}


def test_the_chatter_of_all_live_calls_together_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agentstream.hooks.call_events.LIVE_LIMIT", 10)
    stories: list[Story] = []
    hooks = CallEvents(stories.append)
    first, answered, *_, last = whole_call()
    for sid in ("c1", "c2"):
        hooks.hear(replace(first, call_sid=CallSid(sid)))
        for _ in range(6):
            hooks.hear(replace(fact(feed.BotSpoke(STREAM)), call_sid=CallSid(sid)))
        hooks.hear(replace(answered, call_sid=CallSid(sid)))
    for sid in ("c1", "c2"):
        hooks.hear(replace(last, call_sid=CallSid(sid)))
    assert [len(story.events) for story in stories] == [9, 3 + 1 + 1]
    assert stories[1].events[-1].kind == "events_dropped"
    for each in whole_call():  # there is room again
        hooks.hear(each)
    assert len(stories[2].events) == 8


def test_what_comes_after_the_end_of_its_call_is_left_alone() -> None:
    stories: list[Story] = []
    hooks = CallEvents(stories.append)
    facts = whole_call()
    for each in (*facts, facts[3], facts[0], facts[-1]):
        hooks.hear(each)
    assert [len(story.events) for story in stories] == [8, 2]


def test_calls_that_never_end_are_told_when_there_are_too_many_of_them() -> None:
    stories: list[Story] = []
    hooks = CallEvents(stories.append)
    first = whole_call()[0]
    for number in range(10_002):
        hooks.hear(replace(first, call_sid=CallSid(f"c{number}")))
    assert [story.sid for story in stories] == ["c0", "c1"]


def test_half_a_character_is_kept_as_what_it_is() -> None:
    assert body_of(feed.StreamWarned(STREAM, "cut \ud83d"))["text"] == "cut \ud83d"


@given(st.text(max_size=20_000) | st.text(min_size=5_000, max_size=9_000))
def test_a_body_is_always_json_of_a_bounded_size(text: str) -> None:
    warned = feed.StreamWarned(STREAM, text)
    [row] = told(warned).events[1:2]
    assert len(row.body.encode()) <= BODY_LIMIT
    body = json.loads(row.body)
    assert body.get("cut") or body["text"] == text or "://" in text


def test_the_facts_of_a_call_cost_little() -> None:
    facts = [replace(each, call_sid=CallSid(f"c{n}")) for n in range(500) for each in whole_call()]
    hooks = CallEvents(lambda _: None)
    before = time.process_time()
    for each in facts:
        hooks.hear(each)
    spent_us = (time.process_time() - before) * 1_000_000
    assert spent_us / len(facts) < 30  # 6 on a quiet machine
