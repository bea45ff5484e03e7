"""The way to the bot: address, resolver, attempts, and who leaves on it: ST-1 to ST-8."""

import json
from dataclasses import fields, replace

import pytest

from agentstream.media.plan import StreamPlan
from agentstream.stream.bot_stream import BotStream
from agentstream.stream.happenings import (
    Begin,
    CallerGone,
    CloseSocket,
    Connect,
    Opened,
    OpenFailed,
    Resolve,
    Resolved,
    ResolveFailed,
    ShutDown,
    StopRequested,
    StreamInput,
    StreamStarted,
    Warn,
)
from agentstream.stream.life import State
from agentstream.stream.messages import SocketPlan
from agentstream.stream.opening import CONNECT_GRACE_MS
from agentstream.stream.profile import WireProfile
from agentstream.testing.bot_streams import ORDER, URL, Steps, connected, finished

SECRET = "wss://ana:pw@bots.example.net/ws?order=7781"


def test_a_direct_address_is_connected_at_once_st1() -> None:
    script = Steps(SECRET)
    connect = connected(script.feed(Begin()))
    assert (connect.attempt, connect.host, connect.port) == (1, "bots.example.net", 443)
    assert connect.plan.headers == (
        ("Authorization", "Basic YW5hOnB3"),
        ("User-Agent", "AgentStream"),
    )
    assert connect.plan.target == "/ws?order=7781"
    assert [json.loads(text.replace("\x01", "1"))["event"] for text in connect.plan.opening] == [
        "connected",
        "start",
    ]


def test_a_throttled_account_fails_without_a_connection_st1_as50() -> None:
    result = finished(Steps().feed(Begin(is_throttled=True)))
    assert (result.status, result.disconnected_by) == ("failed", "NA")
    assert (result.detailed_status, result.error) == ("Streaming_call_throttled", "")


def test_an_unusable_address_fails_st1() -> None:
    result = finished(Steps("ftp://bots.example.net").feed(Begin()))
    assert (result.status, result.disconnected_by, result.duration_s) == ("failed", "NA", 0)
    assert "not ws or wss" in result.error


def test_a_resolver_is_asked_and_its_address_connected_st1_st2() -> None:
    script = Steps("https://hooks.example.net/where")
    assert script.feed(Begin()) == [Resolve("https://hooks.example.net/where", 5_000)]
    body = b'{"url": "ws://10.0.0.9:5000/x?sample-rate=16000&frame-ms=20&a=1&b=2&c=3&d=4"}'
    warning, connect = script.feed(Resolved(200, "application/json", body))
    assert isinstance(warning, Warn)
    assert isinstance(connect, Connect)
    assert (connect.host, connect.port, connect.plan.secure) == ("10.0.0.9", 5000, False)
    assert (connect.plan.rate_hz, connect.plan.frame_ms) == (16000, 20)


@pytest.mark.parametrize(
    "answer",
    [
        Resolved(500, "", b""),
        Resolved(200, "text/xml", b"<Response/>"),
        Resolved(200, "", b"{}"),
        Resolved(200, "", b'{"url": "https://bots.example.net"}'),
        ResolveFailed("connection refused"),
    ],
)
def test_a_resolver_without_an_address_fails_st3(answer: Resolved | ResolveFailed) -> None:
    script = Steps("https://hooks.example.net/where")
    script.feed(Begin())
    result = finished(script.feed(answer))
    assert (result.status, result.disconnected_by) == ("failed", "NA")
    assert result.error
    assert result.url == "https://hooks.example.net/where"


def test_a_silent_resolver_fails_after_five_seconds_st3_as17() -> None:
    script = Steps("https://hooks.example.net/where")
    script.feed(Begin())
    assert script.wait(4_999) == []
    assert "within 5000 ms" in finished(script.wait(1)).error
    assert script.feed(Resolved(200, "", b'{"url": "ws://b"}')) == []
    assert script.machine.ignored == 1


def test_an_open_socket_is_a_started_stream_st4() -> None:
    script = Steps(SECRET)
    script.feed(Begin())
    opened = Opened(tcp_ms=3, tls_ms=9, upgrade_ms=12)
    shown = "wss://***@bots.example.net/ws?order=7781"
    assert script.feed(opened) == [StreamStarted(shown, opened, attempt=1)]
    assert script.machine.wake_at_ms == 1_000 + 3_600_000


