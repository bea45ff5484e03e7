"""Makes the task of one call: its machines, its flow, its hands."""

from collections.abc import Callable
from dataclasses import dataclass

from agentstream.base.ids import LegSid, RecordingSid
from agentstream.calls import commands, events
from agentstream.calls.answering import AskWho
from agentstream.calls.call import Call
from agentstream.calls.record import CallLimits, CallSetup
from agentstream.flows.document import FlowDocument
from agentstream.flows.engine import Flow
from agentstream.store.values import Account
from agentstream.switch import feed
from agentstream.switch.call_lines import CallLines, Exchange
from agentstream.switch.call_task import CallTask
from agentstream.switch.lines import Line
from agentstream.switch.perform import Performer, Tenant
from agentstream.switch.wiring import Wiring


@dataclass(frozen=True, slots=True)
class Course:
    """Whose call it is, and what it follows."""

    account: Account
    flow: FlowDocument | None  # None: commands from outside
    limits: CallLimits
    recording: commands.RecordingSpec | None = None  # of the whole call
    asks_who: AskWho | None = None  # who answers it


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
        performer = Performer(setup, tenant, CallLines(line, exchange), wiring.means, tell)
        call, flow = self._call(setup, course, line.leg_sid), self._flow(setup, course)
        return CallTask(call, flow, performer, tell, wiring.clock.now_ms)

    def _call(self, setup: CallSetup, course: Course, leg_sid: LegSid) -> Call:
        spec, recording = course.recording, None
        if spec is not None:
            sid = RecordingSid(self._wiring.tokens.hex())
            recording = commands.StartRecording(leg_sid, sid, spec)
        return Call(
            setup,
            course.limits,
            self._wiring.clock.now_ms(),
            awaits_flow=course.flow is not None,
            recording=recording,
            asks_who=course.asks_who,
        )

    def _flow(self, setup: CallSetup, course: Course) -> Flow | None:
        account_sid, wiring = course.account.sid, self._wiring

        def published_flow(sid_or_name: str) -> FlowDocument | None:
            found = wiring.directory.flow_of(account_sid, sid_or_name)
            return None if found is None else found.flow

        if course.flow is None:
            return None
        return Flow(
            course.flow,
            setup,
            wiring.tokens,
            wiring.clock.now_ms(),
            library=published_flow,
            numbers=wiring.numbers,
        )
