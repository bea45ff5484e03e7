"""Who asks: HTTP Basic with an API key and its token (CC-3)."""

import base64
import binascii
import hmac
from dataclasses import dataclass

from fastapi import Request

from agentstream.api.doors import Doors
from agentstream.api.errors import ApiError
from agentstream.base.ids import AccountSid
from agentstream.store.values import Account

OPERATOR = "operator"
_LIMIT = 512


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is behind a request; None is the operator, who may ask for every account."""

    account: Account | None

    @property
    def account_sid(self) -> AccountSid | None:
        """Whose calls it may see; None: everybody's."""
        return None if self.account is None else self.account.sid


def doors(request: Request) -> Doors:
    """Return what the application was made with."""
    found = request.app.state.doors
    assert isinstance(found, Doors)
    return found


async def authenticated(request: Request) -> Caller:
    """Return who asks; ApiError 401 when the credentials are missing or wrong."""
    user, token = _credentials(request.headers.get("authorization", ""))
    house = doors(request)
    if user == OPERATOR and hmac.compare_digest(token.encode(), house.operator_token.encode()):
        return Caller(None)
    account = await house.accounts.verify(user, token)
    if account is None:
        raise ApiError(401, "Wrong API key or token")
    return Caller(account)


async def account_of(request: Request, account_sid: str) -> Account:
    """Return the account in the path, for a caller who may ask for it.

    An unknown sid is 404, another account's 401 (CC-4).
    """
    caller = await authenticated(request)
    if caller.account is not None and caller.account.sid.lower() == account_sid.lower():
        return caller.account
    account = await doors(request).accounts.find(account_sid)
    if account is None:
        raise ApiError(404, f"There is no account {account_sid}")
    if caller.account is not None:
        raise ApiError(401, "This key belongs to another account")
    return account


def _credentials(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
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
