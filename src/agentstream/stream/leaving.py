"""While the stream goes: the rest of the bot's audio, and its reply to our close."""

from agentstream.stream.happenings import (
    CallerGone,
    Closed,
    CloseSocket,
    Drained,
    DropQueue,
    ShutDown,
    StopRequested,
    StreamOutput,
    TimeUp,
)
from agentstream.stream.life import Life


def drained(life: Life, drained: Drained, now_ms: int) -> list[StreamOutput]:
    """All was heard."""
    return [*life.close_if_open(), *life.finish(life.result)]


def drain_late(life: Life, time_up: TimeUp, now_ms: int) -> list[StreamOutput]:
    """Cut what is too long (ST-33)."""
    return [DropQueue(), *life.close_if_open(), *life.finish(life.result)]


def closed_while_draining(life: Life, closed: Closed, now_ms: int) -> list[StreamOutput]:
    """Go on playing what is left."""
    return [] if closed.queued_ms > 0 else life.finish(life.result)


def left_while_draining(
    life: Life, happening: CallerGone | StopRequested | ShutDown, now_ms: int
) -> list[StreamOutput]:
    """Keep the result, for the bot had ended it already; no `stop` is due."""
    if not life.is_open or isinstance(happening, StopRequested):
        return [*life.close_if_open(), DropQueue(), *life.finish(life.result)]
    assert life.result is not None
    code = 1001 if isinstance(happening, ShutDown) else 1000
    return life.close(CloseSocket(code, ""), life.result, now_ms)


def closing_over(life: Life, happening: Closed | TimeUp, now_ms: int) -> list[StreamOutput]:
    """Take the reply, or wait no longer (AS-100)."""
    return life.finish(life.result)


def late_close(life: Life, closed: Closed, now_ms: int) -> list[StreamOutput]:
    """Take the end of a socket that nobody waited for."""
    return []
