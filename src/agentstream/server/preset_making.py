"""A trunk by a preset: the trunk with its parts, the flow that reaches it, and what to paste."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from agentstream.api.v2.trunk_doors import TrunkDoor
from agentstream.base.errors import CommandError
from agentstream.base.phone import normalise
from agentstream.server import delivery
from agentstream.server.delivery import Delivery
from agentstream.server.presets import FilledPreset
from agentstream.server.trunk_making import TrunkWish, WantedPlace, keep, wanted
from agentstream.store.protocols import Store
from agentstream.store.trunk_options import options_of
from agentstream.store.trunk_rules import name_of
from agentstream.store.trunks import TrunkParts
from agentstream.store.values import Account, Flow

GIVEN: Final = "(the password that you gave)"
NO_TRUNK: Final = "is reached by WebSocket, without a trunk: give its answers and --number alone"


@dataclass(frozen=True, slots=True)
class PresetWish:
    """A preset with its answers, and what else was written beside it."""

    filled: FilledPreset
    trunk: TrunkWish
    new_password: str = field(repr=False)  # for a user whom the preset makes
    takes_over: bool | None = None  # numbers that ring something; None: refuse, False: leave them
    country_code: str = ""


@dataclass(frozen=True, slots=True)
class Made:
    """What there is now."""

    parts: TrunkParts | None
    flow: Flow | None
    numbers: tuple[str, ...]  # that ring the flow
    facts: Mapping[str, str] = field(repr=False)  # of the trunk, for the platform's form


async def make(
    store: Store, door: TrunkDoor, owner: Account, now: datetime, wish: PresetWish
) -> Made:
    """Make everything, or nothing of it: what is wrong or taken is a CommandError."""
    if wish.filled.preset.kind == "websocket":
        return await _make_flow(store, owner, wish)
    trunk = _trunk_wish(wish)
    parts = await wanted(door, owner, now, trunk)
    applet = _applet(wish.filled, parts)
    if applet is None and wish.takes_over:
        name = wish.filled.preset.name
        raise CommandError(f"{name} has nowhere to deliver calls to: {_missing(wish.filled)}")
    numbers = tuple(one.phone_number for one in parts.numbers)
    is_delivered = applet is not None and bool(numbers) and wish.takes_over is not False
    if is_delivered:  # what is wrong with the numbers is found before anything is kept
        await _check(store, owner, wish, parts.trunk.name, numbers)
    kept = await keep(door, parts)
    flow = None
    if applet is not None and is_delivered:
        try:
            flow = await _deliver(store, owner, kept.trunk.name, applet, numbers)
        except BaseException:
            await door.rows.delete(kept.trunk.sid)
            raise
    return Made(kept, flow, numbers if flow else (), _facts(kept, owner, trunk, wish))


async def _make_flow(store: Store, owner: Account, wish: PresetWish) -> Made:
    """Make the flow of a bot that is reached by WebSocket; there is no trunk in it."""
    own, title = wish.trunk, wish.filled.preset.name
    if own != TrunkWish(own.name, numbers=own.numbers) or any("=" in one for one in own.numbers):
        raise CommandError(f"{title} {NO_TRUNK}")
    if wish.takes_over is False:
        raise CommandError(f"{title} is a flow and its numbers: --no-deliver leaves nothing of it")
    name, applet = name_of(own.name), delivery.to_bot(wish.filled.bot_url)
    numbers = tuple(normalise(one, wish.country_code) for one in own.numbers)
    await _check(store, owner, wish, name, numbers)
    flow = await _deliver(store, owner, name, applet, numbers)
    return Made(None, flow, numbers, {"number": ", ".join(numbers), "account_sid": owner.sid})


def _trunk_wish(wish: PresetWish) -> TrunkWish:
    """Return the trunk of the preset; what was written beside it is added, or counts instead."""
    filled, own = wish.filled, wish.trunk
    shape = filled.preset.trunk
    user = own.user or (own.name if shape.auth == "digest" else "")
    mode = shape.number_mode
    return replace(
        own,
        destinations=(
            *(WantedPlace(goal.uri, goal.priority, goal.weight) for goal in filled.destinations),
            *own.destinations,
        ),
        numbers=tuple(one if "=" in one else f"{one}={mode}" for one in own.numbers),
        networks=(*filled.allow, *own.networks),
        user=user,
        password=own.password or wish.new_password,
        settings=(*(f"{name}={value}" for name, value in filled.settings.items()), *own.settings),
    )


def _applet(filled: FilledPreset, parts: TrunkParts) -> Mapping[str, Any] | None:
    """Return what a call to a number of this trunk does; None where the preset does not know."""
    if filled.bot_url:
        return delivery.to_bot(filled.bot_url)
    if filled.program_url:
        return delivery.to_program(filled.program_url)
    if parts.destinations and filled.preset.trunk.number_mode == "pstn":
        return delivery.to_trunk(parts.trunk.sid, options_of(parts.settings).ring_timeout_s)
    return None


def _missing(filled: FilledPreset) -> str:
    given = [name for name, asked in filled.preset.ask.items() if asked.optional]
    return f"give --answer {given[0]}=..." if given else "it has no destination"


def flow_name(name: str) -> str:
    """Return the name of the flow that is made for a trunk or a bot of this name."""
    return f"to {name}"


async def _check(
    store: Store, owner: Account, wish: PresetWish, name: str, numbers: tuple[str, ...]
) -> None:
    taken = bool(wish.takes_over)
    await delivery.check_free(store, owner.sid, flow_name(name), numbers, takes_over=taken)


async def _deliver(
    store: Store, owner: Account, name: str, applet: Mapping[str, Any], numbers: tuple[str, ...]
) -> Flow:
    document = delivery.flow_of(flow_name(name), applet)
    wanted_flow = Delivery(flow_name(name), document, numbers)
    return await delivery.deliver(store, owner.sid, wanted_flow)


def _facts(
    parts: TrunkParts, owner: Account, trunk: TrunkWish, wish: PresetWish
) -> Mapping[str, str]:
    facts = {
        "domain_name": parts.trunk.domain_name,
        "account_sid": owner.sid,
        "trunk_sid": parts.trunk.sid,
    }
    if parts.numbers:
        facts["number"] = ", ".join(one.phone_number for one in parts.numbers)
    if trunk.user:
        facts |= {
            "user": trunk.user,
            "password": GIVEN if wish.trunk.password else wish.new_password,
        }
    return facts
