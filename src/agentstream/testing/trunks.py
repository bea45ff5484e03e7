"""Trunks of accounts for tests: made in a store by a few words."""

from collections.abc import Mapping
from datetime import UTC, datetime

from agentstream.base.ids import AccountSid, TrunkSid
from agentstream.sip.digest import to_stored
from agentstream.store.protocols import Store
from agentstream.store.trunks import (
    AccountTrunk,
    AclEntry,
    NumberMode,
    TrunkCredential,
    TrunkDestination,
    TrunkNumber,
    TrunkPart,
    TrunkSetting,
)

MADE_AT = datetime(2027, 3, 4, 5, 6, 7, tzinfo=UTC)
TRUNK_SID = TrunkSid("trdev1a0b1c2d3e4f5a6b7c8z1n0")
DOMAIN = "greenleaf1.pstn.agentstream.test"


class TrunkMaker:
    """Makes one trunk and what belongs to it; the directory must look again behind it."""

    def __init__(self, store: Store, account_sid: AccountSid, sid: TrunkSid = TRUNK_SID) -> None:
        self._store = store
        self._account_sid = account_sid
        self.sid = sid

    async def make(self, domain: str = DOMAIN, **fields: bool | str) -> "TrunkMaker":
        """Make the trunk; `fields` are others of `AccountTrunk`."""
        trunk = AccountTrunk(
            sid=self.sid,
            account_sid=self._account_sid,
            domain_name=domain,
            created_at=MADE_AT,
            updated_at=MADE_AT,
            **{"name": "bots", "nso_code": "ANY-ANY"} | fields,  # type: ignore[arg-type]
        )
        await self._store.trunks.create(trunk)
        return self

    async def number(self, number: str, mode: NumberMode | None = None) -> "TrunkMaker":
        """Map a number to it."""
        return await self._add(
            TrunkNumber(
                id=0,
                trunk_sid=self.sid,
                account_sid=self._account_sid,
                phone_number=number,
                mode=mode,
                created_at=MADE_AT,
                updated_at=MADE_AT,
            )
        )

    async def network(self, ip: str, mask: int = 32) -> "TrunkMaker":
        """Let a network be its callers'."""
        return await self._add(
            AclEntry(
                id=0,
                trunk_sid=self.sid,
                ip=ip,
                mask=mask,
                created_at=MADE_AT,
                updated_at=MADE_AT,
            )
        )

    async def user(self, name: str, password: str, realm: str = DOMAIN) -> "TrunkMaker":
        """Let somebody log in."""
        return await self._add(
            TrunkCredential(
                id=0,
                trunk_sid=self.sid,
                user_name=name,
                ha1=to_stored(name, realm, password),
                created_at=MADE_AT,
                updated_at=MADE_AT,
            )
        )

    async def destination(self, uri: str, priority: int = 0, weight: int = 1) -> "TrunkMaker":
        """Let its calls go there."""
        return await self._add(
            TrunkDestination(
                id=0,
                trunk_sid=self.sid,
                uri=uri,
                priority=priority,
                weight=weight,
                created_at=MADE_AT,
                updated_at=MADE_AT,
            )
        )

    async def settings(self, values: Mapping[str, str]) -> "TrunkMaker":
        """Set some of its settings."""
        for name, value in values.items():
            setting = TrunkSetting(
                trunk_sid=self.sid,
                name=name,
                value=value,
                created_at=MADE_AT,
                updated_at=MADE_AT,
            )
            await self._store.trunks.set(setting)
        return self

    async def _add(self, part: TrunkPart) -> "TrunkMaker":
        await self._store.trunks.add(part)
        return self
