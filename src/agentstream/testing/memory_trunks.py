"""Accounts' trunks in memory: the same door as the database's."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import count
from typing import TypeVar

from agentstream.base.ids import AccountSid, TrunkSid
from agentstream.base.values import fields_of, replace
from agentstream.store.trunks import (
    PART_LIMITS,
    SETTINGS_LIMIT,
    TRUNKS_LIMIT,
    AccountTrunk,
    AclEntry,
    PartT,
    TakenError,
    TrunkCredential,
    TrunkDestination,
    TrunkNumber,
    TrunkPart,
    TrunkParts,
    TrunkSetting,
    no_part,
    no_trunk,
    over_limit,
    what_is_taken,
)

RowT = TypeVar("RowT", bound=AccountTrunk | TrunkPart)


class MemoryTrunks:
    """See `trunks.Trunks`. `touch` counts the revision; `check_account` knows who there is."""

    def __init__(
        self, touch: Callable[[], None], check_account: Callable[[AccountSid], Awaitable[None]]
    ) -> None:
        self._touch = touch
        self._check_account = check_account
        self._trunks: dict[TrunkSid, AccountTrunk] = {}
        self._parts: dict[type[object], dict[int, TrunkPart]] = {kind: {} for kind in PART_LIMITS}
        self._ids: dict[type[object], Iterator[int]] = {kind: count(1) for kind in PART_LIMITS}
        self._settings: dict[tuple[TrunkSid, str], TrunkSetting] = {}

    async def all(self) -> Sequence[TrunkParts]:
        """Return every trunk of every account with its parts, oldest first."""
        oldest = sorted(self._trunks.values(), key=lambda trunk: (trunk.created_at, trunk.sid))
        return [self._whole(trunk) for trunk in oldest]

    async def of_account(self, account_sid: AccountSid) -> Sequence[TrunkParts]:
        """Return the trunks of an account with their parts, newest first (TR-7)."""
        oldest = await self.all()
        return [one for one in reversed(oldest) if one.trunk.account_sid == account_sid]

    async def find(self, account_sid: AccountSid, sid: str) -> TrunkParts | None:
        """Return an account's trunk, its sid without regard to case; parts are oldest first."""
        trunk = self._trunks.get(TrunkSid(sid.lower()))
        is_own = trunk is not None and trunk.account_sid == account_sid
        return self._whole(trunk) if trunk is not None and is_own else None

    async def mapped(self, account_sid: AccountSid, phone_number: str) -> TrunkNumber | None:
        """Return the map of a number (TR-49)."""
        wanted = (account_sid, phone_number)
        numbers = (one for one in self._of(TrunkNumber) if _unique(one)[1:] == wanted)
        return next(numbers, None)

    async def create(self, trunk: AccountTrunk) -> None:
        """Add a trunk."""
        await self._check_account(trunk.account_sid)
        own = [one for one in self._trunks.values() if one.account_sid == trunk.account_sid]
        over_limit(len(own) + 1, TRUNKS_LIMIT)
        if trunk.sid in self._trunks:
            raise TakenError(f"there is a trunk {trunk.name} already")
        self._keep(trunk)

    async def change(self, was: AccountTrunk, now: AccountTrunk) -> None:
        """Write the fields that differ."""
        if was.sid not in self._trunks:
            raise no_trunk(was.sid)
        self._keep(_merged(self._trunks[was.sid], was, now))

    async def delete(self, sid: TrunkSid) -> bool:
        """Forget a trunk with all its parts (TR-41); False when there is none."""
        for kind, kept in self._parts.items():
            self._parts[kind] = {id: one for id, one in kept.items() if one.trunk_sid != sid}
        self._settings = {key: one for key, one in self._settings.items() if key[0] != sid}
        self._touch()
        return self._trunks.pop(sid, None) is not None

    async def add(self, part: PartT) -> PartT:
        """Add a part of a trunk, and return it with the id that it has now; its own is ignored."""
        if part.trunk_sid not in self._trunks:
            raise no_trunk(part.trunk_sid)
        own = [one for one in self._of(type(part)) if one.trunk_sid == part.trunk_sid]
        over_limit(len(own) + 1, PART_LIMITS[type(part)])
        return self._put(replace(part, id=next(self._ids[type(part)])))

    async def change_part(self, was: PartT, now: PartT) -> None:
        """Write the fields that differ; CommandError when the part is gone."""
        known = self._parts[type(was)].get(was.id)
        if known is None:
            raise no_part(was)
        self._put(_merged(known, was, now))

    async def remove(self, part: TrunkPart) -> bool:
        """Forget a part of a trunk; False when it is gone."""
        self._touch()
        return self._parts[type(part)].pop(part.id, None) is not None

    async def replace_destinations(
        self, sid: TrunkSid, destinations: Sequence[TrunkDestination]
    ) -> Sequence[TrunkDestination]:
        """Let a trunk have these destinations and no other (TR-65); return them with ids."""
        over_limit(len(destinations), PART_LIMITS[TrunkDestination])
        if len({one.uri for one in destinations}) < len(destinations):
            raise TakenError("a destination is there twice")
        for old in [one for one in self._of(TrunkDestination) if one.trunk_sid == sid]:
            await self.remove(old)
        return [await self.add(one) for one in destinations]

    async def set(self, setting: TrunkSetting) -> TrunkSetting:
        """Write a setting; one of the name is overwritten, and stays as old as it is (TR-70)."""
        key = (setting.trunk_sid, setting.name)
        if setting.trunk_sid not in self._trunks:
            raise no_trunk(setting.trunk_sid)
        known = self._settings.get(key)
        if known is None:
            own = [one for one in self._settings if one[0] == setting.trunk_sid]
            over_limit(len(own) + 1, SETTINGS_LIMIT)
        else:
            setting = replace(setting, created_at=known.created_at)
        self._settings[key] = setting
        self._touch()
        return setting

    async def unset(self, sid: TrunkSid, name: str) -> bool:
        """Forget a setting; False when there is none of the name."""
        self._touch()
        return self._settings.pop((sid, name), None) is not None

    def _keep(self, trunk: AccountTrunk) -> None:
        for other in self._trunks.values():
            is_named = (other.account_sid, other.name) == (trunk.account_sid, trunk.name)
            if is_named and other.sid != trunk.sid:
                raise TakenError(f"there is a trunk {trunk.name} already")
        self._trunks[trunk.sid] = trunk
        self._touch()

    def _put(self, part: PartT) -> PartT:
        for other in self._of(type(part)):
            if other.id != part.id and _unique(other) == _unique(part):
                raise TakenError(what_is_taken(part))
        self._parts[type(part)][part.id] = part
        self._touch()
        return part

    def _of(self, kind: type[PartT]) -> list[PartT]:
        return [one for one in self._parts[kind].values() if isinstance(one, kind)]

    def _whole(self, trunk: AccountTrunk) -> TrunkParts:
        def own(kind: type[PartT]) -> tuple[PartT, ...]:
            return tuple(one for one in self._of(kind) if one.trunk_sid == trunk.sid)

        settings = [one for one in self._settings.values() if one.trunk_sid == trunk.sid]
        return TrunkParts(
            trunk,
            own(TrunkNumber),
            own(AclEntry),
            own(TrunkCredential),
            own(TrunkDestination),
            tuple(sorted(settings, key=lambda one: (one.created_at, one.name))),
        )


def _merged(known: RowT, was: RowT, now: RowT) -> RowT:
    old = fields_of(was)
    changes = {name: value for name, value in fields_of(now).items() if value != old[name]}
    return replace(known, **changes)


def _unique(part: TrunkPart) -> tuple[object, ...]:
    match part:
        case TrunkNumber():
            return ("number", part.account_sid, part.phone_number)
        case AclEntry():
            return ("acl", part.trunk_sid, part.ip, part.mask)
        case TrunkCredential():
            return ("credential", part.trunk_sid, part.user_name)
        case TrunkDestination():
            return ("destination", part.trunk_sid, part.uri)
