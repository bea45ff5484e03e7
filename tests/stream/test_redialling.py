"""A bot that breaks off and comes back, or does not: OP-10, AS-168."""

import json
from typing import Any

import pytest

from agentstream.stream.happenings import (
    Begin,
    CallerGone,
    Closed,
    CloseSocket,
    Connect,
    DigitPressed,
    DropQueue,
    HoldSound,
    Opened,
    OpenFailed,
    SendText,
    ShutDown,
    StopHold,
    StopRequested,
    StreamFinished,
    StreamInput,
    Warn,
    WatchSilence,
)
from agentstream.stream.life import State
from agentstream.stream.opening import CONNECT_GRACE_MS
from agentstream.stream.redialling import KEYS_LIMIT
from agentstream.testing.bot_streams import (
    Counted,
    StreamScript,
    result_of,
    said,
    sent,
    state_of,
    stream,
    talking,
)

CRASH = Closed(1011, "", "bot", 300, Counted(played_ms=1_240))


def crashed(**settings: Any) -> StreamScript:
    """Return a stream whose bot has just broken off; what that did was taken."""
    script = talking(**{"reconnect_attempts": 2, **settings})
    script.wait(10_000)
    script.feed(CRASH)
    assert state_of(script) is State.WAITING
    script.take_all()
    return script


def start_of(connect: Connect) -> dict[str, Any]:
    start: dict[str, Any] = json.loads(connect.plan.opening[1].replace("\x01", "1"))["start"]
    return start


def test_by_default_a_stream_ends_with_its_socket_as_168() -> None:
    script = talking()
    script.feed(CRASH)
    assert result_of(script).status == "failed"


def test_a_bot_that_broke_off_is_dialled_again_after_a_while_op_10() -> None:
    script = talking(reconnect_attempts=1, reconnect_delay_ms=700)
    script.feed(CRASH)
    script.expect(DropQueue(), Warn("the bot broke off and is dialled again: 1011"))
    script.wait(699)
    script.expect_nothing()
    script.wait(1)
    connect = script.take(Connect)
    assert (connect.attempt, connect.host) == (2, "bots.example.net")
    start = start_of(connect)
    assert (start["resumed"], start["played_ms"]) == (True, "1240")
    assert start["resume_token"] == "s" * 32
    script.wait(112)
    script.feed(Opened())
    script.expect(Warn("the bot is back after 812 ms"))
    script.expect_nothing()
    assert state_of(script) is State.ACTIVE


@pytest.mark.parametrize(("attempts", "keys"), [(0, set()), (1, {"resume_token"})])
def test_the_first_start_has_the_token_only_where_a_bot_may_come_back_op_10(
    attempts: int, keys: set[str]
) -> None:
    script = stream(reconnect_attempts=attempts)
    script.feed(Begin())
    assert start_of(script.take(Connect)).keys() & {"resume_token", "resumed", "played_ms"} == keys


@pytest.mark.parametrize("code", [1001, 1006, 1011, 1012, 1013])
def test_who_breaks_off_or_restarts_is_wanted_back_op_10(code: int) -> None:
    script = talking(reconnect_attempts=1)
    script.feed(Closed(code, "", "network"))
    assert state_of(script) is State.WAITING


@pytest.mark.parametrize(
    "closed",
    [
        Closed(1000, "", "bot"),
        Closed(1005, "", "bot"),
        Closed(4000, "", "bot"),
        Closed(1009, "", "us"),
    ],
)
def test_who_says_goodbye_or_breaks_the_rules_is_not_op_10(closed: Closed) -> None:
    script = talking(reconnect_attempts=1)
    script.feed(closed)
    result_of(script)


def test_a_bot_that_asked_for_the_end_is_not_dialled_again_op_10() -> None:
    for wish in (said("hangup"), said("hangup", drain=False), said("transfer", to="911")):
        script = talking(reconnect_attempts=1, control_events=True)
        script.feed(wish, CRASH)
        result_of(script)


def test_what_was_heard_is_summed_over_all_sockets_op_10() -> None:
    script = crashed()
    script.wait(500)
    script.feed(Opened(), CRASH)
    script.wait(500)
    script.skip_to(Connect)
    assert start_of(script.skip_to(Connect))["played_ms"] == "2480"
    script.feed(Opened(), Closed(1006, "", "network"))
    result_of(script)


def test_attempts_are_of_the_whole_stream_and_alternate_op_10() -> None:
    script = crashed(reconnect_attempts=4, fallback_url="ws://second.example/ws")
    hosts = []
    for _ in range(4):
        script.wait(500)
        hosts.append(script.take(Connect).host)
        script.feed(OpenFailed("tcp", 0, "refused"))
    assert hosts == ["bots.example.net", "second.example", "bots.example.net", "second.example"]
    result = result_of(script)
    assert (result.status, result.disconnected_by, result.duration_s) == ("failed", "bot", 12)
    assert result.error.startswith("1011")
    assert result.why.endswith(
        "it did not come back: 3009 failed to establish ws conn: tcp refused"
    )
    assert result.url == "ws://second.example/ws"


