"""While the bot is there: what it says besides audio, keys, and who ends it."""

from dataclasses import replace

from agentstream.stream import redialling, wishes
from agentstream.stream.dialects import exotel
from agentstream.stream.endings import result_of
from agentstream.stream.happenings import (
    BotPaced,
    BotSaid,
    BotSampled,
    CallerGone,
    Closed,
    CloseSocket,
    DigitPressed,
    DropQueue,
    MarkReached,
    QueueCleared,
    RateSet,
    SendText,
    ShutDown,
    SilenceHeard,
    SoundKey,
    StopRequested,
    StreamOutput,
    StreamResult,
    TimeUp,
)
from agentstream.stream.life import Life
from agentstream.stream.messages import BotText, Echoed, Malformed, StopAsked, StopReason, Unknown


def bot_said(life: Life, said: BotSaid, now_ms: int) -> list[StreamOutput]:
    """AS-114 to AS-116."""
    if not life.order.two_way:  # ST-42
        return []
    read = exotel.read_said(said.text, has_controls=life.profile.control_events)
    if read.stream_sid not in (None, life.order.stream_sid):
        told = life.warn("the bot sends another stream_sid than it was given", "AS-114")
        return (
            told
            if life.profile.reject_wrong_stream_sid
            else [*told, *_meant(life, read.text, now_ms)]
        )
    return _meant(life, read.text, now_ms)


def sampled(life: Life, sample: BotSampled, now_ms: int) -> list[StreamOutput]:
    """Tell what would fail on the hosted service while there is still time to mend it (OP-12)."""
    if life.lint is None:
        return []
    life.lint.hear(sample.text.encode() if sample.is_binary else sample.text, now_ms)
    return [
        warning
        for finding in life.lint.news()
        if finding.about != "AS-106"  # such an event comes by itself, and is told then
        for warning in life.warn(finding.text, finding.about)
    ]


def paced(life: Life, paced: BotPaced, now_ms: int) -> list[StreamOutput]:
    """Tell when the audio seems to have another rate than was agreed (US-3, OP-12)."""
    text = life.pace.note(now_ms, paced.bytes_received) if life.pace else ""
    return life.warn(text, "US-3") if text else []


def mark_reached(life: Life, mark: MarkReached, now_ms: int) -> list[StreamOutput]:
    """Echo the mark if the audio path has not (OP-7, AS-117); a hang-up may wait for it."""
    return [*_echo(life, mark), *wishes.after_mark(life, mark)]


def queue_cleared(life: Life, cleared: QueueCleared, now_ms: int) -> list[StreamOutput]:
    """Answer the bot's clear, by setting (OP-7)."""
    if not life.profile.acknowledge_clear or not life.is_open:
        return []
    text = exotel.write_cleared(life.order, life.profile, cleared.played_ms, cleared.dropped_ms)
    return [SendText(text)]


def digit(life: Life, key: DigitPressed, now_ms: int) -> list[StreamOutput]:
    """ST-9; a unidirectional stream has no digits (AS-4)."""
    if not life.order.two_way or life.profile.dtmf_handling in ("suppress", "hide"):
        return []
    if life.profile.dtmf_handling == "passthrough":
        return [] if key.in_audio else [SoundKey(key.digit, key.duration_ms)]
    return [SendText(exotel.write_dtmf(life.order, life.profile, key.digit, key.duration_ms))]


def rate_set(life: Life, changed: RateSet, now_ms: int) -> list[StreamOutput]:
    """Judge the bot's audio by its new rate (OP-1); the audio path has told the bot."""
    life.listen(replace(life.audio, rate_hz=changed.rate_hz))
    return []


def silence(life: Life, heard: SilenceHeard, now_ms: int) -> list[StreamOutput]:
    """BX-4; a shorter silence is what somebody else asked for."""
    timeout_ms = life.profile.silence_timeout_ms
    if not life.is_watching or heard.silent_ms < timeout_ms:
        return []
    if life.profile.silence_action == "hangup":
        return wishes.hang_up(life, f"the caller was silent for {timeout_ms} ms")
    return [SendText(exotel.write_silence(life.order, life.profile, heard.silent_ms))]


