"""Numbers that are mapped to a trunk (TR-45 to TR-53).

POST GET DELETE  .../trunks/{trunk_sid}/phone-numbers        DELETE: ?id=
PUT DELETE       .../trunks/{trunk_sid}/phone-numbers/{id}
"""

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from agentstream.api import openapi
from agentstream.api.v2 import trunk_schemas
from agentstream.api.v2.trunk_envelope import page, single
from agentstream.api.v2.trunk_found import (
    AskedOf,
    asked_of,
    body_of,
    duplicates,
    part_of,
    query_id,
    removed,
)
from agentstream.api.v2.trunk_shown import NUMBERS, number_data, path_of
from agentstream.api.v2.trunks import TRUNK
from agentstream.base.phone import ANY_NUMBER
from agentstream.base.values import replace
from agentstream.store.trunk_rules import mode_of, number_of, refuse
from agentstream.store.trunks import TrunkNumber

router = APIRouter()
_ALL: Final = f"{TRUNK}/{NUMBERS}"
_ONE: Final = _ALL + "/{number_id}"
_ALL_OLD, _ONE_OLD = (path.replace("-", "_") for path in (_ALL, _ONE))  # TR-6


@router.post(_ALL, openapi_extra=openapi.asks_json(trunk_schemas.NUMBER))
@router.post(_ALL_OLD, include_in_schema=False)
async def create(request: Request, account_sid: str, trunk_sid: str) -> JSONResponse:
    """Map a number to a trunk (TR-45)."""
    by, body = await asked_of(request, account_sid, trunk_sid), await body_of(request)
    number = number_of(body.required("phone_number", "PhoneNumber", may_be_empty=True))
    wanted = TrunkNumber(
        id=0,
        trunk_sid=by.trunk.sid,
        account_sid=by.account.sid,
        phone_number=number,
        mode=mode_of(body.text("mode")),
        created_at=by.now,
        updated_at=by.now,
    )
    await _check_own(by, number)
    sentence = f"Unable to create DidTrunkMapping with TrunkSid {by.trunk.sid}"
    with duplicates(request, by.door, sentence):
        made = await by.door.rows.add(wanted)
    return single(request, number_data(made))


@router.get(_ALL, openapi_extra=openapi.queries(trunk_schemas.PAGE))
@router.get(_ALL_OLD, include_in_schema=False)
async def listed(request: Request, account_sid: str, trunk_sid: str) -> JSONResponse:
    """Tell the numbers of a trunk, newest first (TR-46)."""
    by = await asked_of(request, account_sid, trunk_sid)
    return page(request, path_of(by.parts, NUMBERS), by.parts.numbers[::-1], number_data)


@router.put(_ONE, openapi_extra=openapi.asks_json(trunk_schemas.NUMBER_CHANGE))
@router.put(_ONE_OLD, include_in_schema=False)
async def change(
    request: Request, account_sid: str, trunk_sid: str, number_id: str
) -> JSONResponse:
    """Let calls from the trunk to a number do something else (TR-47)."""
    by, body = await asked_of(request, account_sid, trunk_sid), await body_of(request)
    known = part_of(by.parts.numbers, number_id)
    number = body.text("phone_number")
    if number is not None and number_of(number) != known.phone_number:
        refuse("Invalid PhoneNumber")
    mode = mode_of(body.text("mode")) if "mode" in body else known.mode
    changed = replace(known, mode=mode, updated_at=by.now)
    await by.door.rows.change_part(known, changed)
    return single(request, number_data(changed))


@router.delete(_ALL, openapi_extra=openapi.queries(trunk_schemas.ID))
@router.delete(_ALL_OLD, include_in_schema=False)
async def delete(request: Request, account_sid: str, trunk_sid: str) -> JSONResponse:
    """Take a number off a trunk (TR-48)."""
    by = await asked_of(request, account_sid, trunk_sid)
    gone = await removed(by, by.parts.numbers, query_id(request, "id", "Id"))
    return single(request, number_data(gone))


@router.delete(_ONE)
@router.delete(_ONE_OLD, include_in_schema=False)
async def delete_one(
    request: Request, account_sid: str, trunk_sid: str, number_id: str
) -> JSONResponse:
    """Take a number off a trunk, named in the path (SC-15)."""
    by = await asked_of(request, account_sid, trunk_sid)
    return single(request, number_data(await removed(by, by.parts.numbers, number_id)))


async def _check_own(by: AskedOf, number: str) -> None:
    """Refuse a number that rings for somebody else: it would be shown to those who are called."""
    owners = {one.number: one.account_sid for one in await by.door.numbers.list()}
    owner = owners.get(number)
    if owner is None and (
        not by.door.rules.own_numbers_only or owners.get(ANY_NUMBER) == by.account.sid
    ):
        return
    if owner != by.account.sid:
        refuse("Invalid PhoneNumber")
