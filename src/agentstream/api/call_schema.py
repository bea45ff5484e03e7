"""What /openapi.json says of a call (CC-46, CD-3, SD-6), and the words that schemas are made of."""

from collections.abc import Mapping
from typing import Any, Final

Schema = dict[str, Any]


def text_of(about: str, **more: object) -> Schema:
    """Return the schema of a text."""
    return {"type": "string", "description": about, **more}


def maybe_of(*kinds: str) -> Schema:
    """Return the schema of what may be null."""
    return {"type": [*kinds, "null"]}


def object_of(properties: Mapping[str, Schema], *required: str) -> Schema:
    """Return the schema of an object."""
    return {"type": "object", "properties": dict(properties), "required": list(required)}


_NULLABLE: Final = (
    "ParentCallSid To EndTime Duration Price AnsweredBy ForwardedFrom CallerName RecordingUrl"
)
_ALWAYS: Final = (
    "Sid DateCreated DateUpdated AccountSid From PhoneNumberSid Status StartTime Direction Uri"
)
_PACKETS: Final = ("PacketsReceived", "PacketsSent", "PacketsLost")
# SD-6, of a leg that has ended.
_DIALOG: Final = object_of(
    {
        "LegSid": {"type": "string"},
        "CallId": {"type": "string"},
        **{name: maybe_of("string") for name in ("EndedBy", "Codec", "Srtp")},
        **{name: maybe_of("integer") for name in ("Status", "Q850")},
        **{name: {"type": "integer"} for name in _PACKETS},
        **{name: {"type": "number"} for name in ("JitterMs", "RoundTripMs")},
        "Mos": maybe_of("number"),
        **{name: maybe_of("integer") for name in ("FirstAudioInMs", "FirstAudioOutMs")},
    }
)
_LEG: Final = object_of(
    {
        "Leg": object_of(
            {
                "Id": {"type": "integer"},
                "OnCallDuration": {"type": "integer"},
                "AnsweredBy": {"type": "string", "enum": ["Human", "Machine", "NotSure"]},
                "JudgedAfterMs": {"type": "integer"},
                "BeepAfterMs": maybe_of("integer"),
                "Sip": _DIALOG,
            }
        )
    }
)
CALL: Final = object_of(
    {
        **{name: {"type": "string"} for name in _ALWAYS.split()},
        **{name: maybe_of("string") for name in _NULLABLE.split()},
        "CustomField": {"type": "string"},
        "Details": object_of(
            {
                "ConversationDuration": {"type": "integer"},
                "Leg1Status": maybe_of("string"),
                "Leg2Status": maybe_of("string"),
                "Legs": {"type": "array", "items": _LEG},
                "Cause": {"type": "object"},
            }
        ),
    },
    *_ALWAYS.split(),
    *_NULLABLE.split(),
)
