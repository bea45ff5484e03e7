"""Trunks of accounts for tests, made of a few words each; see `trunk`.

book = book_with(trunk("acme", networks=("192.0.2.0/24",), numbers={"+918000000042": "flow"}))
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from agentstream.base.ids import AccountSid, TrunkSid
from agentstream.sip.digest import to_stored
from agentstream.store.trunk_book import TrunkBook, book_of
from agentstream.store.trunks import (
    AccountTrunk,
    AclEntry,
    NumberMode,
    TrunkCredential,
    TrunkNumber,
    TrunkParts,
    TrunkSetting,
)
from agentstream.store.values import Account

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def trunk_sid(name: str) -> TrunkSid:
    """Return the sid of the trunk of this name."""
    return TrunkSid(f"tr{name}".ljust(28, "0"))


def trunk(  # noqa: PLR0913  (what a trunk is made of)
    name: str,
    *,
    account: str = "",
    domain: str = "",
    networks: tuple[str, ...] = (),
    users: Mapping[str, str] | None = None,
    numbers: Mapping[str, NumberMode] | None = None,
    is_active: bool = True,
    is_secure: bool = False,
    **settings: str,
) -> TrunkParts:
    """Return a trunk; its account and its domain are named like it unless they are given.

    `users` are names with passwords; `settings` are those of the trunk, as `as_cps="2"`.
    """
    sid, owner = trunk_sid(name), AccountSid(account or name)
    host = domain or f"{name}.pstn.test"
    row = AccountTrunk(
        sid=sid,
        account_sid=owner,
        name=name,
        nso_code="ANY-ANY",
        domain_name=host,
        is_active=is_active,
        is_secure=is_secure,
        created_at=NOON,
        updated_at=NOON,
    )
    return TrunkParts(
        row,
        tuple(
            TrunkNumber(
                id=at,
                trunk_sid=sid,
                account_sid=owner,
                phone_number=number,
                mode=mode,
                created_at=NOON,
                updated_at=NOON,
            )
            for at, (number, mode) in enumerate((numbers or {}).items(), 1)
        ),
        tuple(
            AclEntry(
                id=at,
                trunk_sid=sid,
                ip=network.partition("/")[0],
                mask=int(network.partition("/")[2] or 32),
                created_at=NOON,
                updated_at=NOON,
            )
            for at, network in enumerate(networks, 1)
        ),
        tuple(
            TrunkCredential(
                id=at,
                trunk_sid=sid,
                user_name=user,
                ha1=to_stored(user, host, secret),
                created_at=NOON,
                updated_at=NOON,
            )
            for at, (user, secret) in enumerate((users or {}).items(), 1)
        ),
        (),
        tuple(
            TrunkSetting(trunk_sid=sid, name=key, value=value, created_at=NOON, updated_at=NOON)
            for key, value in settings.items()
        ),
    )


def book_with(*trunks: TrunkParts) -> TrunkBook:
    """Return the book of these trunks, with an account for each owner."""
    owners = {parts.trunk.account_sid for parts in trunks}
    return book_of(trunks, {sid: Account(sid, sid, NOON) for sid in owners})


class RingingNumbers:
    """Numbers that ring; with "*" among them every other one is taken too."""

    def __init__(self, numbers: Iterable[str]) -> None:
        self._numbers = frozenset(numbers)

    def rings(self, number: str) -> bool:
        """Tell whether it is one of them."""
        return number in self._numbers

    def takes(self, number: str) -> bool:
        """Tell whether a call to it goes anywhere."""
        return bool({number, "*"} & self._numbers)

    def owns(self, account_sid: AccountSid, number: str) -> bool:
        """Tell whether it is one of them: all are everybody's."""
        del account_sid
        return bool({number, "*"} & self._numbers)
