"""A whole trunk out of what a person wrote on one line; everything is checked before it is kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from agentstream.api.v2.trunk_destinations import check_reachable
from agentstream.api.v2.trunk_doors import TrunkDoor
from agentstream.base.errors import CommandError, PeerError
from agentstream.base.ids import TrunkSid
from agentstream.store.trunk_rules import (
    ANY_CARRIER,
    address_of,
    check_listed,
    destination_of,
    domain_of,
    mask_of,
    mode_of,
    name_of,
    nso_code_of,
    number_of,
    password_of,
    secret_of,
    user_of,
)
from agentstream.store.trunks import (
    AccountTrunk,
    AclEntry,
    TrunkCredential,
    TrunkDestination,
    TrunkNumber,
    TrunkPart,
    TrunkParts,
    TrunkSetting,
    new_trunk_sid,
)
from agentstream.store.values import Account


@dataclass(frozen=True, slots=True)
class WantedPlace:
    """Where calls of a trunk are to go, as a person wrote it."""

    text: str
    priority: int = 0
    weight: int = 1


@dataclass(frozen=True, slots=True)
class TrunkWish:
    """What a trunk is to be, as a person wrote it."""

    name: str
    domain: str = ""  # "": below our own suffix
    carrier: str = ANY_CARRIER
    destinations: tuple[WantedPlace, ...] = ()
    numbers: tuple[str, ...] = ()  # with =flow or =pstn behind, if need be
    networks: tuple[str, ...] = ()
    user: str = ""  # "": nobody logs in
    password: str = field(default="", repr=False)
    settings: tuple[str, ...] = ()  # NAME=VALUE; the last of a name counts


async def wanted(door: TrunkDoor, owner: Account, now: datetime, wish: TrunkWish) -> TrunkParts:
    """Return the trunk with its parts, none of them kept yet; CommandError for what is wrong."""
    sid, rules = new_trunk_sid(door.tokens, door.rules.region), door.rules
    trunk = AccountTrunk(
        sid=sid,
        account_sid=owner.sid,
        name=name_of(wish.name),
        nso_code=nso_code_of(wish.carrier, rules),
        domain_name=domain_of(wish.domain or _usual_domain(owner, rules.domain_suffixes), rules),
        created_at=now,
        updated_at=now,
    )
    acl = tuple(_network(text, sid, now, door) for text in wish.networks)
    settings = [await _setting(text, trunk, wish.numbers, door) for text in wish.settings]
    return TrunkParts(
        trunk,
        tuple(_number(text, trunk, now) for text in wish.numbers),
        acl,
        (_credential(wish.user, wish.password, trunk, now, door),) if wish.user else (),
        tuple([await _destination(one, trunk, owner, acl, door) for one in wish.destinations]),
        tuple({one.name: one for one in settings}.values()),
    )


async def keep(door: TrunkDoor, parts: TrunkParts) -> TrunkParts:
    """Write a trunk with its parts; what is taken takes all of it back, and is a CommandError."""
    await door.rows.create(parts.trunk)
    try:
        own: list[TrunkPart] = [*parts.numbers, *parts.acl, *parts.credentials]
        for part in [*own, *parts.destinations]:
            await door.rows.add(part)
        for setting in parts.settings:
            await door.rows.set(setting)
    except BaseException:
        await door.rows.delete(parts.trunk.sid)
        raise
    made = await door.rows.find(parts.trunk.account_sid, parts.trunk.sid)
    assert made is not None
    return made


def _usual_domain(owner: Account, suffixes: Sequence[str]) -> str:
    """Return the account's sid below our own suffix, which is the last one (TR-38)."""
    if not suffixes:
        raise CommandError("any domain may be used here: give one with --domain")
    return f"{owner.sid.lower().replace('_', '-')}.{suffixes[-1]}"


def _number(text: str, trunk: AccountTrunk, now: datetime) -> TrunkNumber:
    number, _, mode = text.partition("=")
    return TrunkNumber(
        id=0,
        trunk_sid=trunk.sid,
        account_sid=trunk.account_sid,
        phone_number=number_of(number),
        mode=mode_of(mode or None),
        created_at=now,
        updated_at=now,
    )


def _network(text: str, sid: TrunkSid, now: datetime, door: TrunkDoor) -> AclEntry:
    host, slash, mask = text.partition("/")
    ip = address_of(host, door.rules)
    bits = mask_of(mask if slash else None, ip, door.rules)
    return AclEntry(id=0, trunk_sid=sid, ip=ip, mask=bits, created_at=now, updated_at=now)


def _credential(
    user: str, password: str, trunk: AccountTrunk, now: datetime, door: TrunkDoor
) -> TrunkCredential:
    name = user_of(user, door.rules)
    return TrunkCredential(
        id=0,
        trunk_sid=trunk.sid,
        user_name=name,
        ha1=secret_of(name, trunk.domain_name, password_of(password, door.rules)),
        created_at=now,
        updated_at=now,
    )


async def _destination(
    place: WantedPlace,
    trunk: AccountTrunk,
    owner: Account,
    acl: Sequence[AclEntry],
    door: TrunkDoor,
) -> TrunkDestination:
    try:
        uri = destination_of(place.text, door.rules)
        check_listed(uri, acl, door.rules)
        await check_reachable(door.reach, owner, uri)
    except CommandError as error:
        # The interface has one sentence for all of it; a person is told what the network said.
        why = error.__context__
        shown = f"{error} ({why})" if isinstance(why, PeerError) else str(error)
        raise CommandError(f"{place.text}: {shown}") from error
    now = trunk.created_at
    return TrunkDestination(
        id=0,
        trunk_sid=trunk.sid,
        uri=str(uri),
        priority=place.priority,
        weight=place.weight,
        created_at=now,
        updated_at=now,
    )


async def _setting(
    text: str, trunk: AccountTrunk, numbers: Sequence[str], door: TrunkDoor
) -> TrunkSetting:
    name, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f"{text!r}: write NAME=VALUE")
    mapped = [number.partition("=")[0] for number in numbers]
    await door.check_setting(trunk.account_sid, name, value, mapped)
    now = trunk.created_at
    return TrunkSetting(trunk_sid=trunk.sid, name=name, value=value, created_at=now, updated_at=now)
