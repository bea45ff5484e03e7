"""The legs of one Connect until somebody has answered, and what agents' software is told of them.

        ┌──────────── one of `parallel` at once ────────────┐
Target ─┤ Dial ──▶ LegRinging ──▶ LegUp ────────────────────┼─▶ answered; the others are cancelled
        │   └─refused─┴──▶ LegGone ──▶ the next Target ─────┘
        └ nobody left ──▶ those who were busy or did not answer once more ──▶ exhausted
"""

from collections import deque
from typing import Final, assert_never

from agentstream.base.ids import LegSid
from agentstream.base.values import dataclass, replace
from agentstream.calls.causes import CallStatus, Cause, Party, status_word
from agentstream.calls.commands import (
    Bridge,
    Command,
    Dial,
    DialSpec,
    Fetch,
    HangUpLeg,
    HttpRequest,
)
from agentstream.calls.events import LegDialled, LegGone, LegRinging, LegUp
from agentstream.flows.applet import Step
from agentstream.flows.context import Context, DialledParty
from agentstream.flows.dial_plan import DialPlan, Target

EVENT_TIMEOUT_MS: Final = 15_000  # PT-5, PT-6: what nobody waits for
EVENT_RETRIES: Final = 2
# Who is called again; the others said that they cannot or will not be reached there.
PASSING: Final = frozenset({Cause.BUSY, Cause.NO_ANSWER, Cause.UNAVAILABLE, Cause.OVERLOADED})

