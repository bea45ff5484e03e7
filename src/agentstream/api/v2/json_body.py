"""The JSON body of a request, within its bounds (LG-5, LG-86)."""

import json
from typing import Any, Final

from fastapi import Request

from agentstream.api.errors import ApiError
from agentstream.api.forms import bytes_of, content_type_of

BODY_LIMIT: Final = 131_072  # bytes: an ExoML document of 64 KiB, written in JSON
UNREADABLE: Final = 1007  # LG-11
_JSON: Final = ("application/json", "text/json")


async def json_of(request: Request, *, may_be_empty: bool = False) -> dict[str, Any]:
    """Return the object; ApiError 415, 413, or 400 with the code 1007.

    An action without parameters needs neither a body nor a type (LG-86).
    """
    body, kind = await bytes_of(request, BODY_LIMIT), content_type_of(request)
    if may_be_empty and not body.strip():
        return {}
    if kind not in _JSON and (kind or not may_be_empty):
        raise ApiError(415, "The Content-Type of the body is application/json", number=1011)
    return json_object(body)


def json_object(text: str | bytes) -> dict[str, Any]:
    """Return a JSON object; ApiError 400 with the code 1007 for anything else.

    Half a character (a lone surrogate) is no text: no database and no receiver could take it.
    """
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ApiError(400, "The body is not a JSON object", number=UNREADABLE)
    return value
