"""How a trunk is doing now, and what was turned away of it (SD-5); additions of ours.

GET  /v2/accounts/{account_sid}/trunks/{trunk_sid}/status
GET  /v2/accounts/{account_sid}/trunks/{trunk_sid}/rejections   newest first, in pages
"""

from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from agentstream.api import openapi
from agentstream.api.v2 import trunk_schemas
from agentstream.api.v2.trunk_doors import TrunkWatcher
from agentstream.api.v2.trunk_envelope import page, single
from agentstream.api.v2.trunk_found import AskedOf, asked_of, not_found
from agentstream.api.v2.trunk_shown import path_of
from agentstream.api.v2.trunks import TRUNK
from agentstream.switch.rejections import Rejection
from agentstream.switch.trunk_status import RoadHealth, TrunkStatus

router = APIRouter()
REJECTIONS: Final = "rejections"


@router.get(f"{TRUNK}/status")
async def status(request: Request, account_sid: str, trunk_sid: str) -> JSONResponse:
    """Tell which destinations are up, and what is used of the trunk's limits."""
    by = await asked_of(request, account_sid, trunk_sid)
    return single(request, status_data(_watch(by).trunk(by.account, by.parts)))


@router.get(f"{TRUNK}/{REJECTIONS}", openapi_extra=openapi.queries(trunk_schemas.PAGE))
async def rejections(request: Request, account_sid: str, trunk_sid: str) -> JSONResponse:
    """Tell what was turned away of this trunk, with the check that failed; the latest are kept."""
    by = await asked_of(request, account_sid, trunk_sid)
    found = _watch(by).rejections(by.account.sid, by.trunk.sid)
    return page(request, path_of(by.parts, REJECTIONS), found, rejection_data)


def _watch(by: AskedOf) -> TrunkWatcher:
    if by.door.watch is None:
        raise not_found()
    return by.door.watch


def status_data(told: TrunkStatus) -> dict[str, Any]:
    """Tell of an account's trunk; a limit of 0 is none."""
    return {
        "trunk_sid": told.sid,
        "trunk_name": told.name,
        "account_sid": told.account_sid,
        "status": "active" if told.is_active else "inactive",
        "destinations": [
            {"id": str(number), "destination": road.name, **road_data(road)}
            for number, road in told.destinations
        ],
        "registered_phones": told.phones,
        "calls_from_trunk": told.calls_in,
        "calls_to_trunk": told.calls_out,
        "max_calls": told.max_calls,
        "calls_per_second": told.cps,
        "minutes_today": told.minutes_today,
        "daily_minutes": told.daily_minutes,
        "rejections": told.rejected,
    }


def road_data(road: RoadHealth) -> dict[str, Any]:
    """Tell of a road, without its name."""
    return {
        "state": road.health,
        "since": date(road.since),
        "options_status": road.status,
        "options_text": road.text or None,
        "round_trip_ms": road.round_trip_ms,
        "failures": road.failures,
        "rests_ms": road.rests_ms,
    }


def rejection_data(told: Rejection) -> dict[str, Any]:
    """Tell of a request that was turned away; `status` 0: without an answer."""
    return {
        "date": date(told.at),
        "trunk_sid": told.trunk_sid or None,
        "reason": told.reason,
        "detail": told.detail or None,
        "status": told.status,
        "method": told.method,
        "source": told.source,
        "request_uri": told.request_uri,
        "from_uri": told.from_uri,
        "sip_call_id": told.sip_call_id,
        "user": told.user or None,
        "user_agent": told.user_agent or None,
        "count": told.count,
    }


def date(at: datetime | None) -> str | None:
    """Return whole seconds in UTC (TR-5)."""
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"
