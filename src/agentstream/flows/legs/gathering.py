"""The one gather of a leg (LG-101): keys, after a prompt or at once.

idle ──start──▶ PROMPT ──it ends, a key──▶ KEYS ──enough keys, the finish key──▶ gather_success
       └── no prompt ──────────────────────▶ └──── too long without a key ─────▶ gather_timeout
"""

from enum import Enum

from agentstream.flows.legs.playback import Playback, word_of
from agentstream.flows.legs.told import UNPLAYABLE, Origin, Over, Step, Teller
from agentstream.flows.legs.verbs import Gather


class _Phase(Enum):
    PROMPT = "prompt"
    KEYS = "keys"


class Gathering:
    """Keys that a leg's party is asked for."""

    def __init__(self, teller: Teller, playback: Playback) -> None:
        self.wake_at_ms: int | None = None
        self._teller = teller
        self._playback = playback
        self._phase: _Phase | None = None
        self._origin = Origin()
        self._verb = Gather()
        self._digits = ""

    @property
    def is_active(self) -> bool:
        """Whether keys are gathered."""
        return self._phase is not None

    def start(self, origin: Origin, verb: Gather, now_ms: int) -> list[Step]:
        """Play the prompt, if there is one, and take keys."""
        self._origin, self._verb, self._digits = origin, verb, ""
        self._phase = _Phase.PROMPT
        told = self._teller.tell("gather_initiated", origin)
        if verb.prompt is None:
            return [told, *self._open(now_ms)]
        return [told, *self._playback.start(origin, (verb.prompt,), word_of(verb.prompt))]

    def waits_for(self, over: Over) -> bool:
        """Tell whether this is the end of our prompt."""
        return self._phase is _Phase.PROMPT and over.origin == self._origin

    def prompt_over(self, over: Over, now_ms: int) -> list[Step]:
        """Go on when the prompt has ended; without having heard it nobody knows what to press."""
        if over.is_failure:
            self._end()
            why = "its prompt could not be played"
            return self._teller.fail("gather_failed_to_start", self._origin, UNPLAYABLE, why)
        return self._open(now_ms)

    def press(self, digit: str, now_ms: int) -> list[Step]:
        """Take a key; the first one ends the prompt."""
        steps: list[Step] = []
        if self._phase is _Phase.PROMPT:
            steps = self._without_over(self._playback.interrupt()) + self._open(now_ms)
        if digit == self._verb.finish_key:
            return steps + self._finish("gather_success")
        self._digits += digit
        self.wake_at_ms = now_ms + self._verb.timeout_ms
        if len(self._digits) < self._verb.num_digits:
            return steps
        return steps + self._finish("gather_success")

    def wake(self, now_ms: int) -> list[Step]:
        """Give up when no key came for too long."""
        if self.wake_at_ms is None or now_ms < self.wake_at_ms:
            return []
        return self._finish("gather_timeout")

    def end(self) -> list[Step]:
        """Take it that the leg is over."""
        return self._finish("gather_timeout", reason="leg_terminated") if self._phase else []

    def _open(self, now_ms: int) -> list[Step]:
        self._phase = _Phase.KEYS
        self.wake_at_ms = now_ms + self._verb.timeout_ms
        return [self._teller.tell("gather_started", self._origin)]

    def _finish(self, name: str, **more: str) -> list[Step]:
        self._end()
        told = self._teller.tell(name, self._origin, digits=self._digits, **more)
        self._digits = ""
        return [told, Over(self._origin)]

    def _without_over(self, steps: list[Step]) -> list[Step]:
        """Leave out the end of our own prompt: the gather goes on."""
        return [one for one in steps if one != Over(self._origin)]

    def _end(self) -> None:
        self._phase, self.wake_at_ms = None, None
