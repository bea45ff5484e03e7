"""What /openapi.json says of the trunks API."""

from typing import Any, Final

from agentstream.store.trunk_options import VALUE_LIMIT
from agentstream.store.trunk_rules import (
    DESTINATION_CHARS,
    DOMAIN_CHARS,
    FRIENDLY_CHARS,
    NAME_CHARS,
    PASSWORD_CHARS,
    USER_CHARS,
    WEIGHT_LIMIT,
)
from agentstream.store.trunks import PART_LIMITS, SETTINGS_LIMIT, TrunkDestination

Schema = dict[str, Any]


def _object(properties: Schema, *required: str) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


_NAME: Final = {"type": "string", "pattern": f"^[A-Za-z0-9_]{{1,{NAME_CHARS}}}$"}
_CODE: Final = {"type": "string", "default": "ANY-ANY"}
_WORD: Final = {"type": "string", "enum": ["enabled", "disabled"]}
_MODE: Final = {
    "type": ["string", "null"],
    "enum": ["pstn", "flow", None],
    "description": "What a call from the trunk to the number does; null is pstn",
}
_NUMBER: Final = {"type": "string", "pattern": r"^\+[1-9][0-9]{7,14}$"}
_FRIENDLY: Final = {"type": ["string", "null"], "maxLength": FRIENDLY_CHARS}
_WEIGHT: Final = {"type": "integer", "minimum": 0, "maximum": WEIGHT_LIMIT}
_DESTINATION: Final = {
    "type": "string",
    "maxLength": DESTINATION_CHARS,
    "description": "HOST:PORT;transport=tls, with tcp or udp instead",
}
_IP: Final = {
    "ip": {"type": "string", "description": "An IPv4 or IPv6 address"},
    "mask": {"type": "integer", "minimum": 16, "maximum": 128, "description": "32 if not given"},
    "friendly_name": _FRIENDLY,
}
_LOGIN: Final = {
    "user_name": {"type": "string", "minLength": 1, "maxLength": USER_CHARS},
    "password": {"type": "string", "minLength": 1, "maxLength": PASSWORD_CHARS},
    "friendly_name": _FRIENDLY,
}
TRUNK: Final = _object(
    {
        "trunk_name": _NAME,
        "nso_code": _CODE,
        "domain_name": {
            "type": "string",
            "maxLength": DOMAIN_CHARS,
            "description": "The host of From and the realm of passwords; it stays as it is",
        },
    },
    "trunk_name",
    "nso_code",
    "domain_name",
)
CHANGE: Final = _object(
    {
        "trunk_name": _NAME,
        "nso_code": _CODE,
        "auth_type": {"type": "string"},
        "secure_trunking": {**_WORD, "description": "enabled: TLS and SRTP, or no call"},
        "status": {"type": "string", "enum": ["active", "inactive"]},
    }
)
NUMBER: Final = _object({"phone_number": _NUMBER, "mode": _MODE}, "phone_number")
NUMBER_CHANGE: Final = _object({"phone_number": _NUMBER, "mode": _MODE}, "phone_number", "mode")
NETWORK: Final = _object(_IP, "ip")
NETWORK_CHANGE: Final = _object(_IP)
CREDENTIAL: Final = _object(_LOGIN, "user_name", "password")
CREDENTIAL_CHANGE: Final = _object(_LOGIN)
DESTINATIONS: Final = _object(
    {
        "destinations": {
            "type": "array",
            "minItems": 1,
            "maxItems": PART_LIMITS[TrunkDestination],
            "items": _object(
                {"destination": _DESTINATION, "priority": _WEIGHT, "weight": _WEIGHT},
                "destination",
            ),
        }
    },
    "destinations",
)
DESTINATION_CHANGE: Final = _object(
    {"destination": _DESTINATION, "priority": _WEIGHT, "weight": _WEIGHT}
)
SETTINGS: Final = _object(
    {
        "settings": {
            "type": "array",
            "minItems": 1,
            "maxItems": SETTINGS_LIMIT,
            "items": _object(
                {"name": {"type": "string"}, "value": {"type": "string", "maxLength": VALUE_LIMIT}},
                "name",
                "value",
            ),
        }
    },
    "settings",
)
PAGE: Final = {
    "page_size": {"type": "integer", "minimum": 1, "default": 50},
    "offset": {"type": "integer", "minimum": 0, "default": 0},
}
TRUNK_SID: Final = {"trunk_sid": {"type": "string"}}
ID: Final = {"id": {"type": "string"}}
NAME: Final = {"name": {"type": "string"}}
MAP: Final = {"exophone": {"type": "string"}, **TRUNK_SID}
