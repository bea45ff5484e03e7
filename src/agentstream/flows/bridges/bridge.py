"""A bridge of its own: legs of any calls that hear each other (section 7 of BR).

forming ──every leg that was invited asks──▶ active ──stop──▶ closing ──the last has left──▶ over
   └── one declines, or ends: bridge_failed_to_create ─▶ over       └── too late: active again
waiting ──the first leg is admitted──▶ active ──the last leg leaves──▶ over: bridge_terminal

The bridge lets legs in and out; each leg tells of itself that it came or went, and what a leg tells
is what counts here. `links` says who hears whom, and only what changes is said.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from agentstream.base.errors import CommandError
from agentstream.base.ids import LegSid
from agentstream.base.machine import earliest
from agentstream.calls.events import Mishap
from agentstream.flows.bridges.links import Link, Monitor, links_of
from agentstream.flows.bridges.settings import MONITORS_LIMIT, USUAL, BridgeSettings
from agentstream.flows.bridges.taping import BridgeTape
from agentstream.flows.bridges.values import (
    Asked,
    Begin,
    BridgeAct,
    BridgeInput,
    BridgeOutput,
    BridgeState,
    BridgeTerms,
    BridgeTold,
    Change,
    Connect,
    Declined,
    Disconnect,
    Joined,
    Left,
    RecordingRefused,
    Refer,
    Stop,
    WatchAsked,
    WatchLeft,
)
from agentstream.flows.legs.bridge_signs import (
    Admitted,
    Dismissed,
    Invited,
    Refused,
    Watching,
    WatchOver,
    WatchRefused,
)
from agentstream.flows.legs.told import IMPOSSIBLE
from agentstream.flows.legs.verbs import Act, Hangup, StartRecording, StopRecording, Verb

LEGS_EVER: Final = 1_000  # that one bridge remembers (`leg_sids`); more are refused


class Stage(Enum):
    """Where a bridge is in its life."""

    WAITING = "waiting"
    FORMING = "forming"
    ACTIVE = "active"
    CLOSING = "closing"
    OVER = "over"


MOVES: Final = {
    (Stage.WAITING, Asked): Stage.ACTIVE,
    (Stage.WAITING, Begin): Stage.FORMING,
    (Stage.WAITING, Stop): Stage.OVER,
    (Stage.FORMING, Asked): Stage.ACTIVE,
    (Stage.FORMING, Declined): Stage.OVER,
    (Stage.ACTIVE, Stop): Stage.CLOSING,
    (Stage.ACTIVE, Left): Stage.OVER,
    (Stage.CLOSING, Left): Stage.OVER,
    (Stage.CLOSING, Declined): Stage.ACTIVE,  # nothing came of the stop
}
STATES: Final[dict[Stage, BridgeState]] = {
    Stage.WAITING: "created",
    Stage.FORMING: "created",
    Stage.ACTIVE: "active",
    Stage.CLOSING: "active",
    Stage.OVER: "terminal",
}


@dataclass(slots=True)
class _Member:
    absorbs_keys: bool
    has_asked: bool = False
    is_inside: bool = False


class Bridge:
    """A Machine[BridgeInput, BridgeOutput]; raises CommandError for what cannot be done now."""

    def __init__(
        self, bridge_sid: str, terms: BridgeTerms, now_ms: int, settings: BridgeSettings = USUAL
    ) -> None:
        self.bridge_sid = bridge_sid
        self.terms = terms
        self.stage = Stage.WAITING
        self.terminal_status = ""  # BR-4; "" until the end
        self.leg_sids: dict[LegSid, None] = {}  # all that ever were in it, in their order
        self._settings = settings
        self._members: dict[LegSid, _Member] = {}
        self._monitors: dict[LegSid, Monitor] = {}
        self._links: frozenset[Link] = frozenset()
        self._tape = BridgeTape(bridge_sid)
        self._deadline_ms: int | None = now_ms + settings.wait_ms

    @property
    def state(self) -> BridgeState:
        """The word for its stage (BR-4)."""
        return STATES[self.stage]

    @property
    def active_legs(self) -> tuple[LegSid, ...]:
        """Who is in it now."""
        return tuple(sid for sid, member in self._members.items() if member.is_inside)

    @property
    def concerned(self) -> frozenset[LegSid]:
        """Whoever is in it, is about to be, or listens."""
        return frozenset((*self._members, *self._monitors))

    @property
    def links(self) -> frozenset[Link]:
        """Who hears whom."""
        return self._links

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""
        return earliest(self._deadline_ms)

    def receive(self, happening: BridgeInput, now_ms: int) -> list[BridgeOutput]:
        """Take what a leg says, or what somebody wants."""
        match happening:
            case Begin(leg_sids):
                outputs = self._begin(leg_sids, now_ms)
            case Stop(hangs_up):
                outputs = self._stop(hangs_up=hangs_up, now_ms=now_ms)
            case Change(terms):
                self._check_lives()
                self.terms, outputs = terms, []
            case BridgeAct():
                outputs = self._act(happening)
            case WatchAsked() | WatchLeft():
                outputs = self._watch(happening)
            case RecordingRefused(leg_sid):
                self._tape.refused(leg_sid)
                return []
            case _:
                outputs = self._leg_says(happening)
        return outputs + self._settle()

    def wake(self, now_ms: int) -> list[BridgeOutput]:
        """Let the time limit that is due take effect."""
        if self._deadline_ms is None or now_ms < self._deadline_ms:
            return []
        self._deadline_ms = None
        match self.stage:
            case Stage.WAITING:
                outputs = self._end(Stop, "canceled")
            case Stage.FORMING:
                outputs = self._fail("not every leg said in time that it comes")
            case _:  # closing: no other stage has a time limit
                self._move(Declined)
                error = Mishap(IMPOSSIBLE, "the bridge did not stop", "not every leg has left")
                outputs = [BridgeTold("bridge_failed_to_stop", error)]
        return outputs + self._settle()

    # What legs say

    def _leg_says(self, said: Asked | Declined | Joined | Left) -> list[BridgeOutput]:
        match said:
            case Asked(leg_sid):
                return self._asked(leg_sid)
            case Declined(leg_sid, why) if leg_sid in self._members:
                return self._fail(f"{leg_sid}: {why}") if self.stage is Stage.FORMING else []
            case Joined(leg_sid) if leg_sid in self._members:
                self._members[leg_sid].is_inside = True
                return []
            case Left(leg_sid, has_ended) if leg_sid in self._members:
                return self._left(leg_sid, has_ended=has_ended)
            case _:
                return []

    def _asked(self, leg_sid: LegSid) -> list[BridgeOutput]:
        why = self._why_not_in(leg_sid)
        if why:
            return [Refused(leg_sid, self.bridge_sid, why)]
        if self.stage is Stage.FORMING:
            self._members[leg_sid].has_asked = True
            is_whole = all(member.has_asked for member in self._members.values())
            return self._form() if is_whole else []
        if self.stage is Stage.WAITING:
            self._move(Asked)
            self._deadline_ms = None
        self._members[leg_sid] = _Member(self.terms.absorbs_keys, has_asked=True)
        return self._admit(leg_sid)

    def _why_not_in(self, leg_sid: LegSid) -> str:
        match self.stage:
            case Stage.OVER | Stage.CLOSING:
                return "the bridge has ended"
            case Stage.FORMING:
                is_invited = leg_sid in self._members
                return "" if is_invited else "the bridge is still being made"
            case Stage.WAITING | Stage.ACTIVE:
                limit = self.terms.max_participants
                if len(self._members) >= limit:
                    return f"{limit} legs are in the bridge, which is all that it takes"
                if len(self.leg_sids) >= LEGS_EVER:
                    return f"{LEGS_EVER} legs were in the bridge, which is all that it takes"
                return ""

    def _form(self) -> list[BridgeOutput]:
        self._move(Asked)
        self._deadline_ms = None
        admitted = [output for leg_sid in self._members for output in self._admit(leg_sid)]
        return [BridgeTold("bridge_created"), *admitted]

    def _admit(self, leg_sid: LegSid) -> list[BridgeOutput]:
        self.leg_sids[leg_sid] = None
        return [Admitted(leg_sid, self.bridge_sid)]

    def _left(self, leg_sid: LegSid, *, has_ended: bool) -> list[BridgeOutput]:
        if self.stage is Stage.FORMING:
            return self._fail(f"{leg_sid}: the leg has ended")
        del self._members[leg_sid]
        outputs: list[BridgeOutput] = [*self._tape.left(leg_sid, has_ended=has_ended)]
        return outputs if self._members else outputs + self._end(Left, "completed")

    # What is wanted

    def _begin(self, leg_sids: tuple[LegSid, ...], now_ms: int) -> list[BridgeOutput]:
        if self.terms.is_recorded:
            self._tape.order(StartRecording(), self.bridge_sid, "")
        if not leg_sids:
            return [BridgeTold("bridge_created")]
        self._move(Begin)
        self._deadline_ms = now_ms + self._settings.form_ms
        self._members = {sid: _Member(self.terms.absorbs_keys) for sid in leg_sids}
        return [Invited(sid, self.bridge_sid) for sid in leg_sids]

    def _stop(self, *, hangs_up: bool, now_ms: int) -> list[BridgeOutput]:
        self._check_lives()
        if self.stage is Stage.FORMING:
            return self._fail("it was stopped before it was made")
        if self.stage is Stage.WAITING:
            return self._end(Stop, "completed")
        if self.stage is Stage.ACTIVE:
            self._move(Stop)
        self._deadline_ms = now_ms + self._settings.stop_ms
        outputs: list[BridgeOutput] = [*self._tape.stop()]
        if hangs_up or self._settings.stop_hangs_up_legs:
            ends = (Act(self.bridge_sid, leg_sid, (Hangup(),)) for leg_sid in self._members)
            return [*outputs, *ends]
        return [*outputs, *(Dismissed(leg_sid, self.bridge_sid) for leg_sid in self._members)]

    def _act(self, act: BridgeAct) -> list[BridgeOutput]:
        """BR-6: sounds go to everybody; a recording is made where the first of them hears."""
        self._check_lives()
        verbs = [verb for verb in act.verbs if not isinstance(verb, Refer)]
        if verbs and not self.active_legs:
            raise CommandError("no leg is in the bridge")
        outputs: list[BridgeOutput] = []
        sounds: list[Verb] = []
        for verb in act.verbs:
            match verb:
                case Refer(event_endpoint):
                    self.terms = replace(self.terms, event_endpoint=event_endpoint)
                case StartRecording():
                    self._tape.order(verb, act.action_sid, act.custom)
                    outputs += self._tape.settle(self.active_legs)
                case StopRecording():
                    outputs += self._tape.stop()
                case _:
                    sounds.append(verb)
        if sounds:
            told = (act.action_sid, tuple(sounds), act.custom)
            outputs += [Act(told[0], sid, told[1], told[2]) for sid in self.active_legs]
        return outputs

    def _watch(self, wish: WatchAsked | WatchLeft) -> list[BridgeOutput]:
        leg_sid = wish.leg_sid
        if isinstance(wish, WatchLeft):
            self._monitors.pop(leg_sid, None)
            return []
        if self.stage is not Stage.ACTIVE:
            return [WatchRefused(leg_sid, "nobody talks in this bridge")]
        if leg_sid not in self._monitors and len(self._monitors) >= MONITORS_LIMIT:
            return [WatchRefused(leg_sid, f"{MONITORS_LIMIT} legs listen to this bridge already")]
        if wish.mode == "whisper" and wish.other_sid not in self._members:
            return [WatchRefused(leg_sid, "the leg that is to hear the whisper is not in it")]
        self._monitors[leg_sid] = Monitor(wish.mode, wish.other_sid)
        return [Watching(leg_sid, self.bridge_sid, wish.mode)]

    # How it ends, and what follows

    def _check_lives(self) -> None:
        if self.stage is Stage.OVER:
            raise CommandError("the bridge has ended")

    def _fail(self, why: str) -> list[BridgeOutput]:
        self._move(Declined)
        self.terminal_status, self._deadline_ms = "failed", None
        members, self._members = self._members, {}
        error = Mishap(IMPOSSIBLE, "the bridge was not created", why)
        refused = (Refused(leg_sid, self.bridge_sid, why) for leg_sid in members)
        return [*refused, BridgeTold("bridge_failed_to_create", error)]

    def _end(self, why: type[Stop | Left], status: str) -> list[BridgeOutput]:
        self._move(why)
        self.terminal_status, self._deadline_ms = status, None
        watched = [WatchOver(leg_sid, self.bridge_sid) for leg_sid in self._monitors]
        self._monitors.clear()
        name = self._settings.terminal_event
        names = ("bridge_terminal", "bridge_terminated") if name == "both" else (name,)
        return [*watched, *map(BridgeTold, names)]

    def _settle(self) -> list[BridgeOutput]:
        """Let the recording and the links follow who is in it now."""
        is_active = self.stage is Stage.ACTIVE
        outputs: list[BridgeOutput] = [*self._tape.settle(self.active_legs)] if is_active else []
        inside = {
            sid: member.absorbs_keys for sid, member in self._members.items() if member.is_inside
        }
        wanted = links_of(inside, self._monitors)
        gone, fresh = self._links - wanted, wanted - self._links
        self._links = wanted
        return [*outputs, *map(Disconnect, gone), *map(Connect, fresh)]

    def _move(self, why: type[BridgeInput]) -> None:
        self.stage = MOVES[self.stage, why]
