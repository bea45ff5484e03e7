"""Bridges: legs of any calls that hear each other (section 7 of BR).

POST       /v2/accounts/{sid}/bridges
GET PUT    /v2/accounts/{sid}/bridges/{bridge_sid}
GET        /v2/accounts/{sid}/bridges/{bridge_sid}/external-events      ?event_name=
POST       /v2/accounts/{sid}/bridges/{bridge_sid}/actions              `exoml`
POST       /v2/accounts/{sid}/bridges/{bridge_sid}/actions/{action}
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter

from agentstream.api import openapi
from agentstream.api.audit import note_about
from agentstream.api.auth import doors
from agentstream.api.errors import ApiError
from agentstream.api.forms import form_of_json, query_of
from agentstream.api.idempotency import Kind
from agentstream.api.once import once
from agentstream.api.v2 import bridge_schemas, leg_schemas
from agentstream.api.v2.acting import acted, check_known, document_of, refusing
from agentstream.api.v2.bridge_found import bridge_door, bridge_of, check_bridge_lives
from agentstream.api.v2.bridge_request import (
    ENDPOINT,
    BridgeRequest,
    action_of,
    changed,
    read_bridge,
)
from agentstream.api.v2.bridge_shown import BridgeFacts, created, facts_of_view, shown, told_to
from agentstream.api.v2.json_body import json_of
from agentstream.api.v2.leg_doors import LegDoor
from agentstream.api.v2.leg_found import caller, check_lives, leg_of, told
from agentstream.api.v2.leg_request import check_storage, endpoint
from agentstream.api.v2.leg_shown import events_shown
from agentstream.base.ids import LegSid, RandomTokens
from agentstream.flows.bridges.reading import ACTIONS, read_bridge_action, read_bridge_exoml
from agentstream.flows.bridges.values import BridgeAct, BridgeVerb, Refer
from agentstream.flows.legs.json_actions import read_custom
from agentstream.store.values import Account
from agentstream.switch.bridge_ports import BridgeOrder

router = APIRouter()
NAME_CHARS: Final = 64
_BRIDGES: Final = "/v2/accounts/{account_sid}/bridges"
_BRIDGE: Final = _BRIDGES + "/{bridge_sid}"
_TOKENS: Final = RandomTokens()
_BRIDGE_KIND: Final = Kind("bridge", TypeAdapter(BridgeFacts))


@router.post(
    _BRIDGES, status_code=202, openapi_extra=openapi.keyed(openapi.asks_json(bridge_schemas.BRIDGE))
)
async def create(request: Request, account_sid: str) -> JSONResponse:
    """Let legs hear each other; what becomes of it is told by events (BR-1 to BR-3).

    Without legs the bridge waits for the first one to join it, and the answer is 201.
    """
    account, door = await caller(request, account_sid)
    body = await json_of(request, may_be_empty=True)
    wanted = read_bridge(body, door.settings)

    async def make() -> BridgeFacts:
        return await _make(account, door, wanted)

    facts = await once(request, account.sid, _BRIDGE_KIND, form_of_json(body), make)
    note_about(request, f"bridge {facts.row.sid}")
    return told(request, door, created(facts), 202 if wanted.leg_sids else 201)


@router.get(_BRIDGE)
async def one(request: Request, account_sid: str, bridge_sid: str) -> JSONResponse:
    """Tell of one bridge (BR-4)."""
    account, door = await caller(request, account_sid)
    return told(request, door, shown(await bridge_of(account, door, bridge_sid)))


@router.put(_BRIDGE, openapi_extra=openapi.asks_json(bridge_schemas.CHANGE))
async def change(request: Request, account_sid: str, bridge_sid: str) -> JSONResponse:
    """End a bridge (`stop`: its legs stay up; `hangup`: they end), or change it (BR-5, BR-5a)."""
    account, door = await caller(request, account_sid)
    body = await json_of(request)
    action = action_of(body)
    facts = await bridge_of(account, door, bridge_sid)
    board = bridge_door(door).board
    if action:
        check_bridge_lives(facts)
        view = board.stop(facts.row.sid, hangs_up=action == "hangup")
        return told(request, door, told_to(facts_of_view(view), action), 202)
    view_now = board.find(facts.row.sid)
    check_bridge_lives(facts)
    if view_now is None:
        raise ApiError(409, "The bridge has ended")
    terms = changed(body, view_now.terms, door.settings)
    return told(request, door, shown(facts_of_view(board.change(facts.row.sid, terms))))


@router.get(_BRIDGE + "/external-events", openapi_extra=openapi.queries(leg_schemas.EVENT_NAME))
@router.get(_BRIDGE + "/external_events", include_in_schema=False)
async def events(request: Request, account_sid: str, bridge_sid: str) -> JSONResponse:
    """Tell what was told of a bridge, and whether its endpoints took it, as of a leg (LG-71)."""
    account, door = await caller(request, account_sid)
    name = query_of(request).text("event_name", NAME_CHARS)
    facts = await bridge_of(account, door, bridge_sid)
    rows = await bridge_door(door).history.bridge_events(facts.row.sid, name)
    told_of = events_shown(rows, door.settings, masks_digits=door.masks_digits)
    data = {"sid": facts.row.sid, "account_sid": facts.row.account_sid, **told_of}
    return told(request, door, data)


@router.post(
    _BRIDGE + "/actions/{action}",
    status_code=202,
    openapi_extra=openapi.asks_json(leg_schemas.ACTION, required=False),
)
async def json_action(
    request: Request, account_sid: str, bridge_sid: str, action: str
) -> JSONResponse:
    """Let all legs of a bridge do one thing, or re-point its events (BR-6)."""
    account, door = await caller(request, account_sid)
    body = await json_of(request, may_be_empty=True)
    facts = await bridge_of(account, door, bridge_sid)
    check_known(action, ACTIONS)
    with refusing():
        verbs = (read_bridge_action(action, body),)
    return await _done(request, door, facts, verbs, body)


@router.post(
    _BRIDGE + "/actions", status_code=202, openapi_extra=openapi.asks_json(leg_schemas.EXOML)
)
async def exoml(request: Request, account_sid: str, bridge_sid: str) -> JSONResponse:
    """Let all legs of a bridge do what an ExoML document says (BR-6, EX-28)."""
    account, door = await caller(request, account_sid)
    body = await json_of(request)
    facts = await bridge_of(account, door, bridge_sid)
    document = document_of(body)
    with refusing():
        verbs = read_bridge_exoml(document, door.settings.exoml_loop_absent)
    return await _done(request, door, facts, verbs, body)


async def _make(account: Account, door: LegDoor, wanted: BridgeRequest) -> BridgeFacts:
    for leg_sid in wanted.leg_sids:
        check_lives(await leg_of(account, door, leg_sid))
    legs = tuple(map(LegSid, wanted.leg_sids))
    view = bridge_door(door).board.create(BridgeOrder(account.sid, wanted.terms, legs))
    return facts_of_view(view)


async def _done(
    request: Request,
    door: LegDoor,
    facts: BridgeFacts,
    verbs: tuple[BridgeVerb, ...],
    body: Mapping[str, Any],
) -> JSONResponse:
    with refusing():
        custom = read_custom(body)
    checked = tuple(
        replace(verb, event_endpoint=endpoint(verb.event_endpoint, door.settings, ENDPOINT))
        if isinstance(verb, Refer)
        else verb
        for verb in verbs
    )
    check_storage(verbs, door.settings)
    check_bridge_lives(facts)
    act = BridgeAct(_TOKENS.hex(), facts.row.sid, checked, custom)
    await bridge_door(door).board.act(act)
    whom, at = {"bridge_sid": act.bridge_sid}, doors(request).clock.wall()
    data = acted(whom, act.action_sid, facts.row.account_sid, custom, at)
    return told(request, door, data, 202)
