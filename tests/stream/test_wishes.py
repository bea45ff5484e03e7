"""What a bot asks of its call, and what it hears of a silent caller: OP-1, BX-4, BX-5."""

import json
from typing import Any

import pytest

from agentstream.stream.happenings import (
    Begin,
    BotPaced,
    BotSaid,
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
    RateSet,
    SendText,
    SetRate,
    ShutDown,
    SilenceHeard,
    SoundKey,
    StopRequested,
    StreamFinished,
    StreamInput,
    Warn,
    WatchSilence,
    Wish,
)
from agentstream.stream.life import MARKS_KEPT, State
from agentstream.stream.wishes import ASKS_LIMIT
from agentstream.testing.bot_streams import (
    StreamScript,
    result_of,
    said,
    sent,
    state_of,
    stream,
    talking,
)

HANG_UP = Wish("hangup")
OPENING = (Begin(), Opened())


def controlled(**settings: Any) -> StreamScript:
    return talking(control_events=True, **settings)


def ack_of(script: StreamScript) -> dict[str, Any]:
    (message,) = sent(script)
    ack: dict[str, Any] = message["ack"]
    return ack


# Hanging up.


def test_a_bot_hangs_up_at_once_op_1() -> None:
    script = controlled()
    script.feed(said("hangup", id="7", drain=False))
    ack = script.take(SendText)
    assert '"status":"accepted"' in ack.text
    script.expect(HANG_UP)
    script.expect_nothing()
    assert state_of(script) is State.ACTIVE, "the call ends the stream"


@pytest.mark.parametrize("end", [StopRequested("the call was hung up"), CallerGone()])
def test_the_end_of_a_call_that_its_bot_hung_up_is_the_bots_op_1_cx_14(end: StreamInput) -> None:
    script = controlled()
    script.feed(said("hangup", drain=False))
    script.take_all()
    script.feed(end)
    close = script.take(CloseSocket)
    assert '"reason":"stopped"' in (close.last_text or "")
    if isinstance(end, CallerGone):
        script.feed(Closed(1000, "", "us"))
    result = result_of(script)
    assert (result.status, result.disconnected_by) == ("completed", "bot")
    assert result.why == "the bot asked to hang up"


def test_a_farewell_is_heard_before_the_hang_up_op_1() -> None:
    script = controlled()
    script.feed(said("hangup"))
    script.take(SendText)
    script.expect(Drain())
    script.wait(29_999)
    script.feed(MarkReached("x", 400))
    script.expect_nothing()
    script.feed(Drained())
    script.expect(HANG_UP)


def test_a_hang_up_may_wait_for_a_mark_op_1() -> None:
    script = controlled()
    script.feed(said("hangup", after_mark="bye"))
    assert ack_of(script)["status"] == "accepted"
    script.feed(MarkReached("other", 100), Drained())
    script.expect_nothing()
    script.feed(MarkReached("bye", 900))
    script.expect(HANG_UP)
    script.feed(MarkReached("bye", 900))
    script.expect_nothing()


def test_a_mark_that_has_come_back_already_is_not_waited_for_op_1() -> None:
    script = controlled()
    script.feed(MarkReached("bye", 900), said("hangup", after_mark="bye"))
    script.skip_to(Wish)
    old = controlled()
    old.feed(MarkReached("bye", 900))
    old.feed(*(MarkReached(str(n), 900) for n in range(MARKS_KEPT)))
    old.feed(said("hangup", after_mark="bye"))
    old.take(SendText)
    old.expect_nothing()


def test_a_farewell_has_a_limit_op_1() -> None:
    script = controlled(hangup_wait_ms=5_000)
    script.feed(said("hangup", after_mark="never"))
    script.take_all()
    script.wait(4_999)
    script.expect_nothing()
    script.wait(1)
    script.expect(HANG_UP)
    script.wait(10_000)
    script.expect_nothing()


def test_the_limit_of_the_stream_comes_before_a_long_farewell_as_48() -> None:
    script = controlled(max_seconds=10)
    script.feed(said("hangup", after_mark="never"))
    script.take_all()
    script.wait(10_000)
    result = result_of(script)
    assert (result.disconnected_by, "limit of 10 s" in result.why) == ("NA", True)


