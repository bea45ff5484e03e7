"""Legs that are steered from outside (LG-20 to LG-72).

POST             /v2/accounts/{sid}/legs
GET PUT DELETE   /v2/accounts/{sid}/legs/{leg_sid}
GET              /v2/accounts/{sid}/legs/{leg_sid}/external-events    ?event_name=
"""

from dataclasses import replace
from datetime import datetime
from typing import Final

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter

from agentstream.api import openapi
from agentstream.api.auth import doors
from agentstream.api.doors import Telephony
from agentstream.api.errors import ApiError
from agentstream.api.forms import form_of_json, query_of
from agentstream.api.idempotency import Kind
from agentstream.api.once import once
from agentstream.api.settings import ApiSettings
from agentstream.api.v1.connect import send_out, telephony_of
from agentstream.api.v1.ordering import Ordering
from agentstream.api.v2 import leg_schemas
from agentstream.api.v2.json_body import json_of
from agentstream.api.v2.leg_doors import LegDoor
from agentstream.api.v2.leg_found import caller, check_lives, leg_of, told
from agentstream.api.v2.leg_request import LegRequest, read_change, read_leg
from agentstream.api.v2.leg_shown import (
    SECTIONS,
    LegFacts,
    created,
    facts_of_view,
    history,
    shown,
)
from agentstream.base.ids import CallSid, LegSid, RandomTokens
from agentstream.flows.legs.verbs import Act, Hangup
from agentstream.store.values import Account
from agentstream.switch.leg_view import LegTerms, LegView
from agentstream.switch.placing import CallOrder

router = APIRouter()
log = structlog.get_logger("api")
NAME_CHARS: Final = 64
_LEGS: Final = "/v2/accounts/{account_sid}/legs"
_LEG: Final = _LEGS + "/{leg_sid}"
_TOKENS: Final = RandomTokens()
_LEG_KIND: Final = Kind("leg", TypeAdapter(LegFacts))
_SIP: Final = ("sip:", "sips:")


@router.post(
    _LEGS, status_code=202, openapi_extra=openapi.keyed(openapi.asks_json(leg_schemas.LEG))
)
async def create(request: Request, account_sid: str) -> JSONResponse:
    """Dial somebody; what becomes of it is told by events (LG-6, LG-36)."""
    account, door = await caller(request, account_sid)
    telephony, settings = telephony_of(request), doors(request).settings
    body = await json_of(request)
    wanted = read_leg(body, door.settings)

    async def make() -> LegFacts:
        await _check_reference(account, door, wanted)
        order = await _order(wanted, account, telephony, settings, door)
        return await _place(telephony, door, order, wanted, doors(request).clock.wall())

    facts = await once(request, account.sid, _LEG_KIND, form_of_json(body), make)
    return told(request, door, created(facts), 202)


@router.get(_LEG, openapi_extra=openapi.queries(leg_schemas.FIELDS))
async def one(request: Request, account_sid: str, leg_sid: str) -> JSONResponse:
    """Tell of one leg, with the runtime sections that are asked for (LG-50, LG-51)."""
    account, door = await caller(request, account_sid)
    facts = await leg_of(account, door, leg_sid)
    now = doors(request).clock.wall()
    return told(request, door, shown(facts, door.settings, now, _sections(request)))


@router.put(_LEG, openapi_extra=openapi.asks_json(leg_schemas.CHANGE))
async def change(request: Request, account_sid: str, leg_sid: str) -> JSONResponse:
    """Let a live leg be different from now on, or end it (LG-61)."""
    account, door = await caller(request, account_sid)
    wanted = read_change(await json_of(request), door.settings)
    facts, now = await leg_of(account, door, leg_sid), doors(request).clock.wall()
    check_lives(facts)
    if wanted.hangs_up:
        await _hang_up(door, facts.row.sid)
        return told(request, door, shown(facts, door.settings, now))
    view = door.views.find(facts.row.sid)
    terms = view.terms if view else None
    if terms is not None:
        terms = replace(
            terms,
            custom_param=_either(wanted.custom_param, terms.custom_param),
            event_endpoint=_either(wanted.event_endpoint, terms.event_endpoint),
            time_limit_s=wanted.time_limit_s or terms.time_limit_s,
        )
        view = door.steering.change(facts.row.sid, terms, now)
    if view is None:
        raise ApiError(409, "The leg has ended")
    return told(request, door, shown(facts_of_view(view), door.settings, now))


@router.delete(_LEG)
async def delete(request: Request, account_sid: str, leg_sid: str) -> JSONResponse:
    """End a leg; one that has ended stays as it is (LG-62)."""
    account, door = await caller(request, account_sid)
    facts = await leg_of(account, door, leg_sid)
    leg = shown(facts, door.settings, doors(request).clock.wall())
    if facts.is_over:
        return told(request, door, leg)
    await _hang_up(door, facts.row.sid)
    return told(request, door, leg, 202)


