"""Dial: a Connect by the words of a document (XR-14).

begin ──▶ Connect ──Leave──▶ Over, with what became of it
             └── the callee is up: sendDigits; the caller's * with hangupOnStar ends its leg
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from agentstream.base.ids import LegSid
from agentstream.base.machine import earliest
from agentstream.calls.commands import Dial as DialLeg
from agentstream.calls.commands import Fetch, HangUpLeg
from agentstream.calls.events import DigitReceived, LegGone, LegUp, RecordingFinished
from agentstream.flows.applet import AppletInput, Leave, Step
from agentstream.flows.applets.connect import Connect, ConnectSettings
from agentstream.flows.context import Context, Parameters
from agentstream.flows.exoml.pressing import Pressing
from agentstream.flows.exoml.turn import Over, TurnStep
from agentstream.flows.exoml.verbs import Dial

STAR: Final = "*"
# XR-14 has four words; a caller who gave up was not waited for.
WORDS: Final[Mapping[str, str]] = MappingProxyType({"canceled": "no-answer"})


class Dialling:
    """One Dial."""

    def __init__(self, verb: Dial, context: Context) -> None:
        self._verb = verb
        self._context = context
        self._connect = Connect(_settings(verb), context)
        self._whom: dict[LegSid, str] = {}  # the legs that were dialled
        self._answered: LegSid | None = None  # the latest who did
        self._is_up = False  # and has not gone
        self._pressing: Pressing | None = None
        self._recording_url = ""

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""
        pressing = self._pressing
        return earliest(self._connect.wake_at_ms, pressing.wake_at_ms if pressing else None)

    def begin(self, now_ms: int) -> list[TurnStep]:
        """Dial."""
        return self._after(self._connect.enter(now_ms))

    def receive(self, happening: AppletInput, now_ms: int) -> list[TurnStep]:
        """Take a fact of the call; one that is over is told of all the same."""
        steps: list[Step] = []
        match happening:
            case LegUp(leg_sid=leg_sid) if leg_sid in self._whom and not self._is_up:
                self._answered, self._is_up = leg_sid, True
                steps = self._press(leg_sid, now_ms)
            case LegGone(leg_sid=self._answered):
                self._is_up = False
            case RecordingFinished(error="", url=url):
                self._recording_url = url
            case DigitReceived(leg_sid=self._context.leg_sid, digit=digit) if digit == STAR:
                steps = self._star()
            case _ if self._pressing is not None:
                steps = self._pressing.receive(happening, now_ms)
            case _:
                pass
        return self._after(steps + self._connect.receive(happening, now_ms))

    def wake(self, now_ms: int) -> list[TurnStep]:
        """Let the timers that are due fire."""
        steps = self._pressing.wake(now_ms) if self._pressing else []
        wake_at_ms = self._connect.wake_at_ms
        if wake_at_ms is not None and wake_at_ms <= now_ms:
            steps += self._connect.wake(now_ms)
        return self._after(steps)

    def abandon(self, now_ms: int) -> list[Fetch]:
        """Tell what a Connect tells."""
        return self._connect.abandon(now_ms)

    def _press(self, leg_sid: LegSid, now_ms: int) -> list[Step]:
        digits = {one.destination: one.digits for one in self._verb.callees}
        self._pressing = Pressing(leg_sid, digits.get(self._whom[leg_sid], ""))
        return self._pressing.begin(now_ms)

    def _star(self) -> list[Step]:
        if not self._verb.ends_on_star or not self._is_up or self._answered is None:
            return []
        return [HangUpLeg(self._answered, text="the caller pressed the star key")]

    def _after(self, steps: list[Step]) -> list[TurnStep]:
        for step in steps:
            if isinstance(step, DialLeg):
                self._whom[step.leg_sid] = step.spec.destination
        return [self._over(step) if isinstance(step, Leave) else step for step in steps]

    def _over(self, leave: Leave) -> Over:
        return Over(self._verb.action, self._fields(), leave.reason)

    def _fields(self) -> Parameters:
        dial = self._context.dial
        assert dial is not None, "a Connect that leaves has said what became of it"
        leg_sid = self._answered or next(reversed(self._whom), "")
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
