"""The envelope of the newer interfaces (V3-1, ER-9): request_id, method, http_code, response."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import Request
from fastapi.responses import JSONResponse

from agentstream.base.ids import RandomTokens

ENVELOPED: Final = ("/v2/", "/v3/")
_TOKENS: Final = RandomTokens()
# V3-8 where the status decides; a body that cannot be used is LG-11's 1002.
_CODES: Final = {400: 1002, 401: 1010, 404: 1000, 409: 1008, 422: 1020, 429: 10724, 500: 10715}


def is_enveloped(request: Request) -> bool:
    """Whether answers under this path come in the envelope."""
    return str(request.scope["path"]).startswith(ENVELOPED)


def enveloped(request: Request, response: Mapping[str, Any], status: int = 200) -> JSONResponse:
    """Return a success; `response` is what stands under that name besides code and status."""
    success = {"code": status, "status": "success", "error_data": None}
    return JSONResponse(_around(request, status, {**success, **response}), status)


def enveloped_error(
    request: Request, status: int, message: str, code: int = 0, headers: Mapping[str, str] = {}
) -> JSONResponse:
    """Return an error; `code` 0 is the one that goes with the status."""
    data = {
        "code": code or _CODES.get(status, status),
        "message": message,
        "description": message,
    }
    failure = {"code": status, "status": "failure", "error_data": data, "data": None}
    return JSONResponse(_around(request, status, failure), status, dict(headers))


def _around(request: Request, status: int, response: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "request_id": _TOKENS.hex(),
        "method": request.method,
        "http_code": status,
        "response": response,
    }
