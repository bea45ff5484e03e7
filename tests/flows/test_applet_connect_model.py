"""Connect against any course of events: whatever happens, it leaves once and leaves nothing behind.

The model is a call in small: it knows what was begun, refuses what a call would refuse and, when it
is told to, anything else, and tells the facts that follow from a command before anything new.
"""

from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentstream.base.ids import CountedTokens, LegSid, PromptId, RecordingSid
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import (
    Bridge,
    Command,
    Dial,
    Fetch,
    HangUpLeg,
    Play,
    StartRecording,
    StopPlaying,
    StopRecording,
    Unbridge,
)
from agentstream.calls.events import (
    CallHungUp,
    Event,
    LegDialled,
    LegGone,
    LegRinging,
    LegsBridged,
    LegsUnbridged,
    LegUp,
    PromptFinished,
    RecordingFinished,
    RequestFinished,
)
from agentstream.flows.applet import CommandRefused, GoOver, Leave, Noted, Step
from agentstream.flows.applets.connect import ConnectSettings
from agentstream.flows.context import Context
from agentstream.testing.calls import CALL, LEG, make_setup

AAA, BBB, CCC = "+919000000001", "+919000000002", "+919000000003"
STEPS_LIMIT = 20_000  # a machine that answers each refusal with another wish never ends


