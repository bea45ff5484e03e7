"""What a stream remembers all its life, and the steps that every state may take."""

from dataclasses import replace
from enum import Enum
from typing import Final

from agentstream.stream.address import BotAddress
from agentstream.stream.happenings import (
    CloseSocket,
    Drain,
    DropQueue,
    StreamFinished,
    StreamOutput,
    StreamResult,
    Warn,
)
from agentstream.stream.messages import StreamOrder
from agentstream.stream.profile import WireProfile

# Warnings about the bot's messages, each kind once; a flood of new kinds is not told in full.
WARNINGS_LIMIT: Final = 16


class State(Enum):
    """Where the stream stands."""

    IDLE = "idle"
    RESOLVING = "resolving"
    CONNECTING = "connecting"
    ACTIVE = "active"
    DRAINING = "draining"
    CLOSING = "closing"
    ENDED = "ended"


class Life:
    """The memory of one `BotStream`. Only the moves of its table change it."""

    def __init__(self, order: StreamOrder, profile: WireProfile) -> None:
        self.order = order
        self.profile = profile
        self.state = State.IDLE
        self.wake_at_ms: int | None = None
        self.bot: BotAddress | None = None
        self.shown_url = ""
        self.attempt = 0
        self.opened_at_ms: int | None = None
        self.is_open = False
        self.result: StreamResult | None = None
        self._warned: set[str] = set()

    def enter(self, state: State, wake_at_ms: int | None) -> None:
        """Change the state and set its timer."""
        self.state = state
        self.wake_at_ms = wake_at_ms

    def warn(self, text: str) -> list[StreamOutput]:
        """Tell the bot's developer, each text once."""
        if text in self._warned or len(self._warned) == WARNINGS_LIMIT:
            return []
        self._warned.add(text)
        return [Warn(text)]

    def drain(self, result: StreamResult, now_ms: int) -> list[StreamOutput]:
        """Play what the bot has queued, for a limited time (ST-33)."""
        self.result = result
        self.enter(State.DRAINING, now_ms + self.profile.drain_on_close_ms)
        return [Drain()]

    def close(self, close: CloseSocket, result: StreamResult, now_ms: int) -> list[StreamOutput]:
        """Say goodbye, and wait for the bot's reply (AS-100)."""
        self.result = result
        self.enter(State.CLOSING, now_ms + self.profile.close_reply_ms)
        return [close, DropQueue()]

    def close_if_open(self) -> list[StreamOutput]:
        """Close a socket whose end was not told yet."""
        return [CloseSocket(1000, "")] if self.is_open else []

    def fail(self, error: str, why: str = "", detailed_status: str = "") -> list[StreamOutput]:
        """End without having reached the bot."""
        return self.finish(
            StreamResult(
                "failed", "NA", error=error, detailed_status=detailed_status, why=why or error
            )
        )

    def timed(self, result: StreamResult, now_ms: int) -> StreamResult:
        """Add how long the stream was active."""
        assert self.opened_at_ms is not None
        return replace(result, duration_s=(now_ms - self.opened_at_ms) // 1000)

    def finish(self, result: StreamResult | None) -> list[StreamOutput]:
        """Tell the one result."""
        assert result is not None
        self.enter(State.ENDED, None)
        return [StreamFinished(replace(result, url=self.shown_url))]
