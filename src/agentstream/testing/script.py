"""A test of a machine that reads like a screenplay: feed, wait, expect.

call = Script(Call(setup, limits, now_ms=0))
call.feed(LegOffered(leg))
call.expect(CallStarted(call_sid, leg, setup))
call.refuse(SendDigits(leg, "5"))       # our own impossible command
call.wait(180_000)                      # timers fire on the way, each at its time
call.take(CallHungUp)
call.expect_nothing()
"""

from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

from agentstream.base.errors import CommandError
from agentstream.base.machine import Machine

In = TypeVar("In")
Out = TypeVar("Out")
Kind = TypeVar("Kind")

WAKES_LIMIT = 10_000  # a machine that wants to be woken again and again at the same time is broken


class Script(Generic[In, Out]):
    """Drives one machine in virtual time; what it answers is kept until it is expected."""

    def __init__(self, machine: Machine[In, Out], now_ms: int = 0) -> None:
        self.machine = machine
        self.now_ms = now_ms
        self._answers: deque[Out] = deque()

    def feed(self, *happenings: In) -> None:
        """Let things happen now, one after the other."""
        for happening in happenings:
            self._answers.extend(self.machine.receive(happening, self.now_ms))

    def keep(self, answers: Iterable[Out]) -> None:
        """Keep what the machine said elsewhere, until it is expected."""
        self._answers.extend(answers)

    def refuse(self, happening: In) -> str:
        """Feed something that must raise CommandError; return what the error says."""
        try:
            answers = self.machine.receive(happening, self.now_ms)
        except CommandError as error:
            return str(error)
        raise AssertionError(f"{happening} was not refused, but answered with {answers}")

    def wait(self, ms: int) -> None:
        """Let time pass; every timer fires at its own time."""
        until_ms = self.now_ms + ms
        for _ in range(WAKES_LIMIT):
            wake_at_ms = self.machine.wake_at_ms
            if wake_at_ms is None or wake_at_ms > until_ms:
                self.now_ms = until_ms
                return
            self.now_ms = max(self.now_ms, wake_at_ms)
            self._answers.extend(self.machine.wake(self.now_ms))
        raise AssertionError(f"woken {WAKES_LIMIT} times and still wants to be")

    def expect(self, *answers: Out) -> None:
        """Take the oldest answers; they must be these, in this order."""
        for expected in answers:
            assert self._answers, f"expected {expected}, but nothing was answered"
            taken = self._answers.popleft()
            assert taken == expected, f"expected {expected}, got {taken}"

    def take(self, kind: type[Kind]) -> Kind:
        """Take the oldest answer; it must be of this kind."""
        assert self._answers, f"expected {kind.__name__}, but nothing was answered"
        taken = self._answers.popleft()
        assert isinstance(taken, kind), f"expected {kind.__name__}, got {taken}"
        return taken

    def skip_to(self, kind: type[Kind]) -> Kind:
        """Drop answers until one of this kind; take it."""
        while self._answers:
            taken = self._answers.popleft()
            if isinstance(taken, kind):
                return taken
        raise AssertionError(f"expected {kind.__name__}, but it was not answered")

    def take_all(self) -> list[Out]:
        """Take every answer."""
        answers = list(self._answers)
        self._answers.clear()
        return answers

    def expect_nothing(self) -> None:
        """Check that no answer is left."""
        assert not self._answers, f"unexpected: {list(self._answers)}"
