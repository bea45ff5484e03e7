"""Errors in the form that clients know (ER-1, ER-9), in JSON or XML, whatever went wrong."""

from collections.abc import Mapping
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from agentstream.api.envelope import enveloped_error, is_enveloped
from agentstream.api.representation import answer, original_path
from agentstream.base.errors import AgentStreamError, BusyError, CommandError, PeerError
from agentstream.store.protocols import StoreError
from agentstream.store.trunk_rules import NOT_FOUND, RuleError

_log = structlog.get_logger("api")
_REALM = 'Basic realm="AgentStream", charset="UTF-8"'
AGAIN_S: Final = 5  # when to come again after a bound of ours was reached


class ApiError(Exception):
    """An answer that is no success; `status` is HTTP's and the body's (ER-1).

    `code` is a word for programs (ER-2), `number` the envelope's code where the status does not
    say it (V3-8), `wire_status` HTTP's own where it is another than the body's (TR-25).
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = "",
        number: int = 0,
        wire_status: int = 0,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.number = number
        self.wire_status = wire_status
        self.headers = dict(headers or {})


def error_response(request: Request, status: int, message: str) -> Response:
    """Return an error in the form that the request's path and Accept header ask for (ER-6)."""
    return _response(request, ApiError(status, message))


def add_error_answers(app: FastAPI) -> None:
    """Let every error of ours, of the framework and of nobody have its answer."""

    @app.exception_handler(ApiError)
    async def on_api_error(request: Request, error: ApiError) -> Response:
        return _response(request, error)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        known = {404: "Not found", 405: "Method not allowed"}
        text = known.get(error.status_code, str(error.detail))
        return _response(request, ApiError(error.status_code, text, headers=error.headers))

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return error_response(request, 400, f"{first['loc'][-1]}: {first['msg']}")

    @app.exception_handler(RuleError)
    async def on_rule(request: Request, error: RuleError) -> Response:
        status = 404 if error.code == NOT_FOUND else 400
        return _response(request, ApiError(status, str(error), number=error.code))

    @app.exception_handler(AgentStreamError)
    async def on_ours(request: Request, error: AgentStreamError) -> Response:
        if isinstance(error, BusyError):  # ER-8
            again = {"Retry-After": str(AGAIN_S)}
            busy = ApiError(429, str(error), code="CAPACITY_EXCEEDED", headers=again)
            return _response(request, busy)
        status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
        return error_response(request, status, str(error))

    @app.exception_handler(Exception)
    async def on_fault(request: Request, error: Exception) -> Response:
        _log.error("request_failed", path=original_path(request), exc_info=error)
        return error_response(request, 500, "Internal error")


def _response(request: Request, error: ApiError) -> Response:
    headers = dict(error.headers)
    if error.status == 401:
        headers["WWW-Authenticate"] = _REALM  # ER-5
    if is_enveloped(request):
        said = (error.message, error.number, headers, error.wire_status)
        return enveloped_error(request, error.status, *said)
    told: dict[str, Any] = {"Status": error.status, "Message": error.message}
    if error.code:
        told["Code"] = error.code
    return answer(request, {"RestException": told}, error.status, headers)


_STATUS: tuple[tuple[type[AgentStreamError], int], ...] = (
    (CommandError, 409),
    (PeerError, 400),
    (StoreError, 503),
)
