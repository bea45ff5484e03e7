"""Commands on the trunks of an account: SIP peers that are its own, as its trunks API has them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from agentstream.base.clock import SystemClock
from agentstream.base.errors import CommandError
from agentstream.base.ids import RandomTokens
from agentstream.base.values import replace
from agentstream.server.cli_audit import note
from agentstream.server.cli_common import (
    AccountOption,
    JsonOption,
    chosen_account,
    commands,
    configuration,
    examples,
    opened,
    print_rows,
    run,
)
from agentstream.server.cli_presets import PresetOptions, create_by_preset
from agentstream.server.cli_trunk_parts import opened_trunks, row_of, show_trunk_parts

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

    rows = [row_of(parts) for parts in run(job())]
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

    show_trunk_parts(run(job()), as_json)


@trunks.command(
    "create",
    epilog=examples(
        "agentstream trunks create bot --destination 'sip.bot.example:5061;transport=tls'"
        " --number +918000000042",
        "agentstream trunks create pbx --allow 203.0.113.0/24 --number +918000000043=flow",
        "agentstream trunks create cloud --user cloud --set as_srtp=required",
        "agentstream trunks create livekit --preset livekit --answer project=acme-4f2k9c1q"
        " --number +918000000042",
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
    preset: Annotated[
        str, typer.Option(help="A platform that is known: agentstream presets.")
    ] = "",
    answer: Annotated[
        list[str] | None, typer.Option(help="What the preset asks for, NAME=VALUE; again.")
    ] = None,
    region: Annotated[str, typer.Option(help="Where, if the preset has several regions.")] = "",
    deliver: Annotated[
        bool | None,
        typer.Option(
            "--deliver/--no-deliver",
            help="Of a preset's numbers that ring something already: let them ring this, or not.",
        ),
    ] = None,
    account: AccountOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make a trunk with all that it needs, or nothing of it.

    With a preset its numbers reach the platform at once, and what to write there is printed.
    """
    from agentstream.server.trunk_making import TrunkWish, WantedPlace, keep, wanted

    wish = TrunkWish(
        name,
        domain,
        carrier,
        tuple(WantedPlace(text) for text in destination or []),
        tuple(number or []),
        tuple(allow or []),
        user,
        password,
        tuple(setting or []),
    )
    if preset:
        asked = PresetOptions(preset, answer or [], region, deliver, account, as_json)
        create_by_preset(context, asked, wish)
        return
    if answer or region or deliver is not None:
        raise CommandError("--answer, --region and --deliver go with --preset")
    wish = replace(wish, password=password or RandomTokens().hex(12))

    async def job() -> "TrunkParts":
        async with opened_trunks(context) as (store, door):
            owner = await chosen_account(store, account)
            made = await keep(door, await wanted(door, owner, SystemClock().wall(), wish))
            await note(store, f"trunks create {name}", owner.sid, f"trunk {made.trunk.sid}")
            return made

    show_trunk_parts(run(job()), as_json)
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
        "agentstream trunks set bot as_destination_user=us as_destination_password=-",
        "agentstream trunks set bot --secure --inactive",
    ),
)
def set_trunk(
    context: typer.Context,
    trunk: TrunkArgument,
    settings: Annotated[
        list[str] | None,
        typer.Argument(help="NAME=VALUE; nothing behind = forgets it, - asks for a secret."),
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
    pairs = [_asked_for(*_pair(text)) for text in settings or []]
    if not pairs and secure is None and active is None:
        raise CommandError("nothing to set: give NAME=VALUE, or an option")

    async def job() -> "TrunkParts":
        async with opened_trunks(context) as (store, door):
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

    show_trunk_parts(run(job()), as_json=False)


async def _set(door: "TrunkDoor", found: "TrunkParts", pairs: list[tuple[str, str]]) -> None:
    from agentstream.store.trunks import TrunkSetting

    now = SystemClock().wall()
    for name, value in pairs:
        if value:
            await door.check_setting(found.trunk.account_sid, name, value)
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


def _asked_for(name: str, value: str) -> tuple[str, str]:
    """Ask for a secret that is not to stand in a shell's history."""
    from agentstream.store.trunk_options import SECRETS

    if name in SECRETS and value == "-":
        return name, str(typer.prompt(name, hide_input=True))
    return name, value
