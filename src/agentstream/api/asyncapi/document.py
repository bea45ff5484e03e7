"""/asyncapi.json: channels, operations and messages, from AgentStream's side of each socket.

send      we say it        receive      we take it
"""

from collections.abc import Iterable
from functools import cache
from typing import Any, Final

import agentstream
from agentstream.api.asyncapi import callback_messages, leg_messages
from agentstream.api.asyncapi.bot_messages import FROM_BOT, TO_BOT
from agentstream.api.asyncapi.shapes import Schema, text, whole

_ABOUT: Final = (
    "What goes over WebSockets, and what is posted to servers of yours. Requests to AgentStream are"
    " in /openapi.json; events of legs by gRPC in /docs/leg_events.proto."
)
_MESSAGES: Final[dict[str, Schema]] = {
    **TO_BOT,
    **FROM_BOT,
    "legEventPosted": leg_messages.POSTED,
    "legEvent": leg_messages.PUSHED,
    "legEventAck": leg_messages.ACK,
    "legAction": leg_messages.ACTION,
    "legResult": leg_messages.RESULT,
    "callback": callback_messages.EVENT_MESSAGE,
    "callbackAtEnd": callback_messages.END_MESSAGE,
}
_POST: Final = {"http": {"method": "POST", "bindingVersion": "0.3.0"}}


@cache
def document() -> dict[str, Any]:
    """Return the whole document; it is the same for everybody."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "AgentStream",
            "version": agentstream.__version__,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"agentstream": _SERVER},
        "channels": _CHANNELS,
        "operations": _OPERATIONS,
        "components": {
            "messages": {
                name: {"name": name, "title": one["summary"], **one}
                for name, one in _MESSAGES.items()
            },
            "schemas": {"LegEvent": leg_messages.EVENT},
            "securitySchemes": {"key": {"type": "http", "scheme": "basic"}},
        },
    }


def _channel(about: str, address: str | None, names: Iterable[str], **more: object) -> Schema:
    """Return a channel; without an address it is the one that a customer gives us."""
    title, _, rest = about.partition("\n")
    messages = {name: {"$ref": f"#/components/messages/{name}"} for name in names}
    return {
        "address": address,
        "title": title,
        **({"description": rest} if rest else {}),
        "messages": messages,
        **more,
    }


def _operation(action: str, about: str, channel: str, names: Iterable[str], *reply: str) -> Schema:
    """Return an operation; `reply` names the messages that answer it, over the same channel."""

    def of_channel(wanted: Iterable[str]) -> list[Schema]:
        return [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in wanted]

    operation: Schema = {
        "action": action,
        "summary": about,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": of_channel(names),
    }
    if reply:
        operation["reply"] = {
            "channel": {"$ref": f"#/channels/{channel}"},
            "messages": of_channel(reply),
        }
    return operation


_SERVER: Final[Schema] = {
    "host": "{host}",
    "protocol": "ws",
    "description": "This server, or wss behind a proxy that has a certificate",
    "variables": {"host": {"default": "127.0.0.1:8080"}},
    "security": [{"$ref": "#/components/securitySchemes/key"}],
}
_QUERY: Final = {
    "type": "object",
    "properties": {
        "leg_sid": text("Events of this leg only"),
        "event_name": text("Events of this name only"),
        "since": whole("With leg_sid: the events after that sequence come first", minimum=0),
    },
}
_CHANNELS: Final[dict[str, Schema]] = {
    "bot": _channel(
        "The bot's wire\nAgentStream opens this WebSocket to the bot's address, one for each stream"
        " of a call. What is said about settings is in docs/protocol.md.",
        None,
        [*TO_BOT, *FROM_BOT],
        bindings={"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
    ),
    "eventSocket": _channel(
        "Events of an account's legs, and actions on them\nA customer opens this WebSocket, with"
        " an API key. It needs no address that we could reach.",
        "/v2/accounts/{account_sid}/events",
        ["legEvent", "legEventAck", "legAction", "legResult"],
        servers=[{"$ref": "#/servers/agentstream"}],
        parameters={"account_sid": {"description": "The account"}},
        bindings={"ws": {"method": "GET", "query": _QUERY, "bindingVersion": "0.1.0"}},
    ),
    "legEventEndpoint": _channel(
        "The https:// endpoint of a leg\nEach event is a POST to the leg_event_endpoint.",
        None,
        ["legEventPosted"],
    ),
    "legEventPush": _channel(
        "The wss:// endpoint of a leg\nAgentStream opens this WebSocket to the leg_event_endpoint,"
        " and opens it again when it breaks.",
        None,
        ["legEvent", "legEventAck"],
        bindings={"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
    ),
    "statusCallback": _channel(
        "The StatusCallback of a placed call", None, ["callback", "callbackAtEnd"]
    ),
}
_OPERATIONS: Final[dict[str, Schema]] = {
    "talkToBot": _operation("send", "Let the bot hear the caller", "bot", TO_BOT),
    "hearBot": _operation("receive", "Let the caller hear the bot", "bot", FROM_BOT),
    "tellListener": _operation("send", "Tell whoever listens", "eventSocket", ["legEvent"]),
    "hearAck": _operation("receive", "Take note of an event", "eventSocket", ["legEventAck"]),
    "steerLeg": _operation(
        "receive", "Let a leg do something", "eventSocket", ["legAction"], "legResult"
    ),
    "postLegEvent": {
        **_operation("send", "Post an event", "legEventEndpoint", ["legEventPosted"]),
        "bindings": _POST,
    },
    "pushLegEvent": _operation(
        "send", "Push an event", "legEventPush", ["legEvent"], "legEventAck"
    ),
    "postCallback": {
        **_operation("send", "Post a callback", "statusCallback", ["callback", "callbackAtEnd"]),
        "bindings": _POST,
    },
}
