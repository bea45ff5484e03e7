"""What a route says so that a request with an Idempotency-Key is done once (OC-6, LG-42)."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from fastapi import Request

from agentstream.api.auth import doors
from agentstream.api.errors import ApiError
from agentstream.api.forms import Form
from agentstream.api.idempotency import HEADER, Kind, check_key, fingerprint
from agentstream.base.ids import AccountSid
from agentstream.store.first_results import KeyedRequest

T = TypeVar("T")


async def once(
    request: Request,
    account_sid: AccountSid,
    kind: Kind[T],
    form: Form,
    make: Callable[[], Awaitable[T]],
) -> T:
    """Return what `make` gives, or gave for the request's key; without one it is always made.

    See `idempotency.Once.make` for what is raised, and ApiError 400 for a key that is none.
    """
    key = request.headers.get(HEADER, "")
    if not key:
        return await make()
    check_key(key)
    house = doors(request)
    if house.once is None:
        raise ApiError(503, f"This server keeps no results: send no {HEADER}")
    keyed = KeyedRequest(account_sid, kind.name, key, fingerprint(form), house.clock.wall())
    return await house.once.make(kind, keyed, make)
