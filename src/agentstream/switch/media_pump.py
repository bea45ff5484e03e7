"""Carries the native audio path's events to whoever owns their leg."""

import asyncio
from collections.abc import Callable

from agentstream._media import Event
from agentstream.media.engine import MediaEngine

BATCH = 512


class MediaPump:
    """Watches the engine's wake-up descriptor; events come in batches, in order."""

    def __init__(self, engine: MediaEngine, deliver: Callable[[Event], None]) -> None:
        self._engine = engine
        self._deliver = deliver
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to watch, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._engine.fd, self._drain)

    def stop(self) -> None:
        """Stop watching; harmless when not started."""
        if self._loop is not None:
            self._loop.remove_reader(self._engine.fd)
            self._loop = None

    def _drain(self) -> None:
        # One batch a turn: the loop has calls to serve besides; the descriptor stays readable.
        for event in self._engine.events(BATCH):
            self._deliver(event)
