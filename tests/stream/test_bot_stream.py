"""The machine of a stream itself: its table of moves, and what holds whatever happens."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.errors import CommandError
from agentstream.stream.bot_stream import MOVES
from agentstream.stream.happenings import (
    Activated,
    Begin,
    BotPaced,
    BotSaid,
    BotSampled,
    CallerGone,
    Closed,
    DigitPressed,
    Drained,
    MarkReached,
    Opened,
    OpenFailed,
    QueueCleared,
    RateSet,
    Resolved,
    ResolveFailed,
    SendText,
    ShutDown,
    SilenceHeard,
    StopRequested,
    StreamFinished,
    StreamInput,
    Warn,
)
from agentstream.stream.life import State
from agentstream.testing.bot_streams import URL, Counted, Steps, connected, stop_reason


def test_a_key_press_is_told_st9() -> None:
    (sent,) = Steps().talking().feed(DigitPressed("5", 120))
    assert isinstance(sent, SendText)
    assert json.loads(sent.text.replace("\x01", "7"))["dtmf"] == {"digit": "5", "duration": "120"}


def test_a_fork_gives_the_bot_no_digits_and_no_say_st41_st42_as4() -> None:
    script = Steps(two_way=False)
    assert not connected(script.feed(Begin())).plan.two_way
    script.feed(Opened())
    assert script.feed(DigitPressed("1", 100)) == []
    assert script.feed(BotSaid('{"event":"stop"}')) == []
    assert stop_reason(script.feed(StopRequested("Stop applet"))) == "stopped"


def test_a_second_begin_is_refused_and_strays_are_counted() -> None:
    script = Steps()
    script.feed(Begin())
    with pytest.raises(CommandError):
        script.feed(Begin())
    assert script.feed(Drained()) == []
    assert script.feed(BotSaid("x")) == []
    assert script.machine.ignored == 2
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
        BotSaid('{"event":"set_rate","set_rate":{"sample_rate":16000}}'),
        BotSaid("x"),
        BotSampled("x"),
        BotPaced(1),
        RateSet(16_000),
        SilenceHeard(2_000),
        DigitPressed("1", 100),
        MarkReached("m", 20, cleared=True),
        QueueCleared(20, 40),
        Drained(),
        Closed(1000, "", "bot"),
        Closed(1000, "", "bot", 300, Counted(1, 1)),
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
    script = Steps(url, **settings)
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
    assert script.machine.state is State.ENDED
    assert script.machine.wake_at_ms is None


def test_every_state_but_the_last_has_a_way_to_the_end() -> None:
    reach = {State.ENDED}
    for _ in pairwise(State):
        reach |= {state for (state, _), (_, targets) in MOVES.items() if reach & set(targets)}
    assert reach == set(State)
