r"""The life of one stream to a bot, from the applet to its result.

    IDLE --> RESOLVING --> CONNECTING --> ACTIVE --> DRAINING --> ENDED
                              |   ^        ^  |\---> CLOSING --/
                              v   |       /   v
                              HELD ------/  WAITING <--> REDIALLING --> ACTIVE

HELD has connected before the call was answered (OP-6); WAITING and REDIALLING want a bot back that
broke off (OP-10); DRAINING plays what the bot still has queued; CLOSING waits for the bot's close
reply when nobody else does. `MOVES`, at the end of this file, says all of it; docs/protocol.md
shows its picture. What each move does is told in `opening`, `talking`, `wishes`, `redialling` and
`leaving`.
"""

from collections.abc import Callable
from typing import Any, Final

from agentstream.base.errors import CommandError
from agentstream.stream import leaving, opening, redialling, talking, wishes
from agentstream.stream.endings import payload_warnings
from agentstream.stream.happenings import (
    Activated,
    Begin,
    BotPaced,
    BotSaid,
    BotSampled,
    CallerGone,
    Closed,
    DigitPressed,
    Drained,
    MarkReached,
    Opened,
    OpenFailed,
    QueueCleared,
    RateSet,
    Resolved,
    ResolveFailed,
    ShutDown,
    SilenceHeard,
    StopRequested,
    StreamInput,
    StreamOutput,
    TimeUp,
    Warn,
)
from agentstream.stream.life import Life, State
from agentstream.stream.messages import StreamOrder
from agentstream.stream.profile import WireProfile


class BotStream:
    """A Machine[StreamInput, StreamOutput]; gives exactly one StreamFinished.

    `ignored` counts happenings that no move knows, such as a late answer of the resolver.
    """

    def __init__(self, order: StreamOrder, profile: WireProfile) -> None:
        self.ignored = 0
        self._life = Life(order, profile)

    @property
    def state(self) -> State:
        """Where the stream stands."""
        return self._life.state

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""
        return self._life.wake_at_ms

    def receive(self, happening: StreamInput, now_ms: int) -> list[StreamOutput]:
        """Take one happening; return what follows. Raises CommandError on a second Begin."""
        life = self._life
        move = MOVES.get((life.state, type(happening)))
        if move is None:
            if isinstance(happening, Begin):
                raise CommandError("this stream has begun already")
            self.ignored += 1
            return []
        handle, targets = move
        outputs = handle(life, happening, now_ms)
        assert life.state in targets, (life.state, targets)
        if isinstance(happening, Closed):
            life.is_open = False
            texts = payload_warnings(happening.counters, life.profile)
            outputs[:0] = [Warn(text) for text in texts]
        return outputs

    def wake(self, now_ms: int) -> list[StreamOutput]:
        """Let the timer fire if it is due."""
        if self.wake_at_ms is None or now_ms < self.wake_at_ms:
            return []
        self._life.wake_at_ms = None
        return self.receive(TimeUp(), now_ms)


Handle = Callable[[Life, Any, int], list[StreamOutput]]

_IDLE, _RESOLVING, _CONNECTING = State.IDLE, State.RESOLVING, State.CONNECTING
_HELD, _ACTIVE = State.HELD, State.ACTIVE
_WAITING, _REDIALLING = State.WAITING, State.REDIALLING
_DRAINING, _CLOSING, _ENDED = State.DRAINING, State.CLOSING, State.ENDED

