"""GET /v1/Accounts/{sid}/ActiveStreams, in the three forms that clients know (AC-1 to AC-4)."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from agentstream.api.auth import account_of, doors
from agentstream.api.representation import last_segment, wants_xml

router = APIRouter()


@router.get("/v1/accounts/{account_sid}/activestreams")
@router.get("/v1/accounts/{account_sid}/activestreams.json")
@router.get("/v1/accounts/{account_sid}/activestreams.xml")
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
    if wants_xml(request):
        return Response(_XML.format(count=count, limit=limit), media_type="application/xml")
    return JSONResponse({"Stream": {"ActiveStreamCount": count, "ThrottleLimit": limit}})


_XML = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    "<TwilioResponse><Stream><ActiveStreamCount>{count}</ActiveStreamCount>"
    "<ThrottleLimit>{limit}</ThrottleLimit></Stream></TwilioResponse>"
)
