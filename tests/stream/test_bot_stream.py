"""The life of a stream: section 10 of the dossier, one test at least for each ST-* id."""

import json
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.errors import CommandError
from agentstream.media.plan import StreamPlan
from agentstream.stream.bot_stream import MOVES, BotStream
from agentstream.stream.happenings import (
    Activated,
    Begin,
    BotPaced,
    BotSaid,
    BotSampled,
    CallerGone,
    Closed,
    CloseSocket,
    Connect,
    DigitPressed,
    Drain,
    Drained,
    DropQueue,
    MarkReached,
    Opened,
    OpenFailed,
    QueueCleared,
    Resolve,
    Resolved,
    ResolveFailed,
    SendText,
    ShutDown,
    SilenceHeard,
    StopRequested,
    StreamFinished,
    StreamInput,
    StreamOutput,
    StreamResult,
    StreamStarted,
    Warn,
)
from agentstream.stream.life import State
from agentstream.stream.messages import SocketPlan, StreamOrder
from agentstream.stream.opening import CONNECT_GRACE_MS
from agentstream.stream.profile import WireProfile

URL = "wss://ana:pw@bots.example.net/ws?order=7781"
SHOWN = "wss://***@bots.example.net/ws?order=7781"
ORDER = StreamOrder("s" * 32, "c" * 32, "greenleaf1", URL, "+919876500001", "+918040000002")


@dataclass
class Counters:
    media_received: int = 0
    payloads_small: int = 0
    payloads_misaligned: int = 0
    payloads_undecodable: int = 0
    media_dropped_in_ms: int = 0
    played_ms: int = 0


class Script:
    """Feeds a BotStream in virtual time and compares what it gives back."""

    def __init__(self, url: str = URL, *, two_way: bool = True, **settings: Any) -> None:
        self.now_ms = 1_000
        order = replace(ORDER, url=url, two_way=two_way)
        self.stream = BotStream(order, WireProfile.from_mapping(settings))

    def feed(self, happening: StreamInput) -> list[StreamOutput]:
        return self.stream.receive(happening, self.now_ms)

    def wait(self, ms: int) -> list[StreamOutput]:
        self.now_ms += ms
        return self.stream.wake(self.now_ms)

    def talking(self) -> "Script":
        self.feed(Begin())
        self.feed(Opened())
        assert self.stream.state is State.ACTIVE
        return self


def finished(outputs: list[StreamOutput]) -> StreamResult:
    last = outputs[-1]
    assert isinstance(last, StreamFinished), outputs
    return last.result


def connected(outputs: list[StreamOutput]) -> Connect:
    last = outputs[-1]
    assert isinstance(last, Connect), outputs
    return last


def stop_reason(outputs: list[StreamOutput]) -> str:
    close = next(o for o in outputs if isinstance(o, CloseSocket))
    assert close.last_text is not None
    reason: str = json.loads(close.last_text.replace("\x01", "9"))["stop"]["reason"]
    return reason


# ST-1 to ST-3: the way to the bot.


def test_a_direct_address_is_connected_at_once_st1() -> None:
    script = Script()
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
    result = finished(Script().feed(Begin(is_throttled=True)))
    assert (result.status, result.disconnected_by) == ("failed", "NA")
    assert (result.detailed_status, result.error) == ("Streaming_call_throttled", "")


def test_an_unusable_address_fails_st1() -> None:
    result = finished(Script("ftp://bots.example.net").feed(Begin()))
    assert (result.status, result.disconnected_by, result.duration_s) == ("failed", "NA", 0)
    assert "not ws or wss" in result.error


def test_a_resolver_is_asked_and_its_address_connected_st1_st2() -> None:
    script = Script("https://hooks.example.net/where")
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
    script = Script("https://hooks.example.net/where")
    script.feed(Begin())
    result = finished(script.feed(answer))
    assert (result.status, result.disconnected_by) == ("failed", "NA")
    assert result.error
    assert result.url == "https://hooks.example.net/where"


def test_a_silent_resolver_fails_after_five_seconds_st3_as17() -> None:
    script = Script("https://hooks.example.net/where")
    script.feed(Begin())
    assert script.wait(4_999) == []
    assert "within 5000 ms" in finished(script.wait(1)).error
    assert script.feed(Resolved(200, "", b'{"url": "ws://b"}')) == []
    assert script.stream.ignored == 1


