r"""The life of one stream to a bot, from the applet to its result.

    IDLE --> RESOLVING --> CONNECTING --> ACTIVE --> DRAINING --> ENDED
                                               \---> CLOSING --/

DRAINING plays what the bot still has queued; CLOSING waits for the bot's close reply when nobody
else does. `MOVES`, at the end of this file, says all of it; docs/protocol.md shows its picture.
"""

from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import Any, Final

from agentstream.base.errors import CommandError, PeerError
from agentstream.stream.address import (
    BotAddress,
    ResolverAddress,
    read_address,
    read_resolved,
    read_resolver_answer,
)
from agentstream.stream.dialects import exotel
from agentstream.stream.endings import THROTTLED, connect_error, payload_warnings, result_of
from agentstream.stream.happenings import (
    Begin,
    BotSaid,
    CallerGone,
    Closed,
    CloseSocket,
    Connect,
    DigitPressed,
    Drain,
    Drained,
    DropQueue,
    Opened,
    OpenFailed,
    Resolve,
    Resolved,
    ResolveFailed,
    SendText,
    ShutDown,
    StopRequested,
    StreamFinished,
    StreamInput,
    StreamOutput,
    StreamResult,
    StreamStarted,
    TimeUp,
    Warn,
)
from agentstream.stream.messages import Echoed, StopAsked, StreamOrder, Unknown
from agentstream.stream.plans import plan_socket
from agentstream.stream.profile import WireProfile

# The audio path has the same limit and knows the phase that hangs: it may speak first.
CONNECT_GRACE_MS: Final = 250

# Warnings about the bot's messages, each kind once; a flood of new kinds is not told in full.
WARNINGS_LIMIT: Final = 16

_STOP_ERROR = "the call ended before the bot was connected"


class State(Enum):
    """Where the stream stands."""

    IDLE = "idle"
    RESOLVING = "resolving"
    CONNECTING = "connecting"
    ACTIVE = "active"
    DRAINING = "draining"
    CLOSING = "closing"
    ENDED = "ended"


