"""Rows of an account's trunk for tests, and a directory that knows them.

parts = trunk_parts("sip:192.0.2.7:5060;transport=tcp", as_failover_timeout="300")
know_trunks(directory, parts)
"""

from agentstream.base.ids import AccountSid, TrunkSid
from agentstream.store.trunk_book import TrunkEntry, book_of
from agentstream.store.trunks import AccountTrunk, TrunkDestination, TrunkParts, TrunkSetting
from agentstream.store.values import Account
from agentstream.testing.trunks import DOMAIN, MADE_AT, TRUNK_SID

ACCOUNT = AccountSid("greenleaf1")


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
        created_at=MADE_AT,
        updated_at=MADE_AT,
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
                created_at=MADE_AT,
                updated_at=MADE_AT,
            )
            for place, (uri, priority, weight) in enumerate(ranked)
        ),
        settings=tuple(
            TrunkSetting(
                trunk_sid=sid, name=name, value=value, created_at=MADE_AT, updated_at=MADE_AT
            )
            for name, value in settings.items()
        ),
    )


def entry_of(parts: TrunkParts) -> TrunkEntry:
    """Return a trunk as calls find it."""
    account = Account(parts.trunk.account_sid, "Green Leaf", MADE_AT)
    return book_of([parts], {account.sid: account}).entries[parts.trunk.sid]
