"""JSON Schema in few words, for the messages of the document."""

from collections.abc import Mapping
from typing import Any, Final

Schema = dict[str, Any]
BASE64: Final = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"


def text(about: str = "", **more: object) -> Schema:
    """Return a text; `about` is for people."""
    return {"type": "string", **({"description": about} if about else {}), **more}


def word(*words: str) -> Schema:
    """Return one of some texts."""
    return {"type": "string", "enum": list(words)}


def always(value: str) -> Schema:
    """Return the one text that it always is."""
    return {"type": "string", "const": value}


def whole(about: str = "", **more: object) -> Schema:
    """Return a whole number."""
    return {**text(about, **more), "type": "integer"}


def or_null(schema: Schema) -> Schema:
    """Return the same, or null."""
    return {"oneOf": [schema, {"type": "null"}]}


def moment(about: str = "") -> Schema:
    """Return a time as RFC 3339 has it, in UTC and milliseconds."""
    return text(about, format="date-time", pattern=r"^[0-9-]{10}T[0-9:]{8}\.[0-9]{3}Z$")


def an_object(properties: Mapping[str, Schema], *optional: str, about: str = "") -> Schema:
    """Return an object that has all of these members but the optional ones, and perhaps others."""
    required = [name for name in properties if name not in optional]
    return {
        "type": "object",
        **({"description": about} if about else {}),
        "properties": dict(properties),
        "required": required,
    }


def message(about: str, payload: Schema, *, example: object = None, **more: object) -> Schema:
    """Return a message in JSON; the first line of `about` is its heading."""
    summary, _, rest = about.partition("\n")
    shown: Schema = {"summary": summary, "contentType": "application/json", "payload": payload}
    if rest:
        shown["description"] = rest.strip()
    if example is not None:
        shown["examples"] = [{"payload": example}]
    return {**shown, **more}
