"""GET /v1/live: what happens in calls, as it happens (server-sent events), and one call so far."""

import json
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from agentstream.api.auth import authenticated, doors
from agentstream.api.errors import ApiError
from agentstream.api.live import server_sent_events
from agentstream.store.call_events import CallEvent, Story

router = APIRouter()
NEWEST: Final = "last"  # stands for the sid of the call that began last
_SHOWN: Final = 3  # sids that are named when several could be meant


@router.get("/v1/live")
async def live(request: Request) -> StreamingResponse:
    """Every fact of the caller's calls; of all calls for the operator."""
    caller = await authenticated(request)
    hub = doors(request).live
    hub.check_room()
    return StreamingResponse(
        server_sent_events(hub, caller.account_sid),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@router.get("/v1/live/{beginning}")
async def live_call(request: Request, beginning: str) -> dict[str, Any]:
    """Tell the events so far of a live call, by its sid, by how that begins, or `last`."""
    caller = await authenticated(request)
    stories = doors(request).stories
    if stories is None:
        raise ApiError(404, "Events of calls are not kept: set store = true in [events]")
    found = stories(caller.account_sid, "" if beginning == NEWEST else beginning)
    if beginning == NEWEST:
        found = found[-1:]
    if not found:
        named = "" if beginning == NEWEST else f" {beginning}"
        raise ApiError(404, f"There is no live call{named}")
    if len(found) > 1:
        sids = ", ".join(story.sid for story in found[:_SHOWN])
        raise ApiError(409, f"Several live calls begin with {beginning}: {sids}")
    return _representation(found[0], datetime.now(UTC))


def _representation(story: Story, now: datetime) -> dict[str, Any]:
    return {
        "call_sid": story.sid,
        "age_ms": round((now - story.at).total_seconds() * 1000),
        "events": [_event(event) for event in story.events],
    }


def _event(event: CallEvent) -> dict[str, Any]:
    return {
        "at_ms": event.at_ms,
        "at": event.at.isoformat(timespec="milliseconds"),
        "kind": event.kind,
        "body": json.loads(event.body),
    }
