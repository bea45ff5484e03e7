"""What /openapi.json says of the Legs API."""

from typing import Any, Final

from agentstream.api.v1.connect_request import NUMBER_CHARS, URL_CHARS
from agentstream.api.v2.leg_shown import SECTIONS
from agentstream.flows.markup import BYTES_LIMIT
from agentstream.switch.leg_style import CUSTOM_BYTES, TIMER_LIMIT_S

Schema = dict[str, Any]
_TIMER: Final = {"type": "integer", "minimum": 1, "maximum": TIMER_LIMIT_S, "default": 30}
_NUMBER: Final = {"type": "string", "maxLength": NUMBER_CHARS}
_CUSTOM: Final = {"type": "string", "maxLength": CUSTOM_BYTES}
_ENDPOINT: Final = {
    "type": "string",
    "maxLength": URL_CHARS,
    "description": "Where events go: https://, grpc://, grpcs://, wss:// or ws://; or stream: for"
    " whoever listens on /events",
}
_LIMIT: Final = {"type": "integer", "minimum": 1, "description": "Seconds from the answer"}
LEG: Final[Schema] = {
    "type": "object",
    "properties": {
        "contact_uri": {**_NUMBER, "description": "A number, or a SIP address"},
        "exophone": {**_NUMBER, "description": "A number of the account, which they are shown"},
        "leg_event_endpoint": _ENDPOINT,
        "network_type": {"type": "string", "enum": ["pstn", "voip"]},
        "custom_param": _CUSTOM,
        "time_limit": _LIMIT,
        "timeout": _TIMER,
        "setup_timeout": _TIMER,
        "ring_timeout": _TIMER,
        "requested_dc_code": {"type": "string"},
        "requested_nso_code": {"type": "string"},
        "reference_leg_sid": {"type": "string"},
        "amd_enable": {"type": "boolean"},
        "async_amd": {"type": "boolean"},
        "priority": {"type": "string", "enum": ["normal", "high"], "default": "normal"},
    },
    "required": ["contact_uri", "exophone", "leg_event_endpoint"],
}
CHANGE: Final[Schema] = {
    "type": "object",
    "properties": {
        "custom_param": _CUSTOM,
        "leg_event_endpoint": _ENDPOINT,
        "time_limit": _LIMIT,
        "action": {"type": "string", "enum": ["hangup"]},
    },
}
EXOML: Final[Schema] = {
    "type": "object",
    "properties": {
        "exoml": {"type": "string", "maxLength": BYTES_LIMIT, "description": "Its root is <Flow>"},
        "action_custom_param": _CUSTOM,
    },
    "required": ["exoml"],
}
ACTION: Final[Schema] = {
    "type": "object",
    "description": "The fields of the action; see docs/howto/legs.md",
    "properties": {"action_custom_param": _CUSTOM},
    "additionalProperties": True,
}
FIELDS: Final = {
    "fields": {"type": "string", "description": "With commas: " + ", ".join(SECTIONS)},
    **{name: {"type": "boolean"} for name in SECTIONS},
}
EVENT_NAME: Final = {"event_name": {"type": "string"}}
