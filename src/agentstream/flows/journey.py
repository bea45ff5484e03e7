"""A call together with the flow that it follows, as one machine for the switch to drive.

report, command ──▶ Call ──event──▶ Flow or LegControl ◀── steering
                     ▲ │              │
                     │ └─▶ out        ├─AppletEntered, AppletLeft, LegTold─▶ out
                     └───command──────┘
"""

from collections import deque
from collections.abc import Sequence
from typing import cast, get_args

from agentstream.base.errors import CommandError
from agentstream.base.machine import earliest
from agentstream.base.values import dataclass
from agentstream.calls.call import Call
from agentstream.calls.commands import Command
from agentstream.calls.effects import Effect
from agentstream.calls.events import (
    AppletEntered,
    AppletLeft,
    AppletNoted,
    BridgeAsked,
    Event,
    LegTold,
)
from agentstream.calls.reports import Report
from agentstream.flows.applet import CommandRefused
from agentstream.flows.document import FlowDocument
from agentstream.flows.engine import Flow, FlowOutput
from agentstream.flows.legs.control import LegControl
from agentstream.flows.legs.told import LegOutput, Steering
from agentstream.flows.passage import Passage

JourneyOutput = Event | Effect


@dataclass(frozen=True, slots=True)
class Redirect:
    """Let a call go on in another flow, whatever it is in now (OC-1); a command from outside."""

    document: FlowDocument


Wanted = Report | Command | Redirect | Steering
STEERING = frozenset(get_args(Steering))


class Journey:
    """A Machine[Wanted, Event | Effect]; facts and work come out in order.

    In the place of a flow a call may have somebody who steers it from outside, a passage to one
    other party, or nobody: it then does what commands say. Make the Call of such a one with
    `awaits_flow=False`.
    """

    def __init__(self, call: Call, flow: Flow | LegControl | Passage | None) -> None:
        self.call = call
        self.flow = flow

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""
        return earliest(self.call.wake_at_ms, self.flow.wake_at_ms if self.flow else None)

    def receive(self, happening: Wanted, now_ms: int) -> list[JourneyOutput]:
        """Take a report or a wish; raises CommandError for an impossible wish."""
        if isinstance(happening, Redirect):
            return self._redirect(happening.document, now_ms)
        if type(happening) in STEERING:
            return self._steer(cast("Steering", happening), now_ms)
        told = cast("Report | Command", happening)
        return self._carry(self.call.receive(told, now_ms), now_ms)

    def wake(self, now_ms: int) -> list[JourneyOutput]:
        """Let the timers that are due fire."""
        outputs = self._carry(self.call.wake(now_ms), now_ms)
        if self.flow is not None:
            fresh = self._bring(self.flow.wake(now_ms), outputs, now_ms)
            outputs += self._carry(fresh, now_ms)
        return outputs

    def _redirect(self, document: FlowDocument, now_ms: int) -> list[JourneyOutput]:
        if not isinstance(self.flow, Flow):
            raise CommandError("this call follows no flow")
        outputs: list[JourneyOutput] = []
        fresh = self._bring(self.flow.redirect(document, now_ms), outputs, now_ms)
        return outputs + self._carry(fresh, now_ms)

    def _steer(self, wish: Steering, now_ms: int) -> list[JourneyOutput]:
        if not isinstance(self.flow, LegControl):
            raise CommandError("this call follows a flow: its legs cannot be steered")
        outputs: list[JourneyOutput] = []
        fresh = self._bring(self.flow.receive(wish, now_ms), outputs, now_ms)
        return outputs + self._carry(fresh, now_ms)

    def _carry(self, fresh: list[JourneyOutput], now_ms: int) -> list[JourneyOutput]:
        """Pass the call's events to the flow, and what it wants to the call, until both wait."""
        outputs: list[JourneyOutput] = []
        waiting = deque(fresh)
        while waiting:
            output = waiting.popleft()
            outputs.append(output)
            if self.flow is not None and isinstance(output, Event):
                wanted = self.flow.receive(output, now_ms)
                waiting.extend(self._bring(wanted, outputs, now_ms))
        return outputs

    def _bring(
        self, wanted: Sequence[FlowOutput | LegOutput], facts: list[JourneyOutput], now_ms: int
    ) -> list[JourneyOutput]:
        """Bring the flow's commands before the call; return what the call makes of them.

        What the flow tells is added to `facts` at once: it follows what the flow was told, while
        the call may already have decided more. A refusal goes back to the flow.
        """
        fresh: list[JourneyOutput] = []
        todo: deque[FlowOutput | LegOutput] = deque(wanted)
        while todo:
            step = todo.popleft()
            if isinstance(step, AppletEntered | AppletLeft | AppletNoted | LegTold | BridgeAsked):
                facts.append(step)
                continue
            try:
                fresh += self.call.receive(step, now_ms)
            except CommandError as error:
                assert self.flow is not None
                todo.extend(self.flow.receive(CommandRefused(step, str(error)), now_ms))
        return fresh
