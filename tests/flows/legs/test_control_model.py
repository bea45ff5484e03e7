"""Any requests at any time in any world: what was started ends exactly once, and before its leg."""

from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.errors import CommandError
from agentstream.base.ids import LegSid
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import AudioFile, Speech
from agentstream.calls.events import LegTold
from agentstream.calls.reports import StreamOutcome, WentSilent
from agentstream.flows.legs.bridge_signs import (
    Admitted,
    BridgeSign,
    Dismissed,
    Invited,
    Refused,
    Watching,
    WatchOver,
    WatchRefused,
)
from agentstream.flows.legs.verbs import (
    Acknowledged,
    Answer,
    Dial,
    Gather,
    Hangup,
    Hold,
    JoinBridge,
    LeaveBridge,
    Message,
    Mute,
    PlaySequence,
    SendDigits,
    StartMonitoring,
    StartPlay,
    StartRecording,
    StartSay,
    StartStream,
    StopMonitoring,
    StopPlay,
    StopRecording,
    StopSay,
    StopStream,
    UnHold,
    UnMute,
    Verb,
)
from agentstream.testing.calls import LEG
from agentstream.testing.leg_world import LegWorld

BRIDGE: Final = "bridge-1"
SAY: Final = StartSay(Speech("hello"))
PLAY: Final = StartPlay(AudioFile("https://sounds.example/a.mp3"), is_awaited=True)
DIAL: Final = Dial("+919876500002", "+918040000002")
VERBS: Final[tuple[Verb, ...]] = (
    Answer(),
    SAY,
    PLAY,
    PlaySequence((SAY, PLAY)),
    StopSay(),
    StopPlay(),
    Gather(num_digits=2),
    Gather(prompt=SAY),
    SendDigits("12"),
    StartStream("wss://bot.example/ws"),
    StartStream("wss://ear.example/ws", two_way=False),
    StopStream(),
    DIAL,
    StartRecording(),
    StartRecording(message=Message(prompt=SAY)),
    StartRecording(message=Message(beeps=False)),
    StopRecording(),
    Hold(),
    UnHold(),
    Mute(),
    UnMute("in"),
    JoinBridge(BRIDGE),
    LeaveBridge(),
    StartMonitoring(BRIDGE),
    StopMonitoring(),
)

SIGNS: Final[tuple[BridgeSign, ...]] = (
    Invited(LEG, BRIDGE),
    Admitted(LEG, BRIDGE),
    Refused(LEG, BRIDGE, "full"),
    Dismissed(LEG, BRIDGE),
    Watching(LEG, BRIDGE, "barge"),
    WatchRefused(LEG, "no"),
    WatchOver(LEG, BRIDGE),
)

# What is told of a verb at its beginning, and the events of which one, and only one, ends it.
ENDS: Final = {
    "gather_initiated": {"gather_success", "gather_timeout", "gather_failed_to_start"},
    "stream_initiated": {"stream_stopped", "stream_failed_to_start"},
    "recording_started": {"recording_stopped"},
    "dial_initiated": {"dial_completed", "dial_failed"},
    "say_started": {"say_completed", "say_interrupted", "say_failed_to_start"},
    "play_started": {"play_completed", "play_interrupted", "play_failed_to_start"},
}
LAST: Final = {"leg_terminated", "leg_failed_to_create"}
LATER: Final = {"recording_available", "recording_failed_to_upload"}


def second(world: LegWorld) -> LegSid:
    """Return the party that was dialled last: also one that another dialled one dialled."""
    dialled = sorted(world.watch.dialled & world.watch.legs)
    return LegSid(dialled[-1]) if dialled else LEG


