"""What the end of a socket means: status, who ended it, and a sentence (AS-165, ST-15, ST-16)."""

from typing import Final

from agentstream.stream.happenings import Closed, OpenFailed, StreamCounters, StreamResult
from agentstream.stream.profile import WireProfile

THROTTLED: Final = "Streaming_call_throttled"  # AS-50

# A close frame without a code (1005) is a farewell too: it is what `close()` sends in JavaScript.
_CLEAN: Final = {1000, 1001, 1005}

_MEANINGS: Final = {
    1000: "a regular end",
    1001: "the bot is going away",
    1002: "the bot saw a protocol error",
    1003: "the bot cannot take this kind of data",
    1005: "no code was given",
    1006: "the connection broke without a close frame",
    1007: "the bot saw a bad payload",
    1008: "the bot's policy or authentication",
    1009: "a message was too big",
    1011: "an exception in the bot",
    1012: "the bot restarts",
    1013: "the bot is overloaded",
}


def result_of(closed: Closed, profile: WireProfile) -> StreamResult:
    """Judge a socket that ended while the stream was active."""
    meaning = _MEANINGS.get(closed.code, "an application code of the bot")
    reason = f", {closed.reason[:123]!r}" if closed.reason else ""
    text = f"{closed.code} {meaning}{reason}"
    if closed.who == "us":  # AS-155 and the like: our own rules ended it
        return StreamResult("failed", "NA", error=text, why=f"we closed the stream: {text}")
    why = f"the bot closed the stream: {text}"
    if closed.code in _CLEAN:
        return StreamResult("completed", "bot", why=why)
    is_failure = 1002 <= closed.code <= 1015 and profile.abnormal_close == "failed"  # ST-32
    return StreamResult("failed" if is_failure else "completed", "bot", error=text, why=why)


def is_abnormal(closed: Closed) -> bool:
    """Tell whether the bot may be back soon (OP-10): it broke off, or it is going away (1001).

    Who means goodbye closes with 1000, without a code, or with a code of its own.
    """
    is_failure = 1001 <= closed.code <= 1015 and closed.code != 1005
    return is_failure and closed.who != "us"


def connect_error(failed: OpenFailed) -> str:
    """Say why the socket did not open, with the opening that bot developers know (AS-166)."""
    status = f" HTTP {failed.http_status}" if failed.http_status else ""
    detail = f" {failed.detail}" if failed.detail else ""
    return f"3009 failed to establish ws conn: {failed.phase}{status}{detail}"


def payload_warnings(counters: StreamCounters | None, profile: WireProfile) -> list[str]:
    """Say, once per stream, what the hosted platform may do with this bot's audio (AS-156)."""
    if counters is None or profile.chunk_policy == "lenient":
        return []
    total = counters.media_received
    found = [
        (counters.payloads_small, "are below 3200 bytes; the hosted platform may drop these"),
        (counters.payloads_misaligned, "are no multiple of 320 bytes; others hear gaps there"),
        (counters.payloads_undecodable, "are not base64 and were ignored"),
    ]
    texts = [
        f"{count} of the bot's {total} media payloads {text}" for count, text in found if count
    ]
    if counters.media_dropped_in_ms:
        dropped_ms = counters.media_dropped_in_ms
        texts.append(f"{dropped_ms} ms of the bot's audio were dropped: its buffer was full")
    return texts
