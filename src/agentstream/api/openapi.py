"""What /openapi.json says of forms and answers that the framework cannot see (OC-8).

Forms are read in every spelling (CC-9 to CC-12); told is the one of the reference pages.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from agentstream.api.call_schema import CALL, Schema, maybe_of, object_of, text_of
from agentstream.api.envelope import ENVELOPED
from agentstream.api.idempotency import HEADER
from agentstream.api.v1.call_filters import DIRECTIONS, PAGE_LIMIT, PAGE_SIZE, STATUSES
from agentstream.api.v1.connect_request import (
    AMD,
    CUSTOM_FIELD_CHARS,
    EVENTS,
    NUMBER_CHARS,
    STREAM_NAME_CHARS,
    STREAM_URL_CHARS,
    TIME_LIMIT_S,
    URL_CHARS,
)
from agentstream.flows.dial_plan import RING_LIMIT_S
from agentstream.store.first_results import KEY_CHARS

_ID: Final = re.compile(r" \([^()]*\d\)(?=\.?$)")  # of the dossier, behind a sentence
_FORMS: Final = (
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "application/json",
)
_ANSWERS: Final = ("application/json", "application/xml")


_NUMBER: Final = text_of("A phone number, in any form", maxLength=NUMBER_CHARS)
_FLOW_URL: Final = text_of(
    "A published flow: .../exoml/start_voice/APP_ID; its host means nothing", maxLength=URL_CHARS
)
_STREAM_URL: Final = text_of("The bot's address", pattern="^wss?://", maxLength=STREAM_URL_CHARS)
_WEB_URL: Final = {"type": "string", "pattern": "^https?://", "maxLength": URL_CHARS}
_RING: Final = {"type": "integer", "minimum": 1, "maximum": RING_LIMIT_S, "default": 30}
_FLAG: Final = {"type": "boolean", "default": False}

CONNECT: Final = object_of(
    {
        "From": text_of("Who is dialled first, in every mode: a number, or a SIP address"),
        "CallerId": text_of("A number of the account, which they are shown"),
        "To": {**_NUMBER, "description": "Who is dialled then: connects two numbers"},
        "Url": _FLOW_URL,
        "StreamUrl": _STREAM_URL,
        "StreamType": {"type": "string", "enum": ["bidirectional"]},
        "StreamName": {"type": "string", "maxLength": STREAM_NAME_CHARS},
        "StreamBegin": {"type": "string", "enum": ["at Leg1Connect", "at Leg2Connect"]},
        "CallType": {"type": "string", "enum": ["trans", "promo"]},
        "TimeLimit": {"type": "integer", "minimum": 1, "maximum": TIME_LIMIT_S},
        "TimeOut": _RING,
        "WaitUrl": _WEB_URL,
        "Record": _FLAG,
        "RecordingChannels": {"type": "string", "enum": ["single", "mono", "dual"]},
        "RecordingFormat": {"type": "string", "enum": ["mp3", "mp3-hq"]},
        "CustomField": {"type": "string", "maxLength": CUSTOM_FIELD_CHARS},
        "StartPlaybackToNew": {"type": "string", "enum": ["Callee", "Both"]},
        "StartPlaybackValueNew": _WEB_URL,
        "MachineDetection": {"type": "string", "enum": list(AMD)},
        "StatusCallback": _WEB_URL,
        "StatusCallbackEvents[]": {
            "type": "array",
            "items": {"type": "string", "enum": list(EVENTS)},
        },
        "StatusCallbackContentType": {
            "type": "string",
            "enum": ["multipart/form-data", "application/json"],
        },
    },
    "From",
    "CallerId",
)
_PARTIES: Final = {"From": "09876500001", "CallerId": "08040000002"}
CONNECT_EXAMPLES: Final[Mapping[str, Schema]] = {
    "two numbers": {**_PARTIES, "To": "09876500002", "TimeOut": 20},
    "a flow": {
        **_PARTIES,
        "Url": "http://my.example.com/greenleaf1/exoml/start_voice/support",
        "CustomField": "order-5531",
    },
    "a bot": {
        **_PARTIES,
        "StreamUrl": "wss://bots.example.net/ws",
        "StreamType": "bidirectional",
        "StatusCallback": "https://crm.example.net/calls",
        "StatusCallbackEvents[]": ["ringing", "answered", "terminal"],
    },
}
CHANGE: Final = object_of(
    {
        "Status": {"type": "string", "enum": ["completed"]},
        "Url": _FLOW_URL,
        "StreamUrl": _STREAM_URL,
        "To": _NUMBER,
        "TimeOut": _RING,
    }
)
_LEG_SID: Final = text_of("A party of the call; else its first one")
RECORDING: Final = object_of(
    {"Status": {"type": "string", "enum": ["paused", "in-progress"]}}, "Status"
)
HOLD: Final = object_of(
    {
        "Status": {"type": "string", "enum": ["on_hold", "not_on_hold"]},
        "LegSid": _LEG_SID,
        "Music": _WEB_URL,
    },
    "Status",
)
PROMPT: Final = object_of(
    {
        "Url": _WEB_URL,
        "Text": text_of("To be spoken, in the place of Url", maxLength=2_000),
        "Language": text_of("Its BCP 47 tag"),
        "Voice": text_of("A voice of that language"),
        "Loop": {"type": "integer", "minimum": 1, "maximum": 10, "default": 1},
        "LegSid": _LEG_SID,
    }
)
DIGITS: Final = object_of(
    {"Digits": text_of("Keys", pattern="^[0-9*#A-Da-d]{1,64}$"), "LegSid": _LEG_SID}, "Digits"
)
NUMBER_CHANGE: Final = object_of(
    {
        "VoiceUrl": _FLOW_URL,
        "leg_event_endpoint": text_of("Instead of a flow: where the events of its legs go"),
        "leg_answer_mode": {"type": "string", "enum": ["auto", "manual"]},
    }
)
NUMBER_PAGES: Final = 1_000_000
NUMBER_PAGE: Final = {
    "page": {"type": "integer", "minimum": 0, "maximum": NUMBER_PAGES, "default": 0},
    "page_size": {"type": "integer", "minimum": 1, "maximum": NUMBER_PAGES},
}
V3_CALL: Final = object_of(
    {
        "from": object_of({"user_contact_uri": _NUMBER, "contact_uri": _NUMBER}),
        "to": object_of({"number": _NUMBER}, "number"),
        "virtual_number": _NUMBER,
        "recording": _FLAG,
        "recording_channels": {"type": "string", "enum": ["single", "dual"]},
        "wait_audio_url": _WEB_URL,
        "max_time_limit": {"type": "integer", "minimum": 1, "maximum": TIME_LIMIT_S},
        "attempt_time_out": _RING,
        "custom_field": {"type": "string", "maxLength": CUSTOM_FIELD_CHARS},
        "status_callback": {
            "type": "array",
            "items": object_of(
                {"event": {"type": "string", "enum": ["terminal", "answered"]}, "url": _WEB_URL}
            ),
        },
    },
    "from",
    "to",
    "virtual_number",
)
V3_EXAMPLES: Final[Mapping[str, Schema]] = {
    "two numbers": {
        "from": {"contact_uri": "+919876500001"},
        "to": {"number": "+919876500002"},
        "virtual_number": "+918040000002",
    }
}
ERROR: Final = object_of(
    {
        "RestException": object_of(
            {
                "Status": {"type": "integer"},
                "Message": {"type": "string"},
                "Code": {"type": "string"},
            },
            "Status",
            "Message",
        )
    },
    "RestException",
)
_ENVELOPED_ERROR: Final = object_of(
    {
        "request_id": {"type": "string"},
        "method": {"type": "string"},
        "http_code": {"type": "integer"},
        "response": object_of(
            {
                "code": {"type": "integer"},
                "status": {"type": "string", "enum": ["failure"]},
                "error_data": object_of(
                    {
                        "code": {"type": "integer"},
                        "message": {"type": "string"},
                        "description": {"type": "string"},
                    }
                ),
                "data": {"type": "null"},
            },
            "code",
            "status",
            "error_data",
        ),
    },
    "request_id",
    "method",
    "http_code",
    "response",
)
_CALL_REF: Final = {"$ref": "#/components/schemas/Call"}
ONE_CALL: Final = object_of({"Call": _CALL_REF}, "Call")
CALLS: Final = object_of(
    {
        "Metadata": object_of(
            {
                "Total": {"type": "integer"},
                "PageSize": {"type": "integer"},
                "FirstPageUri": {"type": "string"},
                "PrevPageUri": maybe_of("string"),
                "NextPageUri": maybe_of("string"),
            }
        ),
        "Calls": {"type": "array", "items": _CALL_REF},
    },
    "Metadata",
    "Calls",
)


def asks(
    schema: Schema,
    *,
    query: Mapping[str, Schema] | None = None,
    examples: Mapping[str, Schema] | None = None,
) -> dict[str, Any]:
    """Return what a route takes in its body, with whole bodies by name, and in its query."""
    shown = {name: {"value": value} for name, value in (examples or {}).items()}
    more = {"examples": shown} if shown else {}
    content = {kind: {"schema": schema, **more} for kind in _FORMS}
    body = {"required": True, "content": content}
    return {"requestBody": body, **queries(query or {})}


def asks_json(schema: Schema, *, required: bool = True) -> dict[str, Any]:
    """Return what a route takes in its body, as JSON only."""
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": required, "content": content}}


def keyed(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a route takes, and the key with which it may be asked again (OC-6)."""
    key = text_of(
        "Of your choice: asked again with it in 24 hours, the first answer comes again",
        maxLength=KEY_CHARS,
    )
    header = {"name": HEADER, "in": "header", "required": False, "schema": key}
    return {**told, "parameters": [*told.get("parameters", ()), header]}


