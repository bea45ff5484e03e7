"""Drives one Machine on the event loop: feeds it, performs what it answers, wakes it in time."""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from agentstream.base.clock import Clock
from agentstream.base.machine import Machine

In = TypeVar("In")
Out = TypeVar("Out")


class Driver(Generic[In, Out]):
    """One timer handle, one inbox; what `perform` feeds back comes after what is under way.

    `failed` is told of an exception out of the machine: a bug of ours, and the machine goes on.
    """

    def __init__(
        self,
        machine: Machine[In, Out],
        clock: Clock,
        perform: Callable[[Out], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._machine = machine
        self._clock = clock
        self._perform = perform
        self._failed = failed
        self._inbox: deque[In] = deque()
        self._is_busy = False
        self._is_closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_ms = 0

    def feed(self, happening: In) -> None:
        """Let something happen to the machine, now or after what is under way."""
        if self._is_closed:
            return
        self._inbox.append(happening)
        if not self._is_busy:
            self._run(None)

    def close(self) -> None:
        """Stop; later happenings are dropped."""
        self._is_closed = True
        self._inbox.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake(self) -> None:
        self._timer = None
        if not self._is_closed:
            self._run(self._machine.wake)

    def _run(self, first: Callable[[int], list[Out]] | None) -> None:
        self._is_busy = True
        try:
            if first is not None:
                self._take(first)
            while self._inbox:
                self._take(partial(self._machine.receive, self._inbox.popleft()))
        finally:
            self._is_busy = False
            self._arm()

    def _take(self, step: Callable[[int], list[Out]]) -> None:
        try:
            outputs = step(self._clock.now_ms())
            for output in outputs:
                self._perform(output)
        except Exception as error:  # the top of what the loop calls
            self._failed(error)

    def _arm(self) -> None:
        at_ms = None if self._is_closed else self._machine.wake_at_ms
        if at_ms is None:
            return
        if self._timer is not None:
            if self._timer_at_ms <= at_ms:
                return  # rings early at worst, which is harmless
            self._timer.cancel()
        delay_ms = max(0, at_ms - self._clock.now_ms())
        self._timer_at_ms = at_ms
        self._timer = asyncio.get_running_loop().call_later(delay_ms / 1000, self._wake)
