"""Which leg a request means, and the answers' common form."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.requests import HTTPConnection
from fastapi.responses import JSONResponse

from agentstream.api.auth import account_of, doors
from agentstream.api.envelope import enveloped
from agentstream.api.errors import ApiError
from agentstream.api.v2.leg_doors import LegDoor
from agentstream.api.v2.leg_shown import LegFacts, facts_of_row, facts_of_view
from agentstream.base.ids import LegSid
from agentstream.store.values import Account


async def caller(request: HTTPConnection, account_sid: str) -> tuple[Account, LegDoor]:
    """Return who asks, and where; ApiError 401, 404 or 429."""
    return await account_of(request, account_sid, "legs"), leg_door(request)


def leg_door(request: HTTPConnection) -> LegDoor:
    """Return what the Legs API needs; ApiError 404 when there is none."""
    door = doors(request).legs
    if door is None:
        raise ApiError(404, "Not found")
    return door


async def leg_of(account: Account, door: LegDoor, leg_sid: str) -> LegFacts:
    """Return a leg of the account, live or ended; ApiError 404 when there is none."""
    sid = LegSid(leg_sid)
    view = door.views.find(sid)
    if view is not None:
        facts: LegFacts | None = facts_of_view(view)
    else:
        row = await door.history.find(sid)
        facts = None if row is None else facts_of_row(row)
    if facts is None or facts.row.account_sid != account.sid:
        raise ApiError(404, f"There is no leg {leg_sid[:64]}")
    return facts


def check_lives(facts: LegFacts) -> None:
    """Refuse what an ended leg cannot do (LG-105): ApiError 409 with the code 1020."""
    if facts.is_over:
        raise ApiError(409, f"The leg has ended ({facts.row.terminal_status})")


def told(
    request: Request, door: LegDoor, data: Mapping[str, Any], status: int = 200
) -> JSONResponse:
    """Return data in the envelope, and beside it where clients read it there (LG-9, LG-10)."""
    flat = data if door.settings.flat_response else {}
    return enveloped(request, {"data": data}, status, flat)
