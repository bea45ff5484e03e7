"""Where calls to a trunk go (TR-63 to TR-67).

POST PUT GET DELETE  .../trunks/{trunk_sid}/destination-uris        DELETE: ?id=
PUT DELETE           .../trunks/{trunk_sid}/destination-uris/{id}
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from agentstream.api import openapi
from agentstream.api.errors import ApiError
from agentstream.api.v2 import trunk_schemas
from agentstream.api.v2.trunk_doors import Reach
from agentstream.api.v2.trunk_envelope import batch, page, single
from agentstream.api.v2.trunk_found import (
    AskedOf,
    Body,
    asked_of,
    body_of,
    duplicate,
    duplicates,
    part_of,
    query_id,
    removed,
)
from agentstream.api.v2.trunk_shown import DESTINATIONS, destination_data, path_of
from agentstream.api.v2.trunks import TRUNK
from agentstream.base.errors import CommandError, PeerError
from agentstream.base.values import replace
from agentstream.sip.uri import SipUri
from agentstream.store.trunk_options import options_of
from agentstream.store.trunk_rules import (
    NO_HOST,
    RuleError,
    check_listed,
    destination_of,
    refuse,
    weight_of,
)
from agentstream.store.trunks import PART_LIMITS, TakenError, TrunkDestination
from agentstream.store.values import Account

router = APIRouter()
_ALL: Final = f"{TRUNK}/{DESTINATIONS}"
_ONE: Final = _ALL + "/{destination_id}"
_ALL_OLD, _ONE_OLD = (path.replace("-", "_") for path in (_ALL, _ONE))  # TR-6
_LIMIT: Final = PART_LIMITS[TrunkDestination]
_SIP_PORT: Final = 5060
Wanted = TrunkDestination | RuleError


@router.post(_ALL, openapi_extra=openapi.asks_json(trunk_schemas.DESTINATIONS))
@router.post(_ALL_OLD, include_in_schema=False)
async def create(request: Request, account_sid: str, trunk_sid: str) -> JSONResponse:
    """Let calls go to these places too; each is taken or refused by itself (TR-63)."""
    by, body = await asked_of(request, account_sid, trunk_sid), await body_of(request)
    made: list[TrunkDestination | ApiError | RuleError] = []
    for wanted in await _wanted(by, body):
        if isinstance(wanted, RuleError):
            made.append(wanted)
            continue
        try:
            made.append(await by.door.rows.add(wanted))
        except TakenError:
            made.append(_taken(by, wanted))
        except CommandError as error:  # no more may be added
            made.append(ApiError(409, str(error)))
    return batch(request, [_told(one) for one in made])


@router.put(_ALL, openapi_extra=openapi.asks_json(trunk_schemas.DESTINATIONS))
@router.put(_ALL_OLD, include_in_schema=False)
async def replace_all(request: Request, account_sid: str, trunk_sid: str) -> JSONResponse:
    """Let calls go to these places only; while none is good, all stays as it is (SC-16)."""
    by, body = await asked_of(request, account_sid, trunk_sid), await body_of(request)
    results: list[TrunkDestination | ApiError | RuleError] = []
    seen: set[str] = set()
    for wanted in await _wanted(by, body):
        is_again = isinstance(wanted, TrunkDestination) and wanted.uri in seen
        if isinstance(wanted, TrunkDestination):
            seen.add(wanted.uri)
        results.append(_taken(by, wanted) if is_again else wanted)
    good = [one for one in results if isinstance(one, TrunkDestination)]
    kept = iter(await by.door.rows.replace_destinations(by.trunk.sid, good) if good else ())
    told = [next(kept) if isinstance(one, TrunkDestination) else one for one in results]
    return batch(request, [_told(one) for one in told])


@router.get(_ALL, openapi_extra=openapi.queries(trunk_schemas.PAGE))
@router.get(_ALL_OLD, include_in_schema=False)
async def listed(request: Request, account_sid: str, trunk_sid: str) -> JSONResponse:
    """Tell where calls to a trunk go, newest first (TR-64)."""
    by = await asked_of(request, account_sid, trunk_sid)
    rows = by.parts.destinations[::-1]
    return page(request, path_of(by.parts, DESTINATIONS), rows, destination_data)


@router.put(_ONE, openapi_extra=openapi.asks_json(trunk_schemas.DESTINATION_CHANGE))
@router.put(_ONE_OLD, include_in_schema=False)
async def change(
    request: Request, account_sid: str, trunk_sid: str, destination_id: str
) -> JSONResponse:
    """Let a destination come before others, or be another (TR-65)."""
    by, body = await asked_of(request, account_sid, trunk_sid), await body_of(request)
    known = part_of(by.parts.destinations, destination_id)
    uri = known.uri
    if body.text("destination") is not None:
        uri = await _uri(by, body)
    changed = replace(
        known,
        uri=uri,
        priority=_weight(body, "priority", known.priority),
        weight=_weight(body, "weight", known.weight),
        updated_at=by.now,
    )
    with duplicates(request, by.door, f"Unable to create destination {uri}"):
        await by.door.rows.change_part(known, changed)
    return single(request, destination_data(changed))


@router.delete(_ALL, openapi_extra=openapi.queries(trunk_schemas.ID))
@router.delete(_ALL_OLD, include_in_schema=False)
async def delete(request: Request, account_sid: str, trunk_sid: str) -> JSONResponse:
    """Let calls go there no more (TR-65)."""
    by = await asked_of(request, account_sid, trunk_sid)
    gone = await removed(by, by.parts.destinations, query_id(request, "id", "Id"))
    return single(request, destination_data(gone))


@router.delete(_ONE)
@router.delete(_ONE_OLD, include_in_schema=False)
async def delete_one(
    request: Request, account_sid: str, trunk_sid: str, destination_id: str
) -> JSONResponse:
    """Let calls go there no more, named in the path (SC-15)."""
    by = await asked_of(request, account_sid, trunk_sid)
    return single(
        request, destination_data(await removed(by, by.parts.destinations, destination_id))
    )


async def check_reachable(reach: Reach, account: Account, uri: SipUri) -> None:
    """Refuse what has no address, or none that calls may be sent to (TR-63, TR-67)."""
    try:
        await reach.addresses(uri.address, uri.port or _SIP_PORT, account.egress_allow)
    except PeerError:
        refuse(NO_HOST)


async def _wanted(by: AskedOf, body: Body) -> Sequence[Wanted]:
    """Return each destination of a request, or why it is refused; names are asked together."""
    items = body.items("destinations", "Destinations", _LIMIT)
    return await asyncio.gather(*(_one_wanted(by, item) for item in items))


async def _one_wanted(by: AskedOf, item: Body | None) -> Wanted:
    try:
        if item is None:
            refuse(NO_HOST)
        return TrunkDestination(
            id=0,
            trunk_sid=by.trunk.sid,
            uri=await _uri(by, item),
            priority=_weight(item, "priority", 0),
            weight=_weight(item, "weight", 1),
            created_at=by.now,
            updated_at=by.now,
        )
    except RuleError as error:
        return error


async def _uri(by: AskedOf, item: Body) -> str:
    rules, own = by.door.rules, options_of(by.parts.settings).transport
    uri = destination_of(item.required("destination", "Destination"), rules, own)
    check_listed(uri, by.parts.acl, rules)
    await check_reachable(by.door.reach, by.account, uri)
    return str(uri)


def _weight(body: Body, name: str, default: int) -> int:
    text = body.text(name)
    return default if text is None else weight_of(name, text)


def _taken(by: AskedOf, wanted: Wanted) -> ApiError:
    assert isinstance(wanted, TrunkDestination)
    return duplicate(by.door, f"Unable to create destination {wanted.uri}")


def _told(
    one: TrunkDestination | ApiError | RuleError,
) -> "dict[str, object] | ApiError | RuleError":
    return destination_data(one) if isinstance(one, TrunkDestination) else one