# ST-4 to ST-6: connecting.


def test_an_open_socket_is_a_started_stream_st4() -> None:
    script = Script()
    script.feed(Begin())
    opened = Opened(tcp_ms=3, tls_ms=9, upgrade_ms=12)
    assert script.feed(opened) == [StreamStarted(SHOWN, opened, attempt=1)]
    assert script.stream.wake_at_ms == script.now_ms + 3_600_000


def test_a_failure_is_retried_once_at_once_st5_as46_as47() -> None:
    script = Script()
    script.feed(Begin())
    again = connected(script.feed(OpenFailed("upgrade", 401)))
    assert again.attempt == 2
    assert script.feed(Opened())[0] == StreamStarted(SHOWN, Opened(), attempt=2)


def test_a_hanging_connection_is_aborted_and_retried_st5_as45() -> None:
    script = Script()
    script.feed(Begin())
    assert script.wait(10_000 + CONNECT_GRACE_MS - 1) == []
    abort, again = script.wait(1)
    assert abort == CloseSocket(1000, "")
    assert isinstance(again, Connect)
    assert script.feed(OpenFailed("aborted")) == []
    script.feed(Opened())
    assert script.stream.state is State.ACTIVE


@pytest.mark.parametrize(
    ("failed", "error"),
    [
        (OpenFailed("tcp", 0, "connection refused by 192.0.2.1:443"), "tcp connection refused by"),
        (OpenFailed("upgrade", 503), "upgrade HTTP 503"),
        (OpenFailed("dns", 0, "no such name"), "dns no such name"),
    ],
)
def test_a_second_failure_ends_with_3009_st6_as166(failed: OpenFailed, error: str) -> None:
    script = Script()
    script.feed(Begin())
    script.feed(OpenFailed("tls", 0, "certificate expired"))
    result = finished(script.feed(failed))
    assert result.error.startswith(f"3009 failed to establish ws conn: {error}")
    assert (result.status, result.disconnected_by, result.url) == ("failed", "NA", SHOWN)


def test_a_second_silence_ends_with_3009_st6() -> None:
    script = Script()
    script.feed(Begin())
    script.wait(10_250)
    outputs = script.wait(10_250)
    assert outputs[0] == CloseSocket(1000, "")
    assert "no answer within 10000 ms" in finished(outputs).error


def test_the_number_of_retries_is_a_setting_and_our_own_rules_are_final_cx19() -> None:
    none = Script(connect_retries=0)
    none.feed(Begin())
    assert finished(none.feed(OpenFailed("tcp"))).status == "failed"
    forbidden = Script()
    forbidden.feed(Begin())
    assert "egress" in finished(forbidden.feed(OpenFailed("egress", 0, "private"))).error


# ST-7: the caller leaves early.


def test_a_caller_who_leaves_before_the_bot_is_there_cancels_st7() -> None:
    idle = Script()
    assert finished(idle.feed(CallerGone())).status == "cancelled"
    resolving = Script("https://hooks.example.net/where")
    resolving.feed(Begin())
    assert len(resolving.feed(CallerGone())) == 1
    connecting = Script()
    connecting.feed(Begin())
    outputs = connecting.feed(CallerGone())
    assert outputs[0] == CloseSocket(1000, "")
    result = finished(outputs)
    assert (result.status, result.disconnected_by, result.error) == ("cancelled", "user", "")


@pytest.mark.parametrize("happening", [StopRequested("the flow moved on"), ShutDown()])
def test_a_stop_before_the_bot_is_there_cancels_for_nobody(happening: StreamInput) -> None:
    for script in (Script(), Script("https://hooks.example.net/where")):
        script.feed(Begin())
        result = finished(script.feed(happening))
        assert (result.status, result.disconnected_by) == ("cancelled", "NA")


# ST-8 and ST-10 to ST-12 are the audio path's; its plan says how.


def test_the_plan_carries_what_the_audio_path_needs_st8_st10_st11_st12_st34() -> None:
    plan = connected(Script(marks_on_clear="drop", buffer_seconds=5).feed(Begin())).plan
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


def test_a_key_press_is_told_st9() -> None:
    (sent,) = Script().talking().feed(DigitPressed("5", 120))
    assert isinstance(sent, SendText)
    assert json.loads(sent.text.replace("\x01", "7"))["dtmf"] == {"digit": "5", "duration": "120"}


# ST-13, ST-14, ST-18: we end it.


