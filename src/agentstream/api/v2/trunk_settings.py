"""The named settings of a trunk (TR-70 to TR-72).

POST GET DELETE  .../trunks/{trunk_sid}/settings        DELETE: ?name=
DELETE           .../trunks/{trunk_sid}/settings/{name}
"""

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from agentstream.api import openapi
from agentstream.api.errors import ApiError
from agentstream.api.v2 import trunk_schemas
from agentstream.api.v2.trunk_envelope import batch, page, single
from agentstream.api.v2.trunk_found import (
    AskedOf,
    Body,
    asked_of,
    body_of,
    not_found,
    query_id,
)
from agentstream.api.v2.trunk_shown import SETTINGS, path_of, setting_data
from agentstream.api.v2.trunks import TRUNK
from agentstream.base.errors import CommandError
from agentstream.store.trunk_rules import RuleError, refuse
from agentstream.store.trunks import SETTINGS_LIMIT, TrunkSetting

router = APIRouter()
_ALL: Final = f"{TRUNK}/{SETTINGS}"
_ONE: Final = _ALL + "/{name}"


@router.post(_ALL, openapi_extra=openapi.asks_json(trunk_schemas.SETTINGS))
async def write(request: Request, account_sid: str, trunk_sid: str) -> JSONResponse:
    """Write settings over those of the same names; each is taken or refused by itself (TR-70)."""
    by, body = await asked_of(request, account_sid, trunk_sid), await body_of(request)
    results: list[dict[str, Any] | ApiError | RuleError] = []
    for item in body.items("settings", "Settings", SETTINGS_LIMIT):
        try:
            results.append(setting_data(await by.door.rows.set(await _setting(by, item))))
        except RuleError as error:
            results.append(error)
        except CommandError as error:  # no more may be added
            results.append(ApiError(409, str(error)))
    return batch(request, results)


@router.get(_ALL, openapi_extra=openapi.queries(trunk_schemas.PAGE))
async def listed(request: Request, account_sid: str, trunk_sid: str) -> JSONResponse:
    """Tell the settings of a trunk, newest first (TR-70)."""
    by = await asked_of(request, account_sid, trunk_sid)
    return page(request, path_of(by.parts, SETTINGS), by.parts.settings[::-1], setting_data)


@router.delete(_ALL, openapi_extra=openapi.queries(trunk_schemas.NAME))
async def delete(request: Request, account_sid: str, trunk_sid: str) -> JSONResponse:
    """Let a setting be as it is by default (TR-70)."""
    by = await asked_of(request, account_sid, trunk_sid)
    return await _delete(request, by, query_id(request, "name", "Name"))


@router.delete(_ONE)
async def delete_one(request: Request, account_sid: str, trunk_sid: str, name: str) -> JSONResponse:
    """Let a setting be as it is by default, named in the path (SC-15)."""
    return await _delete(request, await asked_of(request, account_sid, trunk_sid), name)


async def _setting(by: AskedOf, item: Body | None) -> TrunkSetting:
    if item is None:
        refuse("Invalid settings")
    name = item.required("name", "Name")
    value = item.required("value", "Value", may_be_empty=True)
    await by.door.check_setting(by.account.sid, name, value)
    return TrunkSetting(
        trunk_sid=by.trunk.sid, name=name, value=value, created_at=by.now, updated_at=by.now
    )


async def _delete(request: Request, by: AskedOf, name: str) -> JSONResponse:
    known = next((one for one in by.parts.settings if one.name == name), None)
    if known is None or not await by.door.rows.unset(by.trunk.sid, name):
        raise not_found()
    return single(request, setting_data(known))
