"""Rows of an account's trunk for tests, and a directory that knows them.

parts = trunk_parts("sip:192.0.2.7:5060;transport=tcp", as_failover_timeout="300")
know_trunks(directory, parts)
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from agentstream.base.ids import AccountSid, TrunkSid
from agentstream.store.directory import Directory
from agentstream.store.trunk_book import TrunkEntry, book_of
from agentstream.store.trunks import AccountTrunk, TrunkDestination, TrunkParts, TrunkSetting
from agentstream.store.values import Account

ACCOUNT = AccountSid("greenleaf1")
TRUNK_SID = TrunkSid("trdev1a0b1c2d3e4f5a6b7c8z1n0")
DOMAIN = "greenleaf1.pstn.agentstream.example"
_AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def trunk_parts(
    *destinations: str | tuple[str, int, int],
    sid: TrunkSid = TRUNK_SID,
    account_sid: AccountSid = ACCOUNT,
    is_active: bool = True,
    is_secure: bool = False,
    **settings: str,
) -> TrunkParts:
    """Return a trunk; a destination is its address, or its address, priority and weight.

    An address alone has the priority of its place. Settings have the names of TR-72.
    """
    trunk = AccountTrunk(
        sid=sid,
        account_sid=account_sid,
        name="bots",
        nso_code="ANY-ANY",
        domain_name=DOMAIN,
        is_active=is_active,
        is_secure=is_secure,
        created_at=_AT,
        updated_at=_AT,
    )
    ranked = [
        (one, place, 1) if isinstance(one, str) else one for place, one in enumerate(destinations)
    ]
    return TrunkParts(
        trunk,
        destinations=tuple(
            TrunkDestination(
                id=301 + place,
                trunk_sid=sid,
                uri=uri,
                priority=priority,
                weight=weight,
                created_at=_AT,
                updated_at=_AT,
            )
            for place, (uri, priority, weight) in enumerate(ranked)
        ),
        settings=tuple(
            TrunkSetting(trunk_sid=sid, name=name, value=value, created_at=_AT, updated_at=_AT)
            for name, value in settings.items()
        ),
    )


def entry_of(parts: TrunkParts) -> TrunkEntry:
    """Return a trunk as calls find it."""
    account = Account(parts.trunk.account_sid, "Green Leaf", _AT)
    return book_of([parts], {account.sid: account}).entries[parts.trunk.sid]


def know_trunks(directory: Directory[Any], *trunks: TrunkParts) -> None:
    """Let a directory know these trunks until its rows change."""
    sids = {parts.trunk.account_sid for parts in trunks}
    accounts = {sid: directory.account(sid) or Account(sid, sid, _AT) for sid in sids}
    directory._now = replace(directory._now, trunks=book_of(trunks, accounts))