def test_a_caller_who_hangs_up_is_told_before_the_close_st13_as100() -> None:
    script = Script().talking()
    script.wait(41_900)
    outputs = script.feed(CallerGone())
    assert outputs[1:] == [DropQueue()]
    assert stop_reason(outputs) == "callended"
    assert script.feed(CallerGone()) == []
    result = finished(script.feed(Closed(1000, "", "us")))
    assert (result.status, result.disconnected_by, result.duration_s) == ("cancelled", "user", 41)


def test_a_bot_that_does_not_reply_to_the_close_is_left_after_five_seconds_as100() -> None:
    script = Script().talking()
    script.feed(CallerGone())
    assert script.wait(4_999) == []
    assert finished(script.wait(1)).status == "cancelled"
    assert script.feed(Closed(1006, "", "network")) == []


def test_the_limit_of_an_hour_stops_and_completes_st14_st31_as48() -> None:
    script = Script().talking()
    assert script.wait(3_599_999) == []
    outputs = script.wait(1)
    assert stop_reason(outputs) == "stopped"
    assert DropQueue() in outputs
    result = finished(outputs)
    assert (result.status, result.disconnected_by, result.duration_s) == ("completed", "NA", 3600)
    assert "limit of 3600 s" in result.why


def test_a_stop_by_the_flow_completes_without_waiting_st14() -> None:
    outputs = Script().talking().feed(StopRequested("stopped over the API"))
    assert stop_reason(outputs) == "stopped"
    assert finished(outputs).why == "stopped over the API"


def test_a_shutdown_closes_with_1001_st18() -> None:
    script = Script().talking()
    outputs = script.feed(ShutDown())
    assert stop_reason(outputs) == "stopped"
    assert isinstance(outputs[0], CloseSocket)
    assert outputs[0].code == 1001
    assert finished(script.wait(5_000)).status == "completed"


# ST-15 to ST-17 and ST-30 to ST-33: the bot ends it.


@pytest.mark.parametrize("code", [1000, 1001, 1005])
def test_a_bot_that_closes_completes_st15_st30(code: int) -> None:
    script = Script().talking()
    script.wait(2_500)
    outputs = script.feed(Closed(code, "bye", "bot"))
    assert outputs[0] == DropQueue()
    result = finished(outputs)
    assert (result.status, result.disconnected_by, result.error) == ("completed", "bot", "")
    assert result.duration_s == 2


@pytest.mark.parametrize("code", [1002, 1003, 1006, 1007, 1008, 1009, 1011, 1012, 1013, 1015])
def test_a_bot_that_crashes_fails_with_its_code_st16_st32(code: int) -> None:
    result = finished(Script().talking().feed(Closed(code, "", "network", queued_ms=500)))
    assert (result.status, result.disconnected_by) == ("failed", "bot")
    assert result.error.startswith(str(code))
    kind = finished(Script(abnormal_close="completed").talking().feed(Closed(code, "", "bot")))
    assert (kind.status, kind.error) == ("completed", result.error)


def test_an_application_code_completes_and_is_told_st16_as165() -> None:
    result = finished(Script().talking().feed(Closed(4400, "first message", "bot")))
    assert (result.status, result.disconnected_by) == ("completed", "bot")
    assert result.error == "4400 an application code of the bot, 'first message'"


def test_a_close_of_our_own_is_nobodys_as155_as167() -> None:
    result = finished(Script().talking().feed(Closed(1009, "", "us")))
    assert (result.status, result.disconnected_by) == ("failed", "NA")
    assert result.error.startswith("1009")


def test_a_farewell_is_heard_to_its_end_st33() -> None:
    script = Script().talking()
    assert script.feed(Closed(1000, "", "bot", queued_ms=900)) == [Drain()]
    result = finished(script.feed(Drained()))
    assert (result.status, result.disconnected_by) == ("completed", "bot")


def test_a_long_farewell_is_cut_after_two_seconds_st33() -> None:
    script = Script().talking()
    script.feed(Closed(1000, "", "bot", queued_ms=9_000))
    assert script.wait(1_999) == []
    outputs = script.wait(1)
    assert outputs[0] == DropQueue()
    assert finished(outputs).status == "completed"


def test_draining_can_be_switched_off_st33() -> None:
    outputs = Script(drain_on_close_ms=0).talking().feed(Closed(1000, "", "bot", queued_ms=900))
    assert outputs[0] == DropQueue()
    assert finished(outputs).status == "completed"


