"""Texts and URLs with `{Name}` in them, filled in for each call (US-7)."""

import re
from collections.abc import Mapping
from typing import Annotated, Final
from urllib.parse import quote

from pydantic import AfterValidator

VARIABLES: Final = (
    "CallSid",
    "AccountSid",
    "CallFrom",
    "CallTo",
    "From",
    "To",
    "Direction",
    "CustomField",
    "ForwardedFrom",
    "Created",
    "StartTime",
    "CurrentTime",
    "flow_id",
    "digits",
    "StreamSid",
    "RecordingUrl",
    "DateTime",
    "CallStatus",
    "CallType",
    "DialCallStatus",
    "DialCallDuration",
    "DialWhomNumber",
    "OutgoingPhoneNumber",
    "AnsweredBy",
    "TransferTo",
)
HEADER_PREFIX: Final = "x-"  # {X-Customer}: the header of the INVITE; empty when it had none

_UNSAFE_IN_PATH: Final = re.compile(r"[^A-Za-z0-9+_-]")
# Braces that do not hold a name, as in a JSON text, stay what they are.
_NAME: Final = re.compile(r"\{([A-Za-z][A-Za-z0-9_-]*)\}")


def render(template: str, variables: Mapping[str, str]) -> str:
    """Return the text with every name filled in; an unset name becomes nothing."""
    return _NAME.sub(lambda found: variables.get(key(found[1]), ""), template)


def render_url(template: str, variables: Mapping[str, str]) -> str:
    """Return the URL with every name filled in and percent-encoded; the rest is not touched."""
    return _NAME.sub(lambda found: quote(variables.get(key(found[1]), ""), safe=""), template)


def render_path(template: str, variables: Mapping[str, str]) -> str:
    """Return the path with every name filled in; a caller's value cannot lead out of a folder."""
    return _NAME.sub(
        lambda found: _UNSAFE_IN_PATH.sub("_", variables.get(key(found[1]), "")), template
    )


def key(name: str) -> str:
    """Return what a value is kept under: headers in small letters, for theirs have no case."""
    return name.lower() if name.lower().startswith(HEADER_PREFIX) else name


def check_template(template: str) -> str:
    """Return the template; raises ValueError naming a variable that no call has."""
    for name in _NAME.findall(template):
        if name not in VARIABLES and not name.lower().startswith(HEADER_PREFIX):
            known = ", ".join(VARIABLES)
            raise ValueError(f"'{{{name}}}' is no variable; there are {known} and X-* headers")
    return template


Template = Annotated[str, AfterValidator(check_template)]