def test_a_failure_is_retried_once_at_once_st5_as46_as47() -> None:
    script = Steps()
    script.feed(Begin())
    again = connected(script.feed(OpenFailed("upgrade", 401)))
    assert again.attempt == 2
    assert script.feed(Opened())[0] == StreamStarted(URL, Opened(), attempt=2)


def test_a_hanging_connection_is_aborted_and_retried_st5_as45() -> None:
    script = Steps()
    script.feed(Begin())
    assert script.wait(10_000 + CONNECT_GRACE_MS - 1) == []
    abort, again = script.wait(1)
    assert abort == CloseSocket(1000, "")
    assert isinstance(again, Connect)
    assert script.feed(OpenFailed("aborted")) == []
    script.feed(Opened())
    assert script.machine.state is State.ACTIVE


@pytest.mark.parametrize(
    ("failed", "error"),
    [
        (OpenFailed("tcp", 0, "connection refused by 192.0.2.1:443"), "tcp connection refused by"),
        (OpenFailed("upgrade", 503), "upgrade HTTP 503"),
        (OpenFailed("dns", 0, "no such name"), "dns no such name"),
    ],
)
def test_a_second_failure_ends_with_3009_st6_as166(failed: OpenFailed, error: str) -> None:
    script = Steps()
    script.feed(Begin())
    script.feed(OpenFailed("tls", 0, "certificate expired"))
    result = finished(script.feed(failed))
    assert result.error.startswith(f"3009 failed to establish ws conn: {error}")
    assert (result.status, result.disconnected_by, result.url) == ("failed", "NA", URL)


def test_a_second_silence_ends_with_3009_st6() -> None:
    script = Steps()
    script.feed(Begin())
    script.wait(10_250)
    outputs = script.wait(10_250)
    assert outputs[0] == CloseSocket(1000, "")
    assert "no answer within 10000 ms" in finished(outputs).error


def test_the_number_of_retries_is_a_setting_and_our_own_rules_are_final_cx19() -> None:
    none = Steps(connect_retries=0)
    none.feed(Begin())
    assert finished(none.feed(OpenFailed("tcp"))).status == "failed"
    forbidden = Steps()
    forbidden.feed(Begin())
    assert "egress" in finished(forbidden.feed(OpenFailed("egress", 0, "private"))).error


def test_a_caller_who_leaves_before_the_bot_is_there_cancels_st7() -> None:
    idle = Steps()
    assert finished(idle.feed(CallerGone())).status == "cancelled"
    resolving = Steps("https://hooks.example.net/where")
    resolving.feed(Begin())
    assert len(resolving.feed(CallerGone())) == 1
    connecting = Steps()
    connecting.feed(Begin())
    outputs = connecting.feed(CallerGone())
    assert outputs[0] == CloseSocket(1000, "")
    result = finished(outputs)
    assert (result.status, result.disconnected_by, result.error) == ("cancelled", "user", "")


@pytest.mark.parametrize("happening", [StopRequested("the flow moved on"), ShutDown()])
def test_a_stop_before_the_bot_is_there_cancels_for_nobody(happening: StreamInput) -> None:
    for script in (Steps(), Steps("https://hooks.example.net/where")):
        script.feed(Begin())
        result = finished(script.feed(happening))
        assert (result.status, result.disconnected_by) == ("cancelled", "NA")


def test_the_plan_carries_what_the_audio_path_needs_st8_st10_st11_st12_st34() -> None:
    plan = connected(Steps(marks_on_clear="drop", buffer_seconds=5).feed(Begin())).plan
    shared = {f.name: getattr(plan, f.name) for f in fields(SocketPlan)}
    native = StreamPlan(addresses=("192.0.2.1:443",), **shared)
    assert (native.marks_on_clear, native.buffer_ms, native.frame_ms) == ("drop", 5_000, 100)
    assert native.connect_timeout_ms == 10_000
    assert native.max_message_bytes == 1_048_576


def test_mulaw_is_always_8000_and_strict_has_the_hosted_size_limit_as144_cx7() -> None:
    order = replace(ORDER, url="wss://b.example/?sample-rate=16000", encoding="mulaw")
    stream = BotStream(order, WireProfile(chunk_policy="strict"))
    plan = connected(stream.receive(Begin(), 0)).plan
    assert (plan.rate_hz, plan.encoding) == (8000, "mulaw")
    assert plan.max_message_bytes < 140_000