def test_a_bot_stop_drains_then_closes_st17_as116() -> None:
    script = Script().talking()
    assert script.feed(BotSaid('{"event":"stop"}')) == [Drain()]
    close, end = script.feed(Drained())
    assert close == CloseSocket(1000, "")
    assert finished([end]).disconnected_by == "bot"


def test_a_bot_stop_is_limited_to_two_seconds_st17() -> None:
    script = Script().talking()
    script.feed(BotSaid('{"event":"stop"}'))
    assert script.wait(2_000)[:2] == [DropQueue(), CloseSocket(1000, "")]


@pytest.mark.parametrize("settings", [{"on_bot_stop": "flush"}, {"drain_on_close_ms": 0}])
def test_a_bot_stop_flushes_by_setting_as116(settings: dict[str, Any]) -> None:
    outputs = Script(**settings).talking().feed(BotSaid('{"event":"stop"}'))
    assert outputs[:2] == [DropQueue(), CloseSocket(1000, "")]
    assert finished(outputs).status == "completed"


def test_a_bot_that_says_stop_and_closes_is_still_drained_as116() -> None:
    script = Script().talking()
    script.feed(BotSaid('{"event":"stop"}'))
    assert script.feed(Closed(1000, "", "bot", queued_ms=700)) == []
    assert [type(output) for output in script.feed(Drained())] == [StreamFinished]
    other = Script().talking()
    other.feed(BotSaid('{"event":"stop"}'))
    assert finished(other.feed(Closed(1000, "", "bot"))).status == "completed"


@pytest.mark.parametrize(("happening", "code"), [(CallerGone(), 1000), (ShutDown(), 1001)])
def test_whoever_leaves_while_the_bot_drains_does_not_change_the_result(
    happening: StreamInput, code: int
) -> None:
    script = Script().talking()
    script.feed(BotSaid('{"event":"stop"}'))
    assert script.feed(happening) == [CloseSocket(code, ""), DropQueue()]
    assert finished(script.feed(Closed(1000, "", "us"))).disconnected_by == "bot"
    closed = Script().talking()
    closed.feed(Closed(1000, "", "bot", queued_ms=700))
    assert [type(o) for o in closed.feed(happening)] == [DropQueue, StreamFinished]


def test_a_flow_that_moves_on_while_the_bot_drains_does_not_wait() -> None:
    script = Script().talking()
    script.feed(BotSaid('{"event":"stop"}'))
    outputs = script.feed(StopRequested("moved on"))
    assert [type(o) for o in outputs] == [CloseSocket, DropQueue, StreamFinished]


# ST-20 to ST-22 are the flow's: it has one result, once, with what Passthru reports.


def test_the_result_has_what_passthru_reports_st20_st21_st22_st30() -> None:
    outputs = Script().talking().feed(Closed(1000, "", "bot"))
    assert finished(outputs) == StreamResult(
        status="completed",
        disconnected_by="bot",
        duration_s=0,
        url=SHOWN,
        why="the bot closed the stream: 1000 a regular end",
    )


# ST-40 to ST-45: the unidirectional fork is the same machine without a voice.


def test_a_fork_gives_the_bot_no_digits_and_no_say_st41_st42_as4() -> None:
    script = Script(two_way=False)
    assert not connected(script.feed(Begin())).plan.two_way
    script.feed(Opened())
    assert script.feed(DigitPressed("1", 100)) == []
    assert script.feed(BotSaid('{"event":"stop"}')) == []
    assert stop_reason(script.feed(StopRequested("Stop applet"))) == "stopped"


# Warnings.


def test_echoes_are_tolerated_and_strange_messages_told_once_as106_as115() -> None:
    script = Script().talking()
    assert script.feed(BotSaid('{"event":"connected"}')) == []
    (warning,) = script.feed(BotSaid('{"event":"hangup"}'))
    assert isinstance(warning, Warn)
    assert "'hangup'" in warning.text
    assert script.feed(BotSaid('{"event":"hangup"}')) == []
    assert len(script.feed(BotSaid("hello"))) == 1
    told = [script.feed(BotSaid(f'{{"event":"e{n}"}}')) for n in range(40)]
    assert sum(map(len, told)) == 14


