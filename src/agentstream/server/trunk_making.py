"""A whole trunk out of what a person wrote on one line; everything is checked before it is kept."""

from collections.abc import Sequence
from datetime import datetime

from agentstream.api.v2.trunk_destinations import check_reachable
from agentstream.api.v2.trunk_doors import TrunkDoor
from agentstream.base.errors import CommandError
from agentstream.base.ids import TrunkSid
from agentstream.store.trunk_rules import (
    address_of,
    check_listed,
    check_setting,
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
    TrunkParts,
    TrunkSetting,
    new_trunk_sid,
)
from agentstream.store.values import Account


async def wanted(  # noqa: PLR0913  (each is an option of the command)
    door: TrunkDoor,
    owner: Account,
    now: datetime,
    *,
    name: str,
    domain: str,
    carrier: str,
    destinations: Sequence[str],
    numbers: Sequence[str],
    networks: Sequence[str],
    user: str,
    password: str,
    settings: Sequence[str],
) -> TrunkParts:
    """Return the trunk with its parts, none of them kept yet; CommandError for what is wrong."""
    sid, rules = new_trunk_sid(door.tokens, door.rules.region), door.rules
    trunk = AccountTrunk(
        sid=sid,
        account_sid=owner.sid,
        name=name_of(name),
        nso_code=nso_code_of(carrier, rules),
        domain_name=domain_of(domain or _usual_domain(owner, rules.domain_suffixes), rules),
        created_at=now,
        updated_at=now,
    )
    acl = tuple(_network(text, sid, now, door) for text in networks)
    return TrunkParts(
        trunk,
        tuple(_number(text, trunk, now) for text in numbers),
        acl,
        (_credential(user, password, trunk, now, door),) if user else (),
        tuple([await _destination(text, trunk, owner, acl, door) for text in destinations]),
        tuple(_setting(text, sid, now, door) for text in settings),
    )


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
    text: str, trunk: AccountTrunk, owner: Account, acl: Sequence[AclEntry], door: TrunkDoor
) -> TrunkDestination:
    uri = destination_of(text, door.rules)
    check_listed(uri, acl, door.rules)
    await check_reachable(door.reach, owner, uri)
    now = trunk.created_at
    return TrunkDestination(id=0, trunk_sid=trunk.sid, uri=str(uri), created_at=now, updated_at=now)


def _setting(text: str, sid: TrunkSid, now: datetime, door: TrunkDoor) -> TrunkSetting:
    name, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f"{text!r}: write NAME=VALUE")
    check_setting(name, value, door.rules)
    return TrunkSetting(trunk_sid=sid, name=name, value=value, created_at=now, updated_at=now)
