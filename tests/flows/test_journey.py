"""A call and its flow together: whoever goes, wherever the call is, nothing is left behind."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentstream.base.ids import StreamSid
from agentstream.calls.call import Call
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import OpenStream, StreamSpec
from agentstream.calls.events import AppletEntered, AppletLeft, CallEnded
from agentstream.calls.record import CallLimits
from agentstream.calls.reports import LegEnded, LegOffered, MediaLost, StreamOutcome
from agentstream.flows.direct import DirectBot, bot
from agentstream.flows.document import FlowDocument, parse
from agentstream.flows.journey import Journey
from agentstream.testing.calls import LEG, make_setup
from agentstream.testing.journeys import World

DAY_MS = 86_400_000

SUPPORT = parse("""
name: support
start: welcome
applets:
  welcome: {type: greeting, text: Welcome, skip_on_key: true, next: talk}
  talk: {type: voicebot, url: "wss://bot.example/ws", record: true, next: more, on_failure: sorry}
  more: {type: voicebot, url: "wss://bot.example/2", on_stream_failure: hangup, next: welcome}
  sorry: {type: greeting, audio: sorry.wav, interruptible: true, next: bye}
  bye: {type: hangup}
""")


BY_BOT = StreamOutcome("completed", "bot")
REFUSED = StreamOutcome("failed", error="3009 refused")

# The ways to every state of every applet, one step after the other.
WAYS: dict[str, list[Callable[[World], None]]] = {
    "ringing": [World.ring],
    "greeting plays": [World.ring, World.answer],
    "bot is being reached": [World.ring, World.answer, World.end_prompt],
    "bot talks": [World.ring, World.answer, World.end_prompt, World.open_stream],
    "bot talked, recording is written": [
        World.ring,
        World.answer,
        World.end_prompt,
        World.open_stream,
        lambda world: world.end_stream(BY_BOT),
    ],
    "second bot talks": [
        World.ring,
        World.answer,
        World.end_prompt,
        World.open_stream,
        lambda world: world.end_stream(BY_BOT),
        World.open_stream,
    ],
    "failure is explained": [
        World.ring,
        World.answer,
        World.end_prompt,
        lambda world: world.end_stream(REFUSED),
    ],
    "hung up, not yet gone": [
        World.ring,
        World.answer,
        World.end_prompt,
        lambda world: world.end_stream(REFUSED),
        World.end_prompt,
    ],
}

ENDS: dict[str, Callable[[World], None]] = {
    "the caller hangs up": World.end_leg,
    "the network loses the caller": lambda world: world.end_leg(
        Cause.SIGNALLING_LOST, Party.NETWORK
    ),
    "an operator hangs up": lambda world: world.hang_up(Cause.NORMAL, Party.OPERATOR),
    "the server drains": lambda world: world.hang_up(Cause.DRAINING, Party.SYSTEM),
    "no audio comes": lambda world: world.happens(MediaLost(LEG, 30_000, ever_flowed=False)),
    "nothing happens any more": lambda world: world.wait(DAY_MS),
}


@pytest.mark.parametrize("is_healthy", [True, False])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("way", WAYS)
def test_whoever_ends_the_call_in_whatever_state_nothing_is_left(
    way: str, end: str, is_healthy: bool
) -> None:
    world = World(SUPPORT)
    for step in WAYS[way]:
        world.now_ms += 1000
        step(world)
    ENDS[end](world)
    if is_healthy and world.watch.ended is None:
        world.obey()
        assert world.watch.ended is not None, "a healthy world needs no timer"
    world.wait(DAY_MS)  # an unhealthy one never reports anything
    record = world.record_of_end.record
    assert record.text
    assert world.journey.wake_at_ms is None
    visits = [type(fact) for fact in world.story if isinstance(fact, AppletEntered | AppletLeft)]
    assert visits.count(AppletEntered) == visits.count(AppletLeft)


def test_a_record_says_who_really_ended_the_call() -> None:
    world = World(bot(DirectBot(url="wss://bot.example/ws")))
    for step in (World.ring, World.answer, World.open_stream):
        step(world)
    world.end_stream(BY_BOT)
    world.obey()
    record = world.record_of_end.record
    assert (record.ended_by, record.cause, record.status) == (Party.BOT, Cause.NORMAL, "completed")
    assert record.text == "The bot ended the call as usual."


def test_a_command_that_the_call_refuses_goes_back_to_the_flow() -> None:
    world = World(SUPPORT)
    world.ring()
    world.answer()
    world.happens(OpenStream(LEG, StreamSid("mine"), StreamSpec("wss://api.example/")))
    world.end_prompt()  # the flow comes to its bot, but another speaks to this leg already
    left = [fact for fact in world.story if isinstance(fact, AppletLeft)][-1]
    assert (left.applet, left.to) == ("talk", "sorry")
    assert left.reason == "a bot already speaks to this leg"


def test_without_a_flow_a_call_does_what_it_is_told() -> None:
    call = Call(make_setup(), CallLimits(), 0, awaits_flow=False)
    journey = Journey(call, None)
    journey.receive(LegOffered(LEG), 0)
    assert journey.wake_at_ms == call.wake_at_ms
    assert journey.wake(5) == []
    outputs = journey.receive(LegEnded(LEG, Cause.NORMAL, Party.CALLER), 10)
    assert isinstance(outputs[-1], CallEnded)


DOCUMENTS = st.sampled_from([SUPPORT, bot(DirectBot(url="wss://bot.example/ws", record=True))])
STEPS = st.sampled_from(
    [
        World.ring,
        World.answer,
        World.end_prompt,
        World.open_stream,
        World.end_recording,
        lambda world: world.end_prompt(error="no such file"),
        lambda world: world.end_stream(BY_BOT),
        lambda world: world.end_stream(REFUSED),
        lambda world: world.press("5"),
        lambda world: world.wait(1000),
        lambda world: world.wait(200_000),
        *ENDS.values(),
    ]
)


@settings(max_examples=100, deadline=None)
@given(DOCUMENTS, st.lists(STEPS, max_size=25))
def test_any_course_of_events_ends_once_and_leaves_nothing(
    document: FlowDocument, steps: list[Callable[[World], None]]
) -> None:
    world = World(document)
    for step in steps:
        step(world)
    world.wait(DAY_MS)
    assert world.record_of_end.record.setup == make_setup()