def test_payloads_that_the_hosted_platform_dislikes_are_told_once_as156() -> None:
    counters = Counters(100, 90, 80, 1, 40)
    outputs = Script().talking().feed(Closed(1000, "", "bot", 0, counters))
    texts = [output.text for output in outputs if isinstance(output, Warn)]
    assert len(texts) == 4
    assert texts[0].startswith("90 of the bot's 100 media payloads are below 3200 bytes")
    lenient = Script(chunk_policy="lenient").talking()
    outputs = lenient.feed(Closed(1000, "", "bot", 0, counters))
    assert not any(isinstance(output, Warn) for output in outputs)
    fine = Script().talking().feed(Closed(1000, "", "bot", 0, Counters(5)))
    assert len(fine) == 2


def test_a_late_close_still_tells_its_warnings_as156() -> None:
    script = Script().talking()
    script.feed(StopRequested("moved on"))
    (warning,) = script.feed(Closed(1000, "", "us", 0, Counters(1, 1)))
    assert isinstance(warning, Warn)


def test_another_stream_sid_is_told_and_by_setting_refused_as114() -> None:
    text = BotSaid('{"event":"stop","streamSid":"other"}')
    lenient = Script().talking()
    warning, drain = lenient.feed(text)
    assert isinstance(warning, Warn)
    assert drain == Drain()
    strict = Script(reject_wrong_stream_sid=True).talking()
    assert [type(output) for output in strict.feed(text)] == [Warn]
    assert strict.feed(text) == []
    assert strict.stream.state is State.ACTIVE
    own = Script(reject_wrong_stream_sid=True).talking()
    assert own.feed(BotSaid(f'{{"event":"stop","stream_sid":"{"s" * 32}"}}')) == [Drain()]


def test_a_format_that_overrules_the_address_is_told_bx1() -> None:
    script = Script("ws://b.example/?sample-rate=16000", media_format="audio/x-mulaw;rate=8000")
    warning, connect = script.feed(Begin())
    assert isinstance(warning, Warn)
    assert "sample-rate=16000 is left aside" in warning.text
    assert isinstance(connect, Connect)


def sample(values: dict[str, Any]) -> BotSampled:
    return BotSampled(json.dumps(values))


def test_the_first_messages_are_looked_at_while_there_is_time_op12_us5() -> None:
    script = Script().talking()
    odd = {"event": "media", "streamSid": "s" * 32, "media": {"payload": "AAAA"}}
    (warning,) = script.feed(sample(odd))
    assert isinstance(warning, Warn)
    assert warning.text.endswith("not documented (US-5)")
    assert script.feed(sample(odd)) == []
    assert script.feed(sample({"event": "clear"})) == []
    assert script.feed(sample({"event": "hangup"})) == [], "it comes as BotSaid too"


def test_binary_frames_and_texts_that_are_no_messages_are_told_op12_as5() -> None:
    script = Script().talking()
    told = script.feed(BotSampled("", is_binary=True))
    assert [warning.about for warning in told if isinstance(warning, Warn)] == ["AS-5", "AS-115"]


def test_audio_of_another_rate_is_told_once_op12_us3() -> None:
    script = Script().talking()
    told = []
    for second in range(20):
        script.now_ms += 1_000
        told += script.feed(BotPaced(second * 32_000))
    (warning,) = told
    assert isinstance(warning, Warn)
    assert "is it 16-bit PCM at 16000 Hz?" in warning.text


def test_a_lenient_bot_is_not_looked_at_as156() -> None:
    script = Script(chunk_policy="lenient").talking()
    assert script.feed(BotSampled("x")) == []
    assert script.feed(BotPaced(1)) == []


# Marks and clears (OP-7).


def sent(outputs: list[StreamOutput]) -> list[dict[str, Any]]:
    texts = [output.text for output in outputs if isinstance(output, SendText)]
    return [json.loads(text.replace("\x01", "5")) for text in texts]


def test_marks_and_clears_are_the_audio_paths_by_default_op7() -> None:
    script = Script().talking()
    assert script.feed(MarkReached("a", 20)) == []
    assert script.feed(QueueCleared(20, 400)) == []


def test_marks_say_whether_they_were_heard_by_setting_op7_as128() -> None:
    script = Script(marks_carry_cleared=True, marks_carry_played_ms=True).talking()
    (heard,) = sent(script.feed(MarkReached("a", 20)))
    (lost,) = sent(script.feed(MarkReached("b", 20, cleared=True)))
    assert heard["mark"] == {"name": "a", "played_ms": "20"}
    assert lost["mark"] == {"name": "b", "played_ms": "20", "cleared": True}