# What may happen where: who handles it, and where it can lead. What is not here cannot happen.
MOVES: Final[dict[tuple[State, type], tuple[Handle, tuple[State, ...]]]] = {
    (_IDLE, Begin): (opening.begin, (_RESOLVING, _CONNECTING, _ENDED)),
    (_IDLE, CallerGone): (opening.caller_left_early, (_ENDED,)),
    (_IDLE, StopRequested): (opening.stopped_early, (_ENDED,)),
    (_IDLE, ShutDown): (opening.stopped_early, (_ENDED,)),
    (_RESOLVING, Resolved): (opening.resolved, (_CONNECTING, _ENDED)),
    (_RESOLVING, ResolveFailed): (opening.unresolved, (_CONNECTING, _ENDED)),
    (_RESOLVING, TimeUp): (opening.resolver_late, (_CONNECTING, _ENDED)),
    (_RESOLVING, Activated): (opening.activated, (_RESOLVING,)),
    (_RESOLVING, CallerGone): (opening.caller_left_early, (_ENDED,)),
    (_RESOLVING, StopRequested): (opening.stopped_early, (_ENDED,)),
    (_RESOLVING, ShutDown): (opening.stopped_early, (_ENDED,)),
    (_CONNECTING, Opened): (opening.opened, (_ACTIVE, _HELD)),
    (_CONNECTING, OpenFailed): (opening.not_opened, (_CONNECTING, _ENDED)),
    (_CONNECTING, TimeUp): (opening.connect_late, (_CONNECTING, _ENDED)),
    (_CONNECTING, Activated): (opening.activated, (_CONNECTING,)),
    (_CONNECTING, CallerGone): (opening.caller_left_early, (_ENDED,)),
    (_CONNECTING, StopRequested): (opening.stopped_early, (_ENDED,)),
    (_CONNECTING, ShutDown): (opening.stopped_early, (_ENDED,)),
    (_HELD, Activated): (opening.activated, (_RESOLVING, _CONNECTING, _ACTIVE, _ENDED)),
    (_HELD, Closed): (opening.closed_while_held, (_HELD,)),
    (_HELD, CallerGone): (opening.caller_left_early, (_ENDED,)),
    (_HELD, StopRequested): (opening.stopped_early, (_ENDED,)),
    (_HELD, ShutDown): (opening.stopped_early, (_ENDED,)),
    (_ACTIVE, BotSaid): (talking.bot_said, (_ACTIVE, _DRAINING, _ENDED)),
    (_ACTIVE, BotSampled): (talking.sampled, (_ACTIVE,)),
    (_ACTIVE, BotPaced): (talking.paced, (_ACTIVE,)),
    (_ACTIVE, RateSet): (talking.rate_set, (_ACTIVE,)),
    (_ACTIVE, DigitPressed): (talking.digit, (_ACTIVE,)),
    (_ACTIVE, MarkReached): (talking.mark_reached, (_ACTIVE,)),
    (_ACTIVE, QueueCleared): (talking.queue_cleared, (_ACTIVE,)),
    (_ACTIVE, SilenceHeard): (talking.silence, (_ACTIVE,)),
    (_ACTIVE, Drained): (wishes.drained, (_ACTIVE,)),
    (_ACTIVE, Closed): (talking.closed, (_DRAINING, _WAITING, _ENDED)),
    (_ACTIVE, CallerGone): (talking.caller_left, (_CLOSING,)),
    (_ACTIVE, StopRequested): (talking.stopped, (_ENDED,)),
    (_ACTIVE, TimeUp): (talking.time_up, (_ACTIVE, _ENDED)),
    (_ACTIVE, ShutDown): (talking.shut_down, (_CLOSING,)),
    (_WAITING, TimeUp): (redialling.redial, (_REDIALLING, _ENDED)),
    (_WAITING, DigitPressed): (redialling.keep_key, (_WAITING,)),
    (_WAITING, CallerGone): (redialling.left_while_lost, (_ENDED,)),
    (_WAITING, StopRequested): (redialling.left_while_lost, (_ENDED,)),
    (_WAITING, ShutDown): (redialling.left_while_lost, (_ENDED,)),
    (_REDIALLING, Opened): (redialling.reopened, (_ACTIVE,)),
    (_REDIALLING, OpenFailed): (redialling.not_reopened, (_REDIALLING, _WAITING, _ENDED)),
    (_REDIALLING, TimeUp): (redialling.redial_late, (_WAITING, _ENDED)),
    (_REDIALLING, DigitPressed): (redialling.keep_key, (_REDIALLING,)),
    (_REDIALLING, CallerGone): (redialling.left_while_lost, (_ENDED,)),
    (_REDIALLING, StopRequested): (redialling.left_while_lost, (_ENDED,)),
    (_REDIALLING, ShutDown): (redialling.left_while_lost, (_ENDED,)),
    (_DRAINING, MarkReached): (talking.mark_reached, (_DRAINING,)),
    (_DRAINING, QueueCleared): (talking.queue_cleared, (_DRAINING,)),
    (_DRAINING, Drained): (leaving.drained, (_ENDED,)),
    (_DRAINING, TimeUp): (leaving.drain_late, (_ENDED,)),
    (_DRAINING, Closed): (leaving.closed_while_draining, (_DRAINING, _ENDED)),
    (_DRAINING, CallerGone): (leaving.left_while_draining, (_CLOSING, _ENDED)),
    (_DRAINING, StopRequested): (leaving.left_while_draining, (_ENDED,)),
    (_DRAINING, ShutDown): (leaving.left_while_draining, (_CLOSING, _ENDED)),
    (_CLOSING, Closed): (leaving.closing_over, (_ENDED,)),
    (_CLOSING, TimeUp): (leaving.closing_over, (_ENDED,)),
    (_ENDED, Closed): (leaving.late_close, (_ENDED,)),
}
