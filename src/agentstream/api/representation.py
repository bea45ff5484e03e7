"""JSON or XML, and paths in any case: what a request's own spelling decides (CC-5 to CC-7)."""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

_ORIGINAL = "agentstream.path"
_XML_TYPES = ("application/xml", "text/xml")
_XML_BY_DEFAULT = frozenset({"activestreams"})  # AC-3


class AnyCasePaths:
    """Routes every path in lower case (CC-5) and remembers how it was written."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, its path in lower case."""
        if scope["type"] == "http":
            path = scope["path"]
            scope = {**scope, _ORIGINAL: path, "path": path.lower().rstrip("/") or "/"}
        await self._app(scope, receive, send)


def original_path(request: Request) -> str:
    """Return the path as the client wrote it."""
    return str(request.scope.get(_ORIGINAL, request.scope["path"]))


def last_segment(request: Request) -> str:
    """Return the last part of the path as the client wrote it, with its suffix."""
    return original_path(request).rstrip("/").rpartition("/")[2]


def wants_xml(request: Request) -> bool:
    """Whether the answer is XML: by suffix, then by Accept, then by the resource (CC-7, AC-3)."""
    segment = last_segment(request)
    lower = segment.lower()
    if lower.endswith((".json", ".xml")):
        return lower.endswith(".xml")
    accept = request.headers.get("accept", "").lower()
    if any(accept.startswith(kind) for kind in _XML_TYPES):
        return True
    return lower in _XML_BY_DEFAULT and segment != lower