class World:
    """A call in small around one Connect."""

    def __init__(self, fields: ConnectSettings) -> None:
        self.now_ms = 0
        self.context = Context(make_setup(), CountedTokens(), 0)
        self.context.leg_sid = LEG
        self.leave: Leave | None = None
        self.legs: dict[LegSid, bool] = {}  # dialled, not gone: whether it is up
        self.early: set[LegSid] = set()
        self.told: set[str] = set()  # legs, prompts and recordings that were told to end
        self.prompts: dict[PromptId, LegSid] = {}
        self.recordings: set[RecordingSid] = set()
        self.requests: list[Fetch] = []
        self.bridged: LegSid | None = None
        self.was_bridged = False
        self.refusals = 0  # so many of the next commands are refused
        self.refused_kinds: tuple[type[Command], ...] = ()
        self.is_over = False
        self.busy: dict[str, int] = {}
        self._count = 0
        self.applet = fields.applet(self.context)
        self._carry(self.applet.enter(0))

    def tell(self, *events: Event) -> None:
        """Let something happen, and everything that follows from it."""
        waiting: deque[Event | CommandRefused] = deque(events)
        while waiting and self.leave is None:
            self._carry(self.applet.receive(waiting.popleft(), self.now_ms), waiting)

    def wait(self, ms: int) -> None:
        until_ms = self.now_ms + ms
        while self.leave is None:
            wake_at_ms = self.applet.wake_at_ms
            if wake_at_ms is None or wake_at_ms > until_ms:
                break
            self.now_ms = max(self.now_ms, wake_at_ms)
            self._carry(self.applet.wake(self.now_ms))
        self.now_ms = until_ms

    def _carry(
        self, steps: list[Step], waiting: deque[Event | CommandRefused] | None = None
    ) -> None:
        facts: deque[Event | CommandRefused] = deque()
        for step in steps:
            self._count += 1
            assert self._count < STEPS_LIMIT, "it never ends"
            assert self.leave is None, f"{step} after the Leave"
            if isinstance(step, Leave):
                self.leave = step
                self._check_end()
            else:
                assert not isinstance(step, GoOver | Noted), "that is of others"
                facts.extend(self._command(step))
        if waiting is None:
            self.tell(*facts)  # type: ignore[arg-type]
        else:
            waiting.extendleft(reversed(facts))

    def _command(self, command: Command) -> list[Event | CommandRefused]:
        if isinstance(command, HangUpLeg | StopPlaying | StopRecording):
            sid = sid_of(command)
            assert sid not in self.told, f"{command} is given twice"
            self.told.add(sid)
        if isinstance(command, Fetch) and command.in_background:
            query = dict(command.request.query)
            change = 1 if query["Status"] == "busy" else -1
            whom = query["DialWhomNumber"]
            self.busy[whom] = self.busy.get(whom, 0) + change
            assert self.busy[whom] >= 0, "freed before it was busy"
        is_refused = self.refusals > 0 or isinstance(command, self.refused_kinds)
        self.refusals = max(0, self.refusals - 1)
        facts = None if is_refused else self._obey(command)
        return [CommandRefused(command, "refused")] if facts is None else [*facts]

    def _obey(self, command: Command) -> list[Event] | None:
        """Return the facts that follow; None: a call would refuse this."""
        if isinstance(command, Fetch):
            if not command.in_background:
                self.requests.append(command)
            return []
        # What comes after this would be refused, and the refusal told to the next applet.
        assert not self.is_over, f"{command} when the call is over"
        match command:
            case Dial() | HangUpLeg() | Bridge() | Unbridge():
                return self._obey_for_legs(command)
            case Play(leg_sid=leg_sid, prompt_id=prompt_id):
                if leg_sid != LEG and not self._is_up(leg_sid):
                    return None
                self.prompts[prompt_id] = leg_sid
                return []
            case StartRecording(recording_sid=recording_sid):
                self.recordings.add(recording_sid)
                return []
            case StopPlaying(prompt_id=prompt_id):
                return [] if prompt_id in self.prompts else None
            case StopRecording(recording_sid=recording_sid):
                return [] if recording_sid in self.recordings else None
            case _:
                raise AssertionError(f"{command} is no business of a Connect")

    def _obey_for_legs(self, command: Dial | HangUpLeg | Bridge | Unbridge) -> list[Event] | None:
        match command:
            case Dial(leg_sid=leg_sid, spec=spec):
                assert leg_sid not in self.legs
                self.legs[leg_sid] = False
                return [LegDialled(CALL, leg_sid, spec.destination, spec.caller_id)]
            case HangUpLeg(leg_sid=leg_sid):
                return [] if leg_sid in self.legs else None
            case Bridge(other_sid=other_sid):
                return self._bridge(other_sid)
            case Unbridge():
                return None if self.bridged is None else self._unbridge()

    def _is_up(self, leg_sid: LegSid) -> bool:
        return self.legs.get(leg_sid, False) and leg_sid not in self.told

    def _bridge(self, other_sid: LegSid) -> list[Event] | None:
        can = self._is_up(other_sid) or (other_sid in self.legs and other_sid in self.early)
        if self.bridged is not None or not can:
            return None
        on_caller = {sid for sid, leg_sid in self.prompts.items() if leg_sid == LEG}
        assert on_caller <= self.told, "music in a talk"
        self.bridged, self.was_bridged = other_sid, True
        return [LegsBridged(CALL, LEG, other_sid)]

    def _unbridge(self) -> list[Event]:
        assert self.bridged is not None
        heard, self.bridged = self.bridged, None
        return [LegsUnbridged(CALL, LEG, heard)]

    def _check_end(self) -> None:
        """Nothing may be left that was not told to end; a call that is over tells it itself."""
        assert self.context.dial is not None
        assert self.was_bridged or self.context.dial.status != "completed"
        if self.is_over:
            return
        assert set(self.legs) <= self.told, "a leg was left"
        assert self.recordings <= self.told, "a recording was left"
        on_caller = {sid for sid, leg_sid in self.prompts.items() if leg_sid == LEG}
        assert on_caller <= self.told, "music was left"
        assert self.bridged is None or self.bridged in self.told, "a bridge was left"
        assert not any(self.busy.values()), "an agent was left busy"

    # What can happen

    def ring(self, index: int, *, early: bool = False) -> None:
        for leg_sid in self._leg(index, up=False):
            if early:
                self.early.add(leg_sid)
            self.tell(LegRinging(CALL, leg_sid, early))

    def up(self, index: int) -> None:
        for leg_sid in self._leg(index, up=False):
            self.legs[leg_sid] = True
            self.tell(LegUp(CALL, leg_sid))

    def gone(self, index: int, cause: Cause) -> None:
        for leg_sid in self._leg(index):
            self._end_leg(leg_sid, cause)

    def stray(self, index: int) -> None:
        """Tell of a leg what a call would not: twice up, gone twice, of one never dialled."""
        for leg_sid in [*self.told, "unknown"][index : index + 1]:
            stray_sid = LegSid(leg_sid)
            gone = LegGone(CALL, stray_sid, Cause.CANCELED, Party.FLOW, 0, "")
            self.tell(LegRinging(CALL, stray_sid, True), LegUp(CALL, stray_sid), gone)

    def play_out(self, index: int, *, error: str = "") -> None:
        for prompt_id in list(self.prompts)[index : index + 1]:
            leg_sid = self.prompts.pop(prompt_id)
            self.tell(PromptFinished(CALL, leg_sid, prompt_id, not error, error))

    def write(self, *, error: str = "") -> None:
        for recording_sid in list(self.recordings):
            self.recordings.discard(recording_sid)
            self.tell(RecordingFinished(CALL, LEG, recording_sid, 1, "/r.mp3", error))

    def answer(self, body: str, status: int = 200) -> None:
        for fetch in self.requests[:1]:
            self.requests.remove(fetch)
            sid, purpose = fetch.request_id, fetch.purpose
            self.tell(RequestFinished(CALL, sid, purpose, status, "", body.encode(), 1, 1, ""))

    def refuse(self, count: int) -> None:
        self.refusals = count

    def refuse_all(self, *kinds: type[Command]) -> None:
        self.refused_kinds = kinds

    def hang_up(self, party: Party = Party.CALLER) -> None:
        if not self.is_over:
            self.is_over, self.bridged = True, None
            self.tell(CallHungUp(CALL, Cause.NORMAL, party, ""))
            for leg_sid in list(self.legs):
                self._end_leg(leg_sid, Cause.NORMAL)

    def finish(self) -> None:
        """Let everything come to its end."""
        self.refusals, self.refused_kinds = 0, ()
        for _ in range(200):
            self.gone(0, Cause.NO_ANSWER)
            self.answer("")
            self.play_out(0)
            self.write()
            self.wait(15_000_000)
            if self.leave is not None:
                return
        raise AssertionError("it never leaves")

    def _leg(self, index: int, *, up: bool | None = None) -> list[LegSid]:
        known = [sid for sid in self.legs if up is None or self.legs[sid] is up]
        live = [sid for sid in known if up is None or sid not in self.told]
        return live[index : index + 1]

    def _end_leg(self, leg_sid: LegSid, cause: Cause) -> None:
        del self.legs[leg_sid]
        for prompt_id in [sid for sid, on in self.prompts.items() if on == leg_sid]:
            del self.prompts[prompt_id]  # its end is told too, but nobody must need it
        facts = self._unbridge() if self.bridged == leg_sid else []
        self.tell(*facts, LegGone(CALL, leg_sid, cause, Party.CALLEE, 0, ""))


