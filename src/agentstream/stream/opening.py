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
    Activated,
    Begin,
    BeginStream,
    CallerGone,
    Closed,
    CloseSocket,
    Connect,
    Opened,
    OpenFailed,
    Resolve,
    Resolved,
    ResolveFailed,
    ShutDown,
    StopRequested,
    StreamHeld,
    StreamOutput,
    StreamResult,
    StreamStarted,
    TimeUp,
    Warn,
)
from agentstream.stream.life import Life, State
from agentstream.stream.messages import Resume
from agentstream.stream.plans import audio_of, overruled, plan_socket

# The audio path has the same limit and knows the phase that hangs: it may speak first.
CONNECT_GRACE_MS: Final = 250

_STOP_ERROR: Final = "the call ended before the bot was connected"


def begin(life: Life, begin: Begin, now_ms: int) -> list[StreamOutput]:
    """ST-1."""
    if begin.is_throttled:
        return life.fail("", "the account has all the streams it may have", THROTTLED)
    life.is_early = begin.is_early
    return [*_read_fallback(life), *_approach(life, now_ms)]


def resolved(life: Life, answer: Resolved, now_ms: int) -> list[StreamOutput]:
    """ST-2, ST-3."""
    try:
        url = read_resolver_answer(answer.status, answer.content_type, answer.body)
        place = read_resolved(url, life.profile)
    except PeerError as error:
        return _missed(life, str(error), now_ms)
    return _found(life, place, now_ms)


def unresolved(life: Life, failed: ResolveFailed, now_ms: int) -> list[StreamOutput]:
    """ST-3."""
    return _missed(life, f"the resolver gave no answer: {failed.detail}", now_ms)


def resolver_late(life: Life, time_up: TimeUp, now_ms: int) -> list[StreamOutput]:
    """ST-3, AS-17."""
    limit_ms = life.profile.resolver_timeout_ms
    return _missed(life, f"the resolver gave no answer within {limit_ms} ms", now_ms)


def opened(life: Life, opened: Opened, now_ms: int) -> list[StreamOutput]:
    """ST-4; the audio path has sent `connected` and `start` before anything else (ST-34)."""
    life.is_open, life.opened = True, opened
    if life.is_early:  # AS-51: no `start` before the call is there
        life.enter(State.HELD, None)
        return [StreamHeld()]
    return _start(life, now_ms)


def activated(life: Life, activated: Activated, now_ms: int) -> list[StreamOutput]:
    """Go on as if the stream began only now; what was done ahead need not be done again (OP-6)."""
    life.is_early = False
    if life.state is not State.HELD:
        return []
    return _start(life, now_ms) if life.is_open else _approach(life, now_ms)


def closed_while_held(life: Life, closed: Closed, now_ms: int) -> list[StreamOutput]:
    """Dial again when the call is there: a bot may not want to wait for it."""
    return life.warn(f"the bot closed ({closed.code}) before the call was answered")


def not_opened(life: Life, failed: OpenFailed, now_ms: int) -> list[StreamOutput]:
    """ST-5, ST-6: once more at once (AS-46), whatever the bot answered (AS-47)."""
    if failed.phase == "aborted":  # the echo of our own abort
        return []
    assert life.bot is not None
    if life.tries <= life.profile.connect_retries and failed.phase != "egress":
        return _connect(life, life.bot, now_ms)
    return _missed(life, connect_error(failed), now_ms)


def connect_late(life: Life, time_up: TimeUp, now_ms: int) -> list[StreamOutput]:
    """AS-45."""
    return [CloseSocket(1000, ""), *not_opened(life, too_late(life), now_ms)]


def caller_left_early(life: Life, gone: CallerGone, now_ms: int) -> list[StreamOutput]:
    """ST-7."""
    return _give_up(life, StreamResult("cancelled", "user", why=f"{_STOP_ERROR}: caller"))


def stopped_early(life: Life, stop: StopRequested | ShutDown, now_ms: int) -> list[StreamOutput]:
    """End for nobody's sake, before the bot had a word."""
    why = stop.why if isinstance(stop, StopRequested) else "the server stops"
    return _give_up(life, StreamResult("cancelled", "NA", why=f"{_STOP_ERROR}: {why}"))


def dial(
    life: Life, bot: BotAddress, state: State, now_ms: int, resume: Resume | None = None
) -> list[StreamOutput]:
    """Ask for a socket, and wait for it in this state."""
    life.attempt += 1
    life.is_held = life.is_early
    plan = plan_socket(life.order, bot, life.profile, holds_opening=life.is_early, resume=resume)
    life.listen(audio_of(life.order, bot, life.profile))
    life.enter(state, now_ms + plan.connect_timeout_ms + CONNECT_GRACE_MS)
    return [Connect(life.attempt, bot.host, bot.port, plan)]


def too_late(life: Life) -> OpenFailed:
    """Say that the audio path did not answer in time."""
    return OpenFailed("tcp", detail=f"no answer within {life.profile.connect_timeout_ms} ms")


def _read_fallback(life: Life) -> list[StreamOutput]:
    if not life.profile.fallback_url:
        return []
    try:
        life.fallback = read_resolved(life.profile.fallback_url, life.profile)
    except PeerError as error:
        return life.warn(f"fallback_url cannot be used: {error}")
    return []


def _approach(life: Life, now_ms: int) -> list[StreamOutput]:
    try:
        place = read_address(life.order.url, life.profile)
    except PeerError as error:
        return life.fail(str(error))
    life.shown_url = place.shown_url
    if isinstance(place, ResolverAddress):
        life.enter(State.RESOLVING, now_ms + life.profile.resolver_timeout_ms)
        return [Resolve(place.url, life.profile.resolver_timeout_ms)]
    return _found(life, place, now_ms)


def _found(life: Life, bot: BotAddress, now_ms: int) -> list[StreamOutput]:
    life.bot, life.shown_url, life.tries = bot, bot.shown_url, 0
    if bot is not life.fallback:
        life.first = bot
    texts = [*bot.warnings, *overruled(bot, audio_of(life.order, bot, life.profile))]
    return [*(Warn(text) for text in texts), *_connect(life, bot, now_ms)]


def _connect(life: Life, bot: BotAddress, now_ms: int) -> list[StreamOutput]:
    life.tries += 1
    return dial(life, bot, State.CONNECTING, now_ms)


def _missed(life: Life, error: str, now_ms: int) -> list[StreamOutput]:
    """Try the second address, or give up."""
    if life.fallback is not None and life.bot is not life.fallback:
        told = life.warn(f"the bot was not reached, its second address is tried: {error}")
        return [*told, *_found(life, life.fallback, now_ms)]
    return life.fail(error)


def _start(life: Life, now_ms: int) -> list[StreamOutput]:
    begin: list[StreamOutput] = [BeginStream()] if life.is_held else []
    life.opened_at_ms = now_ms
    life.limit_at_ms = now_ms + life.profile.max_seconds * 1000
    life.talk()
    started = StreamStarted(life.shown_url, life.opened, life.attempt)
    return [*begin, started, *life.watch()]


def _give_up(life: Life, result: StreamResult) -> list[StreamOutput]:
    is_dialled = life.state is State.CONNECTING or life.is_open
    abort = [CloseSocket(1000, "")] if is_dialled else []
    return [*abort, *life.finish(result)]
