"""A call that only passes through: whoever rings here is connected with a party that we dial.

CallStarted ──Dial──▶ it rings ──Ring──▶ it is up ──Answer──▶ CallAnswered ──Bridge──▶ talk
                 └────────────── LegGone ──▶ Reject with its cause; later ──▶ HangUp

The caller is answered only when the other party is, and hears its early media until then: to both
sides it is one call. That is how calls of an account's trunk reach the telephone network (FL-1).
"""

from agentstream.base.ids import LegSid, Tokens
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import (
    Answer,
    Bridge,
    Command,
    Dial,
    DialSpec,
    HangUp,
    Reject,
    Ring,
)
from agentstream.calls.events import (
    CallAnswered,
    CallHungUp,
    CallStarted,
    Event,
    LegGone,
    LegRinging,
    LegUp,
)
from agentstream.flows.applet import CommandRefused


class Passage:
    """A Machine[Event | CommandRefused, Command] of one call; it has no timers."""

    wake_at_ms: int | None = None

    def __init__(self, spec: DialSpec, tokens: Tokens) -> None:
        self._spec = spec
        self._caller = LegSid("")
        self._callee = LegSid(tokens.hex())
        self._is_up = False  # the callee has answered
        self._is_answered = False  # and so has the caller
        self._is_joined = False
        self._is_over = False

    def receive(self, happening: Event | CommandRefused, now_ms: int) -> list[Command]:
        """Take a fact of the call; return what is wanted next."""
        del now_ms
        if self._is_over:
            return []
        match happening:
            case CallStarted(leg_sid=leg_sid):
                self._caller = leg_sid
                return [Dial(self._callee, self._spec)]
            case LegRinging(leg_sid=leg_sid, has_early_media=has_early_media) if self._hears(
                leg_sid
            ):
                if has_early_media and not self._is_joined:
                    return [Ring(self._caller, with_media=True), *self._join()]
                return [] if self._is_joined else [Ring(self._caller)]
            case LegUp(leg_sid=leg_sid) if self._hears(leg_sid):
                self._is_up = True
                return [Answer(self._caller)]
            case CallAnswered():
                self._is_answered = True
                return self._join()
            case LegGone(leg_sid=leg_sid, cause=cause, party=party, text=text) if self._hears(
                leg_sid
            ):
                return self._end(cause, party, text)
            case CommandRefused(command=command, text=text):
                return self._refused(command, text)
            case CallHungUp():
                self._is_over = True
                return []
            case _:
                return []

    def wake(self, now_ms: int) -> list[Command]:
        """Nothing is ever due."""
        del now_ms
        return []

    def _hears(self, leg_sid: LegSid) -> bool:
        return leg_sid == self._callee

    def _join(self) -> list[Command]:
        if self._is_joined:
            return []
        self._is_joined = True
        return [Bridge(self._caller, self._callee)]

    def _refused(self, command: Command, text: str) -> list[Command]:
        match command:
            case Bridge():  # the early media has gone again; the answer joins them
                self._is_joined = False
                return self._end(Cause.INTERNAL, Party.SYSTEM, text) if self._is_answered else []
            case Dial() | Answer():
                return self._end(Cause.FAILED, Party.SYSTEM, text)
            case _:
                return []

    def _end(self, cause: Cause, party: Party, text: str) -> list[Command]:
        self._is_over = True
        if self._is_up:
            # A caller whose answer is on its way cannot be refused any more.
            return [HangUp(cause, party, text)]
        return [Reject(self._caller, cause, party)]
