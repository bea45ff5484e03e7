"""Makes the task of one call: its machines, its flow, its hands."""

from collections.abc import Callable
from typing import Literal

from agentstream.base.ids import LegSid, RecordingSid
from agentstream.base.values import dataclass, replace
from agentstream.calls import commands, events
from agentstream.calls.answering import AskWho
from agentstream.calls.call import Call
from agentstream.calls.legs import RING_GRACE_MS
from agentstream.calls.record import CallLimits, CallSetup
from agentstream.flows.document import FlowDocument
from agentstream.flows.engine import Flow
from agentstream.flows.legs.control import LegControl
from agentstream.flows.legs.told import BotSpeaks, PromptBegins, RecordingBegins, Sign
from agentstream.flows.passage import Passage
from agentstream.store.directory import LegRoute
from agentstream.store.values import Account
from agentstream.switch import feed
from agentstream.switch.admit import PassageWay, Way
from agentstream.switch.call_lines import CallLines, Exchange
from agentstream.switch.call_task import CallTask
from agentstream.switch.lines import Line
from agentstream.switch.perform import Performer, Tenant
from agentstream.switch.placing import CallOrder, limits_of, question_of
from agentstream.switch.wiring import SwitchLimits, Wiring


@dataclass(frozen=True, slots=True)
class Course:
    """Whose call it is, and what it follows."""

    account: Account
    flow: FlowDocument | None  # None: actions from outside steer it
    limits: CallLimits
    recording: commands.RecordingSpec | None = None  # of the whole call
    answers: Literal["auto", "manual"] = "auto"  # of a leg that rings here and is steered (LG-112)
    asks_who: AskWho | None = None  # who answers it
    passage: commands.DialSpec | None = None  # whom it passes on to, instead of a flow


def course_of(way: Way | PassageWay, limits: CallLimits) -> Course:
    """Return what a call that comes in follows: a flow, its trunk's way out, or who steers it."""
    if isinstance(way, PassageWay):
        setup_ms = way.spec.ring_ms + RING_GRACE_MS
        limits = replace(limits, setup_ms=setup_ms)
        return Course(way.account, None, limits, passage=way.spec)
    if isinstance(way, LegRoute):
        return Course(way.account, None, limits, answers=way.answers)
    return Course(way.account, way.flow, limits, way.flow.recording)


def course_of_order(order: CallOrder, limits: SwitchLimits) -> Course:
    """Return what a call that is placed follows."""
    return Course(
        order.account,
        order.follow,
        limits_of(order, limits.call),
        order.recording or (order.follow.recording if order.follow else None),
        asks_who=question_of(order, limits.answering),
    )


class Signs:
    """Lets whoever steers a call know what its hands note: what begins to be heard."""

    def __init__(self, tell: Callable[[events.Event | feed.Note], None]) -> None:
        self.post: Callable[[Sign], None] = lambda _: None
        self._tell = tell

    def note(self, noted: feed.Note) -> None:
        """Tell the feed, and whoever steers."""
        self._tell(noted)
        match noted:
            case feed.PromptBegan(leg_sid=leg_sid, prompt_id=prompt_id):
                self.post(PromptBegins(leg_sid, prompt_id))
            case feed.RecordingBegan(recording_sid=recording_sid):
                self.post(RecordingBegins(recording_sid))
            case feed.BotSpoke(stream_sid=stream_sid):
                self.post(BotSpeaks(stream_sid))
            case _:
                pass


class CallMaker:
    """What every call of this house is made with."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    def make(
        self,
        setup: CallSetup,
        course: Course,
        line: Line,
        exchange: Exchange,
        tell: Callable[[events.Event | feed.Note], None],
    ) -> CallTask:
        """Return a call that waits for the report of its first leg."""
        account, wiring = course.account, self._wiring
        tenant = Tenant(account.sid, account.stream_limit, account.egress_allow)
        signs = Signs(tell)
        note = tell if course.flow or course.passage else signs.note
        performer = Performer(setup, tenant, CallLines(line, exchange), wiring.means, note)
        call, flow = self._call(setup, course, line.leg_sid), self._flow(setup, course)
        task = CallTask(call, flow, performer, tell, wiring.clock.now_ms)
        signs.post = performer.jobs.post
        return task

    def _call(self, setup: CallSetup, course: Course, leg_sid: LegSid) -> Call:
        limits, spec, recording = course.limits, course.recording, None
        if course.flow is None and course.passage is None:
            limits = replace(limits, outlives_first=True)
        if spec is not None:
            sid = RecordingSid(self._wiring.tokens.hex())
            recording = commands.StartRecording(leg_sid, sid, spec)
        return Call(
            setup,
            limits,
            self._wiring.clock.now_ms(),
            awaits_flow=course.flow is not None,
            recording=recording,
            asks_who=course.asks_who,
        )

    def _flow(self, setup: CallSetup, course: Course) -> Flow | LegControl | Passage:
        if course.passage is not None:
            return Passage(course.passage, self._wiring.tokens)
        if course.flow is None:
            settings = replace(self._wiring.legs, answers=course.answers)
            return LegControl(setup, self._wiring.tokens, settings)
        account_sid, wiring = course.account.sid, self._wiring

        def published_flow(sid_or_name: str) -> FlowDocument | None:
            found = wiring.directory.flow_of(account_sid, sid_or_name)
            return None if found is None else found.flow

        return Flow(
            course.flow,
            setup,
            wiring.tokens,
            wiring.clock.now_ms(),
            library=published_flow,
            numbers=wiring.numbers,
        )
