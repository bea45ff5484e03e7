"""The envelope of the newer interfaces (V3-1, ER-9): request_id, method, http_code, response."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi.requests import HTTPConnection
from fastapi.responses import JSONResponse

from agentstream.api.trunk_errors import is_about_trunks, trunk_failure
from agentstream.base.ids import RandomTokens

ENVELOPED: Final = ("/v2/", "/v3/")
_TOKENS: Final = RandomTokens()
# V3-8 where the status decides; a body that cannot be used is LG-11's 1002.
_CODES: Final = {400: 1002, 401: 1010, 404: 1000, 409: 1008, 422: 1020, 429: 10724, 500: 10715}
_LEG_CODES: Final = {**_CODES, 403: 1003, 409: 1020, 413: 1002, 415: 1011, 429: 1030}  # LG-11


def is_enveloped(request: HTTPConnection) -> bool:
    """Whether answers under this path come in the envelope."""
    return str(request.scope["path"]).startswith(ENVELOPED)


def enveloped(
    request: HTTPConnection,
    response: Mapping[str, Any],
    status: int = 200,
    flat: Mapping[str, Any] = {},
) -> JSONResponse:
    """Return a success; `response` is what stands under that name besides code and status.

    `flat` stands beside the envelope's own names (LG-10).
    """
    whole = around(request, status, success(status, response))
    return JSONResponse({**flat, **whole}, status)


def enveloped_error(
    request: HTTPConnection,
    status: int,
    message: str,
    code: int = 0,
    headers: Mapping[str, str] = {},
    wire_status: int = 0,
) -> JSONResponse:
    """Return an error; `code` 0 is the one that goes with the status, `wire_status` 0 the same."""
    wire_status = wire_status or status
    whole = around(request, wire_status, failure(request, status, message, code))
    return JSONResponse(whole, wire_status, dict(headers))


def success(status: int, response: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a success says under the name `response`."""
    return {"code": status, "status": "success", "error_data": None, **response}


def failure(request: HTTPConnection, status: int, message: str, code: int = 0) -> dict[str, Any]:
    """Return what an error says under the name `response`."""
    if is_about_trunks(request.scope["path"]):
        return trunk_failure(status, message, code)
    codes = _LEG_CODES if request.scope["path"].startswith("/v2/") else _CODES
    data = {"code": code or codes.get(status, status), "message": message, "description": message}
    return {"code": status, "status": "failure", "error_data": data, "data": None}


def around(request: HTTPConnection, status: int, response: Mapping[str, Any]) -> dict[str, Any]:
    """Return the envelope around a response."""
    return {
        "request_id": _TOKENS.hex(),
        "method": request.scope.get("method", "GET"),
        "http_code": status,
        "response": response,
    }
