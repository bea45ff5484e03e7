"""The flow of one call: which applet the call is in, and which comes next.

A call that rings here, which the flow answers:

    WAITING ──CallStarted: Answer──▶ ANSWERING ──CallAnswered──▶ RUNNING ─┐ applet to applet
       │   └──CallStarted: Ring──▶ RINGING ─▲                       │ ▲───┘
       └────────── CallHungUp ────────┴─────┴───────────────────────┘
                       │
                    CLOSING  what may finish without the call does; behind a stream or a
                       │     conversation what tells of it may even begin (PT-22)
                       │
                     DONE    ReleaseCall was given, or the call has ended

RINGING is for a first applet that has something to do before the answer (OP-6): it answers itself,
or leaves, and then the call is answered before the next one is entered.

A call that we place is ANSWERING from its start: its party answers (AF-7). A first applet that has
something to do before is entered when it rings there.

Where no exit leads on, the flow hangs up and waits for CallHungUp. A flow may go over into another
one of the account (AP-55), or be redirected into one from outside (OC-1): then the call is told to
start over, and the new flow begins once the bot of the old one has gone. A new version of a flow
never reaches a call that is in it.
"""

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Final

from agentstream.base.errors import CommandError
from agentstream.base.ids import Tokens
from agentstream.base.machine import earliest
from agentstream.base.phone import AS_THEY_ARE, NumberStyle
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import Answer, Command, HangUp, ReleaseCall, Ring, StartOver
from agentstream.calls.events import (
    AppletEntered,
    AppletLeft,
    AppletNoted,
    CallAnswered,
    CallEnded,
    CallHungUp,
    CallStarted,
    LegRinging,
    StreamFinished,
)
from agentstream.calls.record import CallSetup
from agentstream.calls.transfer_words import LegReplaced, TransferFinished
from agentstream.flows.applet import (
    NEXT,
    ON_FAILURE,
    Abandoned,
    Applet,
    AppletInput,
    CommandRefused,
    GoOver,
    Leave,
    Noted,
    Settings,
    Step,
    hang_up,
)
from agentstream.flows.context import Context
from agentstream.flows.document import FlowDocument

VISITS_LIMIT: Final = 1000  # of applets, in one call: a loop over a failing applet must end
ASKED_LIMIT: Final = 64  # the latest commands of a visit, to know whose a refusal is
TRANSFER: Final = "transfer"  # how an AppletLeft names the way into another flow
TRANSFERRED: Final = "transferred"  # how it names that the party has gone over to somebody else
REDIRECT: Final = "redirect"  # the same, when it was wanted from outside

FlowOutput = Command | AppletEntered | AppletLeft | AppletNoted


