"""Commands on the trunks of an account: SIP peers that are its own, as its trunks API has them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentstream.base.clock import SystemClock
from agentstream.base.errors import CommandError
from agentstream.base.ids import RandomTokens
from agentstream.base.values import fields_of, replace
from agentstream.server.cli_audit import note
from agentstream.server.cli_common import (
    AccountOption,
    JsonOption,
    chosen_account,
    commands,
    configuration,
    console,
    examples,
    opened,
    print_json,
    print_rows,
    run,
)

if TYPE_CHECKING:
    from agentstream.api.v2.trunk_doors import TrunkDoor
    from agentstream.store.protocols import Store
    from agentstream.store.trunks import TrunkParts
    from agentstream.store.values import Account

trunks = commands("Trunks of accounts: who may call in by SIP, and where calls go.")
TrunkArgument = Annotated[str, typer.Argument(help="The trunk's name or sid.")]


@trunks.command(
    "list", epilog=examples("agentstream trunks list", "agentstream trunks list --json")
)
def list_trunks(
    context: typer.Context, account: AccountOption = "", as_json: JsonOption = False
) -> None:
    """Show the trunks, newest first."""

    async def job() -> "Sequence[TrunkParts]":
        async with opened(configuration(context)) as store:
            if not account:
                return list(reversed(await store.trunks.all()))
            owner = await chosen_account(store, account)
            return await store.trunks.of_account(owner.sid)

    rows = [_row(parts) for parts in run(job())]
    columns = "name state auth numbers destinations settings account sid"
    print_rows(columns.split(), rows, as_json, "no trunk yet: agentstream trunks create NAME")


@trunks.command("show", epilog=examples("agentstream trunks show bot"))
def show_trunk(
    context: typer.Context,
    trunk: TrunkArgument,
    account: AccountOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show a trunk with all that belongs to it; passwords are not kept."""

    async def job() -> "TrunkParts":
        async with opened(configuration(context)) as store:
            return await _found(store, await chosen_account(store, account), trunk)

    _show(run(job()), as_json)


@trunks.command(
    "create",
    epilog=examples(
        "agentstream trunks create bot --destination 'sip.bot.example:5061;transport=tls'"
        " --number +918000000042",
        "agentstream trunks create pbx --allow 203.0.113.0/24 --number +918000000043=flow",
        "agentstream trunks create cloud --user cloud --set as_srtp=required",
    ),
)
def create_trunk(  # noqa: PLR0913, PLR0917  (each is an option of the command)
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="1 to 16 letters, digits and _.")],
    domain: Annotated[
        str, typer.Option(help="Host of From and realm of passwords; made of the account's sid.")
    ] = "",
    carrier: Annotated[str, typer.Option("--nso-code", help="Which carriers.")] = "ANY-ANY",
    destination: Annotated[
        list[str] | None, typer.Option(help="Where calls go; may be given again.")
    ] = None,
    number: Annotated[
        list[str] | None,
        typer.Option(help="A number of it, =flow behind it for the bot's way in; again."),
    ] = None,
    allow: Annotated[
        list[str] | None, typer.Option(help="An address or network that may call; again.")
    ] = None,
    user: Annotated[str, typer.Option(help="A user who may log in.")] = "",
    password: Annotated[
        str, typer.Option(envvar="AGENTSTREAM_TRUNK_PASSWORD", help="Made up if not given.")
    ] = "",
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="A setting, NAME=VALUE; again.")
    ] = None,
    account: AccountOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make a trunk with all that it needs, or nothing of it."""
    wish = _Wish(
        name,
        domain,
        carrier,
        destination or [],
        number or [],
        allow or [],
        user,
        password or RandomTokens().hex(12),
        setting or [],
    )

    async def job() -> "TrunkParts":
        async with _door(context) as (store, door):
            owner = await chosen_account(store, account)
            made = await _make(door, owner, wish)
            await note(store, f"trunks create {name}", owner.sid, f"trunk {made.trunk.sid}")
            return made

    _show(run(job()), as_json)
    if user and not password:
        typer.echo(f"password of {user}: {wish.password}   (shown only now)", err=True)


@trunks.command("delete", epilog=examples("agentstream trunks delete bot"))
def delete_trunk(context: typer.Context, trunk: TrunkArgument, account: AccountOption = "") -> None:
    """Forget a trunk with all that belongs to it; its live calls finish."""

    async def job() -> str:
        async with opened(configuration(context)) as store:
            owner = await chosen_account(store, account)
            found = (await _found(store, owner, trunk)).trunk
            await store.trunks.delete(found.sid)
            await note(store, f"trunks delete {found.name}", owner.sid, f"trunk {found.sid}")
            return found.name

    typer.echo(f"trunk {run(job())} is gone")


@trunks.command(
    "set",
    epilog=examples(
        "agentstream trunks set bot as_srtp=required as_max_calls=20",
        "agentstream trunks set bot as_max_calls=",
        "agentstream trunks set bot --secure --inactive",
    ),
)
def set_trunk(
    context: typer.Context,
    trunk: TrunkArgument,
    settings: Annotated[
        list[str] | None, typer.Argument(help="NAME=VALUE; nothing behind = forgets it.")
    ] = None,
    secure: Annotated[
        bool | None, typer.Option("--secure/--clear", help="TLS and SRTP, or no call.")
    ] = None,
    active: Annotated[
        bool | None, typer.Option("--active/--inactive", help="Whether calls are taken.")
    ] = None,
    account: AccountOption = "",
) -> None:
    """Change a trunk's settings, from the next call on."""
    pairs = [_pair(text) for text in settings or []]
    if not pairs and secure is None and active is None:
        raise CommandError("nothing to set: give NAME=VALUE, or an option")

    async def job() -> "TrunkParts":
        async with _door(context) as (store, door):
            owner = await chosen_account(store, account)
            found = await _found(store, owner, trunk)
            await _set(door, found, pairs)
            now = replace(
                found.trunk,
                is_secure=found.trunk.is_secure if secure is None else secure,
                is_active=found.trunk.is_active if active is None else active,
                updated_at=SystemClock().wall(),
            )
            await door.rows.change(found.trunk, now)
            await note(store, f"trunks set {now.name}", owner.sid, f"trunk {now.sid}")
            return await _found(store, owner, now.sid)

    _show(run(job()), as_json=False)


