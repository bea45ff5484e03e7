"""Every kind of applet, in each of its states: whoever ends the call there, nothing is left.

A scene is a flow and the way through it, one step after the other. After each step every end is
tried. Whoever adds an applet adds its scenes here.
"""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentstream.base.errors import CommandError
from agentstream.base.ids import StreamSid
from agentstream.calls import effects
from agentstream.calls.causes import Cause, Party
from agentstream.calls.events import AppletEntered, AppletLeft, CallHungUp
from agentstream.calls.record import Direction
from agentstream.calls.reports import BotWished, MediaLost, StreamEnded, StreamOutcome
from agentstream.flows.applets import KINDS
from agentstream.flows.document import parse
from agentstream.flows.engine import FlowState
from agentstream.flows.journey import Redirect
from agentstream.testing.calls import LEG, make_setup
from agentstream.testing.journeys import World

DAY_MS = 86_400_000
BY_BOT = StreamOutcome("completed", "bot")

Step = Callable[[World], None]


def press(digits: str) -> Step:
    return lambda world: world.press(digits)


def reply(body: str, status: int = 200) -> Step:
    return lambda world: world.answer_requests(status, body)


def bot_closes(world: World) -> None:
    world.end_stream(BY_BOT)


def ask_for_somebody(world: World) -> None:
    (stream_sid,) = (
        begun.stream_sid
        for begun in world.watch.running.values()
        if isinstance(begun, effects.StartStream)
    )
    world.happens(BotWished(stream_sid, "transfer", "+919000000009"))


def time_passes(world: World) -> None:
    world.wait(6_000)


# The applet under test is `it`; `last` keeps the call up behind an applet that leaves at once.
LAST = "last: {type: greeting, text: Goodbye}"
SCENES: dict[str, tuple[str, list[Step]]] = {
    "greeting": (
        "it: {type: greeting, text: Hello, record: true, next: last}",
        [World.end_recording, World.end_prompt],
    ),
    "greeting by a server": (
        "it: {type: greeting, url: 'https://crm.example/', fallback_url: 'https://b.example/',"
        " interruptible: true, next: last}",
        [reply("no", 500), reply("Hello"), press("1")],
    ),
    "voicebot": (
        "it: {type: voicebot, url: 'wss://bot.example/', record: true, next: last}",
        [World.open_stream, bot_closes, World.end_recording],
    ),
    "stream": (
        "it: {type: stream, url: 'wss://a.example/', next: more}\n"
        "  more: {type: stream, url: 'wss://b.example/', name: notes, next: hello}\n"
        "  hello: {type: greeting, text: Hello, next: end}\n"
        "  end: {type: stream, action: stop, name: notes, next: talk}\n"
        "  talk: {type: voicebot, url: 'wss://c.example/', next: last}",
        [World.open_stream, World.end_prompt, World.open_stream, bot_closes],
    ),
    "passthru": (
        "it: {type: passthru, url: 'https://crm.example/', hold: {text: Wait}, next: last,"
        " on_302: last}",
        [World.end_prompt, reply("")],
    ),
    "passthru that is redirected": (
        "it: {type: passthru, url: 'https://crm.example/', hold: {text: Wait}, on_302: last}",
        [reply("", 302)],
    ),
    "passthru behind a bot": (
        "talk: {type: voicebot, url: 'wss://bot.example/', next: it}\n"
        "  it: {type: passthru, url: 'https://crm.example/', next: too}\n"
        "  too: {type: passthru, url: 'https://crm.example/', next: last}",
        [World.open_stream, bot_closes, reply(""), reply("")],
    ),
    "passthru that hangs up behind a bot": (
        "talk: {type: voicebot, url: 'wss://bot.example/', next: it}\n"
        "  it: {type: passthru, url: 'https://crm.example/', failure_takes: hangup, next: last}",
        [World.open_stream, bot_closes, reply("")],
    ),
    "passthru in the background": (
        "it: {type: passthru, url: 'https://crm.example/', mode: async, next: last}",
        [reply("")],
    ),
    "switch_case": (
        "ask: {type: passthru, url: 'https://crm.example/', next: it}\n"
        "  it: {type: switch_case, cases: {a: last}, default: last}",
        [reply('{"select": "a"}')],
    ),
    "gather": (
        "it: {type: gather, gather_prompt: {text: Code}, repeat_menu: 1, max_input_digits: 3,"
        " on_digits: last, on_nothing: last}",
        [World.end_prompt, time_passes, press("1"), press("2"), press("3")],
    ),
    "gather by a server": (
        "it: {type: gather, url: 'https://crm.example/', on_digits: last}",
        [press("1"), reply('{"gather_prompt": {"text": "Code"}}'), press("2#")],
    ),
    "ivr_menu": (
        "it: {type: ivr_menu, prompt: {text: Choose}, keys: {'1': last}}",
        [World.end_prompt, press("7"), World.end_prompt, time_passes, press("1")],
    ),
    "condition": ("it: {type: condition, value: x, equals: x, on_true: last}", []),
    "business_hours": (
        "it: {type: business_hours, hours: {mon-sun: ['00:00-24:00']}, on_open: last}",
        [],
    ),
    "sms": (
        "it: {type: sms, provider_url: 'https://sms.example/', text: Hello, next: last}",
        [reply("")],
    ),
    "sms by a server": (
        "it: {type: sms, provider_url: 'https://sms.example/', text_url: 'https://crm.example/',"
        " next: last}",
        [reply("Hello"), reply("")],
    ),
    "email": ("it: {type: email, to: [a@b.example], subject: Hi, text: Hi, next: last}", []),
    "connect": (
        "it: {type: connect, numbers: ['+919000000001'], record: true, whisper_text: Hi,"
        " next: last}",
        [
            World.end_prompt,
            World.answer_callee,
            World.end_prompt,
            World.end_callee,
            World.end_recording,
        ],
    ),
    "connect to whom a server names": (
        "it: {type: connect, url: 'https://crm.example/', parallel: 2, next: last,"
        " popup_url: 'https://crm.example/popup'}",
        [reply("+919000000001,+919000000002"), World.end_callee],
    ),
    "voicebot that transfers": (
        "it: {type: voicebot, url: 'wss://bot.example/', record: true, next: last}",
        [
            World.open_stream,
            ask_for_somebody,
            bot_closes,
            World.end_recording,
            World.answer_callee,
            World.end_callee,
        ],
    ),
    "voicemail": (
        "it: {type: voicemail, text: Speak, webhook_url: 'https://crm.example/', next: last}",
        [World.end_prompt, World.end_prompt, press("#"), World.end_recording],
    ),
    "exoml": (
        "it: {type: exoml, url: 'https://crm.example/', fallback_url: 'https://b.example/',"
        " next: last}",
        [
            reply("no", 500),
            reply(
                "<Response><Say>a</Say><Gather numDigits='2' action='x'><Say>b</Say></Gather>"
                "</Response>"
            ),
            World.end_prompt,
            press("1"),
            press("2"),
            reply("<Response><Record action='y'/></Response>"),
            World.end_prompt,
            press("#"),
            World.end_recording,
            reply(
                "<Response><Dial record='true' action='z'><Number sendDigits='w1'>100</Number>"
                "</Dial></Response>"
            ),
            World.answer_callee,
            World.end_callee,
            World.end_recording,
            reply(
                "<Response><Stream type='unidirectional' url='wss://a.example/'/>"
                "<Stream url='wss://b.example/' action='w'/></Response>"
            ),
            World.open_stream,
            bot_closes,
            reply("<Response><Play digits='1'>a.wav</Play></Response>"),
            time_passes,
            World.end_prompt,
        ],
    ),
    "transfer": ("it: {type: transfer, flow: other, on_failure: last}", []),
    "hangup": ("it: {type: hangup}", []),
}
OTHER = parse("name: other\nstart: hello\napplets:\n  hello: {type: greeting, text: Hello}")

