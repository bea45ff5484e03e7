"""Takes keys from the caller: a prompt, then digits until it is enough (AP-20, AP-26).

ask ──Play──▶ PROMPT ──it ends──▶ KEYS ──enough, the finishing key, too long a silence──┐
│              └──a key: StopPlaying──▲                                   then(digits) ◀─┘
└──keys were typed ahead: no prompt───┘
"""

from collections.abc import Callable
from typing import Final, Literal

from agentstream.base.ids import PromptId
from agentstream.base.values import dataclass
from agentstream.calls.commands import Play, Prompt, StopPlaying
from agentstream.calls.events import DigitReceived, PromptFinished
from agentstream.flows.applet import AppletInput, CommandRefused, Step
from agentstream.flows.context import DIGITS_LIMIT, Context
from agentstream.flows.prompt import PREPARE_MS

PROMPT_MS: Final = 300_000  # the longest prompt
Key = Literal["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "#"]
FinishKey = Literal["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "#", ""]


@dataclass(frozen=True, slots=True)
class Keys:
    """Which keys are waited for."""

    most: int = DIGITS_LIMIT  # so many are enough
    finish: str = "#"  # this one says that it is enough, and is no digit; "" is none
    timeout_ms: int = 5_000  # after the prompt, and between keys
    interruptible: bool = True  # a key ends the prompt; otherwise it is ignored while that plays


class Keypad:
    """One caller's keys; `ask` may be used again and again."""

    def __init__(self, context: Context, keys: Keys) -> None:
        self.wake_at_ms: int | None = None
        self._context = context
        self._keys = keys
        self._digits = ""
        self._prompt_id: PromptId | None = None  # while the prompt plays
        self._then: Callable[[str, int], list[Step]] = lambda digits, now_ms: []
        self._otherwise: Callable[[str, int], list[Step]] = lambda why, now_ms: []

    def ask(
        self,
        prompt: Prompt,
        now_ms: int,
        then: Callable[[str, int], list[Step]],
        otherwise: Callable[[str, int], list[Step]],
    ) -> list[Step]:
        """Play and wait; `then` gets the digits, "" when none came, `otherwise` what failed."""
        self._digits, self._then, self._otherwise = "", then, otherwise
        ahead = self._context.take_ahead()
        if ahead:
            return self._use(ahead, now_ms)
        self._prompt_id = self._context.new_prompt_id()
        # The player keeps to max_ms itself; this is for a prompt that never even begins.
        self.wake_at_ms = now_ms + PROMPT_MS + PREPARE_MS
        return [Play(self._context.leg_sid, self._prompt_id, prompt, max_ms=PROMPT_MS)]

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Take a key, or the end of the prompt; everything else is ignored."""
        match happening:
            case PromptFinished(prompt_id=self._prompt_id, error=error):
                self._prompt_id = None
                if error:
                    return self._fail(error, now_ms)
                self.wake_at_ms = now_ms + self._keys.timeout_ms
                return []
            case CommandRefused(command=Play(), text=text):
                self._prompt_id = None
                return self._fail(text, now_ms)
            case DigitReceived(leg_sid=leg_sid, digit=digit) if leg_sid == self._context.leg_sid:
                return self._pressed(digit, now_ms)
            case _:
                return []

    def wake(self, now_ms: int) -> list[Step]:
        """Take what there is: the silence was too long."""
        if self.wake_at_ms is None or now_ms < self.wake_at_ms:
            return []
        stop = self._stop_prompt()
        if stop:
            return stop + self._fail("it did not end in time", now_ms)
        return self._finish(now_ms)

    def _pressed(self, digit: str, now_ms: int) -> list[Step]:
        if self.wake_at_ms is None or (self._prompt_id and not self._keys.interruptible):
            return []
        stop = self._stop_prompt()
        return stop + (self._finish(now_ms) if self._take(digit, now_ms) else [])

    def _use(self, ahead: str, now_ms: int) -> list[Step]:
        for count, digit in enumerate(ahead, start=1):
            if self._take(digit, now_ms):
                self._context.put_back(ahead[count:])
                return self._finish(now_ms)
        return []

    def _take(self, digit: str, now_ms: int) -> bool:
        """Take one key; return whether it is enough."""
        self.wake_at_ms = now_ms + self._keys.timeout_ms
        if digit == self._keys.finish:
            return True
        self._digits += digit
        return len(self._digits) >= self._keys.most

    def _finish(self, now_ms: int) -> list[Step]:
        self.wake_at_ms = None
        self._context.digits = self._digits
        return self._then(self._digits, now_ms)

    def _fail(self, why: str, now_ms: int) -> list[Step]:
        self.wake_at_ms = None
        return self._otherwise(f"the prompt could not be played: {why}", now_ms)

    def _stop_prompt(self) -> list[Step]:
        prompt_id, self._prompt_id = self._prompt_id, None
        return [StopPlaying(prompt_id)] if prompt_id else []
