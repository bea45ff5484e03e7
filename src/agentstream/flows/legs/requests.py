"""The requests that one leg works on: whose turn it is (EX-2)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from agentstream.base.errors import CommandError
from agentstream.flows.legs.acting import is_awaited
from agentstream.flows.legs.told import Origin, Over, Step
from agentstream.flows.legs.verbs import Act, Verb

REQUESTS_AT_ONCE: Final = 32  # of one leg, that still wait for something


@dataclass(slots=True)
class _Request:
    act: Act
    next_index: int = 0
    waits_for: Origin | None = None


class Requests:
    """Lets the verbs of each request begin in order; requests do not wait for each other."""

    def __init__(
        self, begin: Callable[[Verb, Origin], list[Step]], *, continues_on_error: bool
    ) -> None:
        self._begin = begin
        self._continues_on_error = continues_on_error
        self._running: list[_Request] = []

    def check_room(self) -> None:
        """Refuse one request too many."""
        if len(self._running) >= REQUESTS_AT_ONCE:
            raise CommandError(f"{REQUESTS_AT_ONCE} actions of this leg wait already")

    def add(self, act: Act) -> list[Step]:
        """Begin a request."""
        request = _Request(act)
        self._running.append(request)
        return self._go_on(request)

    def over(self, over: Over) -> list[Step]:
        """Take the end of what a verb began."""
        for request in self._running:
            is_ours = request.act.action_sid == over.origin.action_sid
            if is_ours and over.is_failure and not self._continues_on_error:
                self._running.remove(request)
                return []
            if request.waits_for == over.origin:
                request.waits_for = None
                return self._go_on(request)
        return []

    def drop(self) -> None:
        """Forget all that was still to be done: the leg is over."""
        self._running.clear()

    def _go_on(self, request: _Request) -> list[Step]:
        steps: list[Step] = []
        verbs = request.act.verbs
        while request.waits_for is None and request.next_index < len(verbs):
            index, verb = request.next_index, verbs[request.next_index]
            request.next_index += 1
            origin = Origin(request.act.action_sid, request.act.custom, index)
            begun = self._begin(verb, origin)
            steps += begun
            ends = [one for one in begun if isinstance(one, Over) and one.origin == origin]
            if any(one.is_failure for one in ends) and not self._continues_on_error:
                break
            if is_awaited(verb) and not ends:
                request.waits_for = origin
        if request.waits_for is None and request in self._running:
            self._running.remove(request)
        return steps