class FlowState(Enum):
    """Where a flow is in its life."""

    WAITING = "waiting"
    RINGING = "ringing"
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
        library: Callable[[str], FlowDocument | None] = lambda name: None,
        numbers: NumberStyle = AS_THEY_ARE,
    ) -> None:
        """Take the first flow; `library` gives the account's published flows by their names.

        `numbers` is how the customer's servers are shown numbers.
        """
        self.state = FlowState.WAITING
        self.context = Context(setup, tokens, now_ms, numbers)
        self._document = document
        self._library = library
        self._name = ""
        self._settings = Settings()
        self._is_behind_report = False  # the applet before this one is worth telling of
        self._applet: Applet | None = None
        self._asked: deque[Command] = deque(maxlen=ASKED_LIMIT)  # by this visit
        self._visits = 0
        self._first = document.start  # the applet that is entered with the answer
        self._deadline_ms: int | None = None
        self._is_moving = False  # redirected; the bot of the old flow has not gone yet

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
            case LegRinging(leg_sid=self.context.leg_sid) if self._may_begin_early():
                return self._enter(self._first, now_ms)
            case CallAnswered() if self.state is FlowState.ANSWERING:
                return self._answered(happening, now_ms)
            case CallHungUp():
                return self._close(happening, now_ms)
            case CallEnded():
                self.state, self._applet, self._deadline_ms = FlowState.DONE, None, None
                return []
            case _:
                return self._receive_inside(happening, now_ms)

    def _receive_inside(self, happening: AppletInput, now_ms: int) -> list[FlowOutput]:
        match happening:
            case LegReplaced(leg_sid=self.context.leg_sid, by_sid=by_sid):
                self.context.leg_sid = by_sid  # whom a transfer has brought (SIP-62)
                return self._ask(happening, now_ms)
            case TransferFinished(leg_sid=self.context.leg_sid, outcome="bridged"):
                return self._hand_over(now_ms)
            case StreamFinished() if self._is_moving:
                return self._arrive(now_ms)
            case CommandRefused(command=command) if command not in self._asked:
                return []  # of a visit that is over, or a HangUp: somebody was quicker
            case _:
                return self._ask(happening, now_ms)

    def redirect(self, document: FlowDocument, now_ms: int) -> list[FlowOutput]:
        """Leave whatever the call is in and go on in another flow.

        Raises CommandError for a call that is not answered, or over.
        """
        if self.state is not FlowState.RUNNING:
            is_over = self.state in (FlowState.CLOSING, FlowState.DONE)
            raise CommandError("the call has ended" if is_over else "the call is not answered yet")
        outputs: list[FlowOutput] = []
        if isinstance(self._applet, Abandoned):
            outputs += self._applet.abandon(now_ms)
        if self._applet is not None:
            why = f"is sent to flow '{document.name}'"
            outputs.append(self._left(REDIRECT, document.start, why))
        self._note_why(Leave(party=Party.OPERATOR))
        self._document, self._is_moving = document, True
        self._deadline_ms = now_ms + document.timeout_ms
        return [*outputs, StartOver(Party.OPERATOR), *self._arrive(now_ms)]

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

    def _hand_over(self, now_ms: int) -> list[FlowOutput]:
        """Let go of a call whose party talks with somebody else from now on."""
        outputs: list[FlowOutput] = []
        if isinstance(self._applet, Abandoned):
            outputs += self._applet.abandon(now_ms)
        if self._applet is not None:
            outputs.append(self._left(TRANSFERRED, "", "the party was transferred"))
        return [*outputs, *self._release()]

    def _begin(self, started: CallStarted, now_ms: int) -> list[FlowOutput]:
        self.context.leg_sid = started.leg_sid
        if self.context.setup.direction == "outbound":
            self.state = FlowState.ANSWERING
            return []
        self._deadline_ms = now_ms + self._document.timeout_ms
        if self._document.applets[self._first].begins_before_answer():
            self.state = FlowState.RINGING
            return [Ring(started.leg_sid), *self._enter(self._first, now_ms)]
        self.state = FlowState.ANSWERING
        return [Answer(started.leg_sid)]

    def _may_begin_early(self) -> bool:
        """Tell whether the first applet of a placed call has something to do while it rings."""
        is_first = self.state is FlowState.ANSWERING and not self._visits
        return is_first and self._document.applets[self._first].begins_before_answer()

    def _answered(self, answered: CallAnswered, now_ms: int) -> list[FlowOutput]:
        self.state = FlowState.RUNNING
        if self._deadline_ms is None:  # of a placed call: ringing is not its flow's time
            self._deadline_ms = now_ms + self._document.timeout_ms
        if self._applet is None:
            return self._enter(self._first, now_ms)
        return self._ask(answered, now_ms)

    def _arrive(self, now_ms: int) -> list[FlowOutput]:
        """Begin the flow that the call was redirected to, unless a bot still speaks."""
        if self.context.talks:
            return []
        self._is_moving = False
        return self._enter(self._document.start, now_ms)

    def _close(self, hung_up: CallHungUp, now_ms: int) -> list[FlowOutput]:
        self.state, self._deadline_ms, self._is_moving = FlowState.CLOSING, None, False
        if self._applet is None:
            return self._release()
        if self._settings.finishes_after_call or (
            self._settings.starts_after_call and self._is_behind_report
        ):
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
            match step:
                case HangUp() if self.state is FlowState.CLOSING:
                    outputs += [self._left("", "", step.text), *self._release()]
                case HangUp():
                    outputs += [self._left("", "", ""), step]
                case Leave():
                    steps = self._leave(step, now_ms, outputs)
                case GoOver(flow):
                    steps = self._go_over(flow, now_ms, outputs)
                case Noted(text, is_trouble):
                    sid = self.context.setup.call_sid
                    outputs.append(AppletNoted(sid, self._name, text, is_trouble))
                case _:
                    if isinstance(step, Answer):
                        self.state = FlowState.ANSWERING
                    self._asked.append(step)
                    outputs.append(step)
        return outputs

    def _leave(self, leave: Leave, now_ms: int, outputs: list[FlowOutput]) -> list[Step]:
        target = self._target(leave)
        outputs.append(self._left(leave.exit, target, leave.reason))
        self._note_why(leave)
        if target and self.state in (FlowState.RINGING, FlowState.ANSWERING):
            return self._answer_first(target)
        if target:
            return self._visit(target, now_ms, outputs)
        if self.state is FlowState.CLOSING:
            outputs += self._release()
        else:
            outputs.append(self._stop(leave.cause, leave.party, leave.reason))
        return []

    def _answer_first(self, target: str) -> list[Step]:
        """Enter the applet with the answer, which is given unless it is on its way."""
        self._first = target
        is_asked = self.state is FlowState.ANSWERING
        return [] if is_asked else [Answer(self.context.leg_sid)]

    def _go_over(self, flow: str, now_ms: int, outputs: list[FlowOutput]) -> list[Step]:
        document = self._library(flow)
        if document is None:
            why = f"there is no published flow '{flow}'"
            return [Leave(ON_FAILURE, Cause.FLOW_ERROR, Party.FLOW, why)]
        outputs.append(self._left(TRANSFER, document.start, f"goes on in flow '{flow}'"))
        self._note_why(Leave())
        self._document = document
        self._deadline_ms = now_ms + document.timeout_ms
        return self._visit(document.start, now_ms, outputs)

    def _note_why(self, leave: Leave) -> None:
        self.context.cause, self.context.mover = leave.cause, leave.party
        self.context.reason = leave.reason

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
        applets = self._document.applets
        self._is_behind_report = self._settings.is_reported
        self._name, self._settings = name, applets[name]
        following = applets.get(self._settings.exits().get(NEXT, ""))
        self.context.coming_stream_url = following.stream_address() if following else ""
        self._asked.clear()
        self._applet = self._settings.applet(self.context)
        outputs.append(AppletEntered(self.context.setup.call_sid, name, self._settings.kind))
        return self._applet.enter(now_ms)

    def _target(self, leave: Leave) -> str:
        """Return the applet behind an exit; a failure without its own exit takes `next` (AP-7)."""
        exits = self._settings.exits()
        target = exits.get(leave.exit, "")
        goes_on = self._document.on_applet_failure == "continue"
        if not target and leave.exit == ON_FAILURE and goes_on:
            target = exits.get(NEXT, "")
        if target and self.state is FlowState.CLOSING:
            tells = self._document.applets[target].starts_after_call
            return target if tells and self._settings.is_reported else ""
        return target

    def _stop(self, cause: Cause, party: Party, reason: str) -> HangUp:
        """Hang up; CallHungUp, or the refusal because it is there already, follows."""
        self._applet, self._deadline_ms = None, None
        return hang_up(cause, party, reason)

    def _left(self, exit_name: str, target: str, reason: str) -> AppletLeft:
        self._applet = None
        return AppletLeft(self.context.setup.call_sid, self._name, exit_name, target, reason)