WORLD: Final[dict[str, Callable[[LegWorld], None]]] = {
    "a prompt begins": lambda world: world.begin_prompt(),
    "a prompt ends": lambda world: world.end_prompt(),
    "a prompt fails": lambda world: world.end_prompt(error="no such sound"),
    "a stream opens": lambda world: world.open_stream(),
    "a stream ends": lambda world: world.end_stream(StreamOutcome("completed", "bot")),
    "a stream fails": lambda world: world.end_stream(StreamOutcome("failed", error="3009 x")),
    "silence": lambda world: world.happens(WentSilent(LEG, 5_000)),
    "a bot speaks": lambda world: world.bot_speaks(),
    "a recording begins": lambda world: world.begin_recording(),
    "a recording ends": lambda world: world.end_recording(),
    "keys": lambda world: world.press("1#"),
    "time": lambda world: world.wait(4_000),
    "long": lambda world: world.wait(40_000),
    "they answer": lambda world: world.answer_callee(),
    "one of them goes": lambda world: world.end_one(second(world)),
    "they go": lambda world: world.end_callee(),
    "they are busy": lambda world: world.end_callee(Cause.BUSY),
    "acknowledged": lambda world: world.happens(Acknowledged(LEG)),
    "hang up": lambda world: world.hang_up(Cause.NORMAL, Party.OPERATOR),
    "the party goes": lambda world: world.end_leg() if LEG in world.watch.legs else None,
}
Request = tuple[tuple[Verb, ...], bool]
REQUESTS: Final = st.tuples(
    st.lists(st.sampled_from(VERBS), min_size=1, max_size=4).map(tuple), st.booleans()
)
HANGUP: Final = st.just(((Hangup(),), False))


@given(
    inbound=st.booleans(),
    is_joined=st.booleans(),
    steps=st.lists(
        st.one_of(
            REQUESTS, REQUESTS, st.sampled_from(sorted(WORLD)), st.sampled_from(SIGNS), HANGUP
        ),
        max_size=40,
    ),
)
def test_what_is_started_ends_once_and_before_its_leg(
    inbound: bool, is_joined: bool, steps: list[Request | str | BridgeSign]
) -> None:
    world = LegWorld(inbound=inbound)
    world.ring()
    if not inbound:
        world.answer()
    else:
        world.wait(1_500)
        world.answer()
    if is_joined:
        world.act(DIAL)
        world.answer_second()
    for step in steps:
        if world.watch.ended is not None:  # nobody is there to be told or asked anything
            break
        if LEG in world.watch.gone:  # the call lives exactly as long as somebody talks (BR-9)
            assert bool(world.watch.talking) is not world.watch.has_hung_up
        if isinstance(step, str):
            WORLD[step](world)
            continue
        if isinstance(step, BridgeSign):
            if world.watch.ended is None:  # a bridge finds no call that has ended
                world.happens(step)
            continue
        verbs, is_of_second = step
        with suppress(CommandError):
            world.act(*verbs, leg_sid=second(world) if is_of_second else LEG)
    world.hang_up(Cause.NORMAL, Party.OPERATOR)
    world.obey()
    assert world.watch.ended is not None, "nothing keeps the call"
    check([one for one in world.story if isinstance(one, LegTold)])


def check(tales: list[LegTold]) -> None:
    by_leg: dict[LegSid, list[LegTold]] = defaultdict(list)
    for tale in tales:
        by_leg[tale.leg_sid].append(tale)
    for told in by_leg.values():
        names = [tale.name for tale in told]
        assert sum(name in LAST for name in names) == 1, names
        last = next(place for place, name in enumerate(names) if name in LAST)
        assert set(names[last + 1 :]) <= LATER, names
        check_ends(told)
        check_bridges(names)


def check_bridges(names: list[str]) -> None:
    """Whoever is in one bridge, or listens, is out of it in the end, and never twice in."""
    inside = listens = False
    for name in names:
        match name:
            case "leg_joined_bridge":
                assert not inside
                inside = True
            case "leg_left_bridge":
                assert inside
                inside = False
            case "monitoring_started":
                assert not inside
                listens = True
            case "monitoring_stopped":
                assert listens
                listens = False
            case _:
                pass
    assert not inside
    assert not listens


def check_ends(told: list[LegTold]) -> None:
    by_verb: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    for tale in told:
        by_verb[tale.action_sid, tale.verb_index][tale.name] += 1
    for names in by_verb.values():
        for begun, ends in ENDS.items():
            ended = sum(names[name] for name in ends)
            if begun in ("say_started", "play_started"):
                assert ended >= names[begun], names  # one that was never heard is interrupted too
            elif begun != "stream_initiated":
                assert ended <= 1, names
                assert names[begun] <= ended, names
            else:
                assert names[begun] <= ended <= 1, names
        assert names["recording_started"] == sum(names[name] for name in LATER), names
