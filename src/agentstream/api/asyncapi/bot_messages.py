"""The bot's wire in JSON Schema: what AgentStream says to a bot, and what it takes from one.

docs/protocol.md tells the same in words, and what its settings change.
"""

from typing import Any, Final

from agentstream.api.asyncapi.shapes import BASE64, Schema, always, an_object, message, text, word
from agentstream.stream.dialects.controls import DIGITS_LIMIT, ID_CHARS, MARK_CHARS

# CX-1: a text, or a number where the setting `numbers_as` says so.
_NUMBER: Final[Schema] = {"type": ["string", "integer"], "pattern": "^[0-9]+$"}
_MS: Final = text("Milliseconds", pattern="^[0-9]+$")
_SID: Final = text("The stream, in both directions")
_DIGIT: Final = text("One key", pattern="^[0-9*#A-D]$")
_PARAMETERS: Final[Schema] = {
    "type": "object",
    "description": "The pairs of the bot's address; left out when there are none",
    "additionalProperties": {"type": "string"},
}
_PAYLOAD: Final = text(
    "Base64 of the samples: 16-bit little-endian PCM, mono, unless the stream was asked for in"
    " another format",
    contentEncoding="base64",
    pattern=BASE64,
)
_SID_OF_OURS: Final = "9f27c1d0a4b84b6fa1c3e5d7091b2c3d"


def _ours(event: str, inside: Schema, *optional: str) -> Schema:
    """Return a message to the bot: the head that all but the first share (AS-60)."""
    head = {
        "event": always(event),
        "sequence_number": _NUMBER,
        "stream_sid": _SID,
        "sequenceNumber": {**_NUMBER, "description": "With the setting camel_keys"},
        "streamSid": text("With the setting camel_keys"),
    }
    return an_object({**head, event: inside}, "sequenceNumber", "streamSid", *optional)


_MEDIA_FORMAT: Final = an_object(
    {"encoding": text(), "sample_rate": text(pattern="^(8000|16000|24000)$"), "bit_rate": text()},
    about="For people; what counts is what the address asked for",
)
_CAMEL: Final = {
    name: text("With the setting camel_keys")
    for name in ("streamSid", "callSid", "accountSid", "resumeToken", "playedMs")
}
_START: Final = an_object(
    {
        "stream_sid": _SID,
        "call_sid": text(),
        "account_sid": text(),
        "from": text(),
        "to": text(),
        "custom_parameters": _PARAMETERS,
        "media_format": _MEDIA_FORMAT,
        "resume_token": text("With the setting reconnect_attempts"),
        "resumed": {"type": "boolean", "const": True},
        "played_ms": _MS,
        "customParameters": _PARAMETERS,
        "mediaFormat": _MEDIA_FORMAT,
        **_CAMEL,
    },
    "custom_parameters",
    "resume_token",
    "resumed",
    "played_ms",
    "customParameters",
    "mediaFormat",
    *_CAMEL,
)
_STOP: Final = an_object(
    {
        "call_sid": text(),
        "account_sid": text(),
        "reason": word("callended", "stopped"),
        "callSid": text("With the setting camel_keys"),
        "accountSid": text("With the setting camel_keys"),
    },
    "callSid",
    "accountSid",
)
_ASK_ID: Final[Schema] = {"type": ["string", "integer"], "maxLength": ID_CHARS}

