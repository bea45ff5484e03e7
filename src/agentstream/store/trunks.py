"""Trunks of accounts, as the store keeps them: their own SIP peers, who may call, where calls go.

An operator's trunks to carriers are configuration (`switch.routing.Trunk`); these are rows that an
account makes by the trunks API. Ids count up over all of a kind (TR-4). Wall times are UTC.
"""

from collections.abc import Sequence
from dataclasses import field
from datetime import datetime
from typing import Final, Literal, Protocol, TypeVar

from agentstream.base.errors import CommandError
from agentstream.base.ids import AccountSid, Tokens, TrunkSid
from agentstream.base.values import dataclass

NumberMode = Literal["pstn", "flow"]
TRUNKS_LIMIT: Final = 1_000  # of one account
SETTINGS_LIMIT: Final = 64  # of one trunk


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
    value: str = field(repr=False)  # one of them is a password
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


TrunkPart = TrunkNumber | AclEntry | TrunkCredential | TrunkDestination
PartT = TypeVar("PartT", bound=TrunkPart)
PART_LIMITS: Final[dict[type[object], int]] = {  # of one trunk
    TrunkNumber: 10_000,
    AclEntry: 256,
    TrunkCredential: 256,
    TrunkDestination: 64,
}


class TakenError(CommandError):
    """There is one like it already, in the account or in the trunk (TR-25)."""


class AllTrunks(Protocol):
    """What the book of trunks reads."""

    async def all(self) -> Sequence[TrunkParts]:
        """Return every trunk of every account with its parts, oldest first."""


class Trunks(AllTrunks, Protocol):
    """The trunks of accounts, and all that belongs to them; every write counts the revision.

    Unique are the sid, a name and a number in an account, and in a trunk a network of the list, a
    user, a destination and a setting's name. Another of the same raises TakenError, one over a
    limit of this file or of a trunk that is gone CommandError.
    """

    async def of_account(self, account_sid: AccountSid) -> Sequence[TrunkParts]:
        """Return the trunks of an account with their parts, newest first (TR-7)."""

    async def find(self, account_sid: AccountSid, sid: str) -> TrunkParts | None:
        """Return an account's trunk, its sid without regard to case; parts are oldest first."""

    async def mapped(self, account_sid: AccountSid, phone_number: str) -> TrunkNumber | None:
        """Return the map of a number (TR-49)."""

    async def create(self, trunk: AccountTrunk) -> None:
        """Add a trunk."""

    async def change(self, was: AccountTrunk, now: AccountTrunk) -> None:
        """Write the fields that differ."""

    async def delete(self, sid: TrunkSid) -> bool:
        """Forget a trunk with all its parts (TR-41); False when there is none."""

    async def add(self, part: PartT) -> PartT:
        """Add a part of a trunk, and return it with the id that it has now; its own is ignored."""

    async def change_part(self, was: PartT, now: PartT) -> None:
        """Write the fields that differ; CommandError when the part is gone."""

    async def remove(self, part: TrunkPart) -> bool:
        """Forget a part of a trunk; False when it is gone."""

    async def replace_destinations(
        self, sid: TrunkSid, destinations: Sequence[TrunkDestination]
    ) -> Sequence[TrunkDestination]:
        """Let a trunk have these destinations and no other (TR-65); return them with ids."""

    async def set(self, setting: TrunkSetting) -> TrunkSetting:
        """Write a setting; one of the name is overwritten, and stays as old as it is (TR-70)."""

    async def unset(self, sid: TrunkSid, name: str) -> bool:
        """Forget a setting; False when there is none of the name."""


def new_trunk_sid(tokens: Tokens, region: str) -> TrunkSid:
    """Return a sid of the shape that clients know (TR-4), of 28 characters.

    `region` is three small letters.
    """
    return TrunkSid(f"tr{region}1{tokens.hex(11)}")


def no_trunk(sid: str) -> CommandError:
    """Return the error for a trunk that is not there."""
    return CommandError(f"no trunk {sid[:64]}")


def no_part(part: TrunkPart) -> CommandError:
    """Return the error for a part that is not there any more."""
    return CommandError(f"trunk {part.trunk_sid} has none with the id {part.id}")


def over_limit(count: int, limit: int) -> None:
    """Refuse what would be more than a limit: CommandError."""
    if count > limit:
        raise CommandError(f"there may be {limit} at most")


def what_is_taken(part: TrunkPart) -> str:
    """Return the sentence for a part that is there already."""
    match part:
        case TrunkNumber():
            return f"the number {part.phone_number} is mapped to a trunk already"
        case AclEntry():
            return f"the trunk's list has {part.ip}/{part.mask} already"
        case TrunkCredential():
            return "the trunk has a user of this name already"
        case TrunkDestination():
            return "the trunk has this destination already"