@router.get(_LEG + "/external-events", openapi_extra=openapi.queries(leg_schemas.EVENT_NAME))
@router.get(_LEG + "/external_events", include_in_schema=False)
async def events(request: Request, account_sid: str, leg_sid: str) -> JSONResponse:
    """Tell what was told of a leg, and whether its endpoint took it (LG-70 to LG-72)."""
    account, door = await caller(request, account_sid)
    name = query_of(request).text("event_name", NAME_CHARS)
    facts = await leg_of(account, door, leg_sid)
    rows = await door.history.events(facts.row.sid, name)
    data = history(facts, rows, door.settings, masks_digits=door.masks_digits)
    return told(request, door, data)


async def _check_reference(account: Account, door: LegDoor, wanted: LegRequest) -> None:
    """Check the leg beside which this one shall be; on one node that is everywhere (LG-41)."""
    if not wanted.reference_leg_sid:
        return
    facts = await leg_of(account, door, wanted.reference_leg_sid)
    if facts.is_over:
        raise ApiError(404, f"reference_leg_sid: the leg {facts.row.sid} has ended")


async def _order(
    wanted: LegRequest,
    account: Account,
    telephony: Telephony,
    settings: ApiSettings,
    door: LegDoor,
) -> CallOrder:
    exophone = wanted.exophone
    if exophone.lower().startswith(_SIP):  # LG-21
        exophone = exophone.partition(":")[2].partition("@")[0]
    ordering = Ordering(account, telephony, settings)
    contact = wanted.contact_uri
    return CallOrder(
        account=account,
        destination=contact if wanted.is_sip else settings.normalised(contact),
        caller_id=await ordering.caller_id(exophone, "exophone"),
        ring_ms=wanted.timeout_s * 1_000,
        # The leg's own limit may be changed (LG-61); this is the net below it.
        call_ms=door.settings.time_limit_s * 1_000,
        custom_field=wanted.custom_param,
        leg_sid=LegSid(_TOKENS.hex()),
        amd=wanted.amd,
    )


async def _place(
    telephony: Telephony, door: LegDoor, order: CallOrder, wanted: LegRequest, now: datetime
) -> LegFacts:
    leg_sid = order.leg_sid
    assert leg_sid is not None
    terms = _terms(wanted, order)
    door.views.expect(leg_sid, terms)
    try:
        call_sid = await send_out(telephony, order, "leg")
    finally:
        door.views.forget(leg_sid)
    if wanted.requested_dc_code or wanted.requested_nso_code:  # LG-40
        log.warning(
            "leg_request",
            leg_sid=leg_sid,
            text="requested_dc_code and requested_nso_code name nothing here; they are kept",
        )
    log.info("leg_ordered", leg_sid=leg_sid, call_sid=call_sid, to=order.destination)
    view = door.views.find(leg_sid) or _begun(leg_sid, call_sid, terms, now)
    return facts_of_view(view)


def _terms(wanted: LegRequest, order: CallOrder) -> LegTerms:
    return LegTerms(
        account_sid=order.account.sid,
        contact_uri=wanted.contact_uri,
        exophone=wanted.exophone,
        network_type=wanted.network_type,
        event_endpoint=wanted.event_endpoint,
        custom_param=wanted.custom_param,
        time_limit_s=wanted.time_limit_s,
        timeout_s=wanted.timeout_s,
        setup_timeout_s=wanted.setup_timeout_s,
        ring_timeout_s=wanted.ring_timeout_s,
        requested_dc_code=wanted.requested_dc_code,
        requested_nso_code=wanted.requested_nso_code,
    )


def _begun(leg_sid: LegSid, call_sid: CallSid, terms: LegTerms, now: datetime) -> LegView:
    return LegView(
        leg_sid=leg_sid,
        call_sid=call_sid,
        terms=terms,
        direction="outbound",
        created_at=now,
        updated_at=now,
    )


async def _hang_up(door: LegDoor, leg_sid: LegSid) -> None:
    await door.steering.act(Act(_TOKENS.hex(), leg_sid, (Hangup(),)))


def _sections(request: Request) -> tuple[str, ...]:
    """Return the sections that are asked for, in either form (LG-51, LC-8)."""
    query = query_of(request)
    named = query.texts("fields", len(SECTIONS))
    for name in named:
        if name not in SECTIONS:
            raise ApiError(400, f"fields names {name[:40]!r}; there are {', '.join(SECTIONS)}")
    alone = {name for name in SECTIONS if name in query.values}
    bare = {name for name in alone if not query.text(name) or query.flag(name)}
    return tuple(name for name in SECTIONS if name in bare or name in named)


def _either(wanted: str | None, known: str) -> str:
    return known if wanted is None else wanted