TO_BOT: Final[dict[str, Schema]] = {
    "botConnected": message(
        "The first message, once",
        an_object(
            {"event": always("connected"), "custom_parameters": _PARAMETERS}, "custom_parameters"
        ),
        example={"event": "connected"},
    ),
    "botStart": message("The second message, before any media", _ours("start", _START)),
    "botMedia": message(
        "What the caller says\nEvery 100 ms or `frame-ms`, without a gap: silence is audio too.",
        _ours(
            "media",
            an_object(
                {
                    "track": word("inbound", "outbound", "mixed"),
                    "chunk": _NUMBER,
                    "timestamp": _MS,
                    "payload": _PAYLOAD,
                },
                "track",
            ),
        ),
        example={
            "event": "media",
            "sequence_number": "2",
            "stream_sid": _SID_OF_OURS,
            "media": {"chunk": "1", "timestamp": "100", "payload": "AAAA"},
        },
    ),
    "botDtmf": message(
        "A key was pressed and released",
        _ours("dtmf", an_object({"digit": _DIGIT, "duration": _MS})),
    ),
    "botMarkHeard": message(
        "All audio before the bot's mark was heard",
        _ours(
            "mark",
            an_object(
                {"name": text(), "played_ms": _MS, "cleared": {"type": "boolean", "const": True}},
                "played_ms",
                "cleared",
            ),
        ),
    ),
    "botStop": message("The last message", _ours("stop", _STOP)),
    "botCleared": message(
        "The answer to a clear\nWith the setting `acknowledge_clear`.",
        _ours("cleared", an_object({"played_ms": _MS, "dropped_ms": _MS})),
    ),
    "botAck": message(
        "The answer to a control event\nWith the setting `control_events`.",
        _ours(
            "ack",
            an_object(
                {
                    "event": word("hangup", "transfer", "send_dtmf", "set_rate"),
                    "id": _ASK_ID,
                    "status": word("accepted", "refused"),
                    "reason": text(),
                },
                "id",
                "reason",
            ),
        ),
    ),
    "botSilence": message(
        "The caller has been quiet\nWith the setting `silence_timeout_ms`.",
        _ours("silence", an_object({"duration": _MS})),
    ),
}


def _theirs(event: str, inside: Schema | None = None, *, needs_body: bool = True) -> Schema:
    """Return a message from the bot, which may leave the stream's sid out (AS-114)."""
    members: dict[str, Any] = {"event": always(event), "stream_sid": _SID, "streamSid": _SID}
    optional = ["stream_sid", "streamSid"]
    if inside is not None:
        members[event] = inside
        optional += [] if needs_body else [event]
    return an_object(members, *optional)


FROM_BOT: Final[dict[str, Schema]] = {
    "botSays": message(
        "Audio for the caller\nAny size from 2 bytes; faster than real time if you have it.",
        _theirs("media", an_object({"payload": _PAYLOAD})),
        example={"event": "media", "stream_sid": _SID_OF_OURS, "media": {"payload": "AAAA"}},
    ),
    "botMark": message(
        "A name for a point in the bot's audio",
        _theirs("mark", an_object({"name": text()})),
        example={"event": "mark", "stream_sid": _SID_OF_OURS, "mark": {"name": "greeting"}},
    ),
    "botClear": message(
        "Drop all that was not heard yet",
        _theirs("clear"),
        example={"event": "clear", "stream_sid": _SID_OF_OURS},
    ),
    "botEnd": message("A graceful end of the stream", _theirs("stop")),
    "botHangup": message(
        "End the call\nWith the setting `control_events`, as the three that follow.",
        _theirs(
            "hangup",
            an_object(
                {
                    "id": _ASK_ID,
                    "drain": {"type": "boolean", "default": True},
                    "after_mark": text(maxLength=MARK_CHARS),
                },
                "id",
                "drain",
                "after_mark",
            ),
            needs_body=False,
        ),
        example={"event": "hangup", "hangup": {"id": "7", "after_mark": "goodbye"}},
    ),
    "botTransfer": message(
        "Hand the caller over to a number, a SIP address or a flow",
        _theirs(
            "transfer",
            {
                **an_object({"id": _ASK_ID, "to": text(), "flow": text()}, "id", "to", "flow"),
                "oneOf": [{"required": ["to"]}, {"required": ["flow"]}],
            },
        ),
        example={"event": "transfer", "transfer": {"id": 8, "to": "+14155550100"}},
    ),
    "botSendDtmf": message(
        "Press keys towards the caller",
        _theirs(
            "send_dtmf",
            an_object(
                {"id": _ASK_ID, "digits": text(pattern=rf"^[0-9*#A-D]{{1,{DIGITS_LIMIT}}}$")},
                "id",
            ),
        ),
        example={"event": "send_dtmf", "send_dtmf": {"digits": "12#"}},
    ),
    "botSetRate": message(
        "Go on at another rate, in both directions",
        _theirs(
            "set_rate",
            an_object({"id": _ASK_ID, "sample_rate": {"enum": [8000, 16000, 24000]}}, "id"),
        ),
        example={"event": "set_rate", "set_rate": {"id": "r", "sample_rate": 16000}},
    ),
}
