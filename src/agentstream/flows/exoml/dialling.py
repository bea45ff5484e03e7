"""Dial: a Connect by the words of a document (XR-14).

begin ──▶ Connect ──Leave──▶ Over, with what became of it
             ▲
             └── LegUp, held back while the callee hears what is announced to it alone

When it is up its keys are pressed (sendDigits); the caller's * with hangupOnStar ends its leg.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from agentstream.base.ids import LegSid
from agentstream.base.machine import earliest
from agentstream.calls.commands import Dial as DialLeg
from agentstream.calls.commands import Fetch, HangUpLeg
from agentstream.calls.events import CallHungUp, DigitReceived, LegGone, LegUp, RecordingFinished
from agentstream.calls.transfer_words import LegReplaced
from agentstream.flows.applet import AppletInput, Leave, Noted, Step
from agentstream.flows.applets.connect import Connect, ConnectSettings
from agentstream.flows.context import Context, Parameters
from agentstream.flows.exoml.announcing import Announcing
from agentstream.flows.exoml.news import CalleeNews
from agentstream.flows.exoml.pressing import Pressing
from agentstream.flows.exoml.turn import Over, TurnStep
from agentstream.flows.exoml.verbs import Callee, Dial

STAR: Final = "*"
# XR-14 has four words; a caller who gave up was not waited for.
WORDS: Final[Mapping[str, str]] = MappingProxyType({"canceled": "no-answer"})


class Dialling:
    """One Dial."""

    def __init__(self, verb: Dial, context: Context) -> None:
        self._verb = verb
        self._context = context
        self._connect = Connect(_settings(verb), context)
        self._callees: dict[LegSid, Callee] = {}  # the legs that were dialled
        self._news: list[CalleeNews] = []
        self._announcing: dict[LegSid, tuple[Announcing, LegUp]] = {}
        self._pressing: Pressing | None = None
        self._answered: LegSid | None = None  # the latest whom the caller could talk with
        self._is_up = False  # and has not gone
        self._recording_url = ""

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""
        return earliest(
            self._connect.wake_at_ms,
            self._pressing.wake_at_ms if self._pressing else None,
            *(each.wake_at_ms for each, _ in self._announcing.values()),
        )

    def begin(self, now_ms: int) -> list[TurnStep]:
        """Dial."""
        return self._after(self._connect.enter(now_ms))

    def receive(self, happening: AppletInput, now_ms: int) -> list[TurnStep]:
        """Take a fact of the call; one that is over is told of all the same."""
        steps: list[Step] = [step for each in self._news for step in each.receive(happening)]
        match happening:
            case LegUp(leg_sid=leg_sid) if leg_sid in self._callees:
                return self._after(steps + self._up(happening, now_ms))
            case LegGone(leg_sid=leg_sid):
                self._announcing.pop(leg_sid, None)
                self._is_up &= leg_sid != self._answered
            case LegReplaced(leg_sid=self._answered, by_sid=by_sid):
                self._answered = by_sid
            case CallHungUp():
                self._announcing.clear()
            case RecordingFinished(error="", url=url):
                self._recording_url = url
            case DigitReceived(leg_sid=self._context.leg_sid, digit=digit) if digit == STAR:
                steps += self._star()
            case _:
                steps += self._pressing.receive(happening, now_ms) if self._pressing else []
        for announcing, _ in list(self._announcing.values()):
            steps += announcing.receive(happening, now_ms)
        steps += self._connect.receive(happening, now_ms)
        return self._after(steps + self._announced(now_ms))

    def wake(self, now_ms: int) -> list[TurnStep]:
        """Let the timers that are due fire."""
        steps = self._pressing.wake(now_ms) if self._pressing else []
        for announcing, _ in list(self._announcing.values()):
            steps += announcing.wake(now_ms)
        wake_at_ms = self._connect.wake_at_ms
        if wake_at_ms is not None and wake_at_ms <= now_ms:
            steps += self._connect.wake(now_ms)
        return self._after(steps + self._announced(now_ms))

    def abandon(self, now_ms: int) -> list[Fetch]:
        """Tell what a Connect tells, and that the callees' legs end."""
        return self._connect.abandon(now_ms) + self._ends()

    # The callee

    def _up(self, up: LegUp, now_ms: int) -> list[Step]:
        """Let a callee hear what is for it alone, or talk at once."""
        ask = self._callees[up.leg_sid].announces
        if ask is None:
            return self._connected(up, now_ms)
        announcing = Announcing(self._context, ask, up.leg_sid)
        self._announcing[up.leg_sid] = (announcing, up)
        return announcing.begin(now_ms)

    def _announced(self, now_ms: int) -> list[Step]:
        """Let those talk who have heard it, or could not; the first of them does."""
        for announcing, up in self._announcing.values():
            if announcing.is_over:
                why = f"<Number>: not announced: {announcing.error}"
                noted = [Noted(why, is_trouble=True)] if announcing.error else []
                return [*noted, *self._connected(up, now_ms)]
        return []

    def _connected(self, up: LegUp, now_ms: int) -> list[Step]:
        steps: list[Step] = []
        self._announcing.clear()  # the others are hung up
        if not self._is_up:
            self._answered, self._is_up = up.leg_sid, True
            self._pressing = Pressing(up.leg_sid, self._callees[up.leg_sid].digits)
            steps = self._pressing.begin(now_ms)
        return steps + self._connect.receive(up, now_ms)

    def _star(self) -> list[Step]:
        if not self._verb.ends_on_star or not self._is_up or self._answered is None:
            return []
        return [HangUpLeg(self._answered, text="the caller pressed the star key")]

    # How it ends

    def _after(self, steps: list[Step]) -> list[TurnStep]:
        done: list[TurnStep] = []
        for step in steps:
            if isinstance(step, DialLeg):
                self._dialled(step)
            done += [*self._ends(), self._over(step)] if isinstance(step, Leave) else [step]
        return done

    def _dialled(self, dial: DialLeg) -> None:
        callee = self._verb.callees[len(self._callees)]  # each is dialled once, in their order
        self._callees[dial.leg_sid] = callee
        if callee.callback is not None:
            self._news.append(CalleeNews(self._context, callee, dial.leg_sid))

    def _ends(self) -> list[Fetch]:
        return [fetch for each in self._news for fetch in each.end()]

    def _over(self, leave: Leave) -> Over:
        return Over(self._verb.action, self._fields(), leave.reason)

    def _fields(self) -> Parameters:
        dial = self._context.dial
        assert dial is not None, "a Connect that leaves has said what became of it"
        leg_sid = self._answered or next(reversed(self._callees), "")
        told = (
            ("DialCallStatus", WORDS.get(dial.status, dial.status)),
            ("DialCallSid", str(leg_sid)),
            ("DialCallDuration", str(dial.duration_s)),
        )
        recorded = (("RecordingUrl", self._recording_url),) if self._recording_url else ()
        return told + recorded


def _settings(verb: Dial) -> ConnectSettings:
    """Return the applet's settings; numbers hold no braces, so that nothing is filled in."""
    return ConnectSettings(
        numbers=[one.destination for one in verb.callees],
        caller_id=verb.caller_id,
        ring_seconds=verb.ring_s,
        max_conversation_seconds=verb.limit_s,
        parallel=len(verb.callees),
        retries=0,
        record=verb.records,
    )
