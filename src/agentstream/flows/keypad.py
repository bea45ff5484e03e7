"""Takes keys from the caller: a prompt, then digits until it is enough (AP-20, AP-26).

ask ──Play──▶ PROMPT ──it ends──▶ KEYS ──enough, the finishing key, too long a silence──┐
│              └──a key: StopPlaying──▲                                   then(digits) ◀─┘
└──keys were typed ahead: no prompt───┘
"""

from collections.abc import Callable, Sequence
from typing import Literal

from agentstream.base.machine import earliest
from agentstream.base.values import dataclass
from agentstream.calls.commands import Prompt
from agentstream.calls.events import DigitReceived
from agentstream.flows.applet import AppletInput, Step
from agentstream.flows.context import DIGITS_LIMIT, Context
from agentstream.flows.recital import Recital, Verse

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
        self._context = context
        self._keys = keys
        self._digits = ""
        self._recital: Recital | None = None  # while a prompt is heard
        self._late_ms: int | None = None  # when the silence is too long; None: no key is waited for
        self._then: Callable[[str, int], list[Step]] = lambda digits, now_ms: []
        self._otherwise: Callable[[str, int], list[Step]] = lambda why, now_ms: []

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""
        return earliest(self._late_ms, self._recital.wake_at_ms if self._recital else None)

    def ask(
        self,
        prompt: Prompt | Sequence[Verse],
        now_ms: int,
        then: Callable[[str, int], list[Step]],
        otherwise: Callable[[str, int], list[Step]],
    ) -> list[Step]:
        """Play and wait; `then` gets the digits, "" when none came, `otherwise` what failed."""
        self._digits, self._then, self._otherwise = "", then, otherwise
        ahead = self._context.take_ahead()
        if ahead:
            return self._use(ahead, now_ms)
        verses = prompt if isinstance(prompt, Sequence) else [Verse((prompt,))]
        self._recital = recital = Recital(self._context, verses)
        return recital.begin(now_ms) + self._look(recital, now_ms)

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Take a key, or the end of the prompt; everything else is ignored."""
        match happening:
            case DigitReceived(leg_sid=leg_sid, digit=digit):
                is_callers = leg_sid == self._context.leg_sid
                return self._pressed(digit, now_ms) if is_callers else []
            case _ if self._recital is not None:
                recital = self._recital
                return recital.receive(happening, now_ms) + self._look(recital, now_ms)
            case _:
                return []

    def wake(self, now_ms: int) -> list[Step]:
        """Take what there is: the silence was too long."""
        if self._recital is not None:
            recital = self._recital
            return recital.wake(now_ms) + self._look(recital, now_ms)
        if self._late_ms is None or now_ms < self._late_ms:
            return []
        return self._finish(now_ms)

    def _look(self, recital: Recital, now_ms: int) -> list[Step]:
        """Wait for keys once the prompt is over."""
        if not recital.is_over:
            return []
        self._recital = None
        if recital.error:
            return self._otherwise(f"the prompt could not be played: {recital.error}", now_ms)
        self._late_ms = now_ms + self._keys.timeout_ms
        return []

    def _pressed(self, digit: str, now_ms: int) -> list[Step]:
        if self.wake_at_ms is None or (self._recital and not self._keys.interruptible):
            return []
        recital, self._recital = self._recital, None
        stop = recital.stop() if recital else []
        return stop + (self._finish(now_ms) if self._take(digit, now_ms) else [])

    def _use(self, ahead: str, now_ms: int) -> list[Step]:
        for count, digit in enumerate(ahead, start=1):
            if self._take(digit, now_ms):
                self._context.put_back(ahead[count:])
                return self._finish(now_ms)
        return []

    def _take(self, digit: str, now_ms: int) -> bool:
        """Take one key; return whether it is enough."""
        self._late_ms = now_ms + self._keys.timeout_ms
        if digit == self._keys.finish:
            return True
        self._digits += digit
        return len(self._digits) >= self._keys.most

    def _finish(self, now_ms: int) -> list[Step]:
        self._late_ms = None
        self._context.digits = self._digits
        return self._then(self._digits, now_ms)