def test_a_bot_that_says_hangup_and_closes_hangs_up_when_all_was_heard_op_1() -> None:
    script = controlled()
    script.feed(said("hangup", after_mark="bye"), Closed(1000, "", "bot", queued_ms=8_000))
    script.skip_to(Drain)
    script.wait(9_000)
    script.expect_nothing()
    script.feed(Drained())
    script.expect(HANG_UP)
    assert script.take(StreamFinished).result.disconnected_by == "bot"


def test_a_bot_that_crashes_in_its_farewell_has_hung_up_all_the_same_op_1() -> None:
    script = controlled()
    script.feed(said("hangup"), Closed(1011, "", "bot", queued_ms=8_000))
    script.skip_to(DropQueue)
    script.expect(HANG_UP)
    assert script.take(StreamFinished).result.status == "failed"


def test_whoever_else_ends_the_farewell_ends_the_stream_op_1() -> None:
    script = controlled()
    script.feed(said("hangup"), CallerGone(), Closed(1000, "", "us"))
    assert HANG_UP not in script.take_all()
    other = controlled()
    other.feed(said("hangup"), ShutDown(), Closed(1001, "", "us"))
    assert HANG_UP not in other.take_all()


# Transfers and keys.


def test_a_transfer_is_passed_on_and_the_stream_then_ends_by_the_bot_op_1_st_51() -> None:
    script = controlled()
    script.feed(said("transfer", to="+14155550100", id=1))
    script.take(SendText)
    script.expect(Wish("transfer", "+14155550100"))
    script.feed(StopRequested("the flow moved on"))
    result = result_of(script)
    assert (result.status, result.disconnected_by) == ("completed", "bot")
    assert result.why == "the bot asked for a transfer"


def test_a_caller_who_leaves_before_a_transfer_is_the_one_who_left_op_1() -> None:
    script = controlled()
    script.feed(said("transfer", flow="night"))
    assert Wish("transfer", "flow:night") in script.take_all()
    script.feed(CallerGone(), Closed(1000, "", "us"))
    assert '"callended"' in (script.take(CloseSocket).last_text or "")
    assert result_of(script).disconnected_by == "user"


def test_keys_are_passed_on_op_1() -> None:
    script = controlled()
    script.feed(said("send_dtmf", digits="12#"))
    script.take(SendText)
    script.expect(Wish("send_dtmf", "12#"))


def test_a_change_of_rate_is_answered_by_the_audio_path_when_it_happens_op_1() -> None:
    script = controlled()
    script.feed(said("set_rate", id="r", sample_rate=16000))
    change = script.take(SetRate)
    assert change.rate_hz == 16_000
    assert json.loads(change.text.replace("\x01", "5"))["ack"] == {
        "event": "set_rate",
        "id": "r",
        "status": "accepted",
    }
    script.feed(said("set_rate", sample_rate="24000"))
    assert "waits for what is queued" in ack_of(script)["reason"]
    script.feed(RateSet(16_000))
    for second in range(6):
        script.wait(1_000)
        script.feed(BotPaced(second * 32_000))
    script.expect_nothing()
    script.feed(said("set_rate", sample_rate="24000"))
    assert script.take(SetRate).rate_hz == 24_000


def test_a_change_of_rate_is_not_for_mulaw_op_1_as_144() -> None:
    script = controlled(media_format="audio/x-mulaw;rate=8000")
    script.feed(said("set_rate", sample_rate=16000))
    assert ack_of(script)["reason"] == "µ-law is always at 8000 Hz"


def test_a_bot_that_comes_back_begins_at_the_first_rate_op_1_op_10() -> None:
    script = controlled(reconnect_attempts=1)
    script.feed(said("set_rate", sample_rate=16000), Closed(1011, "", "bot"))
    script.wait(500)
    assert script.skip_to(Connect).plan.rate_hz == 8_000
    script.feed(Opened(), said("set_rate", sample_rate=16000))
    script.skip_to(SetRate)


def test_nothing_but_keys_is_accepted_while_the_call_is_being_hung_up_op_1() -> None:
    for first in (said("hangup"), said("hangup", drain=False)):
        script = controlled()
        script.feed(first)
        script.take_all()
        for wish in (said("hangup"), said("transfer", to="911")):
            script.feed(wish)
            assert ack_of(script)["reason"] == "the call is being hung up"
        script.feed(said("send_dtmf", digits="1"))
        assert Wish("send_dtmf", "1") in script.take_all()


