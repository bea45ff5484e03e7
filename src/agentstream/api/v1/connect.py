"""POST /v1/Accounts/{sid}/Calls/connect: a call is placed (CC-20 to CC-64).

form ─▶ ConnectRequest ─▶ CallOrder ─▶ placed ─▶ the call as it stands, in JSON or XML
                                  └─▶ simulate=true: what would be placed (OC-9)
"""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter

from agentstream.api import openapi
from agentstream.api.audit import note_about
from agentstream.api.auth import account_of, doors
from agentstream.api.call_facts import CallFacts, facts_of_view
from agentstream.api.call_shown import call_object
from agentstream.api.doors import Telephony
from agentstream.api.errors import ApiError
from agentstream.api.forms import body_of, query_of
from agentstream.api.idempotency import Kind
from agentstream.api.once import once
from agentstream.api.representation import answer
from agentstream.api.settings import ApiSettings
from agentstream.api.v1.connect_request import ConnectRequest, read_connect
from agentstream.api.v1.ordering import Ordering
from agentstream.base.ids import CallSid
from agentstream.net.egress import mask_secrets
from agentstream.switch.call_view import DIRECTIONS
from agentstream.switch.placing import CallOrder

router = APIRouter()
log = structlog.get_logger("api")
PLACE_MS: Final = 10_000  # CC-38
CALL: Final = Kind("call", TypeAdapter(CallFacts))


@router.post(
    "/v1/accounts/{account_sid}/calls/connect",
    responses=openapi.answers(openapi.ONE_CALL),
    openapi_extra=openapi.keyed(
        openapi.asks(
            openapi.CONNECT,
            query=openapi.DETAILS | openapi.SIMULATE,
            examples=openapi.CONNECT_EXAMPLES,
        )
    ),
)
async def connect(request: Request, account_sid: str) -> Response:
    """Place a call: two numbers, a flow, or a bot (CC-20 to CC-22)."""
    account = await account_of(request, account_sid)
    house, telephony = doors(request), telephony_of(request)
    form, query = await body_of(request), query_of(request)
    settings = house.settings
    wanted = read_connect(form, is_strict=settings.is_strict, web_stream=settings.web_stream)
    ordering = Ordering(account, telephony, settings)
    if query.flag("simulate") or form.flag("simulate"):
        order = await ordering.order(wanted)
        return answer(request, {"Simulation": _simulation(wanted, order, settings)})

    async def make() -> CallFacts:
        order = await ordering.order(wanted)
        facts = await place(telephony, order, house.clock.wall())
        for warning in wanted.warnings:
            log.warning("connect_request", call_sid=facts.sid, text=warning)
        return facts

    facts = await once(request, account.sid, CALL, form, make)
    note_about(request, f"call {facts.sid}")
    details = query.flag("details") or form.flag("details")  # CC-13
    # CC-53: whatever is under way already, no leg is told of here.
    shown = call_object(replace(facts, legs=()), settings, details=details)
    return answer(request, {"Call": shown | _echoed(wanted, facts, settings)})


async def place(telephony: Telephony, order: CallOrder, now: datetime) -> CallFacts:
    """Place a call and return it as it stands; ApiError 503 and 504 when that cannot be."""
    call_sid = await send_out(telephony, order, "call")
    view = telephony.views.find(call_sid) if telephony.views else None
    facts = facts_of_view(view) if view else _facts_of(order, call_sid, now)
    log.info("call_ordered", call_sid=call_sid, to=order.destination)
    return replace(facts, status="in-progress")  # CC-50: accepted, not answered (CC-37)


async def send_out(telephony: Telephony, order: CallOrder, what: str) -> CallSid:
    """Let a call be dialled, in time (CC-38); ApiError 503 and 504 when that cannot be."""
    if telephony.dialling is None:
        raise ApiError(503, "This server places no calls")
    try:
        async with asyncio.timeout(PLACE_MS / 1000):
            return await telephony.dialling.place(order)
    except TimeoutError:
        raise ApiError(504, f"The {what} was not on its way within {PLACE_MS // 1000} s") from None


def telephony_of(request: Request) -> Telephony:
    """Return what the calls API needs; ApiError 404 when there is none."""
    telephony = doors(request).telephony
    if telephony is None:
        raise ApiError(404, "Not found")
    return telephony


def _facts_of(order: CallOrder, call_sid: CallSid, now: datetime) -> CallFacts:
    return CallFacts(
        sid=call_sid,
        account_sid=order.account.sid,
        direction=DIRECTIONS["outbound"],
        from_number=order.destination,
        to_number=order.second or order.caller_id,
        account_number=order.caller_id,
        status="queued",
        created_at=now,
        updated_at=now,
        custom_field=order.custom_field,
    )


def _echoed(wanted: ConnectRequest, facts: CallFacts, settings: ApiSettings) -> dict[str, Any]:
    """Return the numbers in the form in which they were written, unless a setting says another."""
    echoed = {
        "From": settings.echo(wanted.from_number),
        "PhoneNumberSid": settings.echo(wanted.caller_id),  # CC-49
    }
    if facts.has_second_party:
        echoed["To"] = settings.echo(wanted.to_number)
    elif settings.flow_call_to == "exophone":
        echoed["To"] = settings.echo(wanted.caller_id)
    return echoed


def _simulation(wanted: ConnectRequest, order: CallOrder, settings: ApiSettings) -> dict[str, Any]:
    """Return what would be placed, and what is to be said about it (OC-9)."""
    callback = order.callback
    return {
        "Mode": wanted.mode,
        "From": order.destination,
        "To": order.second or None,
        "CallerId": order.caller_id,
        "ShownFrom": settings.echo(wanted.from_number),
        "FlowSid": order.flow_sid,
        "FlowVersion": order.flow_version or None,
        "StreamUrl": mask_secrets(wanted.stream.url) if wanted.stream else None,
        "TimeOut": wanted.ring_s,
        "TimeLimit": wanted.limit_s,
        "Record": wanted.records,
        "CustomField": order.custom_field or None,
        "MachineDetection": order.amd,
        "StatusCallback": mask_secrets(callback.url) if callback else None,
        "StatusCallbackEvents": sorted(callback.events) if callback else [],
        "Warnings": list(wanted.warnings),
    }
