"""The networks whose messages are a trunk's (TR-56 to TR-59).

POST GET DELETE  .../trunks/{trunk_sid}/whitelisted-ips        DELETE: ?id=
PUT DELETE       .../trunks/{trunk_sid}/whitelisted-ips/{id}
"""

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from agentstream.api import openapi
from agentstream.api.v2 import trunk_schemas
from agentstream.api.v2.trunk_envelope import page, single
from agentstream.api.v2.trunk_found import (
    asked_of,
    body_of,
    duplicates,
    part_of,
    query_id,
    removed,
)
from agentstream.api.v2.trunk_shown import NETWORKS, acl_data, path_of
from agentstream.api.v2.trunks import TRUNK
from agentstream.base.values import replace
from agentstream.store.trunk_rules import address_of, friendly_name_of, mask_of
from agentstream.store.trunks import AclEntry

router = APIRouter()
_ALL: Final = f"{TRUNK}/{NETWORKS}"
_ONE: Final = _ALL + "/{entry_id}"
_ALL_OLD, _ONE_OLD = (path.replace("-", "_") for path in (_ALL, _ONE))  # TR-6


@router.post(_ALL, openapi_extra=openapi.asks_json(trunk_schemas.NETWORK))
@router.post(_ALL_OLD, include_in_schema=False)
async def create(request: Request, account_sid: str, trunk_sid: str) -> JSONResponse:
    """Let messages from a network be a trunk's (TR-56)."""
    by, body = await asked_of(request, account_sid, trunk_sid), await body_of(request)
    rules = by.door.rules
    ip = address_of(body.required("ip", "Ip"), rules)
    wanted = AclEntry(
        id=0,
        trunk_sid=by.trunk.sid,
        ip=ip,
        mask=mask_of(body.text("mask"), ip, rules),
        friendly_name=friendly_name_of(body.text("friendly_name") or "", rules),
        created_at=by.now,
        updated_at=by.now,
    )
    with duplicates(request, by.door, f"Unable to Whitelist-ip with ip {ip}"):
        made = await by.door.rows.add(wanted)
    return single(request, acl_data(made))


@router.get(_ALL, openapi_extra=openapi.queries(trunk_schemas.PAGE))
@router.get(_ALL_OLD, include_in_schema=False)
async def listed(request: Request, account_sid: str, trunk_sid: str) -> JSONResponse:
    """Tell the networks of a trunk, newest first (TR-57)."""
    by = await asked_of(request, account_sid, trunk_sid)
    return page(request, path_of(by.parts, NETWORKS), by.parts.acl[::-1], acl_data)


@router.put(_ONE, openapi_extra=openapi.asks_json(trunk_schemas.NETWORK_CHANGE))
@router.put(_ONE_OLD, include_in_schema=False)
async def change(request: Request, account_sid: str, trunk_sid: str, entry_id: str) -> JSONResponse:
    """Let an entry be another network (TR-57)."""
    by, body = await asked_of(request, account_sid, trunk_sid), await body_of(request)
    known, rules = part_of(by.parts.acl, entry_id), by.door.rules
    ip, mask, name = (body.text(field) for field in ("ip", "mask", "friendly_name"))
    address = known.ip if ip is None else address_of(ip, rules)
    is_same_kind = (":" in address) == (":" in known.ip)
    mask = str(known.mask) if mask is None and is_same_kind else mask
    changed = replace(
        known,
        ip=address,
        mask=mask_of(mask, address, rules),
        friendly_name=known.friendly_name if name is None else friendly_name_of(name, rules),
        updated_at=by.now,
    )
    with duplicates(request, by.door, f"Unable to Whitelist-ip with ip {address}"):
        await by.door.rows.change_part(known, changed)
    return single(request, acl_data(changed))


@router.delete(_ALL, openapi_extra=openapi.queries(trunk_schemas.ID))
@router.delete(_ALL_OLD, include_in_schema=False)
async def delete(request: Request, account_sid: str, trunk_sid: str) -> JSONResponse:
    """Take a network off the list (TR-57)."""
    by = await asked_of(request, account_sid, trunk_sid)
    gone = await removed(by, by.parts.acl, query_id(request, "id", "Id"))
    return single(request, acl_data(gone))


@router.delete(_ONE)
@router.delete(_ONE_OLD, include_in_schema=False)
async def delete_one(
    request: Request, account_sid: str, trunk_sid: str, entry_id: str
) -> JSONResponse:
    """Take a network off the list, named in the path (SC-15)."""
    by = await asked_of(request, account_sid, trunk_sid)
    return single(request, acl_data(await removed(by, by.parts.acl, entry_id)))