def sid_of(command: HangUpLeg | StopPlaying | StopRecording) -> str:
    match command:
        case HangUpLeg(leg_sid=leg_sid):
            return leg_sid
        case StopPlaying(prompt_id=prompt_id):
            return prompt_id
        case StopRecording(recording_sid=recording_sid):
            return recording_sid


POPUP = "https://crm.example/popup"
URL = "https://crm.example/whom"
KINDS = {
    "one": ConnectSettings(numbers=[AAA], retries=0),
    "a list": ConnectSettings(numbers=[AAA, BBB, CCC], popup_url=POPUP, record=True),
    "together": ConnectSettings(
        numbers=[AAA, BBB, CCC], parallel=2, popup_url=POPUP, whisper_text="a", record=True
    ),
    "ten": ConnectSettings(
        numbers=[f"+91900000{index:04}" for index in range(12)], parallel=10, popup_url=POPUP
    ),
    "whisper to both": ConnectSettings(
        numbers=[AAA, BBB], whisper_text="a", whisper_to="both", max_conversation_seconds=60
    ),
    "asked": ConnectSettings(
        url=URL, fallback_url=URL, fetch_after_attempt=True, popup_url=POPUP, record=True
    ),
    "music": ConnectSettings(
        url=URL, mode="programmable", music_on_hold="https://cdn.example/m.mp3"
    ),
}
LIST = f'{{"destination": {{"numbers": ["{AAA}", "{BBB}"]}}, "record": true}}'

