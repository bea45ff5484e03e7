"""Logs: one line for each event, `key=value` or JSON; numbers masked, secrets never.

10:04:05.250 info    call_ended call_sid=51e0... cause=normal from=+9198******01
"""

import json
import logging
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog

from agentstream.net.egress import mask_url
from agentstream.server.config import LogConfig

_SECRET_KEY = re.compile(r"(^|_)(token|secret|password|passwd|authorization|credentials)$")
_SECRET_IN_TEXT = re.compile(
    r"(?i)([?&](?:api_?key|access_token|token|secret|password|sig|signature)=)[^&\s\"']+"
)
_SCHEME_IN_TEXT = re.compile(r"(?i)\b(Basic|Bearer|Digest)\s+[A-Za-z0-9+/=._~-]{6,}")
_NUMBER_IN_TEXT = re.compile(r"(?<![\w.+-])\+?\d{8,15}(?![\w-])", re.ASCII)
_PLAIN = re.compile(r"[^\s\"=]+")
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
# Values that are ids or times of ours: never numbers of people.
_UNMASKED = frozenset(
    {"call_sid", "stream_sid", "leg_sid", "flow_sid", "account_sid", "sip_call_id", "timestamp"}
)

Event = MutableMapping[str, Any]
Processor = Callable[[Any, str, Event], Event]


def set_up_logs(config: LogConfig, stream: TextIO | None = None) -> None:
    """Send every log, the libraries' included, to standard error (or `stream`)."""
    level = _LEVELS[config.level]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            _stamp,
            masker(config.mask_numbers),
            _as_json if config.format == "json" else _as_text,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.root.handlers[:] = [_Forward()]
    logging.root.setLevel(max(level, logging.WARNING))
    # A body that cannot be read is answered with 400; anybody could fill the log with them.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


def masker(mask_numbers: bool = True) -> Processor:
    """Return the processor that hides secrets, and numbers but for their ends."""

    def mask(_logger: Any, _method: str, event: Event) -> Event:  # noqa: ANN401  (structlog's own)
        for key, value in event.items():
            if _SECRET_KEY.search(key):
                event[key] = "***"
            elif isinstance(value, str):
                event[key] = mask_text(value, mask_numbers and key not in _UNMASKED)
            elif isinstance(value, dict | list | tuple):
                event[key] = mask_text(json.dumps(value, default=str), mask_numbers)
        return event

    return mask


def mask_text(text: str, mask_numbers: bool = True) -> str:
    """Hide credentials in a text, and the middle of every phone number."""
    if "://" in text:
        text = mask_url(text)
    if "=" in text:
        text = _SECRET_IN_TEXT.sub(r"\1***", text)
    text = _SCHEME_IN_TEXT.sub(r"\1 ***", text)
    return _NUMBER_IN_TEXT.sub(_middle_hidden, text) if mask_numbers else text


def _middle_hidden(found: re.Match[str]) -> str:
    text = found.group()
    head = 5 if text.startswith("+") else 4
    return text[:head] + "*" * (len(text) - head - 2) + text[-2:]


def _stamp(_logger: object, _method: str, event: Event) -> Event:
    event["timestamp"] = datetime.now(UTC).isoformat(timespec="milliseconds")
    return event


def _ordered(event: Event) -> Mapping[str, Any]:
    first = {key: event.pop(key) for key in ("timestamp", "level", "event")}
    if "call_sid" in event:
        first["call_sid"] = event.pop("call_sid")
    return {**first, **event}


def _as_json(_logger: object, _method: str, event: Event) -> str:
    return json.dumps(_ordered(event), default=str, ensure_ascii=False)


def _as_text(_logger: object, _method: str, event: Event) -> str:
    ordered = dict(_ordered(event))
    time, level = str(ordered.pop("timestamp"))[11:23], ordered.pop("level")
    name = _one_line(ordered.pop("event"))
    pairs = "".join(f" {key}={_quoted(value)}" for key, value in ordered.items())
    return f"{time} {level:<7} {name}{pairs}"


def _quoted(value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _one_line(value: object) -> str:
    return " ".join(str(value).split())


class _Forward(logging.Handler):
    """Gives the libraries' logs to ours, so that one rule masks them all."""

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {"logger": record.name}
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        level = record.levelno if record.levelno in _LEVELS.values() else logging.ERROR
        structlog.get_logger().log(level, record.getMessage(), **fields)
