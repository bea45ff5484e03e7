"""Keys that are pressed towards a leg's party; told once the last one has sounded (EX-18)."""

from collections import deque

from agentstream.calls.commands import SendDigits as Press
from agentstream.flows.applet import CommandRefused
from agentstream.flows.legs.told import IMPOSSIBLE, LegInput, Origin, Over, Step, Teller
from agentstream.flows.legs.verbs import SendDigits


class Pressing:
    """Keys on their way, in their order."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._waiting: deque[tuple[int, Origin, Press]] = deque()

    @property
    def wake_at_ms(self) -> int | None:
        """When the oldest keys will have sounded."""
        return self._waiting[0][0] if self._waiting else None

    def start(self, origin: Origin, verb: SendDigits, now_ms: int) -> list[Step]:
        """Press keys after those that still sound."""
        press = Press(self._teller.leg_sid, verb.digits, verb.tone_ms, verb.gap_ms)
        begin_ms = self._waiting[-1][0] if self._waiting else now_ms
        end_ms = begin_ms + len(verb.digits) * (verb.tone_ms + verb.gap_ms)
        self._waiting.append((end_ms, origin, press))
        return [press]

    def receive(self, happening: LegInput) -> list[Step]:
        """Take that the call does not press them."""
        match happening:
            case CommandRefused(command=Press() as press, text=text):
                return self._drop([one for one in self._waiting if one[2] is press], text)
            case _:
                return []

    def wake(self, now_ms: int) -> list[Step]:
        """Tell what has sounded."""
        steps: list[Step] = []
        while self._waiting and self._waiting[0][0] <= now_ms:
            _, origin, press = self._waiting.popleft()
            steps += [self._teller.tell("digits_sent", origin, digits=press.digits), Over(origin)]
        return steps

    def end(self) -> list[Step]:
        """Take it that the leg is over."""
        return self._drop(list(self._waiting), "the leg has ended")

    def _drop(self, dropped: list[tuple[int, Origin, Press]], why: str) -> list[Step]:
        steps: list[Step] = []
        for one in dropped:
            self._waiting.remove(one)
            _, origin, press = one
            name = "digits_failed_to_send"
            steps += self._teller.fail(name, origin, IMPOSSIBLE, why, digits=press.digits)
        return steps
