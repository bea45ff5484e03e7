"""The flow of one call: which applet the call is in, and which comes next.

    WAITING ──CallStarted: Answer──▶ ANSWERING ──CallAnswered──▶ RUNNING ─┐ applet to applet
       │                                │                           │ ▲───┘
       └────────── CallHungUp ──────────┴───────────────────────────┘
                       │
                    CLOSING  what may finish without the call does (PT-22)
                       │
                     DONE    ReleaseCall was given, or the call has ended

Where no exit leads on, the flow hangs up and waits for CallHungUp.
"""

from collections.abc import Callable
from enum import Enum
from typing import Final

from agentstream.base.ids import Tokens
from agentstream.base.machine import earliest
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import Answer, Command, HangUp, ReleaseCall
from agentstream.calls.events import (
    AppletEntered,
    AppletLeft,
    CallAnswered,
    CallEnded,
    CallHungUp,
    CallStarted,
)
from agentstream.calls.record import CallSetup
from agentstream.flows.applet import (
    NEXT,
    ON_FAILURE,
    Applet,
    AppletInput,
    CommandRefused,
    Leave,
    Settings,
    Step,
    hang_up,
)
from agentstream.flows.context import Context
from agentstream.flows.document import FlowDocument

VISITS_LIMIT: Final = 1000  # of applets, in one call: a loop over a failing applet must end

FlowOutput = Command | AppletEntered | AppletLeft


class FlowState(Enum):
    """Where a flow is in its life."""

    WAITING = "waiting"
    ANSWERING = "answering"
    RUNNING = "running"
    CLOSING = "closing"
    DONE = "done"


class Flow:
    """A Machine[AppletInput, FlowOutput]: events of its call in, commands to its call out."""

    def __init__(
        self,
        document: FlowDocument,
        setup: CallSetup,
        tokens: Tokens,
        now_ms: int,
        *,
        library: Callable[[str], FlowDocument | None] = lambda _: None,
    ) -> None:
        self.library = library  # the account's published flows, by name or sid
        self.state = FlowState.WAITING
        self.context = Context(setup, tokens, now_ms)
        self._document = document
        self._name = ""
        self._settings = Settings()
        self._applet: Applet | None = None
        self._visits = 0
        self._deadline_ms: int | None = None

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""
        return earliest(self._deadline_ms, self._applet.wake_at_ms if self._applet else None)

    @property
    def place(self) -> str:
        """The name of the applet that the call is in; empty when in none."""
        return self._name if self._applet else ""

    def receive(self, happening: AppletInput, now_ms: int) -> list[FlowOutput]:
        """Take a fact of the call, or the refusal of a command."""
        if self.state is FlowState.DONE:
            return []
        if not isinstance(happening, CommandRefused):
            self.context.note(happening)
        match happening:
            case CallStarted():
                return self._begin(happening, now_ms)
            case CallAnswered() if self.state is FlowState.ANSWERING:
                self.state = FlowState.RUNNING
                return self._enter(self._document.start, now_ms)
            case CallHungUp():
                return self._close(happening, now_ms)
            case CallEnded():
                self.state, self._applet, self._deadline_ms = FlowState.DONE, None, None
                return []
            case CommandRefused(command=HangUp()):
                return []  # somebody was quicker; CallHungUp is on its way
            case _:
                return self._ask(happening, now_ms)

    def wake(self, now_ms: int) -> list[FlowOutput]:
        """Let the timers that are due fire: the flow's own limit, and the applet's."""
        if self._deadline_ms is not None and self._deadline_ms <= now_ms:
            limit = "the flow's time limit"
            left = [self._left("", "", limit)] if self._applet else []
            return [*left, self._stop(Cause.TIME_LIMIT, Party.SYSTEM, limit)]
        applet = self._applet
        if applet is None or applet.wake_at_ms is None or applet.wake_at_ms > now_ms:
            return []
        return self._follow(applet.wake(now_ms), now_ms)

    def _begin(self, started: CallStarted, now_ms: int) -> list[FlowOutput]:
        self.state = FlowState.ANSWERING
        self.context.leg_sid = started.leg_sid
        self._deadline_ms = now_ms + self._document.timeout_ms
        return [Answer(started.leg_sid)]

    def _close(self, hung_up: CallHungUp, now_ms: int) -> list[FlowOutput]:
        self.state, self._deadline_ms = FlowState.CLOSING, None
        if self._applet is None:
            return self._release()
        if self._settings.finishes_after_call:
            return self._ask(hung_up, now_ms)
        left = self._left("", "", hung_up.text)
        return [left, *self._release()]

    def _release(self) -> list[FlowOutput]:
        self.state, self._applet, self._deadline_ms = FlowState.DONE, None, None
        return [ReleaseCall()]

    def _ask(self, happening: AppletInput, now_ms: int) -> list[FlowOutput]:
        if self._applet is None:
            return []
        return self._follow(self._applet.receive(happening, now_ms), now_ms)

    def _follow(self, steps: list[Step], now_ms: int) -> list[FlowOutput]:
        """Do what applets want, from one to the next, until one waits."""
        outputs: list[FlowOutput] = []
        while steps:
            step = steps.pop(0)
            if isinstance(step, HangUp):
                outputs += [self._left("", "", ""), step]
                continue
            if not isinstance(step, Leave):
                outputs.append(step)
                continue
            target = self._target(step)
            outputs.append(self._left(step.exit, target, step.reason))
            self.context.cause, self.context.mover = step.cause, step.party
            self.context.reason = step.reason
            steps = self._visit(target, now_ms, outputs) if target else []
            if not target:
                outputs += self._run_out(step)
        return outputs

    def _enter(self, name: str, now_ms: int) -> list[FlowOutput]:
        outputs: list[FlowOutput] = []
        steps = self._visit(name, now_ms, outputs)
        return outputs + self._follow(steps, now_ms)

    def _visit(self, name: str, now_ms: int, outputs: list[FlowOutput]) -> list[Step]:
        self._visits += 1
        if self._visits > VISITS_LIMIT:
            why = f"the flow went through {VISITS_LIMIT} applets"
            outputs.append(self._stop(Cause.FLOW_ERROR, Party.SYSTEM, why))
            return []
        self._name, self._settings = name, self._document.applets[name]
        self._applet = self._settings.applet(self.context)
        outputs.append(AppletEntered(self.context.setup.call_sid, name, self._settings.kind))
        return self._applet.enter(now_ms)

    def _target(self, leave: Leave) -> str:
        """Return the applet behind an exit; a failure without its own exit takes `next` (AP-7)."""
        exits = self._settings.exits()
        target = exits.get(leave.exit, "")
        if not target and leave.exit == ON_FAILURE:
            target = exits.get(NEXT, "")
        is_gone = self.state is FlowState.CLOSING
        if target and is_gone and not self._document.applets[target].starts_after_call:
            return ""
        return target

    def _run_out(self, leave: Leave) -> list[FlowOutput]:
        if self.state is FlowState.CLOSING:
            return self._release()
        return [self._stop(leave.cause, leave.party, leave.reason)]

    def _stop(self, cause: Cause, party: Party, reason: str) -> HangUp:
        """Hang up; CallHungUp, or the refusal because it is there already, follows."""
        self._applet, self._deadline_ms = None, None
        return hang_up(cause, party, reason)

    def _left(self, exit_name: str, target: str, reason: str) -> AppletLeft:
        self._applet = None
        return AppletLeft(self.context.setup.call_sid, self._name, exit_name, target, reason)
