"""GET /v1/Accounts/{sid}: is this key good (CD-10), and the balance that health checks ask for."""

from fastapi import APIRouter, Request, Response

from agentstream.api.auth import account_of, doors
from agentstream.api.representation import answer

router = APIRouter()


@router.get("/v1/accounts/{account_sid}")
async def account(request: Request, account_sid: str) -> Response:
    """200 when the key may be used for this account."""
    found, settings = await account_of(request, account_sid), doors(request).settings
    shown = {
        "Sid": found.sid,
        "FriendlyName": found.name,
        "Status": "active",
        "Type": "Full",
        "DateCreated": settings.moment(found.created_at),
        "Uri": f"/v1/Accounts/{found.sid}",
    }
    return answer(request, {"Account": shown})


@router.get("/v1/accounts/{account_sid}/balance")
async def balance(request: Request, account_sid: str) -> Response:
    """Nothing is charged here: a constant (CD-13)."""
    found, house = await account_of(request, account_sid), doors(request)
    data = {
        "Balance": "0.00",
        "Currency": "INR",
        "PricingPlan": "Self Hosted",
        "DateUpdated": house.settings.moment(house.clock.wall()),
    }
    return answer(request, {"Account": {"AccountSid": found.sid, "BalanceData": data}})
