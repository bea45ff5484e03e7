"""Which trunk a request means, what its body says, and the errors that every route has."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from fastapi import Request

from agentstream.api.audit import note_about
from agentstream.api.auth import account_of, doors
from agentstream.api.errors import ApiError
from agentstream.api.forms import bytes_of, content_type_of
from agentstream.api.v2.json_body import BODY_LIMIT, UNREADABLE
from agentstream.api.v2.trunk_doors import TrunkDoor
from agentstream.store.trunk_rules import MISSING, refuse
from agentstream.store.trunks import AccountTrunk, TakenError, TrunkPart, TrunkParts
from agentstream.store.values import Account

_JSON: Final = ("application/json", "text/json", "")
_FORBIDDEN: Final = 1003  # TR-23
_DUPLICATE: Final = 1008  # TR-25
PartT = TypeVar("PartT", bound=TrunkPart)


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, and where."""

    account: Account
    door: TrunkDoor
    now: datetime


@dataclass(frozen=True, slots=True)
class AskedOf(Asked):
    """Who asks about which trunk."""

    parts: TrunkParts

    @property
    def trunk(self) -> AccountTrunk:
        """The trunk itself."""
        return self.parts.trunk


async def asked(request: Request, account_sid: str) -> Asked:
    """Return who asks; ApiError 401, 404 or 429."""
    account, house = await account_of(request, account_sid, "trunks"), doors(request)
    if house.trunks is None:
        raise not_found()
    return Asked(account, house.trunks, house.clock.wall())


async def asked_of(request: Request, account_sid: str, trunk_sid: str) -> AskedOf:
    """Return who asks about which trunk; one that is not the account's is as SC-2 says."""
    return await about(request, await asked(request, account_sid), trunk_sid)


async def about(request: Request, by: Asked, trunk_sid: str) -> AskedOf:
    """Return the same, of one who is known already."""
    is_sid = trunk_sid.isascii() and trunk_sid.isalnum()  # no database is asked for a NUL
    parts = await by.door.rows.find(by.account.sid, trunk_sid) if is_sid else None
    if parts is None:
        raise unknown_trunk(by.door)
    note_about(request, f"trunk {parts.trunk.sid}")
    return AskedOf(by.account, by.door, by.now, parts)


def not_found() -> ApiError:
    """Return the error for what is not there (TR-20)."""
    return ApiError(404, "Not Found")


def unknown_trunk(door: TrunkDoor) -> ApiError:
    """Return the error for a trunk that is not the account's (SC-2)."""
    if door.unknown_status == 404:
        return not_found()
    return ApiError(door.unknown_status, "Authorization failed", number=_FORBIDDEN)


def part_of(parts: Sequence[PartT], given: str) -> PartT:
    """Return the part with an id, which is one number or a text of it (TR-4); ApiError 404."""
    for part in parts:
        if str(part.id) == given:
            return part
    raise not_found()


async def removed(by: AskedOf, parts: Sequence[PartT], given: str) -> PartT:
    """Forget the part with an id, and return it (TR-14); ApiError 404."""
    known = part_of(parts, given)
    if not await by.door.rows.remove(known):
        raise not_found()
    return known


def query_id(request: Request, name: str, shown: str) -> str:
    """Return what a DELETE names in its query (TR-34, TR-48)."""
    given = request.query_params.get(name, "")
    return given or refuse(f"{shown} is mandatory", MISSING)


@contextmanager
def duplicates(request: Request, door: TrunkDoor, sentence: str) -> Iterator[None]:
    """Let what is taken be told in the interface's sentence (TR-25, TR-29)."""
    try:
        yield
    except TakenError:
        note_about(request, "nothing: duplicate")
        raise duplicate(door, sentence) from None


def duplicate(door: TrunkDoor, sentence: str) -> ApiError:
    """Return the error for what is there already."""
    return ApiError(409, sentence, number=_DUPLICATE, wire_status=door.duplicate_status)


class Body:
    """A JSON object, read field by field; numbers may be written as texts and texts as numbers."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str | None:
        """Return a text; None when it is not there, or null."""
        value = self._values.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if value is not None and not isinstance(value, str):
            refuse(f"Invalid {name}")
        return value

    def required(self, name: str, shown: str, *, may_be_empty: bool = False) -> str:
        """Return a text that must be there (TR-21)."""
        text = self.text(name)
        if text is None or not (text or may_be_empty):
            refuse(f"{shown} is mandatory", MISSING)
        return text

    def items(self, name: str, shown: str, limit: int) -> "Sequence[Body | None]":
        """Return the objects of a list; None is one that is no object."""
        value = self._values.get(name)
        if value is None or value == []:
            refuse(f"{shown} is mandatory", MISSING)
        if not isinstance(value, list):
            refuse(f"Invalid {name}")
        if len(value) > limit:
            refuse(f"There may be {limit} {name} at most")
        return [Body(one) if isinstance(one, dict) else None for one in value]


async def body_of(request: Request) -> Body:
    """Return what the body says; ApiError 415, 413, or 400 with the code 1007 (TR-24, TR-27)."""
    text, kind = await bytes_of(request, BODY_LIMIT), content_type_of(request)
    if kind not in _JSON:
        raise ApiError(415, "The Content-Type of the body is application/json")
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()  # half a character (a surrogate) is no text
    except (ValueError, RecursionError) as error:
        raise ApiError(400, str(error), number=UNREADABLE) from None
    if not isinstance(value, dict):
        raise ApiError(400, "The body is not a JSON object", number=UNREADABLE)
    return Body(value)
