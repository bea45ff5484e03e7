"""Say and Play: what the caller is to hear; the next verb waits for its end (XR-10, XR-11)."""

from typing import Final

from agentstream.calls.commands import Fetch
from agentstream.calls.events import CallHungUp
from agentstream.flows.applet import AppletInput
from agentstream.flows.context import Context
from agentstream.flows.exoml.pressing import Pressing
from agentstream.flows.exoml.turn import Over, TurnStep
from agentstream.flows.exoml.verbs import Play, Say
from agentstream.flows.recital import Recital

LONGEST_MS: Final = 14_400_000  # of one prompt: as long as a call; an endless one ends with it


class Hearing:
    """Keys that are pressed first, then what is heard."""

    def __init__(self, verb: Say | Play, context: Context) -> None:
        digits = verb.digits if isinstance(verb, Play) else ""
        self._now: Pressing | Recital = Pressing(context.leg_sid, digits)
        self._recital = Recital(context, [verb.verse], LONGEST_MS)

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""
        return self._now.wake_at_ms

    def begin(self, now_ms: int) -> list[TurnStep]:
        """Press the first key, or play."""
        return self._after([*self._now.begin(now_ms)], now_ms)

    def receive(self, happening: AppletInput, now_ms: int) -> list[TurnStep]:
        """Take the end of what is heard."""
        if isinstance(happening, CallHungUp):
            return [Over()]
        return self._after([*self._now.receive(happening, now_ms)], now_ms)

    def wake(self, now_ms: int) -> list[TurnStep]:
        """Go on after a pause."""
        return self._after([*self._now.wake(now_ms)], now_ms)

    def abandon(self, now_ms: int) -> list[Fetch]:
        """Have nothing to tell."""
        return []

    def _after(self, steps: list[TurnStep], now_ms: int) -> list[TurnStep]:
        if self._now is not self._recital and self._now.is_over and not self._now.error:
            self._now = self._recital
            steps += self._recital.begin(now_ms)
        if not self._now.is_over:
            return steps
        why = self._now.error
        return [*steps, Over(reason=f"not heard: {why}" if why else "", is_trouble=bool(why))]
