"""GET /v1/Accounts/{sid}/ActiveStreams, in the three forms that clients know (AC-1 to AC-4)."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from agentstream.api.auth import account_of, doors
from agentstream.api.representation import answer, last_segment

router = APIRouter()


@router.get("/v1/accounts/{account_sid}/activestreams")
async def active_streams(request: Request, account_sid: str) -> Response:
    """How many streams the account has now, and how many it may have (AS-50)."""
    account = await account_of(request, account_sid)
    count, limit = doors(request).active_streams(account.sid), account.stream_limit
    if last_segment(request) == "activestreams":  # AC-2: exactly so, all in lower case
        return JSONResponse(
            {
                "status": "success",
                "active_streams": count,
                "max_allowed_streams": limit,
                "account_sid": account.sid,
            }
        )
    return answer(request, {"Stream": {"ActiveStreamCount": count, "ThrottleLimit": limit}})
