"""GET /asyncapi.json, and the gRPC contract of leg events (LD-2)."""

from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse

from agentstream.api.asyncapi.document import document
from agentstream.net.leg_events_v1 import proto

router = APIRouter(include_in_schema=False)
# Browsers and tools of other origins may read what is the same for everybody.
_OPEN: Final = {"Access-Control-Allow-Origin": "*"}


@router.get("/asyncapi.json")
async def asyncapi() -> JSONResponse:
    """Show the WebSockets and webhooks."""
    shown: dict[str, Any] = document()
    return JSONResponse(shown, headers=_OPEN)


@router.get("/docs/leg_events.proto")
@router.get("/agentstream/legs/v1/leg_events.proto")
async def leg_events_proto() -> PlainTextResponse:
    """Show the contract, for whoever makes a server of it."""
    return PlainTextResponse(proto(), headers=_OPEN)
