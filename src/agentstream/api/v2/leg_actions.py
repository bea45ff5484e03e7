"""What a leg is told to do, in both shapes of request (LG-80 to LG-93).

POST  /v2/accounts/{sid}/legs/{leg_sid}/actions/{action}    one verb, its fields in JSON
POST  /v2/accounts/{sid}/legs/{leg_sid}/actions             `exoml`: verbs in an XML document
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from agentstream.api import openapi
from agentstream.api.auth import doors
from agentstream.api.v2 import leg_schemas
from agentstream.api.v2.acting import acted, check_known, document_of, refusing
from agentstream.api.v2.bridge_found import check_bridges
from agentstream.api.v2.json_body import json_of
from agentstream.api.v2.leg_doors import LegDoor
from agentstream.api.v2.leg_found import caller, check_lives, leg_of, told
from agentstream.api.v2.leg_request import check_storage
from agentstream.api.v2.leg_shown import LegFacts
from agentstream.base.ids import RandomTokens
from agentstream.flows.legs.exoml import read_exoml
from agentstream.flows.legs.json_actions import ACTIONS, read_action, read_custom
from agentstream.flows.legs.verbs import Act, Verb
from agentstream.store.values import Account

router = APIRouter()
_ACTIONS: Final = "/v2/accounts/{account_sid}/legs/{leg_sid}/actions"
_TOKENS: Final = RandomTokens()


@router.post(
    _ACTIONS + "/{action}",
    status_code=202,
    openapi_extra=openapi.asks_json(leg_schemas.ACTION, required=False),
)
async def json_action(
    request: Request, account_sid: str, leg_sid: str, action: str
) -> JSONResponse:
    """Let a leg do one thing; what it comes to is told by events."""
    account, door = await caller(request, account_sid)
    body = await json_of(request, may_be_empty=True)
    act = await action_of(account, door, leg_sid, action, body)
    return await _done(request, door, account, act)


@router.post(_ACTIONS, status_code=202, openapi_extra=openapi.asks_json(leg_schemas.EXOML))
async def exoml(request: Request, account_sid: str, leg_sid: str) -> JSONResponse:
    """Let a leg do what an ExoML document says, verb by verb (LG-90)."""
    account, door = await caller(request, account_sid)
    body = await json_of(request)
    act = await exoml_of(account, door, leg_sid, body)
    return await _done(request, door, account, act)


async def action_of(
    account: Account, door: LegDoor, leg_sid: str, action: str, body: Mapping[str, Any]
) -> Act:
    """Return one action in JSON, checked in the order of LG-93; raises ApiError."""
    facts = await leg_of(account, door, leg_sid)
    check_known(action, ACTIONS)
    with refusing():
        verbs, custom = (read_action(action, body),), read_custom(body)
    return await _act(account, door, facts, verbs, custom)


async def exoml_of(account: Account, door: LegDoor, leg_sid: str, body: Mapping[str, Any]) -> Act:
    """Return the actions of a document, checked in the order of LG-93; raises ApiError."""
    facts = await leg_of(account, door, leg_sid)
    document = document_of(body)
    with refusing():
        verbs, custom = read_exoml(document, door.settings.exoml_loop_absent), read_custom(body)
    return await _act(account, door, facts, verbs, custom)


def answered(account: Account, act: Act, at: datetime) -> dict[str, Any]:
    """Return what an accepted action of a leg is answered with."""
    return acted({"leg_sid": act.leg_sid}, act.action_sid, account.sid, act.custom, at)


async def _done(request: Request, door: LegDoor, account: Account, act: Act) -> JSONResponse:
    await door.steering.act(act)
    return told(request, door, answered(account, act, doors(request).clock.wall()), 202)


async def _act(
    account: Account, door: LegDoor, facts: LegFacts, verbs: tuple[Verb, ...], custom: str
) -> Act:
    check_storage(verbs, door.settings)
    await check_bridges(account, door, verbs)
    check_lives(facts)
    return Act(_TOKENS.hex(), facts.row.sid, verbs, custom)