ENDS: dict[str, Step] = {
    "the caller hangs up": World.end_leg,
    "the network loses the caller": lambda world: world.end_leg(
        Cause.SIGNALLING_LOST, Party.NETWORK
    ),
    "an operator hangs up": lambda world: world.hang_up(Cause.NORMAL, Party.OPERATOR),
    "the server drains": lambda world: world.hang_up(Cause.DRAINING, Party.SYSTEM),
    "no audio comes": lambda world: world.happens(MediaLost(LEG, 30_000, ever_flowed=False)),
    "nothing happens any more": lambda world: world.wait(DAY_MS),
}
STATES = [(name, steps) for name, (_, way) in SCENES.items() for steps in range(1, len(way) + 3)]


def arrive(scene: str, steps: int, direction: Direction = "inbound") -> World:
    """Bring a call into a state: as many steps of its scene as are wanted, the call's own first."""
    text, way = SCENES[scene]
    start = text.partition(":")[0]
    document = parse(f"name: scene\nstart: {start}\napplets:\n  {text}\n  {LAST}")
    world = World(document, {"other": OTHER}.get, make_setup(direction))
    for step in [World.ring, World.answer, *way][:steps]:
        world.now_ms += 100
        step(world)
    return world


@pytest.mark.parametrize("direction", ["inbound", "outbound"])
@pytest.mark.parametrize("is_healthy", [True, False])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(("scene", "steps"), STATES)
def test_whoever_ends_the_call_in_whatever_state_of_an_applet_nothing_is_left(
    scene: str, steps: int, end: str, is_healthy: bool, direction: Direction
) -> None:
    world = arrive(scene, steps, direction)
    had_hung_up = world.watch.has_hung_up
    ENDS[end](world)
    if is_healthy and world.watch.ended is None:
        world.obey()
        assert world.watch.ended is not None, "a healthy world needs no timer"
    world.wait(DAY_MS)  # an unhealthy one never reports anything
    record = world.record_of_end.record
    hung_up = [fact for fact in world.story if isinstance(fact, CallHungUp)]
    assert len(hung_up) == 1
    assert (record.cause, record.ended_by) == (hung_up[0].cause, hung_up[0].party)
    if not had_hung_up and end == "the caller hangs up":
        assert record.ended_by is world.far_end
    assert world.journey.wake_at_ms is None
    visits = [type(fact) for fact in world.story if isinstance(fact, AppletEntered | AppletLeft)]
    assert visits.count(AppletEntered) == visits.count(AppletLeft)


