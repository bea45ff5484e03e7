"""What a stream remembers all its life, and the steps that every state may take."""

from collections import deque
from enum import Enum
from typing import Final, Literal

from agentstream.base.machine import earliest
from agentstream.base.values import dataclass, replace
from agentstream.stream.address import BotAddress
from agentstream.stream.happenings import (
    CloseSocket,
    DigitPressed,
    Drain,
    DropQueue,
    HoldSound,
    Opened,
    StopHold,
    StreamFinished,
    StreamOutput,
    StreamResult,
    Warn,
    WatchSilence,
    Wish,
)
from agentstream.stream.lint import Lint
from agentstream.stream.messages import Audio, StreamOrder
from agentstream.stream.pace import Pace
from agentstream.stream.profile import WireProfile

# Warnings about the bot's messages, each kind once; a flood of new kinds is not told in full.
WARNINGS_LIMIT: Final = 16

# Names of marks that came back lately: a hang-up after one of them need not wait.
MARKS_KEPT: Final = 16


class State(Enum):
    """Where the stream stands."""

    IDLE = "idle"
    RESOLVING = "resolving"
    CONNECTING = "connecting"
    HELD = "held"
    ACTIVE = "active"
    WAITING = "waiting"
    REDIALLING = "redialling"
    DRAINING = "draining"
    CLOSING = "closing"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Parting:
    """A hang-up that waits for a mark, or (None) for all that is queued."""

    after_mark: str | None
    until_ms: int


@dataclass(frozen=True, slots=True)
class Wished:
    """What the call was asked for: when it then ends the stream, the bot has ended it."""

    action: Literal["hangup", "transfer"]
    why: str


class Life:
    """The memory of one `BotStream`. Only the moves of its table change it."""

    def __init__(self, order: StreamOrder, profile: WireProfile) -> None:
        self.order = order
        self.profile = profile
        self.state = State.IDLE
        self.wake_at_ms: int | None = None
        self.shown_url = ""
        # The way to the bot.
        self.bot: BotAddress | None = None  # the address that is dialled, or was reached
        self.first: BotAddress | None = None  # that of the order
        self.fallback: BotAddress | None = None
        self.attempt = 0
        self.tries = 0  # of this address
        self.is_early = False  # the call is not there yet (OP-6)
        self.is_held = False  # the socket waits for BeginStream
        self.opened = Opened()
        self.opened_at_ms: int | None = None
        self.is_open = False
        self.result: StreamResult | None = None
        self.limit_at_ms = 0  # when the stream must end (AS-48); set once it is active
        self.asks = 0
        self.parting: Parting | None = None
        self.wished: Wished | None = None
        self.is_watching = False
        self.reached: deque[str] = deque(maxlen=MARKS_KEPT)
        # While the bot is dialled again (OP-10).
        self.lost: StreamResult | None = None  # how the stream ends if the bot does not come back
        self.lost_at_ms = 0
        self.redials = 0
        self.redials_since_loss = 0
        self.played_ms = 0  # bot audio heard by the line, by the sockets that are gone
        self.keys: list[DigitPressed] = []
        self.is_holding = False
        # Of this socket.
        self.audio = Audio()
        self.is_changing_rate = False  # it waits until all queued was heard (OP-1)
        self.lint: Lint | None = None
        self.pace: Pace | None = None
        self._warned: set[str] = set()

    def enter(self, state: State, wake_at_ms: int | None) -> None:
        """Change the state and set its timer."""
        self.state = state
        self.wake_at_ms = wake_at_ms

    def talk(self) -> None:
        """Be active, until the limit or until the bot's hang-up has waited long enough."""
        until_ms = self.parting.until_ms if self.parting else None
        self.enter(State.ACTIVE, earliest(self.limit_at_ms, until_ms))

    def listen(self, audio: Audio) -> None:
        """Judge the bot's messages by this audio, unless nobody wants to know (AS-156)."""
        self.audio, self.is_changing_rate = audio, False
        if self.profile.chunk_policy != "lenient":
            controls = self.profile.control_events
            self.lint = Lint(self.order.stream_sid, audio, has_controls=controls)
            self.pace = Pace(audio)

    def watch(self) -> list[StreamOutput]:
        """Listen for silence if that is set. A fork leaves it to the flow, which may listen too."""
        timeout_ms = self.profile.silence_timeout_ms
        self.is_watching = timeout_ms > 0 and self.order.two_way
        return [WatchSilence(timeout_ms)] if self.is_watching else []

    def has_wished(self, action: Literal["hangup", "transfer"]) -> bool:
        """Tell whether the call was asked for this last."""
        return self.wished is not None and self.wished.action == action

    def ended_as_wished(self, otherwise: StreamResult) -> StreamResult:
        """Return the result of a stream that its call ends, asked by the bot or not."""
        if self.wished is None:
            return otherwise
        return StreamResult("completed", "bot", why=self.wished.why)

    def unwatch(self) -> list[StreamOutput]:
        """End the watch, if there is one."""
        was_watching, self.is_watching = self.is_watching, False
        return [WatchSilence(0)] if was_watching else []

    def hold(self) -> list[StreamOutput]:
        """Let the caller hear something while the bot is away; who only listens plays nothing."""
        self.is_holding = bool(self.profile.hold_audio) and self.order.two_way
        return [HoldSound(self.profile.hold_audio)] if self.is_holding else []

    def stop_hold(self) -> list[StreamOutput]:
        """Stop the hold sound, if there is one."""
        was_holding, self.is_holding = self.is_holding, False
        return [StopHold()] if was_holding else []

    def warn(self, text: str, about: str = "") -> list[StreamOutput]:
        """Tell the bot's developer, each text once."""
        text += f" ({about})" if about else ""
        if text in self._warned or len(self._warned) == WARNINGS_LIMIT:
            return []
        self._warned.add(text)
        return [Warn(text, about)]

    def drain(self, result: StreamResult, now_ms: int) -> list[StreamOutput]:
        """Play what the bot has queued, for a limited time (ST-33)."""
        self.result = result
        until_ms = now_ms + self.profile.drain_on_close_ms
        if self.parting:
            until_ms = max(until_ms, self.parting.until_ms)
        self.enter(State.DRAINING, until_ms)
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
        outputs = [*self.unwatch(), *self.stop_hold()]
        if self.parting and result.disconnected_by == "bot":
            outputs.append(Wish("hangup"))  # it left before its own farewell was over
        return [*outputs, StreamFinished(replace(result, url=self.shown_url))]
