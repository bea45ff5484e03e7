"""A second address (OP-10), and a bot that is dialled before the call is answered (OP-6, AS-51)."""

import json
from typing import Any

import pytest

from agentstream.stream.happenings import (
    Activated,
    Begin,
    BeginStream,
    BotSaid,
    CallerGone,
    Closed,
    CloseSocket,
    Connect,
    DigitPressed,
    Opened,
    OpenFailed,
    Resolve,
    Resolved,
    ResolveFailed,
    ShutDown,
    StopRequested,
    StreamFinished,
    StreamHeld,
    StreamInput,
    StreamStarted,
    Warn,
    WatchSilence,
)
from agentstream.stream.life import State
from agentstream.testing.bot_streams import StreamScript, result_of, state_of, stream

RESOLVER = "https://hooks.example.net/where"
SECOND = "ws://second.example:81/ws?sample-rate=16000"
EARLY = Begin(is_early=True)


# A second address.


def test_the_second_address_is_tried_when_the_first_is_not_reached_op_10() -> None:
    script = stream(fallback_url=SECOND)
    script.feed(Begin())
    script.feed(OpenFailed("tcp", 0, "refused"), OpenFailed("tcp", 0, "refused"))
    assert [script.take(Connect).attempt for _ in range(2)] == [1, 2]
    assert "its second address is tried: 3009" in script.take(Warn).text
    second = script.take(Connect)
    assert (second.attempt, second.host, second.port) == (3, "second.example", 81)
    assert second.plan.rate_hz == 16000
    script.feed(Opened())
    started = script.take(StreamStarted)
    assert (started.shown_url, started.attempt) == (SECOND, 3)


def test_the_second_address_has_its_own_retries_and_its_error_is_told_op_10() -> None:
    script = stream(fallback_url=SECOND)
    script.feed(Begin(), OpenFailed("egress", 0, "private"))
    script.feed(OpenFailed("tcp", 0, "first"), OpenFailed("upgrade", 503))
    result = result_of(script)
    assert result.error == "3009 failed to establish ws conn: upgrade HTTP 503"
    assert result.url == SECOND


@pytest.mark.parametrize("answer", [ResolveFailed("refused"), Resolved(500, "", b""), 5_000])
def test_a_resolver_that_fails_leads_to_the_second_address_op_10(answer: Any) -> None:
    script = stream(RESOLVER, fallback_url=SECOND)
    script.feed(Begin())
    script.take(Resolve)
    if isinstance(answer, int):
        script.wait(answer)
    else:
        script.feed(answer)
    assert script.skip_to(Connect).host == "second.example"


def test_a_stream_that_only_knows_its_second_address_comes_back_to_it_op_10() -> None:
    script = stream(RESOLVER, fallback_url=SECOND, reconnect_attempts=2)
    script.feed(Begin(), ResolveFailed("refused"), Opened(), Closed(1011, "", "bot"))
    script.take_all()
    for _ in range(2):
        script.wait(500)
        assert script.take(Connect).host == "second.example"
        script.feed(OpenFailed("tcp"))


@pytest.mark.parametrize("url", ["ftp://x", "https://hooks.example.net"])
def test_an_unusable_second_address_is_told_and_left_aside_op_10(url: str) -> None:
    script = stream(fallback_url=url)
    script.feed(Begin())
    assert script.take(Warn).text.startswith("fallback_url cannot be used: ")
    script.take(Connect)
    script.feed(OpenFailed("egress"))
    result_of(script)


# Before the call is answered.


def held(**settings: Any) -> StreamScript:
    script = stream(**settings)
    script.feed(EARLY, Opened(3, 9, 12))
    assert state_of(script) is State.HELD
    return script


