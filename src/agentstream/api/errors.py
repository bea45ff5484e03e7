"""Errors in the form that clients know (ER-1), in JSON or XML, whatever went wrong."""

import json
from xml.sax.saxutils import escape

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from agentstream.api.representation import original_path, wants_xml
from agentstream.base.errors import AgentStreamError, BusyError, CommandError, PeerError
from agentstream.store.protocols import StoreError

_log = structlog.get_logger("api")
_REALM = 'Basic realm="AgentStream", charset="UTF-8"'


class ApiError(Exception):
    """An answer that is no success; `status` is HTTP's and the body's (ER-1)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def error_response(request: Request, status: int, message: str) -> Response:
    """Return an error in the form that the request's path and Accept header ask for (ER-6)."""
    headers = {"WWW-Authenticate": _REALM} if status == 401 else {}  # ER-5
    if wants_xml(request):
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<TwilioResponse><RestException>'
            f"<Status>{status}</Status><Message>{escape(message)}</Message>"
            "</RestException></TwilioResponse>"
        )
        return Response(text, status, headers, "application/xml")
    body = {"RestException": {"Status": status, "Message": message}}
    return Response(json.dumps(body), status, headers, "application/json")


def add_error_answers(app: FastAPI) -> None:
    """Let every error of ours, of the framework and of nobody have its answer."""

    @app.exception_handler(ApiError)
    async def on_api_error(request: Request, error: ApiError) -> Response:
        return error_response(request, error.status, error.message)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        known = {404: "Not found", 405: "Method not allowed"}
        return error_response(
            request, error.status_code, known.get(error.status_code, str(error.detail))
        )

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return error_response(request, 400, f"{first['loc'][-1]}: {first['msg']}")

    @app.exception_handler(AgentStreamError)
    async def on_ours(request: Request, error: AgentStreamError) -> Response:
        status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
        return error_response(request, status, str(error))

    @app.exception_handler(Exception)
    async def on_fault(request: Request, error: Exception) -> Response:
        _log.error("request_failed", path=original_path(request), exc_info=error)
        return error_response(request, 500, "Internal error")


_STATUS: tuple[tuple[type[AgentStreamError], int], ...] = (
    (BusyError, 429),
    (CommandError, 409),
    (PeerError, 400),
    (StoreError, 503),
)
