"""Who ends a stream, how, and what is told of it: ST-13 to ST-22, ST-30 to ST-33."""

from typing import Any

import pytest

from agentstream.stream.happenings import (
    BotSaid,
    CallerGone,
    Closed,
    CloseSocket,
    Drain,
    Drained,
    DropQueue,
    ShutDown,
    StopRequested,
    StreamFinished,
    StreamInput,
    StreamResult,
)
from agentstream.testing.bot_streams import URL, Steps, finished, stop_reason


def test_a_caller_who_hangs_up_is_told_before_the_close_st13_as100() -> None:
    script = Steps().talking()
    script.wait(41_900)
    outputs = script.feed(CallerGone())
    assert outputs[1:] == [DropQueue()]
    assert stop_reason(outputs) == "callended"
    assert script.feed(CallerGone()) == []
    result = finished(script.feed(Closed(1000, "", "us")))
    assert (result.status, result.disconnected_by, result.duration_s) == ("cancelled", "user", 41)


def test_a_bot_that_does_not_reply_to_the_close_is_left_after_five_seconds_as100() -> None:
    script = Steps().talking()
    script.feed(CallerGone())
    assert script.wait(4_999) == []
    assert finished(script.wait(1)).status == "cancelled"
    assert script.feed(Closed(1006, "", "network")) == []


def test_the_limit_of_an_hour_stops_and_completes_st14_st31_as48() -> None:
    script = Steps().talking()
    assert script.wait(3_599_999) == []
    outputs = script.wait(1)
    assert stop_reason(outputs) == "stopped"
    assert DropQueue() in outputs
    result = finished(outputs)
    assert (result.status, result.disconnected_by, result.duration_s) == ("completed", "NA", 3600)
    assert "limit of 3600 s" in result.why


def test_a_stop_by_the_flow_completes_without_waiting_st14() -> None:
    outputs = Steps().talking().feed(StopRequested("stopped over the API"))
    assert stop_reason(outputs) == "stopped"
    assert finished(outputs).why == "stopped over the API"


def test_a_shutdown_closes_with_1001_st18() -> None:
    script = Steps().talking()
    outputs = script.feed(ShutDown())
    assert stop_reason(outputs) == "stopped"
    assert isinstance(outputs[0], CloseSocket)
    assert outputs[0].code == 1001
    assert finished(script.wait(5_000)).status == "completed"


@pytest.mark.parametrize("code", [1000, 1001, 1005])
def test_a_bot_that_closes_completes_st15_st30(code: int) -> None:
    script = Steps().talking()
    script.wait(2_500)
    outputs = script.feed(Closed(code, "bye", "bot"))
    assert outputs[0] == DropQueue()
    result = finished(outputs)
    assert (result.status, result.disconnected_by, result.error) == ("completed", "bot", "")
    assert result.duration_s == 2


@pytest.mark.parametrize("code", [1002, 1003, 1006, 1007, 1008, 1009, 1011, 1012, 1013, 1015])
def test_a_bot_that_crashes_fails_with_its_code_st16_st32(code: int) -> None:
    result = finished(Steps().talking().feed(Closed(code, "", "network", queued_ms=500)))
    assert (result.status, result.disconnected_by) == ("failed", "bot")
    assert result.error.startswith(str(code))
    kind = finished(Steps(abnormal_close="completed").talking().feed(Closed(code, "", "bot")))
    assert (kind.status, kind.error) == ("completed", result.error)


def test_an_application_code_completes_and_is_told_st16_as165() -> None:
    result = finished(Steps().talking().feed(Closed(4400, "first message", "bot")))
    assert (result.status, result.disconnected_by) == ("completed", "bot")
    assert result.error == "4400 an application code of the bot, 'first message'"


def test_a_close_of_our_own_is_nobodys_as155_as167() -> None:
    result = finished(Steps().talking().feed(Closed(1009, "", "us")))
    assert (result.status, result.disconnected_by) == ("failed", "NA")
    assert result.error.startswith("1009")