def test_an_early_stream_connects_and_keeps_start_until_the_answer_op_6_as_51() -> None:
    script = held(silence_timeout_ms=2_000)
    connect = script.take(Connect)
    assert connect.plan.holds_opening
    script.expect(StreamHeld())
    script.wait(170_000)
    script.feed(BotSaid('{"event":"stop"}'), DigitPressed("1", 100))
    script.expect_nothing()
    script.feed(Activated())
    script.expect(BeginStream())
    started = script.take(StreamStarted)
    assert (started.opened, started.attempt) == (Opened(3, 9, 12), 1)
    script.expect(WatchSilence(2_000))
    script.wait(2_500)
    script.feed(Closed(1000, "", "bot"))
    assert result_of(script).duration_s == 2, "it counts from the answer"


def test_an_answer_that_comes_first_is_waited_for_no_longer_op_6() -> None:
    script = stream()
    script.feed(EARLY, Activated())
    assert script.take(Connect).plan.holds_opening
    script.feed(Opened())
    script.expect(BeginStream())
    script.take(StreamStarted)


def test_an_answer_before_the_address_is_known_makes_it_an_ordinary_stream_op_6() -> None:
    script = stream(RESOLVER)
    script.feed(EARLY, Activated(), Resolved(200, "", b'{"url":"ws://b.example"}'))
    script.take(Resolve)
    assert not script.take(Connect).plan.holds_opening
    script.feed(Opened())
    script.take(StreamStarted)


def test_an_ordinary_stream_has_nothing_to_begin_op_6() -> None:
    script = stream()
    script.feed(Begin(), Opened())
    assert not script.take(Connect).plan.holds_opening
    script.take(StreamStarted)
    script.feed(Activated())
    script.expect_nothing()


def test_a_bot_that_is_not_reached_early_has_failed_before_the_answer_op_6() -> None:
    script = stream()
    script.feed(EARLY, OpenFailed("tcp"), OpenFailed("tcp"))
    assert [script.take(Connect).attempt for _ in range(2)] == [1, 2]
    assert script.take(StreamFinished).result.status == "failed"


def test_a_resolver_that_fails_early_has_failed_before_the_answer_op_6() -> None:
    script = stream(RESOLVER)
    script.feed(EARLY, ResolveFailed("refused"))
    assert result_of(script).status == "failed"


def test_a_bot_that_does_not_wait_is_dialled_anew_at_the_answer_op_6() -> None:
    script = held()
    script.feed(Closed(1002, "no start", "bot"))
    script.take(Connect)
    script.expect(StreamHeld())
    assert "the bot closed (1002) before" in script.take(Warn).text
    script.feed(Activated())
    assert not script.take(Connect).plan.holds_opening


def test_an_early_stream_has_a_second_address_too_op_6_op_10() -> None:
    script = stream(fallback_url=SECOND, connect_retries=0)
    script.feed(EARLY, OpenFailed("tcp"), Opened())
    hosts = [answer.host for answer in script.take_all() if isinstance(answer, Connect)]
    assert hosts == ["bots.example.net", "second.example"]
    assert state_of(script) is State.HELD


@pytest.mark.parametrize(
    ("happening", "by"),
    [(CallerGone(), "user"), (StopRequested("moved on"), "NA"), (ShutDown(), "NA")],
)
@pytest.mark.parametrize("is_open", [True, False])
def test_a_call_that_is_never_answered_sends_nothing_op_6_st_7(
    happening: StreamInput, by: str, is_open: bool
) -> None:
    script = held()
    if not is_open:
        script.feed(Closed(1000, "", "bot"))
    script.take_all()
    script.feed(happening)
    if is_open:
        script.expect(CloseSocket(1000, ""))
    result = script.take(StreamFinished).result
    assert (result.status, result.disconnected_by) == ("cancelled", by)


def test_an_early_stream_of_a_bad_address_fails_at_once_op_6() -> None:
    script = stream("ftp://x")
    script.feed(EARLY)
    assert result_of(script).status == "failed"


def test_start_never_comes_with_the_connection_of_an_early_stream_st_34() -> None:
    script = stream()
    script.feed(EARLY)
    plan = script.take(Connect).plan
    events = [json.loads(text.replace("\x01", "1"))["event"] for text in plan.opening]
    assert events == ["connected", "start"], "the audio path keeps both until it is told to begin"