LegEvent = LegDialled | LegRinging | LegUp | LegGone


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a party was not reached."""

    target: Target
    cause: Cause
    party: Party
    text: str

    @property
    def status(self) -> CallStatus:
        """What DialCallStatus says; `canceled` is for a caller who gave up (CL-10)."""
        word = status_word(self.cause, was_answered=False)
        return "failed" if word == "canceled" else word


@dataclass(slots=True)
class Attempt:
    """One party that is being called."""

    leg_sid: LegSid
    target: Target
    has_early_media: bool = False


class AgentEvents:
    """Tells one URL of every party that it is busy, and later free, each once (AP-48)."""

    def __init__(self, context: Context, url: str, emails: dict[str, str]) -> None:
        self._context = context
        self._url = url
        self._emails = emails
        self._busy: set[LegSid] = set()

    def busy(self, attempt: Attempt, now_ms: int) -> list[Fetch]:
        """Tell that a party rings or talks."""
        if not self._url or attempt.leg_sid in self._busy:
            return []
        self._busy.add(attempt.leg_sid)
        return [self._fetch(attempt, "busy", now_ms)]

    def free(self, attempt: Attempt, now_ms: int) -> list[Fetch]:
        """Tell that a party is done; nothing of one that was never busy."""
        if attempt.leg_sid not in self._busy:
            return []
        self._busy.remove(attempt.leg_sid)
        return [self._fetch(attempt, "free", now_ms)]

    def _fetch(self, attempt: Attempt, status: str, now_ms: int) -> Fetch:
        whom = attempt.target.destination
        email = self._emails.get(whom, "")
        query = (
            *(pair for pair in self._context.parameters(now_ms) if pair[0] != "DialWhomNumber"),
            ("EventType", "Dial"),
            ("DialWhomNumber", self._context.numbers.show(whom)),
            *((("AgentEmail", email),) if email else ()),
            ("Status", status),
        )
        url = self._context.url(self._url, now_ms)
        request = HttpRequest(url, query=query, timeout_ms=EVENT_TIMEOUT_MS, retries=EVENT_RETRIES)
        return Fetch(self._context.new_request_id(), request, "agent event", in_background=True)


class Dialling:
    """A machine inside the applet's: dials until one party is up or nobody is left.

    Each leg ends by itself (LegGone, and at the latest after `ring_ms` the call sees to that), is
    hung up here once, or is `answered`.
    """

    def __init__(self, context: Context, plan: DialPlan, events: AgentEvents) -> None:
        self.answered: Attempt | None = None
        self.failure: Failure | None = None  # the latest
        self.latest: Target | None = None  # the party that was dialled last
        self.has_dialled = False  # the call took one of the Dials at least
        self.parties: dict[LegSid, DialledParty] = {}  # all that were dialled, in their order
        self._context = context
        self._plan = plan
        self._events = events
        # A URL that is asked after each attempt names the next party itself (AP-44).
        first = plan.targets[: plan.parallel] if plan.asks_again else plan.targets
        self._waiting = deque(first)
        self._again: list[Target] = []
        self._rounds = 0 if plan.asks_again else plan.retries
        self._attempts: dict[LegSid, Attempt] = {}

    @property
    def is_exhausted(self) -> bool:
        """Whether nobody rings and nobody is left to dial."""
        return not self._attempts and not self._waiting

    @property
    def talker(self) -> Attempt | None:
        """The only party that is being called, if its network speaks to us already."""
        if len(self._attempts) != 1:
            return None
        [attempt] = self._attempts.values()
        return attempt if attempt.has_early_media else None

    def dial(self) -> list[Step]:
        """Dial as many as may ring at once."""
        steps: list[Step] = []
        while self._waiting and len(self._attempts) < self._plan.parallel:
            target = self._waiting.popleft()
            attempt = Attempt(self._context.new_leg_sid(), target)
            self._attempts[attempt.leg_sid] = attempt
            self.latest = target
            self.parties[attempt.leg_sid] = DialledParty(
                target.destination, "canceled", 0, self._plan.caller_id, Cause.CANCELED
            )
            steps.append(Dial(attempt.leg_sid, self._spec(target)))
        return steps

    def receive(self, event: LegEvent, now_ms: int) -> list[Step]:
        """Take what a leg tells; one that was hung up or is not ours says nothing here."""
        attempt = self._attempts.get(event.leg_sid)
        if attempt is None:
            return []
        self.has_dialled = True
        match event:
            case LegDialled():
                return []
            case LegRinging():
                attempt.has_early_media |= event.has_early_media
                return [*self._events.busy(attempt, now_ms)]
            case LegUp():
                del self._attempts[attempt.leg_sid]
                self.answered = attempt
                return [*self._events.busy(attempt, now_ms), *self.cancel(now_ms)]
            case LegGone():
                del self._attempts[attempt.leg_sid]
                freed = self._events.free(attempt, now_ms)
                failure = Failure(attempt.target, event.cause, event.party, event.text)
                return freed + self.failed(attempt, failure)
            case _:
                assert_never(event)

    def refused(self, command: Command, text: str) -> list[Step]:
        """Take that a party cannot be dialled at all, or not be heard before it answers."""
        match command:
            case Dial(leg_sid=leg_sid) if leg_sid in self._attempts:
                attempt = self._attempts.pop(leg_sid)
                failure = Failure(attempt.target, Cause.FAILED, Party.SYSTEM, text)
                steps = self.failed(attempt, failure)
                del self.parties[leg_sid]  # there was no leg
                return steps
            case Bridge(other_sid=leg_sid) if leg_sid in self._attempts:
                self._attempts[leg_sid].has_early_media = False
            case _:
                pass
        return []

    def talked(self, attempt: Attempt, talk_s: int) -> None:
        """Take note of a talk."""
        party = self.parties[attempt.leg_sid]
        self.parties[attempt.leg_sid] = replace(
            party, status="completed", talk_s=talk_s, cause=Cause.NORMAL
        )

    def failed(self, attempt: Attempt, failure: Failure) -> list[Step]:
        """Go on with the next, when one was not reached or did not stay."""
        self.answered, self.failure = None, failure
        self.parties[attempt.leg_sid] = replace(
            self.parties[attempt.leg_sid], status=failure.status, cause=failure.cause
        )
        if failure.cause in PASSING:
            self._again.append(failure.target)
        if self.is_exhausted and self._rounds:
            self._rounds -= 1
            self._waiting.extend(self._again)
            self._again.clear()
        return self.dial()

    def cancel(self, now_ms: int) -> list[Step]:
        """Hang up whoever rings."""
        ringing: list[Step] = [HangUpLeg(leg_sid, Cause.CANCELED) for leg_sid in self._attempts]
        return ringing + self.forget(now_ms)

    def forget(self, now_ms: int) -> list[Fetch]:
        """Take that whoever rings is hung up by the call."""
        attempts = list(self._attempts.values())
        self._attempts.clear()
        return [step for attempt in attempts for step in self._events.free(attempt, now_ms)]

    def _spec(self, target: Target) -> DialSpec:
        plan = self._plan
        return DialSpec(
            target.destination,
            target.to_number,
            plan.trunk,
            plan.caller_id,
            plan.ring_ms,
            target.headers,
        )