def test_a_farewell_is_heard_to_its_end_st33() -> None:
    script = Steps().talking()
    assert script.feed(Closed(1000, "", "bot", queued_ms=900)) == [Drain()]
    result = finished(script.feed(Drained()))
    assert (result.status, result.disconnected_by) == ("completed", "bot")


def test_a_long_farewell_is_cut_after_two_seconds_st33() -> None:
    script = Steps().talking()
    script.feed(Closed(1000, "", "bot", queued_ms=9_000))
    assert script.wait(1_999) == []
    outputs = script.wait(1)
    assert outputs[0] == DropQueue()
    assert finished(outputs).status == "completed"


def test_draining_can_be_switched_off_st33() -> None:
    outputs = Steps(drain_on_close_ms=0).talking().feed(Closed(1000, "", "bot", queued_ms=900))
    assert outputs[0] == DropQueue()
    assert finished(outputs).status == "completed"


def test_a_bot_stop_drains_then_closes_st17_as116() -> None:
    script = Steps().talking()
    assert script.feed(BotSaid('{"event":"stop"}')) == [Drain()]
    close, end = script.feed(Drained())
    assert close == CloseSocket(1000, "")
    assert finished([end]).disconnected_by == "bot"


def test_a_bot_stop_is_limited_to_two_seconds_st17() -> None:
    script = Steps().talking()
    script.feed(BotSaid('{"event":"stop"}'))
    assert script.wait(2_000)[:2] == [DropQueue(), CloseSocket(1000, "")]


@pytest.mark.parametrize("settings", [{"on_bot_stop": "flush"}, {"drain_on_close_ms": 0}])
def test_a_bot_stop_flushes_by_setting_as116(settings: dict[str, Any]) -> None:
    outputs = Steps(**settings).talking().feed(BotSaid('{"event":"stop"}'))
    assert outputs[:2] == [DropQueue(), CloseSocket(1000, "")]
    assert finished(outputs).status == "completed"


def test_a_bot_that_says_stop_and_closes_is_still_drained_as116() -> None:
    script = Steps().talking()
    script.feed(BotSaid('{"event":"stop"}'))
    assert script.feed(Closed(1000, "", "bot", queued_ms=700)) == []
    assert [type(output) for output in script.feed(Drained())] == [StreamFinished]
    other = Steps().talking()
    other.feed(BotSaid('{"event":"stop"}'))
    assert finished(other.feed(Closed(1000, "", "bot"))).status == "completed"


@pytest.mark.parametrize(("happening", "code"), [(CallerGone(), 1000), (ShutDown(), 1001)])
def test_whoever_leaves_while_the_bot_drains_does_not_change_the_result(
    happening: StreamInput, code: int
) -> None:
    script = Steps().talking()
    script.feed(BotSaid('{"event":"stop"}'))
    assert script.feed(happening) == [CloseSocket(code, ""), DropQueue()]
    assert finished(script.feed(Closed(1000, "", "us"))).disconnected_by == "bot"
    closed = Steps().talking()
    closed.feed(Closed(1000, "", "bot", queued_ms=700))
    assert [type(o) for o in closed.feed(happening)] == [DropQueue, StreamFinished]


def test_a_flow_that_moves_on_while_the_bot_drains_does_not_wait() -> None:
    script = Steps().talking()
    script.feed(BotSaid('{"event":"stop"}'))
    outputs = script.feed(StopRequested("moved on"))
    assert [type(o) for o in outputs] == [CloseSocket, DropQueue, StreamFinished]


def test_the_result_has_what_passthru_reports_st20_st21_st22_st30() -> None:
    outputs = Steps().talking().feed(Closed(1000, "", "bot"))
    assert finished(outputs) == StreamResult(
        status="completed",
        disconnected_by="bot",
        duration_s=0,
        url=URL,
        why="the bot closed the stream: 1000 a regular end",
    )
