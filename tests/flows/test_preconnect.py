"""A voicebot that is reached while its call still rings (OP-6, AS-51), with the real call."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.calls import effects
from agentstream.calls.causes import Cause, Party
from agentstream.calls.events import (
    AppletEntered,
    AppletLeft,
    CallAnswered,
    CallHungUp,
    StreamHeld,
    StreamOpened,
)
from agentstream.calls.reports import StreamHeld as Held
from agentstream.calls.reports import StreamOutcome
from agentstream.flows.advice import advise
from agentstream.flows.document import FlowDocument, parse
from agentstream.testing.calls import CALL, LEG
from agentstream.testing.journeys import World

BY_BOT = StreamOutcome("completed", "bot", duration_s=41)
NOT_REACHED = StreamOutcome("failed", "NA", error="3009 failed to establish ws conn: tcp")


def flow(**fields: str) -> FlowDocument:
    """Return a flow whose bot is reached ahead, and something behind each exit that is named."""
    wired = "".join(f", {name}: {to}" for name, to in fields.items())
    return parse(f"""
name: ahead
start: talk
applets:
  talk: {{type: voicebot, url: "wss://bot.example/ws", preconnect_ms: 4000{wired}}}
  sorry: {{type: greeting, text: "Sorry"}}
  after: {{type: passthru, url: "https://crm.example/after", mode: async}}
""")


def ringing(document: FlowDocument | None = None) -> World:
    world = World(document or flow(on_failure="sorry", next="after"))
    world.ring()
    assert started(world).is_early
    return world


def started(world: World) -> effects.StartStream:
    [effect] = [each for each in world.story if isinstance(each, effects.StartStream)]
    return effect


def connect(world: World) -> None:
    world.happens(Held(started(world).stream_sid))


def kinds(world: World) -> list[type]:
    """Return what was done and told, without what the flow tells of its applets."""
    return [type(each) for each in world.story if not isinstance(each, AppletEntered | AppletLeft)]


def answers(world: World) -> int:
    return sum(isinstance(each, effects.AnswerLeg) for each in world.story)


def test_it_rings_until_the_bot_is_there_and_the_bot_begins_with_the_answer_op_6_as_51() -> None:
    world = ringing()
    assert kinds(world)[1] is effects.RingLeg
    world.wait(3_000)
    assert answers(world) == 0
    connect(world)
    assert world.story[-2:] == [
        StreamHeld(CALL, LEG, started(world).stream_sid),
        effects.AnswerLeg(LEG),
    ]
    world.answer()
    assert world.story[-2:] == [
        CallAnswered(CALL, LEG),
        effects.ActivateStream(started(world).stream_sid),
    ]
    world.open_stream()
    assert isinstance(world.story[-1], StreamOpened)
    world.wait(60_000)
    world.end_stream(BY_BOT)
    assert [each.to for each in world.story if isinstance(each, AppletLeft)] == ["after", ""]
    assert answers(world) == 1


def test_a_bot_that_is_slow_keeps_nobody_ringing_longer_than_was_said_op_6() -> None:
    world = ringing()
    world.wait(3_999)
    assert answers(world) == 0
    world.wait(1)
    world.answer()
    assert isinstance(world.story[-1], effects.ActivateStream), "it begins when it is connected"
    connect(world)
    world.wait(60_000)
    assert answers(world) == 1


def test_a_bot_that_comes_while_the_answer_is_on_its_way_changes_nothing_op_6() -> None:
    world = ringing()
    world.wait(4_000)
    connect(world)
    world.answer()
    assert answers(world) == 1


def test_without_the_bot_the_call_is_answered_for_what_follows_the_failure_op_6() -> None:
    world = ringing()
    world.end_stream(NOT_REACHED)
    assert world.story[-1] == effects.AnswerLeg(LEG)
    world.answer()
    [_, sorry] = [each.applet for each in world.story if isinstance(each, AppletEntered)]
    assert sorry == "sorry"
    assert isinstance(world.story[-1], effects.PlayPrompt)


def test_a_bot_that_is_lost_while_the_answer_is_on_its_way_is_a_failure_too_op_6() -> None:
    world = ringing()
    connect(world)
    world.end_stream(NOT_REACHED)
    world.answer()
    assert answers(world) == 1
    assert isinstance(world.story[-1], effects.PlayPrompt)


def test_where_nothing_follows_a_call_without_its_bot_is_refused_unanswered_op_6() -> None:
    world = ringing(flow())
    world.end_stream(NOT_REACHED)
    assert answers(world) == 0
    [refused] = [each for each in world.story if isinstance(each, effects.RejectLeg)]
    assert refused.cause is Cause.STREAM_FAILED
    world.obey()
    assert world.record_of_end.record.status == "failed"


def test_a_caller_who_gives_up_ends_the_stream_and_is_not_answered_op_6() -> None:
    world = ringing()
    world.end_leg()
    assert isinstance(world.story[-1], effects.EndStream)
    world.wait(4_500)
    world.obey()
    world.answer_requests()
    assert answers(world) == 0
    assert world.record_of_end.record.cause is Cause.CANCELED


def test_a_later_voicebot_is_an_ordinary_one_op_6() -> None:
    document = parse("""
name: later
start: hello
applets:
  hello: {type: greeting, text: "Hello", next: talk}
  talk: {type: voicebot, url: "wss://bot.example/ws", preconnect_ms: 4000}
""")
    world = World(document)
    world.ring()
    world.answer()
    world.end_prompt()
    assert not started(world).is_early
    assert effects.RingLeg(LEG) not in world.story
    [advice] = [each for each in advise(document) if each.code == "answered-before"]
    assert (advice.applet, advice.field) == ("talk", "preconnect_ms")


@pytest.mark.parametrize("exits", [{}, {"on_failure": "sorry", "next": "after"}])
@given(acts=st.lists(st.sampled_from(["connect", "late", "answer", "fail", "close", "gone"])))
def test_whatever_happens_while_it_rings_nothing_is_left_op_6(
    exits: dict[str, str], acts: list[str]
) -> None:
    world = ringing(flow(**exits))
    for act in acts:
        if world.watch.ended:
            break
        match act:
            case "connect":
                connect(world)
            case "late":
                world.wait(4_000)
            case "answer" if answers(world):
                world.answer()
            case "fail":
                world.end_stream(NOT_REACHED)
            case "close":
                world.end_stream(BY_BOT)
            case "gone" if LEG in world.watch.legs:
                world.end_leg()
            case _:
                pass
    world.hang_up(Cause.NORMAL, Party.CALLER)
    world.obey()
    assert world.watch.ended
    assert answers(world) <= 1
    assert sum(isinstance(each, CallHungUp) for each in world.story) == 1
