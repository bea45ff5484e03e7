"""A bot that broke off is dialled again, by setting (OP-10); the stream goes on meanwhile.

    ACTIVE --abnormal close--> WAITING --delay--> REDIALLING --Opened--> ACTIVE
                                   ^                 |
                                   +---- failed -----+---- no attempt left --> ENDED

The first attempt goes to the address that was there last, the next to the other one, if any.
"""

from dataclasses import replace
from typing import Final, assert_never

from agentstream.base.machine import earliest
from agentstream.stream.dialects import exotel
from agentstream.stream.endings import connect_error, is_abnormal
from agentstream.stream.happenings import (
    CallerGone,
    Closed,
    CloseSocket,
    DigitPressed,
    DropQueue,
    Opened,
    OpenFailed,
    SendText,
    ShutDown,
    StopRequested,
    StreamOutput,
    StreamResult,
    TimeUp,
    Warn,
)
from agentstream.stream.life import Life, State
from agentstream.stream.messages import Resume
from agentstream.stream.opening import dial, too_late

KEYS_LIMIT: Final = 32  # pressed while the bot is away; later ones are lost


def may_redial(life: Life, closed: Closed) -> bool:
    """Tell whether the bot is wanted back: not when it has asked for the end of its call."""
    has_left = life.wished is not None or life.parting is not None
    return is_abnormal(closed) and not has_left and _has_attempts(life)


def lose(life: Life, closed: Closed, result: StreamResult, now_ms: int) -> list[StreamOutput]:
    """Wait, then dial; what the bot had queued is not heard any more (ST-33)."""
    life.lost, life.lost_at_ms, life.redials_since_loss = result, now_ms, 0
    life.played_ms += closed.counters.played_ms if closed.counters else 0
    _wait(life, now_ms)
    told = Warn(f"the bot broke off and is dialled again: {closed.code}")
    return [DropQueue(), told, *life.unwatch(), *life.hold()]


def redial(life: Life, time_up: TimeUp, now_ms: int) -> list[StreamOutput]:
    """Dial, unless the stream has had its time (AS-48)."""
    if now_ms >= life.limit_at_ms:
        return _over(life, now_ms)
    life.redials += 1
    life.redials_since_loss += 1
    if life.redials_since_loss > 1 and life.fallback is not None and life.first is not None:
        life.bot = life.first if life.bot is life.fallback else life.fallback
    assert life.bot is not None
    life.shown_url = life.bot.shown_url
    outputs = dial(life, life.bot, State.REDIALLING, now_ms, Resume(life.played_ms))
    life.enter(State.REDIALLING, earliest(life.wake_at_ms, life.limit_at_ms))
    return outputs


def reopened(life: Life, opened: Opened, now_ms: int) -> list[StreamOutput]:
    """Go on; the audio path has sent `connected` and the resumed `start` (ST-34)."""
    life.is_open = True
    life.talk()
    keys, life.keys = life.keys, []
    away_ms = now_ms - life.lost_at_ms
    return [
        Warn(f"the bot is back after {away_ms} ms"),
        *life.stop_hold(),
        *(SendText(_told(life, key)) for key in keys),
        *life.watch(),
    ]


def not_reopened(life: Life, failed: OpenFailed, now_ms: int) -> list[StreamOutput]:
    """Try again, or end as the bot has ended it."""
    if failed.phase == "aborted":  # the echo of our own abort
        return []
    if _has_attempts(life):
        _wait(life, now_ms)
        return []
    assert life.lost is not None
    why = f"{life.lost.why}; it did not come back: {connect_error(failed)}"
    return life.finish(life.timed(replace(life.lost, why=why), now_ms))


def redial_late(life: Life, time_up: TimeUp, now_ms: int) -> list[StreamOutput]:
    """AS-45, AS-48."""
    if now_ms >= life.limit_at_ms:
        return [CloseSocket(1000, ""), *_over(life, now_ms)]
    return [CloseSocket(1000, ""), *not_reopened(life, too_late(life), now_ms)]


def keep_key(life: Life, key: DigitPressed, now_ms: int) -> list[StreamOutput]:
    """Keep a key for the bot that comes back; it hears of the first ones."""
    if not life.order.two_way or life.profile.dtmf_handling != "stream":
        return []
    if len(life.keys) == KEYS_LIMIT:
        return life.warn(f"more than {KEYS_LIMIT} keys were pressed while the bot was away")
    life.keys.append(key)
    return []


def left_while_lost(
    life: Life, happening: CallerGone | StopRequested | ShutDown, now_ms: int
) -> list[StreamOutput]:
    """End without the bot."""
    match happening:
        case CallerGone():
            result = StreamResult("cancelled", "user", why="the caller hung up")
        case StopRequested(why=why):
            result = StreamResult("completed", "NA", why=why)
        case ShutDown():
            result = StreamResult("completed", "NA", why="the server stops")
        case _:
            assert_never(happening)
    return [*_abort(life), *life.finish(life.timed(result, now_ms))]


def _has_attempts(life: Life) -> bool:
    return life.redials < life.profile.reconnect_attempts


def _wait(life: Life, now_ms: int) -> None:
    wake_at_ms = earliest(now_ms + life.profile.reconnect_delay_ms, life.limit_at_ms)
    life.enter(State.WAITING, wake_at_ms)


def _over(life: Life, now_ms: int) -> list[StreamOutput]:
    limit = f"the stream reached its limit of {life.profile.max_seconds} s"
    return life.finish(life.timed(StreamResult("completed", "NA", why=limit), now_ms))


def _abort(life: Life) -> list[StreamOutput]:
    return [CloseSocket(1000, "")] if life.state is State.REDIALLING else []


def _told(life: Life, key: DigitPressed) -> str:
    return exotel.write_dtmf(life.order, life.profile, key.digit, key.duration_ms)
