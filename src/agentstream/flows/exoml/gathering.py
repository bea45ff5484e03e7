"""Gather: keys of the caller, told to the action; without one the next verb follows (XR-12)."""

from agentstream.calls.commands import Fetch
from agentstream.calls.events import CallHungUp
from agentstream.flows.applet import AppletInput, Step
from agentstream.flows.context import Context
from agentstream.flows.exoml.turn import Over, TurnStep
from agentstream.flows.exoml.verbs import Gather
from agentstream.flows.keypad import Keypad


class Gathering:
    """One Gather."""

    def __init__(self, verb: Gather, context: Context, *, says_digits: bool) -> None:
        """Take the verb; `says_digits`: the keys are told under `digits` too (XR-20)."""
        self._verb = verb
        self._says_digits = says_digits
        self._keypad = Keypad(context, verb.keys)
        self._over: Over | None = None

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""
        return self._keypad.wake_at_ms

    def begin(self, now_ms: int) -> list[TurnStep]:
        """Ask the caller."""
        return self._after(self._keypad.ask(self._verb.prompts, now_ms, self._then, self._failed))

    def receive(self, happening: AppletInput, now_ms: int) -> list[TurnStep]:
        """Take keys. Nobody is told what a caller who has gone pressed."""
        if isinstance(happening, CallHungUp):
            return [Over()]
        return self._after(self._keypad.receive(happening, now_ms))

    def wake(self, now_ms: int) -> list[TurnStep]:
        """Let the caller's time be over."""
        return self._after(self._keypad.wake(now_ms))

    def abandon(self, now_ms: int) -> list[Fetch]:
        """Have nothing to tell."""
        return []

    def _then(self, digits: str, now_ms: int) -> list[Step]:
        if not digits:  # XR-17
            self._over = Over(reason="no key came")
            return []
        fields = [("DigitsPressed", digits), *([("digits", digits)] if self._says_digits else [])]
        count = f"{len(digits)} keys" if len(digits) > 1 else "one key"
        self._over = Over(self._verb.action, tuple(fields), f"{count} came")
        return []

    def _failed(self, why: str, now_ms: int) -> list[Step]:
        self._over = Over(reason=why, is_trouble=True)
        return []

    def _after(self, steps: list[Step]) -> list[TurnStep]:
        return [*steps, self._over] if self._over else [*steps]
