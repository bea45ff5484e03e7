"""The call that documents drive: one is asked for, its verbs run in their order, then the next one.

ask ──a document──▶ the verbs, one by one ──the last is over──▶ leave by `next`
 ▲  │                │ action: what came of it is told ─┐
 │  └─ neither URL ──┼▶ leave by `on_failure`           │
 └───────────────────┴─ Redirect ───────────────────────┘

When the caller has gone, what a verb still has to tell is told in the background, and no document
is run any more.
"""

from collections import deque
from dataclasses import replace
from typing import Final, assert_never

from agentstream.base.errors import PeerError
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import Fetch
from agentstream.calls.events import CallHungUp, DigitReceived
from agentstream.flows.answer import Answer
from agentstream.flows.applet import AppletInput, Leave, Noted, Step, hang_up
from agentstream.flows.asking import Question, failure
from agentstream.flows.context import Context, Parameters
from agentstream.flows.exoml.dialling import Dialling
from agentstream.flows.exoml.gathering import Gathering
from agentstream.flows.exoml.hearing import Hearing
from agentstream.flows.exoml.reading import read_response
from agentstream.flows.exoml.recording import Recording
from agentstream.flows.exoml.requests import PURPOSE, request_of, tell
from agentstream.flows.exoml.streaming import Streaming
from agentstream.flows.exoml.turn import Over, Turn, TurnStep
from agentstream.flows.exoml.verbs import (
    Ask,
    Dial,
    Gather,
    Hangup,
    Placed,
    Play,
    Record,
    Redirect,
    Response,
    Say,
    Stream,
)

DOCUMENTS_LIMIT: Final = 250  # of one visit: an hour of menus has some two hundred
HASTY_LIMIT: Final = 10  # documents in a row of which the caller heard nothing
WANTED: Final = "XML with the root <Response>"


class Documents:
    """One visit to the applet: an Applet that runs one document after the other."""

    def __init__(
        self,
        context: Context,
        first: Ask,
        *,
        fallback_url: str = "",
        timeout_ms: int = 5_000,
        says_digits: bool = False,
    ) -> None:
        """Take where to begin; in these two addresses `{Name}` is filled in, in no other.

        `says_digits`: a Gather tells the keys as `digits` too (XR-20).
        """
        self._context = context
        self._first = first
        self._fallback_url = fallback_url
        self._timeout_ms = timeout_ms
        self._says_digits = says_digits
        self._question: Question[Response] | None = None  # while a server is asked
        self._verbs: deque[Placed] = deque()  # of the document, still to be run
        self._placed: Placed | None = None
        self._turn: Turn | None = None  # the verb that runs
        self._documents = 0
        self._hasty = 0  # documents in a row without a verb that took time, or had keys
        self._began_ms = 0  # the verb that runs
        self._gone: CallHungUp | None = None

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""
        now = self._turn or self._question
        return now.wake_at_ms if now else None

    def enter(self, now_ms: int) -> list[Step]:
        """Ask for the first document."""
        first = replace(self._first, url=self._context.url(self._first.url, now_ms))
        return self._ask(first, (), now_ms)

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Take a fact of the call; keys that are pressed while a server is asked are kept."""
        if isinstance(happening, CallHungUp):
            self._gone = happening
        if self._turn is not None:
            return self._follow(self._turn.receive(happening, now_ms), now_ms)
        match happening:
            case CallHungUp(party=party):
                return [Leave(party=party)]
            case DigitReceived(leg_sid=self._context.leg_sid, digit=digit):
                self._context.type_ahead(digit)
                return []
            case _:
                return self._question.receive(happening, now_ms) if self._question else []

    def wake(self, now_ms: int) -> list[Step]:
        """Let the timer of the verb or of the server fire."""
        if self._turn is not None:
            return self._follow(self._turn.wake(now_ms), now_ms)
        return self._question.wake(now_ms) if self._question else []

    def abandon(self, now_ms: int) -> list[Fetch]:
        """Tell what the verb that runs has to tell when the call is sent elsewhere."""
        return self._turn.abandon(now_ms) if self._turn else []

    # From one document to the next

    def _ask(self, ask: Ask, fields: Parameters, now_ms: int) -> list[Step]:
        self._documents += 1
        self._hasty += 1
        if self._documents > DOCUMENTS_LIMIT:
            return self._fail(f"the call went through {DOCUMENTS_LIMIT} documents", now_ms)
        if self._hasty > HASTY_LIMIT:
            why = f"{HASTY_LIMIT} documents in a row only led to another one"
            return self._fail(why, now_ms)
        fallback_url = self._context.url(self._fallback_url, now_ms)
        asks = [ask, *([replace(ask, url=fallback_url)] if fallback_url else [])]
        requests = [request_of(self._context, one, fields, self._timeout_ms) for one in asks]
        self._question = Question(self._context, PURPOSE, requests, self._read)
        return self._question.ask(now_ms, self._run, self._fail)

    def _read(self, answer: Answer) -> Response:
        text = answer.body().strip()
        if not text:
            raise PeerError(f"the answer is empty, wanted is {WANTED}")
        assert self._question is not None
        assert self._question.request is not None
        return read_response(text, self._question.request.url)

    def _run(self, document: Response, now_ms: int) -> list[Step]:
        self._question, self._verbs = None, deque(document.verbs)
        remarks = [Noted(remark, is_trouble=True) for remark in document.remarks]
        return [*remarks, *self._follow(self._next(now_ms), now_ms)]

    def _fail(self, why: str, now_ms: int) -> list[Step]:
        self._question = None
        return [failure("the document", why)]

    # From one verb to the next

    def _next(self, now_ms: int) -> list[TurnStep]:
        """Begin the next verb, or end with the document."""
        if not self._verbs:
            return [Leave()]
        self._placed = self._verbs.popleft()
        noted = Noted(self._placed.place)
        match self._placed.verb:
            case Redirect(to=to):
                return [noted, Over(to)]
            case Hangup():
                return [noted, hang_up(Cause.NORMAL, Party.FLOW, "")]
            case verb:
                self._turn, self._began_ms = self._turn_of(verb), now_ms
                return [noted, *self._turn.begin(now_ms)]

    def _turn_of(self, verb: Say | Play | Gather | Record | Dial | Stream) -> Turn:
        match verb:
            case Say() | Play():
                return Hearing(verb, self._context)
            case Gather():
                return Gathering(verb, self._context, says_digits=self._says_digits)
            case Record():
                return Recording(verb, self._context)
            case Dial():
                return Dialling(verb, self._context)
            case Stream():
                return Streaming(verb, self._context)
            case _:
                assert_never(verb)

    def _follow(self, steps: list[TurnStep], now_ms: int) -> list[Step]:
        """Do what verbs want, from one to the next, until one waits."""
        done: list[Step] = []
        todo = deque(steps)
        while todo:
            step = todo.popleft()
            if not isinstance(step, Over):
                done.append(step)
                continue
            if self._turn is not None and (step.action or now_ms > self._began_ms):
                self._hasty = 0
            self._turn = None
            if step.reason:
                assert self._placed is not None
                done.append(Noted(f"{self._placed.place}: {step.reason}", step.is_trouble))
            if self._gone is not None:
                if step.action is not None:
                    done.append(tell(self._context, step.action, step.fields))
                done.append(Leave(party=self._gone.party))
            elif step.action is not None:
                done += self._ask(step.action, step.fields, now_ms)
            else:
                todo.extend(self._next(now_ms))
        return done
