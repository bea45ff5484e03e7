"""What /openapi.json says of bridges."""

from typing import Any, Final

from agentstream.api.v1.connect_request import URL_CHARS
from agentstream.flows.bridges.settings import PARTICIPANTS_LIMIT

_ENDPOINT: Final = {
    "type": "string",
    "maxLength": URL_CHARS,
    "description": "https://, where the bridge's events go; without it, where its legs' go",
}
_ABSORB: Final = {"type": "boolean", "description": "Keys of a leg are not passed to the others"}
_LIMIT: Final = {
    "type": "integer",
    "minimum": 2,
    "maximum": PARTICIPANTS_LIMIT,
    "default": PARTICIPANTS_LIMIT,
}
BRIDGE: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "leg_sids": {
            "type": "array",
            "items": {"type": "string"},
            "maxItems": PARTICIPANTS_LIMIT,
            "description": "Two or more legs that are up; none: it waits for JoinBridge",
        },
        "bridge_event_endpoint": _ENDPOINT,
        "absorb_dtmf": _ABSORB,
        "bridge_type": {"type": "string", "enum": ["audio"]},
        "max_participants": _LIMIT,
        "recording": {"type": "boolean"},
    },
}
CHANGE: Final[dict[str, Any]] = {
    "type": "object",
    "description": "An action, or a change that holds for legs which join later",
    "properties": {
        "action": {"type": "string", "enum": ["stop", "hangup"]},
        "bridge_event_endpoint": _ENDPOINT,
        "absorb_dtmf": _ABSORB,
        "max_participants": _LIMIT,
    },
}
