"""How trunks are doing, and what was turned away, for the command line.

GET /v1/trunks/status       of the key's account; the operator has all, and the roads to carriers
GET /v1/trunks/rejections   ?trunk=SID
"""

from typing import Any

from fastapi import APIRouter, Request

from agentstream.api import openapi
from agentstream.api.auth import authenticated, doors
from agentstream.api.errors import ApiError
from agentstream.api.v2.trunk_doors import TrunkWatcher
from agentstream.api.v2.trunk_status import date, rejection_data, road_data, status_data
from agentstream.switch.trunk_status import CarrierStatus

router = APIRouter()


@router.get("/v1/trunks/status")
async def status(request: Request) -> dict[str, Any]:
    """Tell of every trunk of the caller's account; the operator is told of carriers too."""
    caller = await authenticated(request)
    watch = _watch(request)
    trunks = [status_data(one) for one in watch.trunks(caller.account_sid)]
    if caller.account is not None:
        return {"trunks": trunks}
    return {"trunks": trunks, "carriers": [_carrier(one) for one in watch.carriers()]}


@router.get("/v1/trunks/rejections", openapi_extra=openapi.queries({"trunk": {"type": "string"}}))
async def rejections(request: Request) -> dict[str, Any]:
    """Tell what was turned away, newest first: of the caller's account, for the operator of all."""
    caller = await authenticated(request)
    found = _watch(request).rejections(caller.account_sid, request.query_params.get("trunk", ""))
    return {"rejections": [rejection_data(one) for one in found]}


def _watch(request: Request) -> TrunkWatcher:
    door = doors(request).trunks
    if door is None or door.watch is None:
        raise ApiError(404, "This server does not tell how its trunks are doing")
    return door.watch


def _carrier(told: CarrierStatus) -> dict[str, Any]:
    known = told.registration
    registration = known and {
        "is_registered": known.is_registered,
        "since": date(known.since),
        "status": known.status,
        "text": known.text or None,
        "contact": known.contact or None,
        "valid_until": date(known.valid_until),
        "again_at": date(known.again_at),
    }
    return {
        "name": told.name,
        **road_data(told.road),
        "registration": registration,
        "calls": told.calls,
        "max_calls": told.max_calls,
        "calls_per_second": told.cps,
    }