def test_a_name_of_a_mark_may_have_a_limit_as117() -> None:
    script = Script(max_mark_chars=3).talking()
    assert sent(script.feed(MarkReached("abc", 0)))[0]["mark"] == {"name": "abc"}
    (warning,) = script.feed(MarkReached("abcd", 0))
    assert isinstance(warning, Warn)
    assert "4 characters; 3 are allowed" in warning.text


def test_a_clear_is_answered_by_setting_op7() -> None:
    script = Script(acknowledge_clear=True).talking()
    (answer,) = sent(script.feed(QueueCleared(640, 1_200)))
    assert answer["cleared"] == {"played_ms": "640", "dropped_ms": "1200"}


def test_what_a_bot_still_hears_while_it_drains_ends_with_its_socket_op7() -> None:
    script = Script(acknowledge_clear=True, max_mark_chars=9).talking()
    script.feed(BotSaid('{"event":"stop"}'))
    assert len(sent(script.feed(MarkReached("a", 20)))) == 1
    assert len(sent(script.feed(QueueCleared(20, 0)))) == 1
    script.feed(Closed(1000, "", "bot", queued_ms=300))
    assert script.feed(MarkReached("b", 20)) == []
    assert script.feed(QueueCleared(20, 0)) == []


# The machine itself.


def test_a_second_begin_is_refused_and_strays_are_counted() -> None:
    script = Script()
    script.feed(Begin())
    with pytest.raises(CommandError):
        script.feed(Begin())
    assert script.feed(Drained()) == []
    assert script.feed(BotSaid("x")) == []
    assert script.stream.ignored == 2
    assert script.wait(5) == []


happenings: st.SearchStrategy[StreamInput | int] = st.sampled_from(
    [
        Resolved(200, "", b'{"url":"ws://b.example"}'),
        Resolved(404, "", b""),
        ResolveFailed("x"),
        Opened(),
        OpenFailed("tcp"),
        OpenFailed("aborted"),
        Activated(),
        BotSaid('{"event":"stop"}'),
        BotSaid('{"event":"hangup"}'),
        BotSaid('{"event":"transfer","transfer":{"to":"911"}}'),
        BotSaid("x"),
        SilenceHeard(2_000),
        DigitPressed("1", 100),
        MarkReached("m", 20, cleared=True),
        QueueCleared(20, 40),
        Drained(),
        Closed(1000, "", "bot"),
        Closed(1000, "", "bot", 300, Counters(1, 1)),
        Closed(1011, "", "bot"),
        CallerGone(),
        StopRequested("x"),
        ShutDown(),
        100,
        5_000,
        11_000,
    ]
)


everything_on = {
    "reconnect_attempts": 3,
    "fallback_url": "ws://second.example",
    "hold_audio": "/hold.wav",
    "control_events": True,
    "silence_timeout_ms": 2_000,
    "acknowledge_clear": True,
    "marks_carry_cleared": True,
}


@given(
    st.sampled_from([URL, "https://hooks.example.net", "ftp://x"]),
    st.booleans(),
    st.sampled_from([{}, everything_on]),
    st.lists(happenings),
)
def test_whatever_happens_the_end_is_told_once_and_nothing_starts_after_it(
    url: str, is_early: bool, settings: dict[str, Any], bad_night: list[StreamInput | int]
) -> None:
    script = Script(url, **settings)
    steps = [script.feed(Begin(is_early=is_early))]
    for happening in bad_night:
        if isinstance(happening, int):
            steps.append(script.wait(happening))
        else:
            steps.append(script.feed(happening))
    steps += [script.feed(CallerGone()), script.wait(10_000)]
    outputs = [output for step in steps for output in step]
    ends = [at for at, output in enumerate(outputs) if isinstance(output, StreamFinished)]
    assert len(ends) == 1
    assert all(isinstance(output, Warn) for output in outputs[ends[0] + 1 :])
    assert script.stream.state is State.ENDED
    assert script.stream.wake_at_ms is None


def test_every_state_but_the_last_has_a_way_to_the_end() -> None:
    reach = {State.ENDED}
    for _ in pairwise(State):
        reach |= {state for (state, _), (_, targets) in MOVES.items() if reach & set(targets)}
    assert reach == set(State)
