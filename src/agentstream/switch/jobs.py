"""What a call has others do for it: background jobs, and the way back for what they bring."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

Job = Coroutine[Any, Any, None]
Posted = TypeVar("Posted")


class Jobs(Generic[Posted]):
    """The jobs of one call, owned by its task."""

    def __init__(self) -> None:
        self._group: asyncio.TaskGroup | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._post: Callable[[Posted], None] | None = None

    def begin(self, group: asyncio.TaskGroup, post: Callable[[Posted], None]) -> None:
        """Take the owner of the jobs, and where what they bring goes."""
        self._group, self._post = group, post

    def spawn(self, job: Job) -> asyncio.Task[None]:
        """Run this; it is cancelled with the call."""
        assert self._group is not None, "a call works only while it runs"
        task = self._group.create_task(job)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def post(self, posted: Posted) -> None:
        """Hand something to the call; what comes before it runs, or after, is nobody's."""
        if self._post is not None:
            self._post(posted)

    def cancel(self) -> None:
        """End every job."""
        for task in self._running:
            task.cancel()

    def end(self) -> None:
        """Let go of the call.

        It is freed at once, then, and not by the collector, whose pauses the others would hear.
        """
        self._group = self._post = None
