"""Events of legs in JSON Schema, and what the sockets carry that tell them (EV-10 to EV-19)."""

from typing import Final

from agentstream.api.asyncapi.shapes import (
    Schema,
    always,
    an_object,
    message,
    moment,
    or_null,
    text,
    whole,
    word,
)
from agentstream.flows.markup import BYTES_LIMIT

_EVENT_REF: Final = {"$ref": "#/components/schemas/LegEvent"}
_EXAMPLE_LEG: Final = {
    "leg_sid": "18db8f47c3e24f0b9a6d5c4b3a291807",
    "account_sid": "acme7",
    "contact_uri": "+912240000017",
    "exophone": "+918000000042",
    "state": "in-progress",
    "start_time": "2027-01-12T10:04:07.400Z",
    "end_time": None,
    "date_created": "2027-01-12T10:04:05.250Z",
    "date_updated": "2027-01-12T10:04:07.400Z",
    "custom_param": "order-5531",
    "direction": "outbound",
    "network_type": "pstn",
    "terminal_status": None,
    "bridge_sid": None,
}
EXAMPLE: Final[dict[str, object]] = {
    "event_sid": "5f1c2a7be0b94d4f8f6a0c1d2e3f4a5b",
    "event_type": "leg_lifecycle_event",
    "event_name": "leg_answered",
    "event_timestamp": "2027-01-12T10:04:07.412Z",
    "action_sid": None,
    "action_custom_parameter": None,
    "event_data": {"data": {}},
    "data": _EXAMPLE_LEG,
    "sequence": 3,
}
_STATES: Final = ("created", "ringing", "connected", "in-progress", "terminal")
LEG: Final = an_object(
    {
        "leg_sid": text(),
        "account_sid": text(),
        "contact_uri": text("As it was written"),
        "exophone": text(),
        "state": word(*_STATES),
        "start_time": or_null(moment("When it was answered")),
        "end_time": or_null(moment()),
        "date_created": moment(),
        "date_updated": moment(),
        "custom_param": or_null(text("As it was given")),
        "direction": word("inbound", "outbound"),
        "network_type": word("pstn", "voip"),
        "terminal_status": or_null(word("completed", "busy", "no-answer", "failed", "canceled")),
        "bridge_sid": or_null(text()),
    },
    about="A leg as it stands after the event",
)
BRIDGE: Final = an_object(
    {
        "bridge_sid": text(),
        "account_sid": text(),
        "state": word("created", "active", "terminal"),
        "leg_sids": {"type": "array", "items": text()},
        "leg_sid": or_null(text("The leg that the event is about")),
        "active_legs": {"type": "array", "items": text()},
        "terminal_status": or_null(text()),
        "start_time": or_null(moment()),
        "end_time": or_null(moment()),
        "date_created": moment(),
        "date_updated": moment(),
    },
    "account_sid",
    "leg_sid",
    "active_legs",
    "terminal_status",
    "start_time",
    "end_time",
    "date_created",
    "date_updated",
    about="A bridge as it stands after the event",
)
EVENT: Final = an_object(
    {
        "event_sid": text("Comes again when an attempt is repeated: drop what you have seen"),
        "event_type": word("leg_lifecycle_event", "leg_action_event", "bridge_lifecycle_event"),
        "event_name": text("What happened; more names come with time", pattern="^[a-z_]+$"),
        "event_timestamp": moment(),
        "action_sid": or_null(text("The action that caused it")),
        "action_custom_parameter": or_null(text("What that action was given")),
        "event_data": {
            **an_object(
                {
                    "data": {"type": "object", "description": "What is special to the event"},
                    "error": an_object(
                        {
                            "error_code": whole(),
                            "message": text(),
                            "description": text(),
                        },
                        about="The failure that it tells of",
                    ),
                },
                "error",
            ),
            # EV-9: with flat_event_data the members of `data` stand here too.
            "additionalProperties": True,
        },
        "data": {"anyOf": [LEG, BRIDGE]},
        "sequence": whole("Counts the events of the leg or bridge from 1, without gaps", minimum=1),
        "verb_index": whole("Which verb of the action, from 0", minimum=0),
    },
    "verb_index",
)
_HEADERS: Final = an_object(
    {
        "X-Exotel-Event-Sid": text("The event_sid"),
        "X-Exotel-Request-Id": text("The event_sid, a hyphen and the attempt's number, from 1"),
        "User-Agent": text(),
        "Authorization": text("With credentials in the endpoint"),
    },
    "Authorization",
)
POSTED: Final = message(
    "An event of a leg, as a POST\nAny 2xx within a second acknowledges it; the body of the answer"
    " means nothing.",
    _EVENT_REF,
    example=EXAMPLE,
    headers=_HEADERS,
)
PUSHED: Final = message(
    "An event of a leg, in a text frame",
    an_object({"type": always("event"), "event": _EVENT_REF}),
    example={"type": "event", "event": EXAMPLE},
)
ACK: Final = message(
    "An event has arrived",
    an_object({"type": always("ack"), "event_sid": text()}),
    example={"type": "ack", "event_sid": EXAMPLE["event_sid"]},
)
_ACTION: Final[Schema] = {
    **an_object(
        {
            "type": always("action"),
            "id": {"type": ["string", "integer"], "description": "Comes back in the result"},
            "leg_sid": text(),
            "exoml": text("A document whose root is <Flow>", maxLength=BYTES_LIMIT),
            "action_custom_param": text("Comes back in the events of an ExoML document"),
            "action": text("In the place of exoml: start_say, stop_say, start_stream ..."),
            "body": {"type": "object", "description": "The fields of that action"},
        },
        "id",
        "exoml",
        "action",
        "body",
        "action_custom_param",
    ),
    "oneOf": [{"required": ["exoml"]}, {"required": ["action"]}],
}
ACTION: Final = message(
    "Let a leg do something",
    _ACTION,
    example={
        "type": "action",
        "id": "1",
        "leg_sid": _EXAMPLE_LEG["leg_sid"],
        "action": "start_say",
        "body": {"text": "Hello"},
    },
)
RESULT: Final = message(
    "Whether that was accepted\nWhat comes of it is told by events.",
    an_object(
        {
            "type": always("result"),
            "id": {"type": ["string", "integer", "null"]},
            "request_id": text(),
            "method": text(),
            "http_code": whole(minimum=200, maximum=599),
            "response": an_object(
                {
                    "code": whole(),
                    "status": word("success", "failure"),
                    "error_data": or_null(
                        an_object({"code": whole(), "message": text(), "description": text()})
                    ),
                    "data": or_null({"type": "object"}),
                }
            ),
        }
    ),
)