def test_a_stream_that_has_come_back_starts_with_the_address_that_it_has_op_10() -> None:
    script = crashed(reconnect_attempts=3, fallback_url="ws://second.example/ws")
    script.wait(500)
    script.feed(OpenFailed("tcp"))
    script.wait(500)
    script.feed(Opened(), CRASH)
    script.take_all()
    script.wait(500)
    assert script.take(Connect).host == "second.example"


def test_an_attempt_that_hangs_is_given_up_as_45_op_10() -> None:
    script = crashed(reconnect_attempts=2)
    script.wait(500)
    script.take(Connect)
    script.wait(10_000 + CONNECT_GRACE_MS)
    script.expect(CloseSocket(1000, ""))
    script.feed(OpenFailed("aborted"))
    script.wait(500)
    script.take(Connect)
    script.feed(OpenFailed("aborted"))
    assert state_of(script) is State.REDIALLING
    script.wait(10_000 + CONNECT_GRACE_MS)
    script.expect(CloseSocket(1000, ""))
    assert "no answer within 10000 ms" in script.take(StreamFinished).result.why


def test_the_caller_hears_something_meanwhile_op_10() -> None:
    script = talking(reconnect_attempts=1, hold_audio="/srv/hold.wav")
    script.feed(CRASH)
    assert HoldSound("/srv/hold.wav") in script.take_all()
    script.wait(500)
    script.feed(Opened())
    assert StopHold() in script.take_all()
    script.feed(CRASH)
    assert StopHold() not in script.take_all(), "it plays no more"
    fork = talking(two_way=False, reconnect_attempts=1, hold_audio="/srv/hold.wav")
    fork.feed(CRASH)
    assert not any(isinstance(answer, HoldSound) for answer in fork.take_all())


def test_the_hold_sound_ends_with_the_stream_op_10() -> None:
    script = crashed(hold_audio="/srv/hold.wav")
    script.feed(CallerGone())
    script.expect(StopHold())
    script.take(StreamFinished)


def test_keys_are_kept_for_the_bot_that_comes_back_op_10() -> None:
    script = crashed()
    script.feed(DigitPressed("1", 100))
    script.wait(500)
    script.feed(DigitPressed("2", 110))
    script.skip_to(Connect)
    script.feed(Opened())
    assert [message["dtmf"]["digit"] for message in sent(script)] == ["1", "2"]
    script.feed(DigitPressed("3", 100))
    assert [message["dtmf"]["digit"] for message in sent(script)] == ["3"]


def test_only_so_many_keys_are_kept_op_10() -> None:
    script = crashed()
    script.feed(*(DigitPressed("1", 100) for _ in range(KEYS_LIMIT + 2)))
    assert f"more than {KEYS_LIMIT} keys" in script.take(Warn).text
    script.wait(500)
    script.feed(Opened())
    assert len(sent(script)) == KEYS_LIMIT


def test_keys_that_the_bot_is_not_told_are_not_kept_bx_5() -> None:
    for script in (crashed(dtmf_handling="suppress"), fork_crashed()):
        script.feed(DigitPressed("1", 100))
        script.wait(500)
        script.feed(Opened())
        assert not any(isinstance(answer, SendText) for answer in script.take_all())


def fork_crashed() -> StreamScript:
    script = talking(two_way=False, reconnect_attempts=1)
    script.feed(CRASH)
    return script


def test_silence_is_not_listened_for_while_the_bot_is_away_bx_4() -> None:
    script = talking(reconnect_attempts=1, silence_timeout_ms=2_000)
    script.feed(CRASH)
    assert WatchSilence(0) in script.take_all()
    script.wait(500)
    script.feed(Opened())
    assert WatchSilence(2_000) in script.take_all()


@pytest.mark.parametrize("is_dialling", [False, True])
@pytest.mark.parametrize(
    ("happening", "status", "by"),
    [
        (CallerGone(), "cancelled", "user"),
        (StopRequested("moved on"), "completed", "NA"),
        (ShutDown(), "completed", "NA"),
    ],
)
def test_whoever_leaves_while_the_bot_is_away_ends_the_stream_op_10(
    happening: StreamInput, status: str, by: str, is_dialling: bool
) -> None:
    script = crashed()
    script.wait(500 if is_dialling else 400)
    script.take_all()
    script.feed(happening)
    if is_dialling:
        script.expect(CloseSocket(1000, ""))
    result = script.take(StreamFinished).result
    assert (result.status, result.disconnected_by, result.duration_s) == (status, by, 10)
    script.feed(Opened(), OpenFailed("aborted"))
    script.expect_nothing()


@pytest.mark.parametrize("seconds_left_ms", [300, 2_000])
def test_the_limit_of_the_stream_holds_while_the_bot_is_away_as_48(seconds_left_ms: int) -> None:
    script = talking(reconnect_attempts=9, max_seconds=10)
    script.wait(10_000 - seconds_left_ms)
    script.feed(CRASH)
    script.wait(seconds_left_ms - 1)
    assert state_of(script) is not State.ENDED
    script.wait(1)
    result = result_of(script)
    assert (result.status, result.disconnected_by, result.duration_s) == ("completed", "NA", 10)
    assert "limit of 10 s" in result.why
