"""The way to the bot: its address, the resolver, the attempts, and the end when none succeeds."""

from typing import Final

from agentstream.base.errors import PeerError
from agentstream.stream.address import (
    BotAddress,
    ResolverAddress,
    read_address,
    read_resolved,
    read_resolver_answer,
)
from agentstream.stream.endings import THROTTLED, connect_error
from agentstream.stream.happenings import (
    Begin,
    CallerGone,
    CloseSocket,
    Connect,
    Opened,
    OpenFailed,
    Resolve,
    Resolved,
    ResolveFailed,
    ShutDown,
    StopRequested,
    StreamOutput,
    StreamResult,
    StreamStarted,
    TimeUp,
    Warn,
)
from agentstream.stream.life import Life, State
from agentstream.stream.plans import audio_of, overruled, plan_socket

# The audio path has the same limit and knows the phase that hangs: it may speak first.
CONNECT_GRACE_MS: Final = 250

_STOP_ERROR: Final = "the call ended before the bot was connected"


def begin(life: Life, begin: Begin, now_ms: int) -> list[StreamOutput]:
    """ST-1."""
    if begin.is_throttled:
        return life.fail("", "the account has all the streams it may have", THROTTLED)
    try:
        place = read_address(life.order.url, life.profile)
    except PeerError as error:
        return life.fail(str(error))
    life.shown_url = place.shown_url
    if isinstance(place, ResolverAddress):
        life.enter(State.RESOLVING, now_ms + life.profile.resolver_timeout_ms)
        return [Resolve(place.url, life.profile.resolver_timeout_ms)]
    return _found(life, place, now_ms)


def resolved(life: Life, answer: Resolved, now_ms: int) -> list[StreamOutput]:
    """ST-2, ST-3."""
    try:
        url = read_resolver_answer(answer.status, answer.content_type, answer.body)
        place = read_resolved(url, life.profile)
    except PeerError as error:
        return life.fail(str(error))
    return _found(life, place, now_ms)


def unresolved(life: Life, failed: ResolveFailed, now_ms: int) -> list[StreamOutput]:
    """ST-3."""
    return life.fail(f"the resolver gave no answer: {failed.detail}")


def resolver_late(life: Life, time_up: TimeUp, now_ms: int) -> list[StreamOutput]:
    """ST-3, AS-17."""
    return life.fail(f"the resolver gave no answer within {life.profile.resolver_timeout_ms} ms")


def opened(life: Life, opened: Opened, now_ms: int) -> list[StreamOutput]:
    """ST-4; the audio path has sent `connected` and `start` before anything else (ST-34)."""
    life.opened_at_ms = now_ms
    life.is_open = True
    life.limit_at_ms = now_ms + life.profile.max_seconds * 1000
    life.talk()
    return [StreamStarted(life.shown_url, opened, life.attempt), *life.watch()]


def not_opened(life: Life, failed: OpenFailed, now_ms: int) -> list[StreamOutput]:
    """ST-5, ST-6: once more at once (AS-46), whatever the bot answered (AS-47)."""
    if failed.phase == "aborted":  # the echo of our own abort
        return []
    assert life.bot is not None
    if life.attempt <= life.profile.connect_retries and failed.phase != "egress":
        return _connect(life, life.bot, now_ms)
    return life.fail(connect_error(failed))


def connect_late(life: Life, time_up: TimeUp, now_ms: int) -> list[StreamOutput]:
    """AS-45."""
    limit_ms = life.profile.connect_timeout_ms
    failed = OpenFailed("tcp", detail=f"no answer within {limit_ms} ms")
    return [CloseSocket(1000, ""), *not_opened(life, failed, now_ms)]


def caller_left_early(life: Life, gone: CallerGone, now_ms: int) -> list[StreamOutput]:
    """ST-7."""
    return _give_up(life, StreamResult("cancelled", "user", why=f"{_STOP_ERROR}: caller"))


def stopped_early(life: Life, stop: StopRequested | ShutDown, now_ms: int) -> list[StreamOutput]:
    """End for nobody's sake, before the bot had a word."""
    why = stop.why if isinstance(stop, StopRequested) else "the server stops"
    return _give_up(life, StreamResult("cancelled", "NA", why=f"{_STOP_ERROR}: {why}"))


def _found(life: Life, bot: BotAddress, now_ms: int) -> list[StreamOutput]:
    life.bot, life.shown_url = bot, bot.shown_url
    texts = [*bot.warnings, *overruled(bot, audio_of(life.order, bot, life.profile))]
    return [*(Warn(text) for text in texts), *_connect(life, bot, now_ms)]


def _connect(life: Life, bot: BotAddress, now_ms: int) -> list[StreamOutput]:
    life.attempt += 1
    plan = plan_socket(life.order, bot, life.profile)
    life.enter(State.CONNECTING, now_ms + plan.connect_timeout_ms + CONNECT_GRACE_MS)
    return [Connect(life.attempt, bot.host, bot.port, plan)]


def _give_up(life: Life, result: StreamResult) -> list[StreamOutput]:
    abort = [CloseSocket(1000, "")] if life.state is State.CONNECTING else []
    return [*abort, *life.finish(result)]