class BotStream:
    """A Machine[StreamInput, StreamOutput]; gives exactly one StreamFinished.

    `ignored` counts happenings that no move knows, such as a late answer of the resolver.
    """

    def __init__(self, order: StreamOrder, profile: WireProfile) -> None:
        self.wake_at_ms: int | None = None
        self.state = State.IDLE
        self.ignored = 0
        self._order = order
        self._profile = profile
        self._bot: BotAddress | None = None
        self._shown_url = ""
        self._attempt = 0
        self._opened_at_ms: int | None = None
        self._is_open = False
        self._result: StreamResult | None = None
        self._warned: set[str] = set()

    def receive(self, happening: StreamInput, now_ms: int) -> list[StreamOutput]:
        """Take one happening; return what follows. Raises CommandError on a second Begin."""
        move = MOVES.get((self.state, type(happening)))
        if move is None:
            if isinstance(happening, Begin):
                raise CommandError("this stream has begun already")
            self.ignored += 1
            return []
        handle, targets = move
        outputs = handle(self, happening, now_ms)
        assert self.state in targets, (self.state, targets)
        if isinstance(happening, Closed):
            self._is_open = False
            texts = payload_warnings(happening.counters, self._profile)
            outputs[:0] = [Warn(text) for text in texts]
        return outputs

    def wake(self, now_ms: int) -> list[StreamOutput]:
        """Let the timer fire if it is due."""
        if self.wake_at_ms is None or now_ms < self.wake_at_ms:
            return []
        self.wake_at_ms = None
        return self.receive(TimeUp(), now_ms)

    # Before the bot is there.

    def _begin(self, begin: Begin, now_ms: int) -> list[StreamOutput]:
        """ST-1."""
        if begin.is_throttled:
            return self._fail("", "the account has all the streams it may have", THROTTLED)
        try:
            place = read_address(self._order.url, self._profile)
        except PeerError as error:
            return self._fail(str(error))
        self._shown_url = place.shown_url
        if isinstance(place, ResolverAddress):
            self._enter(State.RESOLVING, now_ms + self._profile.resolver_timeout_ms)
            return [Resolve(place.url, self._profile.resolver_timeout_ms)]
        return self._found(place, now_ms)

    def _resolved(self, answer: Resolved, now_ms: int) -> list[StreamOutput]:
        """ST-2, ST-3."""
        try:
            url = read_resolver_answer(answer.status, answer.content_type, answer.body)
            place = read_resolved(url, self._profile)
        except PeerError as error:
            return self._fail(str(error))
        return self._found(place, now_ms)

    def _unresolved(self, failed: ResolveFailed, now_ms: int) -> list[StreamOutput]:
        return self._fail(f"the resolver gave no answer: {failed.detail}")

    def _resolver_late(self, time_up: TimeUp, now_ms: int) -> list[StreamOutput]:
        limit_ms = self._profile.resolver_timeout_ms
        return self._fail(f"the resolver gave no answer within {limit_ms} ms")

    def _found(self, bot: BotAddress, now_ms: int) -> list[StreamOutput]:
        self._bot, self._shown_url = bot, bot.shown_url
        return [*(Warn(text) for text in bot.warnings), *self._connect(bot, now_ms)]

    def _connect(self, bot: BotAddress, now_ms: int) -> list[StreamOutput]:
        self._attempt += 1
        plan = plan_socket(self._order, bot, self._profile)
        self._enter(State.CONNECTING, now_ms + plan.connect_timeout_ms + CONNECT_GRACE_MS)
        return [Connect(self._attempt, bot.host, bot.port, plan)]

    def _not_opened(self, failed: OpenFailed, now_ms: int) -> list[StreamOutput]:
        """ST-5, ST-6: once more at once (AS-46), whatever the bot answered (AS-47)."""
        if failed.phase == "aborted":  # the echo of our own abort
            return []
        assert self._bot is not None
        if self._attempt <= self._profile.connect_retries and failed.phase != "egress":
            return self._connect(self._bot, now_ms)
        return self._fail(connect_error(failed))

    def _connect_late(self, time_up: TimeUp, now_ms: int) -> list[StreamOutput]:
        limit_ms = self._profile.connect_timeout_ms
        failed = OpenFailed("tcp", detail=f"no answer within {limit_ms} ms")
        return [CloseSocket(1000, ""), *self._not_opened(failed, now_ms)]

    def _caller_left_early(self, gone: CallerGone, now_ms: int) -> list[StreamOutput]:
        """ST-7."""
        return self._give_up(StreamResult("cancelled", "user", why=f"{_STOP_ERROR}: caller"))

    def _stopped_early(self, stop: StopRequested | ShutDown, now_ms: int) -> list[StreamOutput]:
        why = stop.why if isinstance(stop, StopRequested) else "the server stops"
        return self._give_up(StreamResult("cancelled", "NA", why=f"{_STOP_ERROR}: {why}"))

    def _give_up(self, result: StreamResult) -> list[StreamOutput]:
        abort = [CloseSocket(1000, "")] if self.state is State.CONNECTING else []
        return [*abort, *self._finish(result)]

    # While it is there.

    def _opened(self, opened: Opened, now_ms: int) -> list[StreamOutput]:
        """ST-4; the audio path has sent `connected` and `start` before anything else (ST-34)."""
        self._opened_at_ms = now_ms
        self._is_open = True
        self._enter(State.ACTIVE, now_ms + self._profile.max_seconds * 1000)
        return [StreamStarted(self._shown_url, opened, self._attempt)]

    def _bot_said(self, said: BotSaid, now_ms: int) -> list[StreamOutput]:
        if not self._order.two_way:  # ST-42
            return []
        text = exotel.read_text(said.text)
        if isinstance(text, StopAsked):
            return self._bot_stops(now_ms)
        if isinstance(text, Echoed):
            return []
        if isinstance(text, Unknown):
            return self._warn(f"the bot sent an event that means nothing here: {text.event!r}")
        return self._warn(f"the bot sent a message that cannot be used: {text.why}")

    def _bot_stops(self, now_ms: int) -> list[StreamOutput]:
        """ST-17, AS-116."""
        result = self._timed(
            StreamResult("completed", "bot", why="the bot asked for the end with `stop`"), now_ms
        )
        if self._profile.on_bot_stop == "flush" or not self._profile.drain_on_close_ms:
            return [DropQueue(), CloseSocket(1000, ""), *self._finish(result)]
        return self._drain(result, now_ms)

    def _digit(self, key: DigitPressed, now_ms: int) -> list[StreamOutput]:
        """ST-9; a unidirectional stream has no digits (AS-4)."""
        if not self._order.two_way:
            return []
        text = exotel.write_dtmf(self._order, self._profile, key.digit, key.duration_ms)
        return [SendText(text)]

    def _closed(self, closed: Closed, now_ms: int) -> list[StreamOutput]:
        """ST-15, ST-16: a farewell is heard to its end (ST-33), a crash is not."""
        result = self._timed(result_of(closed, self._profile), now_ms)
        has_rest = closed.queued_ms > 0 and self._profile.drain_on_close_ms > 0
        if has_rest and result.status == "completed" and not result.error:
            return self._drain(result, now_ms)
        return [DropQueue(), *self._finish(result)]

    def _caller_left(self, gone: CallerGone, now_ms: int) -> list[StreamOutput]:
        """ST-13."""
        result = self._timed(StreamResult("cancelled", "user", why="the caller hung up"), now_ms)
        stop = exotel.write_stop(self._order, self._profile, "callended")
        return self._close(CloseSocket(1000, "", stop), result, now_ms)

    def _stopped(self, stop: StopRequested, now_ms: int) -> list[StreamOutput]:
        """ST-14: the call goes on, so nobody waits for the bot's close reply."""
        result = self._timed(StreamResult("completed", "NA", why=stop.why), now_ms)
        last_text = exotel.write_stop(self._order, self._profile, "stopped")
        return [CloseSocket(1000, "", last_text), DropQueue(), *self._finish(result)]

    def _limit_reached(self, time_up: TimeUp, now_ms: int) -> list[StreamOutput]:
        """ST-14, AS-48."""
        limit = f"the stream reached its limit of {self._profile.max_seconds} s"
        return self._stopped(StopRequested(limit), now_ms)

    def _shut_down(self, shut_down: ShutDown, now_ms: int) -> list[StreamOutput]:
        """ST-18."""
        result = self._timed(StreamResult("completed", "NA", why="the server stops"), now_ms)
        stop = exotel.write_stop(self._order, self._profile, "stopped")
        return self._close(CloseSocket(1001, "server stops", stop), result, now_ms)

    # While it goes.

    def _drained(self, drained: Drained, now_ms: int) -> list[StreamOutput]:
        return [*self._close_if_open(), *self._finish(self._result)]

    def _drain_late(self, time_up: TimeUp, now_ms: int) -> list[StreamOutput]:
        return [DropQueue(), *self._close_if_open(), *self._finish(self._result)]

    def _closed_while_draining(self, closed: Closed, now_ms: int) -> list[StreamOutput]:
        return [] if closed.queued_ms > 0 else self._finish(self._result)

    def _left_while_draining(
        self, happening: CallerGone | StopRequested | ShutDown, now_ms: int
    ) -> list[StreamOutput]:
        """Keep the result, for the bot had ended it already; no `stop` is due."""
        if not self._is_open or isinstance(happening, StopRequested):
            return [*self._close_if_open(), DropQueue(), *self._finish(self._result)]
        assert self._result is not None
        code = 1001 if isinstance(happening, ShutDown) else 1000
        return self._close(CloseSocket(code, ""), self._result, now_ms)

    def _closing_over(self, happening: Closed | TimeUp, now_ms: int) -> list[StreamOutput]:
        return self._finish(self._result)

    def _late_close(self, closed: Closed, now_ms: int) -> list[StreamOutput]:
        return []

    # The steps that they share.

    def _enter(self, state: State, wake_at_ms: int | None) -> None:
        self.state = state
        self.wake_at_ms = wake_at_ms

    def _drain(self, result: StreamResult, now_ms: int) -> list[StreamOutput]:
        self._result = result
        self._enter(State.DRAINING, now_ms + self._profile.drain_on_close_ms)
        return [Drain()]

    def _close(self, close: CloseSocket, result: StreamResult, now_ms: int) -> list[StreamOutput]:
        self._result = result
        self._enter(State.CLOSING, now_ms + self._profile.close_reply_ms)
        return [close, DropQueue()]

    def _close_if_open(self) -> list[StreamOutput]:
        return [CloseSocket(1000, "")] if self._is_open else []

    def _fail(self, error: str, why: str = "", detailed_status: str = "") -> list[StreamOutput]:
        return self._finish(
            StreamResult(
                "failed", "NA", error=error, detailed_status=detailed_status, why=why or error
            )
        )

    def _timed(self, result: StreamResult, now_ms: int) -> StreamResult:
        assert self._opened_at_ms is not None
        return replace(result, duration_s=(now_ms - self._opened_at_ms) // 1000)

    def _finish(self, result: StreamResult | None) -> list[StreamOutput]:
        assert result is not None
        self._enter(State.ENDED, None)
        return [StreamFinished(replace(result, url=self._shown_url))]

    def _warn(self, text: str) -> list[StreamOutput]:
        if text in self._warned or len(self._warned) == WARNINGS_LIMIT:
            return []
        self._warned.add(text)
        return [Warn(text)]


Handle = Callable[[BotStream, Any, int], list[StreamOutput]]

_IDLE, _RESOLVING, _CONNECTING = State.IDLE, State.RESOLVING, State.CONNECTING
_ACTIVE, _DRAINING, _CLOSING, _ENDED = (
    State.ACTIVE,
    State.DRAINING,
    State.CLOSING,
    State.ENDED,
)

# What may happen where: who handles it, and where it can lead. What is not here cannot happen.
MOVES: Final[dict[tuple[State, type], tuple[Handle, tuple[State, ...]]]] = {
    (_IDLE, Begin): (BotStream._begin, (_RESOLVING, _CONNECTING, _ENDED)),
    (_IDLE, CallerGone): (BotStream._caller_left_early, (_ENDED,)),
    (_IDLE, StopRequested): (BotStream._stopped_early, (_ENDED,)),
    (_IDLE, ShutDown): (BotStream._stopped_early, (_ENDED,)),
    (_RESOLVING, Resolved): (BotStream._resolved, (_CONNECTING, _ENDED)),
    (_RESOLVING, ResolveFailed): (BotStream._unresolved, (_ENDED,)),
    (_RESOLVING, TimeUp): (BotStream._resolver_late, (_ENDED,)),
    (_RESOLVING, CallerGone): (BotStream._caller_left_early, (_ENDED,)),
    (_RESOLVING, StopRequested): (BotStream._stopped_early, (_ENDED,)),
    (_RESOLVING, ShutDown): (BotStream._stopped_early, (_ENDED,)),
    (_CONNECTING, Opened): (BotStream._opened, (_ACTIVE,)),
    (_CONNECTING, OpenFailed): (BotStream._not_opened, (_CONNECTING, _ENDED)),
    (_CONNECTING, TimeUp): (BotStream._connect_late, (_CONNECTING, _ENDED)),
    (_CONNECTING, CallerGone): (BotStream._caller_left_early, (_ENDED,)),
    (_CONNECTING, StopRequested): (BotStream._stopped_early, (_ENDED,)),
    (_CONNECTING, ShutDown): (BotStream._stopped_early, (_ENDED,)),
    (_ACTIVE, BotSaid): (BotStream._bot_said, (_ACTIVE, _DRAINING, _ENDED)),
    (_ACTIVE, DigitPressed): (BotStream._digit, (_ACTIVE,)),
    (_ACTIVE, Closed): (BotStream._closed, (_DRAINING, _ENDED)),
    (_ACTIVE, CallerGone): (BotStream._caller_left, (_CLOSING,)),
    (_ACTIVE, StopRequested): (BotStream._stopped, (_ENDED,)),
    (_ACTIVE, TimeUp): (BotStream._limit_reached, (_ENDED,)),
    (_ACTIVE, ShutDown): (BotStream._shut_down, (_CLOSING,)),
    (_DRAINING, Drained): (BotStream._drained, (_ENDED,)),
    (_DRAINING, TimeUp): (BotStream._drain_late, (_ENDED,)),
    (_DRAINING, Closed): (BotStream._closed_while_draining, (_DRAINING, _ENDED)),
    (_DRAINING, CallerGone): (BotStream._left_while_draining, (_CLOSING, _ENDED)),
    (_DRAINING, StopRequested): (BotStream._left_while_draining, (_ENDED,)),
    (_DRAINING, ShutDown): (BotStream._left_while_draining, (_CLOSING, _ENDED)),
    (_CLOSING, Closed): (BotStream._closing_over, (_ENDED,)),
    (_CLOSING, TimeUp): (BotStream._closing_over, (_ENDED,)),
    (_ENDED, Closed): (BotStream._late_close, (_ENDED,)),
}
