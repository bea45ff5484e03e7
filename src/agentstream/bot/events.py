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
    # Where the setting `reconnect_attempts` lets a bot come back:
    resume_token: str = ""  # the same in every start of one stream
    is_resumed: bool = False  # this bot, or one before it, had the call already
    played_ms: int = 0  # audio of the bot that the caller has heard before


@dataclass(frozen=True, slots=True)
class Audio:
    """What the caller says: 16-bit little-endian mono samples at the call's `rate_hz`."""

    pcm: bytes
    timestamp_ms: int = 0  # since the stream's start
    track: str = ""  # inbound, outbound or mixed, where the setting `track` asks for it


@dataclass(frozen=True, slots=True)
class Digit:
    """The caller pressed a key: 0-9 * # A-D."""

    digit: str
    duration_ms: int = 0


@dataclass(frozen=True, slots=True)
class MarkPlayed:
    """All audio before this mark was heard, or dropped by `clear`."""

    name: str
    played_ms: int = 0  # heard so far, with the setting `marks_carry_played_ms`
    is_cleared: bool = False  # it was not heard, with the setting `marks_carry_cleared`


@dataclass(frozen=True, slots=True)
class Cleared:
    """`clear` was carried out; told with the setting `acknowledge_clear`."""

    played_ms: int
    dropped_ms: int


@dataclass(frozen=True, slots=True)
class Silence:
    """The caller has been quiet for so long; told with the setting `silence_timeout_ms`."""

    duration_ms: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a control event such as `hang_up`; `reason` says why it was refused."""

    asked: Literal["hangup", "transfer", "send_dtmf", "set_rate"] | str
    ask_id: str | int | None
    is_accepted: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The last event. `lost`: the connection ended without a word."""

    reason: Literal["callended", "stopped", "lost"] | str


Event = CallStarted | Audio | Digit | MarkPlayed | Cleared | Silence | Answered | CallEnded


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
            return Audio(pcm, _number(body, "timestamp"), _text(body, "track"))
        case "dtmf":
            return Digit(_text(body, "digit"), _number(body, "duration"))
        case "mark":
            is_cleared = body.get("cleared") is True
            return MarkPlayed(_text(body, "name"), _number(body, "played_ms"), is_cleared)
        case "stop":
            return CallEnded(_text(body, "reason") or "stopped")
        case _:
            return _extension(message.get("event"), body)


def _extension(event: object, body: dict[str, Any]) -> Event | None:
    match event:
        case "cleared":
            return Cleared(_number(body, "played_ms"), _number(body, "dropped_ms"))
        case "silence":
            return Silence(_number(body, "duration"))
        case "ack":
            is_accepted = body.get("status") == "accepted"
            return Answered(_text(body, "event"), _id(body), is_accepted, _text(body, "reason"))
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
        resume_token=_text(body, "resume_token"),
        is_resumed=body.get("resumed") is True,
        played_ms=_number(body, "played_ms"),
    )


def _id(body: dict[str, Any]) -> str | int | None:
    ask_id = body.get("id")
    return ask_id if isinstance(ask_id, str | int) else None


def _number(values: dict[str, Any], key: str) -> int:
    return int(_text(values, key) or 0)


def _text(values: dict[str, Any], key: str) -> str:
    """Return a value as text: both texts and numbers are seen on this wire (CX-1)."""
    value = values.get(key, "")
    return value if isinstance(value, str) else str(value)
