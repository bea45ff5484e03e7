"""GET /v1/live: what happens in calls, as it happens (server-sent events)."""

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from agentstream.api.auth import authenticated, doors
from agentstream.api.live import server_sent_events

router = APIRouter()


@router.get("/v1/live")
async def live(request: Request) -> StreamingResponse:
    """Every fact of the caller's calls; of all calls for the operator."""
    caller = await authenticated(request)
    hub = doors(request).live
    hub.check_room()
    account_sid = None if caller.account is None else caller.account.sid
    return StreamingResponse(
        server_sent_events(hub, account_sid),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
