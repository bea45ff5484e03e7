"""The timers of legs that are steered from outside: setup, ringing, and their longest life (LG-37).

start ──setup_timeout──▶ ringing ──ring_timeout──▶ answer ──time_limit──▶ the end
The one from the start to the answer (LG-26) is signalling's own. The earliest ends the leg.
"""

from collections.abc import Callable
from typing import Any, Protocol

from agentstream.base.ids import CallSid, LegSid
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import HangUpLeg
from agentstream.calls.events import CallEnded, LegTold
from agentstream.switch.feed import Fact
from agentstream.switch.leg_view import ENDINGS, LegView


class Timer(Protocol):
    """What was set; asyncio's is one."""

    def cancel(self) -> None:
        """Let it not happen."""


class Loop(Protocol):
    """Where time comes from; asyncio's loop is one."""

    def time(self) -> float:
        """Return seconds of a monotonic clock."""

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        /,
        *args: Any,  # noqa: ANN401
    ) -> Timer:
        """Call something so many seconds from now."""


class LegTimers:
    """Subscribe `hear` to the feed after the views that `find` looks into.

    `hang_up` must return at once. Each leg has its longest life; the timers ahead of the answer are
    those of a leg that was ordered, as a Dial has its own (EX-21).
    """

    KINDS = (LegTold, CallEnded)

    def __init__(
        self,
        find: Callable[[LegSid], LegView | None],
        hang_up: Callable[[CallSid, HangUpLeg], None],
        loop: Loop,
    ) -> None:
        self._find = find
        self._hang_up = hang_up
        self._loop = loop
        self._set: dict[LegSid, Timer] = {}
        self._answered: dict[LegSid, float] = {}  # when, by the loop's clock
        self._legs: dict[CallSid, set[LegSid]] = {}  # of which a time is known

    @property
    def running(self) -> int:
        """How many timers are set."""
        return len(self._set)

    def hear(self, fact: Fact) -> None:
        """Take one fact."""
        if isinstance(fact.event, CallEnded):  # a call that broke off told of no leg's end
            for leg_sid in self._legs.pop(fact.call_sid, ()):
                self._forget(leg_sid)
            return
        event = fact.event
        view = self._find(event.leg_sid) if isinstance(event, LegTold) else None
        if view is not None and isinstance(event, LegTold):
            self._told(view, event.name)

    def change_limit(self, view: LegView) -> None:
        """Let a live leg have another longest life, counted from its answer (LG-61)."""
        if view.leg_sid in self._answered:
            self._limit(view)

    def _told(self, view: LegView, name: str) -> None:
        terms, is_ordered = view.terms, view.is_first and view.direction == "outbound"
        if name == "leg_connecting" and is_ordered:
            text = f"it did not ring within {terms.setup_timeout_s} s"
            self._start(view, terms.setup_timeout_s, Cause.NO_ANSWER, text)
        elif name == "leg_ringing" and is_ordered:
            text = f"it was not answered within {terms.ring_timeout_s} s of ringing"
            self._start(view, terms.ring_timeout_s, Cause.NO_ANSWER, text)
        elif name == "leg_answered":
            self._answered.setdefault(view.leg_sid, self._loop.time())
            self._limit(view)
        elif name in ENDINGS:
            self._forget(view.leg_sid)

    def _limit(self, view: LegView) -> None:
        limit_s = view.terms.time_limit_s
        lived_s = self._loop.time() - self._answered[view.leg_sid]
        text = f"it has lived for its time limit, {limit_s} s"
        self._start(view, max(0.0, limit_s - lived_s), Cause.TIME_LIMIT, text)

    def _start(self, view: LegView, after_s: float, cause: Cause, text: str) -> None:
        self._clear(view.leg_sid)
        self._legs.setdefault(view.call_sid, set()).add(view.leg_sid)
        order = HangUpLeg(view.leg_sid, cause, Party.SYSTEM, text)
        timer = self._loop.call_later(after_s, self._hang_up, view.call_sid, order)
        self._set[view.leg_sid] = timer

    def _forget(self, leg_sid: LegSid) -> None:
        self._clear(leg_sid)
        self._answered.pop(leg_sid, None)

    def _clear(self, leg_sid: LegSid) -> None:
        timer = self._set.pop(leg_sid, None)
        if timer is not None:
            timer.cancel()
