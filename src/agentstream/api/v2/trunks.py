"""Trunks of an account (TR-30 to TR-42).

POST GET DELETE  /v2/accounts/{account_sid}/trunks              DELETE: ?trunk_sid=
GET PUT DELETE   /v2/accounts/{account_sid}/trunks/{trunk_sid}
GET              /v2/accounts/{account_sid}/trunk-maps          ?exophone=&trunk_sid=
"""

import re
from typing import Final

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from agentstream.api import openapi
from agentstream.api.audit import note_about
from agentstream.api.v2 import trunk_schemas
from agentstream.api.v2.trunk_envelope import page, single
from agentstream.api.v2.trunk_found import (
    AskedOf,
    Body,
    about,
    asked,
    asked_of,
    body_of,
    duplicates,
    not_found,
    query_id,
    unknown_trunk,
)
from agentstream.api.v2.trunk_shown import map_data, trunk_data, trunks_path
from agentstream.base.values import replace
from agentstream.store.trunk_rules import (
    MISSING,
    TrunkRules,
    domain_of,
    name_of,
    nso_code_of,
    number_of,
    refuse,
)
from agentstream.store.trunks import AccountTrunk, TrunkParts, new_trunk_sid

router = APIRouter()
log = structlog.get_logger("api")
TRUNKS: Final = "/v2/accounts/{account_sid}/trunks"
TRUNK: Final = TRUNKS + "/{trunk_sid}"
_MAPS: Final = "/v2/accounts/{account_sid}/trunk-maps"
_AUTH: Final = re.compile(r"[A-Za-z -]{1,32}", re.ASCII)


@router.post(TRUNKS, openapi_extra=openapi.asks_json(trunk_schemas.TRUNK))
async def create(request: Request, account_sid: str) -> JSONResponse:
    """Make a trunk (TR-30)."""
    by, body = await asked(request, account_sid), await body_of(request)
    rules = by.door.rules
    name = body.required("trunk_name", "TrunkName")
    code = body.required("nso_code", "NsoCode")
    domain = body.required("domain_name", "DomainName")
    trunk = AccountTrunk(
        sid=new_trunk_sid(by.door.tokens, rules.region),
        account_sid=by.account.sid,
        name=name_of(name),
        nso_code=nso_code_of(code, rules),
        domain_name=domain_of(domain, rules),
        created_at=by.now,
        updated_at=by.now,
    )
    with duplicates(request, by.door, f"Unable to create trunk with name {trunk.name}"):
        await by.door.rows.create(trunk)
    note_about(request, f"trunk {trunk.sid}")
    log.info("trunk_created", trunk_sid=trunk.sid, account_sid=trunk.account_sid)
    return single(request, trunk_data(TrunkParts(trunk)))


@router.get(
    TRUNKS, openapi_extra=openapi.queries({**trunk_schemas.PAGE, **trunk_schemas.TRUNK_SID})
)
async def listed(request: Request, account_sid: str) -> JSONResponse:
    """Tell an account's trunks, newest first (TR-31)."""
    by = await asked(request, account_sid)
    rows, sid = await by.door.rows.of_account(by.account.sid), request.query_params.get("trunk_sid")
    if sid:
        rows = [parts for parts in rows if parts.trunk.sid == sid.lower()]
    kept = {"trunk_sid": sid} if sid else {}
    return page(request, trunks_path(by.account.sid), rows, trunk_data, kept)


@router.get(TRUNK)
async def one(request: Request, account_sid: str, trunk_sid: str) -> JSONResponse:
    """Tell of one trunk (TR-32)."""
    by = await asked_of(request, account_sid, trunk_sid)
    return single(request, trunk_data(by.parts))


@router.put(TRUNK, openapi_extra=openapi.asks_json(trunk_schemas.CHANGE))
async def change(request: Request, account_sid: str, trunk_sid: str) -> JSONResponse:
    """Let a trunk be different (TR-33, TR-42); its domain stays, as passwords are kept by it."""
    by, body = await asked_of(request, account_sid, trunk_sid), await body_of(request)
    changed = replace(_changed(by.trunk, body, by.door.rules), updated_at=by.now)
    with duplicates(request, by.door, f"Unable to create trunk with name {changed.name}"):
        await by.door.rows.change(by.trunk, changed)
    return single(request, trunk_data(replace(by.parts, trunk=changed)))


@router.delete(TRUNKS, openapi_extra=openapi.queries(trunk_schemas.TRUNK_SID))
async def delete(request: Request, account_sid: str) -> JSONResponse:
    """Forget a trunk with all that belongs to it; its live calls finish (TR-34, TR-41)."""
    by = await asked(request, account_sid)
    sid = query_id(request, "trunk_sid", "TrunkSid")
    return await _delete(request, await about(request, by, sid))


@router.delete(TRUNK)
async def delete_one(request: Request, account_sid: str, trunk_sid: str) -> JSONResponse:
    """Forget a trunk, named in the path (SC-15)."""
    return await _delete(request, await asked_of(request, account_sid, trunk_sid))


@router.get(_MAPS, openapi_extra=openapi.queries(trunk_schemas.MAP))
@router.get(_MAPS.replace("-", "_"), include_in_schema=False)
async def mapped(request: Request, account_sid: str) -> JSONResponse:
    """Tell which trunk a number is mapped to (TR-49, TR-54)."""
    by = await asked(request, account_sid)
    exophone = request.query_params.get("exophone", "").strip()
    if not exophone:
        refuse("Exophone is mandatory", MISSING)
    if "+" not in exophone and request.query_params["exophone"].startswith(" "):
        exophone = f"+{exophone}"  # TR-50: a plus that was not encoded has become a blank
    found = await by.door.rows.mapped(by.account.sid, number_of(exophone))
    sid = request.query_params.get("trunk_sid", "")
    if found is None:
        raise not_found()
    if sid and found.trunk_sid != sid.lower():
        raise unknown_trunk(by.door)
    data = map_data(found)
    return single(request, data, data)


def _changed(trunk: AccountTrunk, body: Body, rules: TrunkRules) -> AccountTrunk:
    name, code = body.text("trunk_name"), body.text("nso_code")
    auth, secure, status = (body.text(n) for n in ("auth_type", "secure_trunking", "status"))
    domain = body.text("domain_name")
    if domain is not None and domain.lower() != trunk.domain_name:
        refuse("Domain name cannot be changed")
    if auth is not None and not _AUTH.fullmatch(auth):
        refuse("Auth type is invalid")
    if secure not in (None, "enabled", "disabled"):
        refuse("Secure trunking should be enabled or disabled")
    if status not in (None, "active", "inactive"):
        refuse("Status should be active or inactive")
    if (name, code, auth, secure, status, domain) == (None,) * 6:
        refuse("TrunkName is mandatory", MISSING)
    return replace(
        trunk,
        name=trunk.name if name is None else name_of(name),
        nso_code=trunk.nso_code if code is None else nso_code_of(code, rules),
        auth_type=trunk.auth_type if auth is None else auth,
        is_secure=trunk.is_secure if secure is None else secure == "enabled",
        is_active=trunk.is_active if status is None else status == "active",
    )


async def _delete(request: Request, by: AskedOf) -> JSONResponse:
    await by.door.rows.delete(by.trunk.sid)
    log.info("trunk_deleted", trunk_sid=by.trunk.sid, account_sid=by.account.sid)
    return single(request, trunk_data(by.parts))
