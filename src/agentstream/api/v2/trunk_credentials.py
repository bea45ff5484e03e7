"""The users who may log in on a trunk (TR-60 to TR-62). No answer ever holds a password.

POST GET DELETE  .../trunks/{trunk_sid}/credentials        DELETE: ?id=
PUT DELETE       .../trunks/{trunk_sid}/credentials/{id}
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
from agentstream.api.v2.trunk_shown import USERS, credential_data, path_of
from agentstream.api.v2.trunks import TRUNK
from agentstream.base.values import replace
from agentstream.store.trunk_rules import (
    MISSING,
    friendly_name_of,
    password_of,
    refuse,
    secret_of,
    user_of,
)
from agentstream.store.trunks import TrunkCredential

router = APIRouter()
_ALL: Final = f"{TRUNK}/{USERS}"
_ONE: Final = _ALL + "/{credential_id}"


@router.post(_ALL, openapi_extra=openapi.asks_json(trunk_schemas.CREDENTIAL))
async def create(request: Request, account_sid: str, trunk_sid: str) -> JSONResponse:
    """Let a user log in (TR-60)."""
    by, body = await asked_of(request, account_sid, trunk_sid), await body_of(request)
    rules = by.door.rules
    user = body.required("user_name", "UserName")
    password = password_of(body.required("password", "Password"), rules)
    user = user_of(user, rules)
    wanted = TrunkCredential(
        id=0,
        trunk_sid=by.trunk.sid,
        user_name=user,
        ha1=secret_of(user, by.trunk.domain_name, password),
        friendly_name=friendly_name_of(body.text("friendly_name") or "", rules),
        created_at=by.now,
        updated_at=by.now,
    )
    with duplicates(request, by.door, f"Unable to create credential with user_name {user}"):
        made = await by.door.rows.add(wanted)
    return single(request, credential_data(made))


@router.get(_ALL, openapi_extra=openapi.queries(trunk_schemas.PAGE))
async def listed(request: Request, account_sid: str, trunk_sid: str) -> JSONResponse:
    """Tell the users of a trunk, newest first (TR-61)."""
    by = await asked_of(request, account_sid, trunk_sid)
    return page(request, path_of(by.parts, USERS), by.parts.credentials[::-1], credential_data)


@router.put(_ONE, openapi_extra=openapi.asks_json(trunk_schemas.CREDENTIAL_CHANGE))
async def change(
    request: Request, account_sid: str, trunk_sid: str, credential_id: str
) -> JSONResponse:
    """Let a user have another password or name (TR-61)."""
    by, body = await asked_of(request, account_sid, trunk_sid), await body_of(request)
    known, rules = part_of(by.parts.credentials, credential_id), by.door.rules
    user, password, name = (body.text(n) for n in ("user_name", "password", "friendly_name"))
    user = known.user_name if user is None else user_of(user, rules)
    if user != known.user_name and password is None:
        refuse("Password is mandatory", MISSING)  # what is kept of it has the user's name in it
    secret = known.ha1
    if password is not None:
        secret = secret_of(user, by.trunk.domain_name, password_of(password, rules))
    changed = replace(
        known,
        user_name=user,
        ha1=secret,
        friendly_name=known.friendly_name if name is None else friendly_name_of(name, rules),
        updated_at=by.now,
    )
    with duplicates(request, by.door, f"Unable to create credential with user_name {user}"):
        await by.door.rows.change_part(known, changed)
    return single(request, credential_data(changed))


@router.delete(_ALL, openapi_extra=openapi.queries(trunk_schemas.ID))
async def delete(request: Request, account_sid: str, trunk_sid: str) -> JSONResponse:
    """Let a user log in no more (TR-61)."""
    by = await asked_of(request, account_sid, trunk_sid)
    gone = await removed(by, by.parts.credentials, query_id(request, "id", "Id"))
    return single(request, credential_data(gone))


@router.delete(_ONE)
async def delete_one(
    request: Request, account_sid: str, trunk_sid: str, credential_id: str
) -> JSONResponse:
    """Let a user log in no more, named in the path (SC-15)."""
    by = await asked_of(request, account_sid, trunk_sid)
    return single(request, credential_data(await removed(by, by.parts.credentials, credential_id)))
