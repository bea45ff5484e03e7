"""Any documents, any course of the call: it ends once, and nothing of it is left."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from agentstream.calls.causes import Cause, Party
from agentstream.calls.events import AppletEntered, AppletLeft
from agentstream.calls.reports import StreamOutcome
from agentstream.flows.document import parse
from agentstream.testing.journeys import World

DAY_MS = 86_400_000
FLOW = parse(
    "name: documents\nstart: ivr\napplets:\n  ivr: {type: exoml, url: 'https://crm.example/',"
    " fallback_url: 'https://b.example/', next: last}\n  last: {type: greeting, text: Bye}"
)
VERBS = st.sampled_from(
    [
        "<Say>a<break/>b</Say>",
        "<Play loop='0'>a.wav</Play>",
        "<Play digits='1w2'/>",
        "<Gather numDigits='2' action='x'><Say>a</Say><Play>b.wav</Play></Gather>",
        "<Record action='x'/>",
        "<Record playBeep='false' timeout='0'/>",
        "<Dial action='x' record='true' hangupOnStar='true'>100</Dial>",
        "<Dial><Number URL='w' sendDigits='1'>100</Number>"
        "<Number StatusCallback='c'>101</Number></Dial>",
        "<Stream url='wss://b.example/' action='x'/>",
        "<Stream type='unidirectional' url='wss://b.example/'/>",
        "<Redirect>x</Redirect>",
        "<Hangup/>",
        "<Fly/>",
    ]
)
Step = Callable[[World], None]


def reply(verbs: list[str]) -> Step:
    return lambda world: world.answer_requests(body=f"<Response>{''.join(verbs)}</Response>")


STEPS = st.lists(VERBS, max_size=3).map(reply) | st.sampled_from(
    [
        World.end_prompt,
        World.open_stream,
        World.end_recording,
        World.answer_callee,
        World.end_callee,
        lambda world: world.answer_requests(500),
        lambda world: world.end_prompt(error="no such sound"),
        lambda world: world.end_stream(StreamOutcome("completed", "bot")),
        lambda world: world.end_stream(StreamOutcome("failed", error="3009 refused")),
        lambda world: world.press("1"),
        lambda world: world.press("12*#"),
        lambda world: world.wait(1_000),
        lambda world: world.wait(60_000),
        lambda world: world.end_callee(Cause.BUSY),
    ]
)
ENDS = st.sampled_from(
    [World.end_leg, lambda world: world.hang_up(Cause.NORMAL, Party.OPERATOR), World.obey]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=30), ENDS, st.booleans())
def test_any_course_through_documents_ends_once_and_leaves_nothing(
    course: list[Step], end: Step, is_healthy: bool
) -> None:
    world = World(FLOW)
    for step in (World.ring, World.answer, *course):
        world.now_ms += 20
        step(world)
    if world.watch.ended is None:
        end(world)
    if is_healthy and world.watch.ended is None:
        world.obey()
    world.wait(DAY_MS)
    assert world.record_of_end.record.text
    assert world.journey.wake_at_ms is None
    visits = [type(fact) for fact in world.story if isinstance(fact, AppletEntered | AppletLeft)]
    assert visits.count(AppletEntered) == visits.count(AppletLeft)