@pytest.mark.parametrize(("scene", "steps"), STATES)
def test_a_call_is_redirected_in_whatever_state_of_an_applet_oc_1(scene: str, steps: int) -> None:
    world = arrive(scene, steps)
    elsewhere = parse(
        "name: elsewhere\nstart: there\napplets:\n"
        "  there: {type: voicebot, url: 'wss://other.example/'}"
    )
    if world.flow.state is not FlowState.RUNNING:
        with pytest.raises(CommandError):
            world.happens(Redirect(elsewhere))
        return
    world.happens(Redirect(elsewhere))
    for stream_sid in told_to_end(world):
        world.ends(stream_sid, StreamEnded(StreamSid(stream_sid), BY_BOT))
    assert world.flow.place == "there"
    world.obey()
    world.wait(DAY_MS)
    assert world.record_of_end.record.text
    visits = [type(fact) for fact in world.story if isinstance(fact, AppletEntered | AppletLeft)]
    assert visits.count(AppletEntered) == visits.count(AppletLeft)


def told_to_end(world: World) -> list[str]:
    told = [each.stream_sid for each in world.story if isinstance(each, effects.EndStream)]
    return [sid for sid in told if sid in world.watch.running]


def test_every_kind_of_applet_has_a_scene() -> None:
    kinds = {kind.kind for kind in KINDS}
    assert kinds == {
        applet.kind
        for text, _ in SCENES.values()
        for applet in parse(
            f"name: x\nstart: {text.partition(':')[0]}\napplets:\n  {text}\n  {LAST}"
        ).applets.values()
    }


PLACES = {"transfer": "hello", "hangup": ""}


@pytest.mark.parametrize("scene", SCENES)
def test_the_way_of_a_scene_leads_through_its_applet(scene: str) -> None:
    world = arrive(scene, len(SCENES[scene][1]) + 2)
    assert world.flow.place == PLACES.get(scene, "last")


EVERYTHING = parse("""
name: everything
start: open
applets:
  open: {type: business_hours, hours: {mon-sun: ["00:00-24:00"]}, on_open: fork}
  fork: {type: stream, url: "wss://notes.example/", next: hello}
  hello: {type: greeting, url: "https://crm.example/", interruptible: true, next: menu}
  menu: {type: ivr_menu, prompt: {text: Choose}, keys: {"1": code, "2": talk}, on_timeout: talk}
  code: {type: gather, url: "https://crm.example/", on_digits: told, on_failure: menu}
  told: {type: passthru, url: "https://crm.example/", hold: {text: Wait}, next: which, on_302: menu}
  which: {type: switch_case, cases: {a: vip}, default: talk}
  vip: {type: condition, value: "{digits}", is_empty: true, on_true: menu, on_false: talk}
  talk: {type: voicebot, url: "wss://bot.example/", record: true, next: after}
  after: {type: passthru, url: "https://crm.example/", stream_encoding: json, next: word}
  word: {type: sms, provider_url: "https://a.example/", text_url: "https://b.example/", next: note}
  note: {type: email, to: [a@b.example], subject: "{From}", text: "{DateTime}", next: quiet}
  quiet: {type: stream, action: stop, next: over}
  over: {type: exoml, url: "https://docs.example/", next: again}
  again: {type: transfer, flow: everything, on_failure: bye}
  bye: {type: hangup}
""")
COURSE = st.sampled_from(
    [
        World.ring,
        World.answer,
        World.end_prompt,
        World.open_stream,
        World.end_recording,
        World.answer_requests,
        bot_closes,
        press("1"),
        press("2"),
        press("7#"),
        reply("", 302),
        reply("", 500),
        reply("Hello"),
        reply('{"select": "a"}'),
        reply('{"gather_prompt": {"text": "Code"}}'),
        reply("<Response><Record action='x'/><Dial>100</Dial><Gather/></Response>"),
        lambda world: world.end_prompt(error="no such file"),
        lambda world: world.end_stream(StreamOutcome("failed", error="3009 refused")),
        time_passes,
        lambda world: world.wait(400_000),
        *ENDS.values(),
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(COURSE, max_size=40))
def test_any_course_through_every_kind_of_applet_ends_once_and_leaves_nothing(
    course: list[Step],
) -> None:
    world = World(EVERYTHING, {"everything": EVERYTHING}.get)
    for step in (World.ring, World.answer, *course):
        step(world)
    world.wait(DAY_MS)
    assert world.record_of_end.record.text
    assert world.journey.wake_at_ms is None