def test_a_wrong_control_event_is_refused_with_its_reason_op_1() -> None:
    script = controlled()
    script.feed(said("transfer", id="t", to="nobody"))
    ack = ack_of(script)
    assert (ack["event"], ack["id"], ack["status"]) == ("transfer", "t", "refused")
    assert ack["reason"].startswith("transfer.to")


def test_control_events_have_a_limit_op_1() -> None:
    script = controlled()
    script.feed(*(said("send_dtmf", digits="1") for _ in range(ASKS_LIMIT)))
    assert Wish("send_dtmf", "1") in script.take_all()
    for wish in (said("send_dtmf", digits="1"), said("hangup"), said("transfer", to="911")):
        script.feed(wish)
        assert ack_of(script)["reason"] == f"a stream has at most {ASKS_LIMIT} control events"


def test_without_the_setting_a_control_event_is_told_once_with_the_way_to_it_op_12() -> None:
    script = talking()
    script.feed(said("hangup"), said("hangup"), said("other"))
    hint, plain = (answer.text for answer in script.take_all() if isinstance(answer, Warn))
    assert hint.endswith("'hangup'; the setting control_events allows it")
    assert "control_events" not in plain


def test_a_fork_has_no_control_events_op_1_st_42() -> None:
    script = talking(two_way=False, control_events=True)
    script.feed(said("hangup"))
    script.expect_nothing()


# Silence.


def test_a_silent_caller_is_told_to_the_bot_bx_4() -> None:
    script = talking(silence_timeout_ms=2_000)
    script.feed(SilenceHeard(2_000))
    (message,) = sent(script)
    assert message["silence"] == {"duration": "2000"}
    script.feed(SilenceHeard(500))
    script.expect_nothing()
    script.feed(StopRequested("moved on"))
    answers = script.take_all()
    assert answers[-2] == WatchSilence(0)
    assert isinstance(answers[-1], StreamFinished)


def test_the_leg_is_watched_from_the_start_and_only_if_asked_bx_4() -> None:
    for settings, two_way, watches in (
        ({"silence_timeout_ms": 2_000}, True, [WatchSilence(2_000)]),
        ({"silence_timeout_ms": 2_000}, False, []),
        ({}, True, []),
    ):
        script = stream(two_way=two_way, **settings)  # type: ignore[arg-type]
        script.feed(*OPENING)
        watched = [answer for answer in script.take_all() if isinstance(answer, WatchSilence)]
        assert watched == watches
        script.feed(SilenceHeard(9_000))
        assert bool(script.take_all()) == bool(watches)


def test_a_silent_caller_may_be_hung_up_on_bx_4() -> None:
    script = talking(silence_timeout_ms=2_000, silence_action="hangup")
    script.feed(SilenceHeard(2_000))
    script.expect(HANG_UP)
    script.feed(StopRequested("the call was hung up"))
    result = result_of(script)
    assert (result.disconnected_by, result.why) == ("bot", "the caller was silent for 2000 ms")


# Keys of the caller.


@pytest.mark.parametrize("handling", ["suppress", "hide"])
def test_keys_may_be_kept_from_the_bot_bx_5_ex_43(handling: str) -> None:
    script = talking(dtmf_handling=handling)
    script.feed(DigitPressed("5", 100))
    script.expect_nothing()


def test_keys_may_be_tones_in_the_audio_and_those_that_are_stay_so_bx_5() -> None:
    script = talking(dtmf_handling="passthrough")
    script.feed(DigitPressed("5", 100))
    script.expect(SoundKey("5", 100))
    script.feed(DigitPressed("6", 100, in_audio=True))
    script.expect_nothing()


def test_a_bot_that_stops_may_still_be_waited_for_op_1() -> None:
    script = controlled()
    script.feed(said("hangup", after_mark="bye"), BotSaid('{"event":"stop"}'))
    script.skip_to(Drain)
    script.feed(MarkReached("bye", 900))
    script.expect_nothing()
    script.feed(Drained())
    script.expect(CloseSocket(1000, ""), HANG_UP)
    assert script.take(StreamFinished).result.disconnected_by == "bot"
