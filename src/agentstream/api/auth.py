"""Who asks: an API key and its token, as HTTP Basic (CC-3) or as a bearer's `KEY:TOKEN`."""

import base64
import binascii
import hmac
from dataclasses import dataclass

from fastapi.requests import HTTPConnection

from agentstream.api.doors import Doors
from agentstream.api.errors import ApiError
from agentstream.api.rate_limit import Kind, note
from agentstream.base.ids import AccountSid
from agentstream.store.values import Account

OPERATOR = "operator"
_LIMIT = 512
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is behind a request; None is the operator, who may ask for every account."""

    account: Account | None

    @property
    def account_sid(self) -> AccountSid | None:
        """Whose calls it may see; None: everybody's."""
        return None if self.account is None else self.account.sid


def doors(request: HTTPConnection) -> Doors:
    """Return what the application was made with."""
    found = request.app.state.doors
    assert isinstance(found, Doors)
    return found


async def authenticated(request: HTTPConnection) -> Caller:
    """Return who asks; ApiError 401 when the credentials are missing or wrong."""
    user, token = _credentials(request.headers.get("authorization", ""))
    house = doors(request)
    if user == OPERATOR and hmac.compare_digest(token.encode(), house.operator_token.encode()):
        return Caller(None)
    account = await house.accounts.verify(user, token)
    if account is None:
        raise ApiError(401, "Wrong API key or token")
    return Caller(account)


async def account_of(
    request: HTTPConnection, account_sid: str, kind: Kind | None = None
) -> Account:
    """Return the account in the path, for a caller who may ask for it and not too often.

    An unknown sid is 404, another account's 401 (CC-4), too many requests of a kind 429 (ER-7);
    without a kind the method decides. The operator may ask as often as they like.
    """
    caller = await authenticated(request)
    if caller.account is not None and caller.account.sid.lower() == account_sid.lower():
        _count(request, caller.account.sid, kind)
        return caller.account
    account = await doors(request).accounts.find(account_sid)
    if account is None:
        raise ApiError(404, f"There is no account {account_sid}")
    if caller.account is not None:
        raise ApiError(401, "This key belongs to another account")
    return account


def _count(request: HTTPConnection, account_sid: AccountSid, kind: Kind | None) -> None:
    house = doors(request)
    wanted: Kind = kind or ("reads" if request.scope.get("method", "GET") in _READING else "orders")
    allowance = house.limiter.count(account_sid, wanted, house.clock.now_ms())
    if allowance is None:
        return
    note(request.scope, allowance, int(house.clock.wall().timestamp()))
    if allowance.remaining < 0:
        raise ApiError(
            429,
            f"This account may make {allowance.limit} such requests in a minute",
            code="RATE_LIMIT_EXCEEDED",  # ER-2
            headers={"Retry-After": str(allowance.reset_s)},
        )


def _credentials(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() == "bearer" and ":" in encoded and len(encoded) <= _LIMIT:
        user, _, token = encoded.strip().partition(":")
        return user, token
    if scheme.lower() != "basic" or len(encoded) > _LIMIT:
        raise ApiError(401, "Authenticate with an API key and its token (HTTP Basic)")
    try:
        user, colon, token = (
            base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        )
    except (binascii.Error, UnicodeDecodeError):
        user = colon = token = ""
    if not colon:
        raise ApiError(401, "The Authorization header cannot be read")
    return user, token
