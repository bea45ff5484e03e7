"""JSON or XML, and paths in any case: what a request's own spelling decides (CC-5 to CC-7)."""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

from fastapi.responses import JSONResponse
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from agentstream.api.settings import ApiSettings
from agentstream.api.xml import xml_text

Suffix = Literal["", "json", "xml"]

_ORIGINAL: Final = "agentstream.path"
_SUFFIX: Final = "agentstream.suffix"
_XML_TYPES: Final = ("application/xml", "text/xml")
_ACCOUNTS: Final = ("/v1/accounts", "/v2_beta/accounts")
# Also in the middle: the Uri of a call is `Calls.json/SID` (CC-48).
_SUFFIXES: Final = re.compile(r"\.(json|xml)(?=/|$)")
_STREAMS: Final = re.compile(r"/accounts/[^/]+/activestreams$")


class AnyCasePaths:
    """Routes every path in lower case and without its suffix, and remembers how it was written."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on (CC-5, CC-6)."""
        if scope["type"] in {"http", "websocket"}:
            path = scope["path"].lower().rstrip("/") or "/"
            found: list[str] = []
            if path.startswith(_ACCOUNTS):
                found = _SUFFIXES.findall(path)
                path = _SUFFIXES.sub("", path)
            suffix = found[-1] if found else ""
            scope = {**scope, _ORIGINAL: scope["path"], _SUFFIX: suffix, "path": path}
        await self._app(scope, receive, send)


def original_path(request: Request) -> str:
    """Return the path as the client wrote it."""
    return str(request.scope.get(_ORIGINAL, request.scope["path"]))


def last_segment(request: Request) -> str:
    """Return the last part of the path as the client wrote it, with its suffix."""
    return original_path(request).rstrip("/").rpartition("/")[2]


def wants_xml(request: Request) -> bool:
    """Whether the answer is XML: by suffix, by Accept, by the resource, by setting (CC-7, AC-3)."""
    suffix = request.scope.get(_SUFFIX)
    if suffix:
        return bool(suffix == "xml")
    accept = request.headers.get("accept", "").lower()
    if accept.startswith(_XML_TYPES):
        return True
    if _STREAMS.search(request.scope["path"]):
        return last_segment(request) != "activestreams"
    return request.scope["path"].startswith(_ACCOUNTS) and settings_of(request).is_xml_default


def settings_of(request: Request) -> ApiSettings:
    """Return how this server's API speaks."""
    settings = request.app.state.doors.settings
    assert isinstance(settings, ApiSettings)
    return settings


def answer(
    request: Request,
    body: Mapping[str, Any],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the body in the form that the request asks for."""
    if wants_xml(request):
        return Response(xml_text(body), status, headers, "application/xml")
    return JSONResponse(body, status, headers)
