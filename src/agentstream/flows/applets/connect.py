"""Connect: dials one or more parties and lets the caller talk with the first who answers (AP-40).

enter ──url──▶ ASKING ──whom──▶ DIALLING ──LegUp──▶ CONVERSING ──talked──▶ leave
   │             ▲ └─nobody──▶ leave ▲ │ ▲             │
   └──numbers────┼───────────────────┘ │ └── gone too soon
                 └──── AP-44 ──────────┴── nobody answered ──▶ leave

before DIALLING, with `refer`: REFERRING ──it has called there──▶ leave; it will not ──▶ DIALLING
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import ClassVar, Final, Literal

from agentstream.base.machine import earliest
from agentstream.calls.causes import CallStatus, Cause, Party
from agentstream.calls.commands import Fetch
from agentstream.calls.events import CallHungUp, LegDialled, LegGone, LegRinging, LegUp
from agentstream.flows.applet import NEXT, Applet, AppletInput, CommandRefused, Leave, Step
from agentstream.flows.connect_fields import ConnectFields
from agentstream.flows.connect_question import WhomToDial
from agentstream.flows.context import Context, Dialled, DialledParty
from agentstream.flows.conversation import CallerEar, Conversation, Ending
from agentstream.flows.dial_plan import OPERATOR_TONE, DialPlan, Target
from agentstream.flows.dialling import AgentEvents, Attempt, Dialling, Failure
from agentstream.flows.referral import Referral, may_refer

PARTIES_LIMIT: Final = 10  # are told of one by one, the last ones; a query is not endless
ASKS_LIMIT: Final = 20  # of one visit; a server that always names the same number must end


class Outcome(Enum):
    """What became of it: the five causes, and a caller who gave up (AP-46, CL-10)."""

    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    FAILED = "failed"
    NOBODY_DIALLED = "nobody-dialled"
    GIVEN_UP = "given-up"


STATUS: Final[Mapping[Outcome, CallStatus]] = MappingProxyType(
    {
        Outcome.ANSWERED: "completed",
        Outcome.BUSY: "busy",
        Outcome.NO_ANSWER: "no-answer",
        Outcome.FAILED: "failed",
        Outcome.NOBODY_DIALLED: "failed",
        Outcome.GIVEN_UP: "canceled",
    }
)
REACHED: Final[Mapping[CallStatus, Outcome]] = MappingProxyType(
    {"busy": Outcome.BUSY, "no-answer": Outcome.NO_ANSWER}
)
# The first that is wired is taken; the last before `next` is named when none is.
EXITS: Final[Mapping[Outcome, tuple[str, ...]]] = MappingProxyType(
    {
        Outcome.ANSWERED: ("on_conversation_ended",),
        Outcome.BUSY: ("on_busy", "on_nobody_answered"),
        Outcome.NO_ANSWER: ("on_no_answer", "on_nobody_answered"),
        Outcome.FAILED: ("on_failed", "on_nobody_answered"),
        Outcome.NOBODY_DIALLED: ("on_nobody_dialled",),
        Outcome.GIVEN_UP: ("on_nobody_answered",),
    }
)


class ConnectSettings(ConnectFields):
    """Dial one or more parties and connect the caller to the first who answers."""

    kind: ClassVar[str] = "connect"
    finishes_after_call: ClassVar[bool] = True
    is_reported: ClassVar[bool] = True

    def applet(self, context: Context) -> Applet:
        """Return a machine for one visit."""
        return Connect(self, context)


class Connect:
    """One visit: from the question whom to dial, if there is one, to the end of the talk."""

    def __init__(self, settings: ConnectSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._plan = DialPlan()
        self._ear = CallerEar(context)
        self._events = AgentEvents(context, "", {})
        self._question: WhomToDial | None = None
        self._dialling = Dialling(context, self._plan, self._events)
        self._conversation: Conversation | None = None
        self._asked = 0
        self._earlier: list[DialledParty] = []  # of the rounds before
        self._latest: Target | None = None  # who was dialled last
        self._failure: Failure | None = None  # why the last who was dialled was not reached
        self._referral: Referral | None = None  # while the caller's side is asked to call there
        self._is_call_over = False

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""
        question, conversation = self._question, self._conversation
        return earliest(
            question.wake_at_ms if question else None,
            conversation.wake_at_ms if conversation else None,
        )

    def enter(self, now_ms: int) -> list[Step]:
        """Ask whom to dial, or dial."""
        self._plan = self._settings.plan(self._context, now_ms)
        return self._ask(now_ms) if self._settings.url else self._dial(now_ms)

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Take a fact of the call."""
        if self._referral is not None:
            return self._while_referring(self._referral, happening, now_ms)
        steps = self._ear.receive(happening)
        if isinstance(happening, CallHungUp):
            self._is_call_over = True
            if self._conversation is None:
                return self._given_up(happening, now_ms)
        if self._conversation is not None:
            steps += self._conversation.receive(happening, now_ms)
            return steps + self._after_talk(self._conversation, now_ms)
        if self._question is not None:
            steps += self._question.receive(happening, now_ms)
            return steps + self._after_answer(self._question, now_ms)
        return steps + self._while_dialling(happening, now_ms)

    def wake(self, now_ms: int) -> list[Step]:
        """Let the timer that is due fire."""
        if self._conversation is not None:
            steps = self._conversation.wake(now_ms)
            return steps + self._after_talk(self._conversation, now_ms)
        if self._question is not None:
            steps = self._question.wake(now_ms)
            return steps + self._after_answer(self._question, now_ms)
        return []

    def abandon(self, now_ms: int) -> list[Fetch]:
        """Tell that whoever rang or talked is free (AP-48)."""
        freed = self._dialling.forget(now_ms)
        return freed + (self._conversation.forget(now_ms) if self._conversation else [])

    # Whom to dial

    def _ask(self, now_ms: int) -> list[Step]:
        self._asked += 1
        settings = self._settings
        self._question = WhomToDial(
            self._context,
            settings.urls(),
            settings.plan(self._context, now_ms),
            now_ms,
            is_programmable=settings.mode == "programmable",
        )
        return self._question.begin(now_ms)

    def _after_answer(self, question: WhomToDial, now_ms: int) -> list[Step]:
        if question.plan is None:
            return []
        self._question, self._plan = None, question.plan
        return self._dial(now_ms)

    # Until somebody answers

    def _dial(self, now_ms: int) -> list[Step]:
        context, plan = self._context, self._plan
        self._events = AgentEvents(context, plan.event_url, self._settings.agent_emails)
        self._earlier += self._dialling.parties.values()
        self._dialling = Dialling(context, plan, self._events)
        if self._settings.refer and self._asked < 2 and may_refer(context, plan):
            self._referral = Referral(context, plan)
            return self._referral.begin()
        return self._ring()

    def _ring(self) -> list[Step]:
        dials = self._dialling.dial()
        if not dials:
            return self._nobody()
        return [*dials, *self._ear.hold(self._plan.music)]

    def _while_referring(
        self, referral: Referral, happening: AppletInput, now_ms: int
    ) -> list[Step]:
        referral.receive(happening)
        if isinstance(happening, CallHungUp):
            self._is_call_over, self._referral = True, None
            if not referral.is_done:
                return self._given_up(happening, now_ms)
            self._latest = referral.target
            ending = Ending(happening.cause, happening.party, happening.text)
            return self._leave(Outcome.ANSWERED, ending)
        if referral.is_refused:
            self._referral = None
            return self._ring()
        if referral.failure is not None:
            self._referral = None
            self._latest, self._failure = referral.target, referral.failure
            return self._nobody()
        return []

    def _while_dialling(self, happening: AppletInput, now_ms: int) -> list[Step]:
        dialling = self._dialling
        match happening:
            case LegDialled() | LegRinging() | LegUp() | LegGone():
                steps = dialling.receive(happening, now_ms)
            case CommandRefused(command=command, text=text):
                steps = dialling.refused(command, text)
            case _:
                return []
        return steps + self._after_dialling(now_ms)

    def _after_dialling(self, now_ms: int) -> list[Step]:
        """Look at where the dialling stands, after each thing that happened in it."""
        dialling, ear, plan = self._dialling, self._ear, self._plan
        if dialling.has_dialled:
            self._latest, self._failure = dialling.latest, dialling.failure
        if dialling.answered is not None:
            return self._converse(dialling.answered, now_ms)
        if dialling.is_exhausted:
            may_ask = plan.asks_again and self._asked < ASKS_LIMIT
            return self._ask_again(now_ms) if may_ask else self._nobody()
        if ear.hears is not None:
            return []
        if dialling.talker is not None and plan.music == OPERATOR_TONE:
            return ear.hear(dialling.talker.leg_sid)
        return ear.hold(plan.music)

    def _ask_again(self, now_ms: int) -> list[Step]:
        if self._failure is not None:  # who is asked should know how it went
            self._remember(self._failure.status, 0)
        return self._ask(now_ms)

    def _nobody(self) -> list[Step]:
        """Leave without a talk."""
        failure, also = self._failure, self._plan.reason
        if failure is None:
            refused = self._dialling.failure
            reason = f"nobody was dialled: {refused.text if refused else also}"
            return self._leave(
                Outcome.NOBODY_DIALLED, Ending(Cause.UNAVAILABLE, Party.FLOW, reason)
            )
        reason = "; ".join(filter(None, (failure.text or failure.cause.value, also)))
        ending = Ending(failure.cause, failure.party, f"nobody answered: {reason}")
        return self._leave(REACHED.get(failure.status, Outcome.FAILED), ending)

    def _given_up(self, hung_up: CallHungUp | Ending, now_ms: int) -> list[Step]:
        """Leave because the call is over before anybody talked."""
        freed = self._dialling.forget(now_ms)
        ending = Ending(hung_up.cause, hung_up.party, hung_up.text)
        return [*freed, *self._leave(Outcome.GIVEN_UP, ending)]

    # With the one who answered

    def _converse(self, answered: Attempt, now_ms: int) -> list[Step]:
        self._latest = answered.target
        self._conversation = Conversation(
            self._context, self._plan, answered, self._ear, self._events
        )
        return self._conversation.begin(now_ms)

    def _after_talk(self, talk: Conversation, now_ms: int) -> list[Step]:
        if not talk.is_over:
            return []
        if talk.has_talked:
            self._dialling.talked(talk.callee, talk.talk_s)
            return self._leave(Outcome.ANSWERED, talk.ending, talk.talk_s)
        if self._is_call_over:
            return self._given_up(talk.ending, now_ms)
        self._conversation = None
        cause = Cause.REJECTED if talk.ending.cause is Cause.NORMAL else talk.ending.cause
        text = talk.ending.text or "it hung up before the two were connected"
        failure = Failure(talk.callee.target, cause, talk.ending.party, text)
        return self._dialling.failed(talk.callee, failure) + self._after_dialling(now_ms)

    # How it ends

    def _leave(self, outcome: Outcome, ending: Ending, talk_s: int = 0) -> list[Step]:
        self._remember(STATUS[outcome], talk_s)
        self._context.call_type = call_type(outcome, ending.party)
        wired = self._settings.exits()
        exits = EXITS[outcome]
        exit_name = next((name for name in (*exits, NEXT) if name in wired), exits[-1])
        # A call that is over has stopped the music itself.
        quiet = [] if self._is_call_over else self._ear.quiet()
        return [*quiet, Leave(exit_name, ending.cause, ending.party, ending.text)]

    def _remember(self, status: CallStatus, talk_s: int) -> None:
        """Keep what later applets and URLs are told (PT-10)."""
        whom = self._latest.destination if self._latest else ""
        caller_id = self._plan.caller_id if self._latest else ""
        parties = [*self._earlier, *self._dialling.parties.values()][-PARTIES_LIMIT:]
        self._context.dial = Dialled(status, whom, talk_s, caller_id, tuple(parties))


def call_type(
    outcome: Outcome, party: Party
) -> Literal["completed", "client-hangup", "incomplete"]:
    """Return what CallType says (PT-10, CL-10)."""
    if outcome is Outcome.ANSWERED:
        return "completed"
    # Of a placed call the party that was dialled first is the one who waits here.
    waiting = (Party.CALLER, Party.CALLEE, Party.NETWORK)
    is_callers_wish = outcome is Outcome.GIVEN_UP and party in waiting
    return "client-hangup" if is_callers_wish else "incomplete"
