"""Who asks: an API key and its token, as HTTP Basic (CC-3) or as a bearer's `KEY:TOKEN`."""

import base64
import binascii
import hmac
from dataclasses import dataclass

from fastapi.requests import HTTPConnection

from agentstream.api.audit import READING, note_who, note_whose
from agentstream.api.doors import Doors
from agentstream.api.errors import ApiError
from agentstream.api.known_keys import KnownKeys
from agentstream.api.rate_limit import Allowance, Kind, note
from agentstream.base.ids import AccountSid
from agentstream.store.values import Account, ApiKey

OPERATOR = "operator"
_LIMIT = 512
_OF_ACCOUNT = "This account may make {} such requests in a minute"
_OF_KEY = "This key may make {} requests in a minute"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is behind a request; None is the operator, who may ask for every account."""

    account: Account | None
    key: ApiKey | None = None

    @property
    def account_sid(self) -> AccountSid | None:
        """Whose calls it may see; None: everybody's."""
        return None if self.account is None else self.account.sid

    @property
    def who(self) -> str:
        """Who that is, in the audit log."""
        return OPERATOR if self.key is None else f"key {self.key.key}"

    def check_may_change(self) -> None:
        """Refuse what a key that may only read cannot do: ApiError 403."""
        if self.key is not None and self.key.role == "read-only":
            raise ApiError(403, "This key may only read; changes need a key with the role admin")


def doors(request: HTTPConnection) -> Doors:
    """Return what the application was made with."""
    found = request.app.state.doors
    assert isinstance(found, Doors)
    return found


def _known_keys(request: HTTPConnection) -> KnownKeys:
    found = request.app.state.known_keys
    assert isinstance(found, KnownKeys)
    return found


async def authenticated(request: HTTPConnection) -> Caller:
    """Return who asks.

    ApiError 401 when the credentials are missing or wrong, 403 when their key may not do this, 429
    when it has asked too often.
    """
    user, token = _credentials(request.headers.get("authorization", ""))
    house = doors(request)
    if user == OPERATOR and hmac.compare_digest(token.encode(), house.operator_token.encode()):
        caller = Caller(None)
        note_who(request, caller.who, "")
        return caller
    holder = await _known_keys(request).verify(user, token)
    if holder is None:
        raise ApiError(401, "Wrong API key or token")
    caller = Caller(holder.account, holder.key)
    note_who(request, caller.who, holder.account.sid)
    if _method(request) not in READING:
        caller.check_may_change()
    _count_key(request, holder.key)
    return caller


async def account_of(
    request: HTTPConnection, account_sid: str, kind: Kind | None = None
) -> Account:
    """Return the account in the path, for a caller who may ask for it and not too often.

    An unknown sid is 404, another account's 401 (CC-4), too many requests of a kind 429 (ER-7);
    without a kind the method decides. The operator may ask as often as they like.
    """
    return await account_for(request, await authenticated(request), account_sid, kind)


async def account_for(
    request: HTTPConnection, caller: Caller, account_sid: str, kind: Kind | None = None
) -> Account:
    """Return the same, for a caller who is known already."""
    if caller.account is not None and caller.account.sid.lower() == account_sid.lower():
        _count(request, caller.account.sid, kind)
        return caller.account
    account = await doors(request).accounts.find(account_sid)
    if account is None:
        raise ApiError(404, f"There is no account {account_sid}")
    if caller.account is not None:
        raise ApiError(401, "This key belongs to another account")
    note_whose(request, account.sid)
    return account


def count_wish(socket: HTTPConnection, caller: Caller, account: Account, kind: Kind) -> None:
    """Count what is wanted over an open socket as a request of its own: ApiError 429."""
    if caller.account is None or caller.key is None:
        return
    house = doors(socket)
    now_ms = house.clock.now_ms()
    allowance = house.limiter.count(account.sid, kind, now_ms)
    if allowance is not None:
        _check(allowance, _OF_ACCOUNT)
    if caller.key.requests_per_minute is not None:
        limit = caller.key.requests_per_minute
        _check(house.limiter.count_key(caller.key.key, limit, now_ms), _OF_KEY)


def _count(request: HTTPConnection, account_sid: AccountSid, kind: Kind | None) -> None:
    house = doors(request)
    wanted: Kind = kind or ("reads" if _method(request) in READING else "orders")
    allowance = house.limiter.count(account_sid, wanted, house.clock.now_ms())
    if allowance is not None:
        _spend(request, allowance, _OF_ACCOUNT)


def _method(request: HTTPConnection) -> str:
    """Return the method; a WebSocket is opened by GET."""
    return str(request.scope.get("method", "GET"))


def _count_key(request: HTTPConnection, key: ApiKey) -> None:
    """Count against the key's own rate, of all kinds together; the answer tells the tighter one."""
    if key.requests_per_minute is None:
        return
    house = doors(request)
    now_ms = house.clock.now_ms()
    allowance = house.limiter.count_key(key.key, key.requests_per_minute, now_ms)
    _spend(request, allowance, _OF_KEY)


def _spend(request: HTTPConnection, allowance: Allowance, sentence: str) -> None:
    note(request.scope, allowance, int(doors(request).clock.wall().timestamp()))
    _check(allowance, sentence)


def _check(allowance: Allowance, sentence: str) -> None:
    if allowance.remaining < 0:
        raise ApiError(
            429,
            sentence.format(allowance.limit),
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