def queries(names: Mapping[str, Schema]) -> dict[str, Any]:
    """Return what a route takes in its query."""
    parameters = [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in names.items()
    ]
    return {"parameters": parameters} if parameters else {}


def answers(schema: Schema) -> dict[int | str, dict[str, Any]]:
    """Return what a route answers when all is well."""
    content = {kind: {"schema": schema} for kind in _ANSWERS}
    return {200: {"description": "Done", "content": content}}


DETAILS: Final = {"details": _FLAG}
SIMULATE: Final = {"simulate": {**_FLAG, "description": "Place nothing; say what would be"}}
VALIDITY: Final = {
    "RecordingUrlValidity": {"type": "integer", "minimum": 5, "maximum": 60},
}
_COMPARED: Final = text_of("Comparisons with ; between: gte: lte: gt: lt: eq:")
FILTERS: Final = {
    "Sid": text_of("Up to 100, with commas"),
    "DateCreated": _COMPARED,
    "From": text_of("Up to 5, with commas"),
    "To": text_of("Up to 5, with commas"),
    "PhoneNumber": text_of("Up to 5, with commas"),
    "Status": text_of(", ".join(STATUSES)),
    "Direction": text_of(", ".join(DIRECTIONS)),
    "Duration": _COMPARED,
    "Price": _COMPARED,
    "PageSize": {"type": "integer", "minimum": 1, "maximum": PAGE_LIMIT, "default": PAGE_SIZE},
    "SortBy": {"type": "string", "enum": ["DateCreated:desc", "DateCreated:asc"]},
    "Before": text_of("From PrevPageUri"),
    "After": text_of("From NextPageUri"),
    **VALIDITY,
    **DETAILS,
}


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the document: errors as they are told here, and who may ask."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=(
                "Paths and parameters may be written in any case; `.json` or `.xml` behind a path"
                " chooses the form of the answer. WebSockets and webhooks are described in"
                " [/asyncapi.json](/asyncapi.json), events by gRPC in"
                " [/docs/leg_events.proto](/docs/leg_events.proto)."
            ),
            routes=app.routes,
        )
        for path, operations in document["paths"].items():
            for operation in operations.values():
                about, _, more = operation.get("description", "").partition("\n")
                operation["summary"] = _ID.sub("", about).removesuffix(".")
                operation["description"] = more.strip() or about
                operation["responses"].pop("422", None)  # it is 400, in the form of the others
                operation["responses"]["default"] = _failure(path)
        document["components"] = {
            "schemas": {"Call": CALL},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "basic"},
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "KEY:TOKEN"},
            },
        }
        document["security"] = [{"key": []}, {"bearer": []}]
        app.openapi_schema = document
    return app.openapi_schema


def _failure(path: str) -> dict[str, Any]:
    if path.startswith(ENVELOPED):
        content = {"application/json": {"schema": _ENVELOPED_ERROR}}
    else:
        content = {kind: {"schema": ERROR} for kind in _ANSWERS}
    return {"description": "Not done, and why", "content": content}