@dataclass(frozen=True, slots=True)
class _Wish:
    name: str
    domain: str
    carrier: str
    destinations: list[str]
    numbers: list[str]
    networks: list[str]
    user: str
    password: str = field(repr=False)
    settings: list[str]


@asynccontextmanager
async def _door(context: typer.Context) -> "AsyncIterator[tuple[Store, TrunkDoor]]":
    from agentstream.net.dns import Resolver  # slow to import: not for --help
    from agentstream.server.trunk_door import open_trunks

    config, resolver = configuration(context), Resolver()
    try:
        async with opened(config) as store:
            yield store, open_trunks(config, store, resolver)
    finally:
        resolver.close()


async def _make(door: "TrunkDoor", owner: "Account", wish: _Wish) -> "TrunkParts":
    """Check everything, then write it; what is taken takes all of it back."""
    from agentstream.server.trunk_making import wanted
    from agentstream.store.trunks import TrunkPart

    parts = await wanted(door, owner, SystemClock().wall(), **fields_of(wish))
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
    made = await door.rows.find(owner.sid, parts.trunk.sid)
    assert made is not None
    return made


async def _set(door: "TrunkDoor", found: "TrunkParts", pairs: list[tuple[str, str]]) -> None:
    from agentstream.store.trunk_rules import check_setting
    from agentstream.store.trunks import TrunkSetting

    now = SystemClock().wall()
    for name, value in pairs:
        if value:
            check_setting(name, value, door.rules)
    for name, value in pairs:
        if value:
            await door.rows.set(
                TrunkSetting(
                    trunk_sid=found.trunk.sid,
                    name=name,
                    value=value,
                    created_at=now,
                    updated_at=now,
                )
            )
        elif not await door.rows.unset(found.trunk.sid, name):
            raise CommandError(f"trunk {found.trunk.name} has no setting {name}")


async def _found(store: "Store", owner: "Account", trunk: str) -> "TrunkParts":
    by_sid = await store.trunks.find(owner.sid, trunk)
    if by_sid is not None:
        return by_sid
    for parts in await store.trunks.of_account(owner.sid):
        if parts.trunk.name == trunk:
            return parts
    raise CommandError(f"account {owner.sid} has no trunk {trunk}")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f"{text!r}: write NAME=VALUE")
    return name.strip(), value.strip()


def _row(parts: "TrunkParts") -> dict[str, Any]:
    from agentstream.api.v2.trunk_shown import auth_effective

    trunk = parts.trunk
    return {
        "name": trunk.name,
        "state": "active" if trunk.is_active else "inactive",
        "auth": auth_effective(parts),
        "numbers": ", ".join(
            one.phone_number + ("=flow" if one.mode == "flow" else "") for one in parts.numbers
        ),
        "destinations": ", ".join(one.uri for one in parts.destinations),
        "settings": ", ".join(f"{one.name}={one.value}" for one in parts.settings),
        "account": trunk.account_sid,
        "sid": trunk.sid,
        "domain": trunk.domain_name,
        "nso_code": trunk.nso_code,
        "secure": trunk.is_secure,
        "networks": ", ".join(f"{one.ip}/{one.mask}" for one in parts.acl),
        "users": ", ".join(one.user_name for one in parts.credentials),
    }


def _show(parts: "TrunkParts", as_json: bool) -> None:
    row = _row(parts)
    if as_json:
        print_json(row)
        return
    output = console()
    for name, value in row.items():
        output.print(f"{name:<13}", style="bold", end="")
        output.print(str(value), markup=False, soft_wrap=True)
