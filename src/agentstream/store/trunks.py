"""Trunks of accounts, as the store keeps them: their own SIP peers, who may call, where calls go.

An operator's trunks to carriers are configuration (`switch.routing.Trunk`); these are rows that an
account makes by the trunks API. Ids count up over all of a kind (TR-4). Wall times are UTC.
"""

from collections.abc import Sequence
from dataclasses import field
from datetime import datetime
from typing import Literal, Protocol

from agentstream.base.ids import AccountSid, TrunkSid
from agentstream.base.values import dataclass

NumberMode = Literal["pstn", "flow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountTrunk:
    """One trunk (TR-39)."""

    sid: TrunkSid
    account_sid: AccountSid
    name: str  # 1 to 16 of [A-Za-z0-9_], once per account (TR-36)
    nso_code: str  # "ANY-ANY", or an operator's own, which names a group of carriers (TR-37)
    domain_name: str  # host of From, and the digest realm (SIP-33); lower case
    is_active: bool = True
    is_secure: bool = False  # TR-42: TLS and SRTP, or no call
    auth_type: str = "IP-WHITELIST"  # what is shown (TR-40); nothing follows from it
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkNumber:
    """A number that a trunk may show, and what calls to it from the trunk do (FL-1, FL-2)."""

    id: int
    trunk_sid: TrunkSid
    account_sid: AccountSid
    phone_number: str  # E.164 with plus; one trunk per account (TR-53)
    mode: NumberMode | None = None  # None acts as "pstn" (TR-51)
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AclEntry:
    """A network whose messages are the trunk's (TR-56)."""

    id: int
    trunk_sid: TrunkSid
    ip: str
    mask: int = 32
    friendly_name: str = ""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkCredential:
    """A user who may log in. The password is kept as HA1 of every algorithm (TR-62)."""

    id: int
    trunk_sid: TrunkSid
    user_name: str
    ha1: str = field(repr=False)  # `sip.digest.to_stored`, made with the trunk's domain as realm
    friendly_name: str = ""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkDestination:
    """Where calls to the trunk go (TR-63, TR-64)."""

    id: int
    trunk_sid: TrunkSid
    uri: str  # "sip:sip.bot.example:5061;transport=tls"
    priority: int = 0  # 0 to 65535, lower first
    weight: int = 1  # 0 to 65535, higher takes more of one priority
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkSetting:
    """A named setting of a trunk (TR-70 to TR-72)."""

    trunk_sid: TrunkSid
    name: str
    value: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class TrunkParts:
    """A trunk with all that belongs to it."""

    trunk: AccountTrunk
    numbers: tuple[TrunkNumber, ...] = ()
    acl: tuple[AclEntry, ...] = ()
    credentials: tuple[TrunkCredential, ...] = ()
    destinations: tuple[TrunkDestination, ...] = ()
    settings: tuple[TrunkSetting, ...] = ()


class AllTrunks(Protocol):
    """What the book of trunks reads."""

    async def all(self) -> Sequence[TrunkParts]:
        """Return every trunk of every account with its parts, oldest first."""
