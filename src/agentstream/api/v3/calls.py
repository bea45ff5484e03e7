"""Calls in the style of the contact centre (V3-1 to V3-5), and those that are live (AC-5).

POST  /v3/accounts/{sid}/calls
GET   /v3/accounts/{sid}/calls/active
GET   /v3/accounts/{sid}/calls/{sid}
"""

from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from agentstream.api import openapi
from agentstream.api.auth import account_of, doors
from agentstream.api.call_facts import CallFacts
from agentstream.api.envelope import enveloped
from agentstream.api.errors import ApiError
from agentstream.api.forms import body_of
from agentstream.api.once import once
from agentstream.api.settings import ApiSettings
from agentstream.api.v1.call_history import CallHistory
from agentstream.api.v1.connect import CALL, place, telephony_of
from agentstream.api.v1.ordering import Ordering
from agentstream.api.v3.call_request import read_call
from agentstream.store.values import Account
from agentstream.switch.call_terms import seconds

router = APIRouter()
NO_CALL: Final = 10744  # V3-8
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)  # the end of a call that has none yet (V3-4)
_UNREACHED: Final = {"canceled": "cancelled", "failed": "no_dial"}  # else unanswered


@router.post(
    "/v3/accounts/{account_sid}/calls",
    openapi_extra=openapi.keyed(openapi.asks(openapi.V3_CALL, examples=openapi.V3_EXAMPLES)),
)
async def make_call(request: Request, account_sid: str) -> JSONResponse:
    """Connect two numbers (V3-2, V3-3)."""
    account, house = await account_of(request, account_sid), doors(request)
    telephony, form = telephony_of(request), await body_of(request)
    wanted = read_call(form)

    async def make() -> CallFacts:
        order = await Ordering(account, telephony, house.settings).order(wanted)
        return await place(telephony, order, house.clock.wall())

    facts = await once(request, account.sid, CALL, form, make)
    created = {
        "call_sid": facts.sid,
        "call_state": "active",
        "call_status": None,
        "assigned_agent_details": {"user_id": None, "contact_uri": wanted.from_number},
        "customer_details": {"number": wanted.to_number},
        "virtual_number": wanted.caller_id,
        "recording": wanted.records,
        "created_time": _time(facts.created_at, house.settings),
    }
    return enveloped(request, created)


@router.get("/v3/accounts/{account_sid}/calls/active")
async def active(request: Request, account_sid: str) -> JSONResponse:
    """Tell the live calls of an account (AC-5)."""
    account = await account_of(request, account_sid)
    shown = [_active(facts) for facts in _history(request, account).live()]
    return enveloped(request, {"active_calls": shown, "total_active": len(shown)})


@router.get("/v3/accounts/{account_sid}/calls/{call_sid}")
async def one(request: Request, account_sid: str, call_sid: str) -> JSONResponse:
    """Tell of one call (V3-4)."""
    account, settings = await account_of(request, account_sid), doors(request).settings
    facts = await _history(request, account).find(call_sid)
    if facts is None:
        raise ApiError(404, f"There is no call {call_sid}", number=NO_CALL)
    return enveloped(request, {"call_details": _details(facts, settings)})


def _history(request: Request, account: Account) -> CallHistory:
    return CallHistory(account.sid, telephony_of(request), doors(request).recordings)


def _active(facts: CallFacts) -> dict[str, Any]:
    return {
        "call_sid": facts.sid,
        "status": "in-progress" if facts.answered_at else "ringing",
        "from": facts.from_number,
        "to": facts.to_number,
        "start_time": facts.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "duration": seconds(facts.duration_ms),
        "recording_enabled": facts.is_recorded,
    }


def _details(facts: CallFacts, settings: ApiSettings) -> dict[str, Any]:
    recordings = [{"url": facts.recording_url}] if facts.recording_url else []
    return {
        "sid": facts.sid,
        "direction": facts.direction,  # V3-5
        "virtual_number": facts.account_number,
        "state": "terminal" if facts.ended_at else "active",
        "status": _status(facts),
        "created_time": _time(facts.created_at, settings),
        "updated_time": _time(facts.updated_at, settings),
        "start_time": _time(facts.created_at, settings),
        "end_time": _time(facts.ended_at or _EPOCH, settings),
        "total_duration": seconds(facts.duration_ms),
        "total_talk_time": seconds(facts.talk_ms),
        "custom_field": facts.custom_field or None,
        "recordings": recordings,
    }


def _status(facts: CallFacts) -> str | None:
    """Return how it ended, and which party was not reached (V3-4)."""
    if facts.ended_at is None:
        return None
    for side, leg in zip(("from", "to"), facts.legs, strict=False):
        if leg.status != "completed":
            return f"{side}_leg_{_UNREACHED.get(leg.status, 'unanswered')}"
    return "completed"


def _time(at: datetime, settings: ApiSettings) -> str:
    return at.astimezone(settings.zone).isoformat(" ", "seconds")