INDEX = st.integers(0, 3)
Happening = Callable[[World], None]
HAPPENINGS = st.one_of(
    st.builds(lambda i, early: lambda world: world.ring(i, early=early), INDEX, st.booleans()),
    st.builds(lambda i: lambda world: world.up(i), INDEX),
    st.builds(
        lambda i, cause: lambda world: world.gone(i, cause),
        INDEX,
        st.sampled_from([Cause.BUSY, Cause.NO_ANSWER, Cause.REJECTED, Cause.NORMAL]),
    ),
    st.builds(lambda i: lambda world: world.stray(i), INDEX),
    st.builds(
        lambda i, error: lambda world: world.play_out(i, error=error),
        INDEX,
        st.sampled_from(["", "no such file"]),
    ),
    st.sampled_from([World.write, lambda world: world.write(error="disk full")]),
    st.builds(
        lambda body, status: lambda world: world.answer(body, status),
        st.sampled_from([AAA, f"{AAA},{BBB}", "", "<xml/>", LIST]),
        st.sampled_from([200, 200, 500, 0]),
    ),
    st.builds(lambda count: lambda world: world.refuse(count), st.integers(0, 4)),
    st.builds(
        lambda kinds: lambda world: world.refuse_all(*kinds),
        st.lists(st.sampled_from([Play, Bridge, Unbridge, StopPlaying, StartRecording])),
    ),
    st.builds(lambda ms: lambda world: world.wait(ms), st.sampled_from([100, 6000, 100_000])),
    st.sampled_from([World.hang_up, lambda world: world.hang_up(Party.OPERATOR)]),
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(list(KINDS.values())), st.lists(HAPPENINGS, max_size=25))
def test_any_course_of_events_is_left_once_with_nothing_left_behind(
    kind: ConnectSettings, happenings: list[Happening]
) -> None:
    world = World(kind)
    for happening in happenings:
        happening(world)
    world.finish()
    assert world.leave is not None


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_that_refuses_everything_is_left_at_once(kind: str) -> None:
    world = World(KINDS[kind])
    world.refuse(10_000)
    world.answer(AAA)
    world.answer(AAA)
    world.gone(0, Cause.BUSY)
    world.finish()


ASKED: Happening = lambda world: world.answer(LIST)  # noqa: E731 - beside those that stand in lists
UP: Happening = lambda world: world.up(0)  # noqa: E731 - as above
PLAYED: Happening = lambda world: world.play_out(1)  # noqa: E731 - as above
# The ways to every state, one step after the other.
WAYS: dict[str, list[Happening]] = {
    "asked": [],
    "ringing": [ASKED, lambda world: world.ring(0)],
    "speaking early": [ASKED, lambda world: world.ring(0, early=True)],
    "answered": [ASKED, UP],
    "whispered": [ASKED, UP, PLAYED, PLAYED],
    "talked": [ASKED, UP, PLAYED, PLAYED, lambda world: world.gone(0, Cause.NORMAL)],
}
ENDS: dict[str, Happening] = {
    "the caller goes": lambda world: world.hang_up(),
    "an operator ends it": lambda world: world.hang_up(Party.OPERATOR),
    "the callee goes": lambda world: world.gone(0, Cause.NORMAL),
    "everything is refused": lambda world: world.refuse(50),
    "nobody can be bridged": lambda world: answer_one(world, Bridge),
    "nothing can be played": lambda world: answer_one(world, Play),
    "nothing happens": lambda world: world.wait(86_400_000),
}


def answer_one(world: World, refused: type[Command]) -> None:
    world.refuse_all(refused)
    world.ring(0, early=True)
    world.up(0)
    world.play_out(0)
    world.play_out(0)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_whoever_goes_in_whatever_state_nothing_is_left(kind: str, way: str, end: str) -> None:
    world = World(KINDS[kind])
    for step in WAYS[way]:
        step(world)
    ENDS[end](world)
    world.finish()
    assert world.leave is not None
