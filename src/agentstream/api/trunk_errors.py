"""What errors of the trunks API say: code, message and description as its clients know them.

A message goes with a code; the description says what is meant (TR-20 to TR-28).
"""

import re
from typing import Any, Final

_PATHS: Final = re.compile(r"/v2/accounts/[^/]+/trunk(?:s|[-_]maps)(?:/|$)")
_CODES: Final = {
    400: 1002,
    401: 1010,
    403: 1003,
    404: 1000,
    409: 1020,
    413: 1002,
    415: 1011,
    422: 1020,
    429: 1030,
}
_MESSAGES: Final = {
    1000: "Not Found",
    1001: "Mandatory Parameter missing",
    1002: "Invalid parameter",
    1003: "Authorization failed",
    1007: "Invalid request body,failed parsing ",  # with a blank behind it
    1008: "Duplicate resource",
    1010: "Authorization failed",
    1011: "Unsupported content type",
    1020: "Unprocessable entity",
    1030: "Too many requests",
}
_ALWAYS: Final = {
    1000: "Not Found",
    1010: "Authorization failed",
}  # whatever is not found, or wrong


def is_about_trunks(path: str) -> bool:
    """Tell whether a path, in small letters, is one of the trunks API."""
    return _PATHS.match(path) is not None


def trunk_failure(status: int, description: str, code: int = 0) -> dict[str, Any]:
    """Return what an error says under the name `response`; `code` 0 goes with the status."""
    code = code or _CODES.get(status, status)
    data = {
        "code": code,
        "message": _MESSAGES.get(code, description),
        "description": _ALWAYS.get(code, description),
    }
    return {"code": status, "error_data": data, "status": "failure", "data": None}
