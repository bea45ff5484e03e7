"""Any legs, at any time, in any order: who is in hears who is in, and every bridge ends once."""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.errors import CommandError
from agentstream.base.ids import LegSid
from agentstream.calls.commands import Speech
from agentstream.flows.bridges.links import Pair
from agentstream.flows.bridges.settings import PARTICIPANTS_LIMIT
from agentstream.flows.bridges.values import (
    Asked,
    BridgeAct,
    BridgeTerms,
    Change,
    Joined,
    Left,
    WatchAsked,
    WatchLeft,
)
from agentstream.flows.legs.verbs import Act, StartRecording, StartSay, StopRecording
from agentstream.testing.bridge_world import BRIDGE, BridgeWorld

LEGS: Final = tuple(LegSid(f"leg{number}") for number in range(6))
WATCHERS: Final = tuple(LegSid(f"watch{number}") for number in range(2))
SAY: Final = StartSay(Speech("hello"))
Step = tuple[str, int]

STEPS: Final[dict[str, Callable[[BridgeWorld, int], None]]] = {
    "asks": lambda world, n: world.feed(Asked(LEGS[n])) if may_ask(world, LEGS[n]) else None,
    "says it is in": lambda world, n: world.feed(Joined(LEGS[n])),
    "leaves": lambda world, n: world.feed(Left(LEGS[n])),
    "ends": lambda world, n: world.end(LEGS[n]),
    "falls deaf": lambda world, n: world.deaf.add(LEGS[n]),
    "hears again": lambda world, n: world.deaf.discard(LEGS[n]),
    "listens": lambda world, n: world.feed(WatchAsked(WATCHERS[n % 2], "listen", LEGS[n])),
    "whispers": lambda world, n: world.feed(WatchAsked(WATCHERS[n % 2], "whisper", LEGS[n])),
    "barges in": lambda world, n: world.feed(WatchAsked(WATCHERS[n % 2], "barge", LEGS[n])),
    "listens no more": lambda world, n: world.feed(WatchLeft(WATCHERS[n % 2])),
    "records": lambda world, n: world.feed(BridgeAct(f"r{n}", BRIDGE, (StartRecording(),))),
    "records no more": lambda world, n: world.feed(BridgeAct("s", BRIDGE, (StopRecording(),))),
    "says": lambda world, n: world.feed(BridgeAct("p", BRIDGE, (SAY,))),
    "changes": lambda world, n: world.feed(Change(BridgeTerms(absorbs_keys=bool(n % 2)))),
    "stops": lambda world, n: world.stop(),
    "hangs up": lambda world, n: world.stop(hangs_up=True),
    "time": lambda world, n: world.wait(1_000 * n),
}


def may_ask(world: BridgeWorld, leg_sid: LegSid) -> bool:
    """A leg that has ended, or is in already, asks for nothing."""
    return leg_sid not in world.dead and leg_sid not in world.bridge.active_legs


@given(
    first=st.integers(0, 4),
    is_recorded=st.booleans(),
    deaf=st.sets(st.sampled_from(LEGS), max_size=2),
    steps=st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 5)), max_size=40),
)
def test_who_is_in_hears_who_is_in_and_every_bridge_ends_once(
    first: int, is_recorded: bool, deaf: set[LegSid], steps: list[Step]
) -> None:
    world = BridgeWorld(BridgeTerms(is_recorded=is_recorded))
    world.deaf = set(deaf)
    world.make(*LEGS[: first if first != 1 else 0])
    check(world)
    for name, number in steps:
        with suppress(CommandError):
            STEPS[name](world, number)
        check(world)
    for leg_sid in LEGS:
        world.end(leg_sid)
    with suppress(CommandError):
        world.stop()
    world.wait(3_600_000)
    check(world)
    check_end(world)


def check(world: BridgeWorld) -> None:
    inside, heard = set(world.bridge.active_legs), ears(world)
    assert len(inside) <= PARTICIPANTS_LIMIT
    among = {(ear, voice) for ear, voice in heard if {ear, voice} <= inside}
    assert among == {(ear, voice) for ear in inside for voice in inside if ear != voice}
    for ear, voice in heard - among:
        assert ear in WATCHERS or voice in WATCHERS, "who is not in is not heard"
        assert {ear, voice} & inside
    listening = {ear for ear, _ in heard if ear in WATCHERS}
    assert {voice for _, voice in heard if voice in WATCHERS} <= listening
    assert set(world.links) == world.bridge.links


def check_end(world: BridgeWorld) -> None:
    told = world.told()
    assert world.bridge.state == "terminal"
    assert not world.links
    assert told.count("bridge_created") + told.count("bridge_failed_to_create") == 1
    assert told.count("bridge_terminal") == told.count("bridge_created")
    assert told[-1] in ("bridge_terminal", "bridge_failed_to_create")
    recording: str | None = None
    for one in world.said:
        match one:
            case Act(verbs=(StartRecording(),), leg_sid=leg_sid):
                assert recording is None or recording in world.dead
                recording = leg_sid
            case Act(verbs=(StopRecording(),), leg_sid=leg_sid):
                assert recording == leg_sid, "only what was begun is ended"
                recording = None
            case _:
                pass
    assert recording is None or recording in world.dead


def ears(world: BridgeWorld) -> set[tuple[LegSid, LegSid]]:
    found = {(link.leg_sid, link.other_sid) for link in world.links}
    return found | {(two.other_sid, two.leg_sid) for two in world.links if isinstance(two, Pair)}
