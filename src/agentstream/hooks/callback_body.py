"""The bodies of status callbacks: a multipart form, a plain form, or JSON (CB-1, KX-11)."""

import json
from collections.abc import Iterator
from typing import Final, Literal, assert_never
from urllib.parse import urlencode

import httpx

from agentstream.switch.call_terms import Fields

BodyKind = Literal["multipart", "urlencoded", "json"]
_BOUNDARY: Final = "agentstream-"


def encode(fields: Fields, kind: BodyKind, name: str) -> tuple[str, str]:
    """Return the content type and the body.

    `name` parts a multipart form; it must not be known to whoever chose what is in the fields.
    """
    match kind:
        case "json":
            return "application/json", json.dumps(fields, ensure_ascii=False)
        case "urlencoded":
            return "application/x-www-form-urlencoded", urlencode(list(_flat(fields)))
        case "multipart":
            content_type = f"multipart/form-data; boundary={_BOUNDARY}{name}"
            # A part without a file name is a field of the form.
            parts = [(key, (None, value)) for key, value in _flat(fields)]
            request = httpx.Request(
                "POST", "http://form/", headers={"Content-Type": content_type}, files=parts
            )
            return content_type, request.read().decode()
        case _:
            assert_never(kind)


def _flat(fields: Fields) -> Iterator[tuple[str, str]]:
    """Give names and values as a form has them: `Legs[0][Status]` (CB-6)."""
    for key, value in fields.items():
        if isinstance(value, list):
            for number, item in enumerate(value):
                for name, inner in item.items():
                    yield f"{key}[{number}][{name}]", _text(inner)
        else:
            yield key, _text(value)


def _text(value: str | int | None) -> str:
    return "" if value is None else str(value)
