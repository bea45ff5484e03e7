"""What a bot hears of a call, as frozen values, and how they are read from the wire."""

import binascii
import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from agentstream.base.errors import PeerError


@dataclass(frozen=True, slots=True)
class CallStarted:
    """The first event of every call."""

    stream_sid: str
    call_sid: str
    account_sid: str
    from_number: str  # the human
    to_number: str
    custom_parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Audio:
    """What the caller says: 16-bit little-endian mono samples at the call's `rate_hz`."""

    pcm: bytes
    timestamp_ms: int = 0  # since the stream's start


@dataclass(frozen=True, slots=True)
class Digit:
    """The caller pressed a key: 0-9 * # A-D."""

    digit: str
    duration_ms: int = 0


@dataclass(frozen=True, slots=True)
class MarkPlayed:
    """All audio before this mark was heard, or dropped by `clear`."""

    name: str


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The last event. `lost`: the connection ended without a word."""

    reason: Literal["callended", "stopped", "lost"] | str


Event = CallStarted | Audio | Digit | MarkPlayed | CallEnded


def read_event(text: str | bytes) -> Event | None:
    """Read one message; None for `connected` and what is not known. Raises PeerError."""
    try:
        message = json.loads(text)
        return _event(message) if isinstance(message, dict) else None
    except PeerError:
        raise
    except (ValueError, RecursionError, binascii.Error) as error:
        raise PeerError(f"a message of the platform cannot be read: {error}"[:200]) from None


def _event(message: dict[str, Any]) -> Event | None:
    body = message.get(str(message.get("event")))
    if not isinstance(body, dict):
        body = {}
    match message.get("event"):
        case "start":
            return _started(message, body)
        case "media":
            pcm = b64decode(_text(body, "payload"), validate=True)
            return Audio(pcm, int(_text(body, "timestamp") or 0))
        case "dtmf":
            return Digit(_text(body, "digit"), int(_text(body, "duration") or 0))
        case "mark":
            return MarkPlayed(_text(body, "name"))
        case "stop":
            return CallEnded(_text(body, "reason") or "stopped")
        case _:
            return None


def _started(message: dict[str, Any], body: dict[str, Any]) -> CallStarted:
    custom = body.get("custom_parameters")
    return CallStarted(
        stream_sid=_text(body, "stream_sid") or _text(message, "stream_sid"),
        call_sid=_text(body, "call_sid"),
        account_sid=_text(body, "account_sid"),
        from_number=_text(body, "from"),
        to_number=_text(body, "to"),
        custom_parameters={str(k): str(v) for k, v in custom.items()}
        if isinstance(custom, dict)
        else {},
    )


def _text(values: dict[str, Any], key: str) -> str:
    """Return a value as text: both texts and numbers are seen on this wire (CX-1)."""
    value = values.get(key, "")
    return value if isinstance(value, str) else str(value)