def closed(life: Life, closed: Closed, now_ms: int) -> list[StreamOutput]:
    """ST-15, ST-16: a farewell is heard to its end (ST-33), a crash is not."""
    result = life.timed(result_of(closed, life.profile), now_ms)
    if redialling.may_redial(life, closed):
        return redialling.lose(life, closed, result, now_ms)
    has_rest = closed.queued_ms > 0 and life.profile.drain_on_close_ms > 0
    if has_rest and result.status == "completed" and not result.error:
        return life.drain(result, now_ms)
    return [DropQueue(), *life.finish(result)]


def caller_left(life: Life, gone: CallerGone, now_ms: int) -> list[StreamOutput]:
    """ST-13; not the caller has ended a call that ends as its bot asked (CX-14)."""
    reason: StopReason = "callended"
    result = StreamResult("cancelled", "user", why="the caller hung up")
    if life.has_wished("hangup"):
        result, reason = life.ended_as_wished(result), "stopped"
    result = life.timed(result, now_ms)
    stop = exotel.write_stop(life.order, life.profile, reason)
    return life.close(CloseSocket(1000, "", stop), result, now_ms)


def stopped(life: Life, stop: StopRequested, now_ms: int) -> list[StreamOutput]:
    """ST-14: the call goes on, so nobody waits for the bot's close reply."""
    result = life.ended_as_wished(StreamResult("completed", "NA", why=stop.why))
    result = life.timed(result, now_ms)
    last_text = exotel.write_stop(life.order, life.profile, "stopped")
    return [CloseSocket(1000, "", last_text), DropQueue(), *life.finish(result)]


def time_up(life: Life, time_up: TimeUp, now_ms: int) -> list[StreamOutput]:
    """ST-14, AS-48, or a farewell that is too long (OP-1)."""
    if now_ms < life.limit_at_ms:
        return wishes.hang_up(life)
    life.wished = None
    limit = f"the stream reached its limit of {life.profile.max_seconds} s"
    return stopped(life, StopRequested(limit), now_ms)


def shut_down(life: Life, shut_down: ShutDown, now_ms: int) -> list[StreamOutput]:
    """ST-18."""
    result = life.timed(StreamResult("completed", "NA", why="the server stops"), now_ms)
    stop = exotel.write_stop(life.order, life.profile, "stopped")
    return life.close(CloseSocket(1001, "server stops", stop), result, now_ms)


def _echo(life: Life, mark: MarkReached) -> list[StreamOutput]:
    limit = life.profile.max_mark_chars
    if not life.profile.echoes_marks or not life.is_open:
        return []
    if limit and len(mark.name) > limit:
        text = f"a mark's name has {len(mark.name)} characters; {limit} are allowed: no echo"
        return life.warn(text)
    text = exotel.write_mark(
        life.order, life.profile, mark.name, mark.played_ms, cleared=mark.cleared
    )
    return [SendText(text)]


def _meant(life: Life, text: BotText, now_ms: int) -> list[StreamOutput]:
    if isinstance(text, StopAsked):
        return _bot_stops(life, now_ms)
    if isinstance(text, Echoed):
        return []
    if isinstance(text, Malformed):
        return life.warn(f"the bot sent a message that cannot be used: {text.why}")
    if not isinstance(text, Unknown):
        return wishes.asked(life, text, now_ms)
    hint = "; the setting control_events allows it" if text.event in exotel.CONTROLS else ""
    return life.warn(f"the bot sent an event that means nothing here: {text.event!r}{hint}")


def _bot_stops(life: Life, now_ms: int) -> list[StreamOutput]:
    """ST-17, AS-116."""
    result = life.timed(
        StreamResult("completed", "bot", why="the bot asked for the end with `stop`"), now_ms
    )
    if life.profile.on_bot_stop == "flush" or not life.profile.drain_on_close_ms:
        return [DropQueue(), CloseSocket(1000, ""), *life.finish(result)]
    return life.drain(result, now_ms)
