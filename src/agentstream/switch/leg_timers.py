"""The timers of legs that are steered from outside: setup, ringing, and their longest life (LG-37).

start ──setup_timeout──▶ ringing ──ring_timeout──▶ answer ──time_limit──▶ the end
The one from the start to the answer (LG-26) is signalling's own. The earliest ends the leg.
"""

from collections.abc import Callable
from typing import Any, Protocol

from agentstream.base.ids import CallSid, LegSid
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import HangUp
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

    `hang_up` must return at once. Only the first leg of a call has timers: the others are the
    Dial's (EX-21).
    """

    KINDS = (LegTold, CallEnded)

    def __init__(
        self,
        find: Callable[[LegSid], LegView | None],
        hang_up: Callable[[CallSid, HangUp], None],
        loop: Loop,
    ) -> None:
        self._find = find
        self._hang_up = hang_up
        self._loop = loop
        self._set: dict[CallSid, Timer] = {}
        self._answered: dict[CallSid, float] = {}  # when, by the loop's clock

    @property
    def running(self) -> int:
        """How many timers are set."""
        return len(self._set)

    def hear(self, fact: Fact) -> None:
        """Take one fact."""
        if isinstance(fact.event, CallEnded):
            self._clear(fact.call_sid)
            self._answered.pop(fact.call_sid, None)
            return
        event = fact.event
        view = self._find(event.leg_sid) if isinstance(event, LegTold) else None
        if view is None or not isinstance(event, LegTold) or not view.is_first:
            return
        self._told(view, event.name)

    def change_limit(self, view: LegView) -> None:
        """Let a live leg have another longest life, counted from its answer (LG-61)."""
        if view.call_sid in self._answered:
            self._limit(view)

    def _told(self, view: LegView, name: str) -> None:
        terms, call_sid = view.terms, view.call_sid
        if name == "leg_connecting" and view.direction == "outbound":
            text = f"it did not ring within {terms.setup_timeout_s} s"
            self._start(call_sid, terms.setup_timeout_s, Cause.NO_ANSWER, text)
        elif name == "leg_ringing" and view.direction == "outbound":
            text = f"it was not answered within {terms.ring_timeout_s} s of ringing"
            self._start(call_sid, terms.ring_timeout_s, Cause.NO_ANSWER, text)
        elif name == "leg_answered":
            self._answered.setdefault(call_sid, self._loop.time())
            self._limit(view)
        elif name in ENDINGS:
            self._clear(call_sid)

    def _limit(self, view: LegView) -> None:
        limit_s = view.terms.time_limit_s
        lived_s = self._loop.time() - self._answered[view.call_sid]
        text = f"it has lived for its time limit, {limit_s} s"
        self._start(view.call_sid, max(0.0, limit_s - lived_s), Cause.TIME_LIMIT, text)

    def _start(self, call_sid: CallSid, after_s: float, cause: Cause, text: str) -> None:
        self._clear(call_sid)
        order = HangUp(cause, Party.SYSTEM, text)
        self._set[call_sid] = self._loop.call_later(after_s, self._hang_up, call_sid, order)

    def _clear(self, call_sid: CallSid) -> None:
        timer = self._set.pop(call_sid, None)
        if timer is not None:
            timer.cancel()
