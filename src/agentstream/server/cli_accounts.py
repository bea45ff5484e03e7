"""Commands on accounts and their keys, and on the calls that have ended."""

from dataclasses import asdict
from enum import Enum
from typing import Annotated

import typer

from agentstream.base.errors import CommandError
from agentstream.base.ids import CallSid
from agentstream.net.egress import check_entry
from agentstream.server.cli_audit import note
from agentstream.server.cli_common import (
    AccountOption,
    JsonOption,
    chosen_account,
    commands,
    configuration,
    examples,
    opened,
    print_json,
    print_rows,
    run,
)
from agentstream.store.call_query import CallQuery
from agentstream.store.values import Account


class Role(Enum):
    """What a key may do."""

    ADMIN = "admin"
    READ_ONLY = "read-only"


accounts = commands("Tenants of this server.")
keys = commands("API keys of an account.")
calls = commands("Calls, live and ended.")

_SHARED = (
    "note: several accounts share this server, and their URLs may reach its private networks;"
    ' [egress] mode = "closed" keeps them out'
)


@accounts.command(
    "create",
    epilog=examples("agentstream accounts create 'Green Leaf' --sid greenleaf1"),
)
def create_account(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A name for people.")],
    sid: Annotated[str, typer.Option(help="What clients call it; made up if not given.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Make an account and its first key; the token is shown only now."""

    async def job() -> dict[str, str]:
        config = configuration(context)
        async with opened(config) as store:
            limit = config.limits.streams_per_account
            made = await store.accounts.create(name, sid, stream_limit=limit)
            key = await store.accounts.create_key(made.sid, "first")
            await note(store, "accounts create", made.sid, f"key {key.key}")
            if len(await store.accounts.list()) > 1 and config.egress.mode == "open":
                typer.echo(_SHARED, err=True)
            return {"account_sid": made.sid, "key": key.key, "token": key.token}

    _show_key(run(job()), as_json)


@accounts.command("list", epilog=examples("agentstream accounts list"))
def list_accounts(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show the accounts."""

    async def job() -> list[dict[str, object]]:
        async with opened(configuration(context)) as store:
            return [asdict(each) for each in await store.accounts.list()]

    rows = [{**row, "streams": row["stream_limit"]} for row in run(job())]
    print_rows(("sid", "name", "streams"), rows, as_json, "no account yet")


@accounts.command(
    "change",
    epilog=examples(
        "agentstream accounts change greenleaf1 --streams 20",
        "agentstream accounts change greenleaf1 --allow 10.1.0.0/16,bots.internal",
    ),
)
def change_account(
    context: typer.Context,
    sid: Annotated[str, typer.Argument(help="The account's sid.")],
    streams: Annotated[
        int | None, typer.Option(min=0, help="Streams that may be open at once.")
    ] = None,
    allow: Annotated[
        str | None,
        typer.Option(help="Hosts and networks that its URLs may reach beyond the policy."),
    ] = None,
) -> None:
    """Change an account's limits."""
    entries = None
    if allow is not None:
        entries = tuple(check_entry(part.strip()) for part in allow.split(",") if part.strip())

    async def job() -> Account:
        async with opened(configuration(context)) as store:
            owner = await chosen_account(store, sid)
            changed = await store.accounts.change(owner.sid, streams, entries)
            await note(store, "accounts change", owner.sid)
            return changed

    done = run(job())
    allowed = ", ".join(done.egress_allow) or "nothing more"
    typer.echo(f"account {done.sid}: {done.stream_limit} streams, may reach {allowed}")


@keys.command(
    "create",
    epilog=examples(
        "agentstream keys create --label crm --account greenleaf1",
        "agentstream keys create --label wallboard --role read-only --per-minute 60",
    ),
)
def create_key(
    context: typer.Context,
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
    role: Annotated[Role, typer.Option(help="What it may do.")] = Role.ADMIN,
    per_minute: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="Requests that it may make a minute.")
    ] = None,
    account: AccountOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make one more key; the token is shown only now.

    A read-only key may ask for everything and change nothing.
    """

    async def job() -> dict[str, str]:
        async with opened(configuration(context)) as store:
            owner = await chosen_account(store, account)
            key = await store.accounts.create_key(owner.sid, label, role.value, per_minute)
            await note(store, f"keys create {role.value}", owner.sid, f"key {key.key}")
            return {"account_sid": owner.sid, "key": key.key, "token": key.token}

    _show_key(run(job()), as_json)


@keys.command("list", epilog=examples("agentstream keys list --account greenleaf1"))
def list_keys(
    context: typer.Context, account: AccountOption = "", as_json: JsonOption = False
) -> None:
    """Show the keys of an account, without their tokens: those are not kept."""

    async def job() -> list[dict[str, object]]:
        async with opened(configuration(context)) as store:
            owner = await chosen_account(store, account)
            return [asdict(key) for key in await store.accounts.keys(owner.sid)]

    rows = [{**row, "state": "revoked" if row["is_revoked"] else ""} for row in run(job())]
    columns = ("key", "label", "role", "requests_per_minute", "created_at", "state")
    print_rows(columns, rows, as_json, "no key yet")


@keys.command("revoke", epilog=examples("agentstream keys revoke 51e0b7c2d9f84a1b"))
def revoke_key(
    context: typer.Context, key: Annotated[str, typer.Argument(help="The key.")]
) -> None:
    """Refuse a key from now on."""

    async def job() -> None:
        async with opened(configuration(context)) as store:
            await store.accounts.revoke_key(key)
            await note(store, "keys revoke", about=f"key {key}")

    run(job())
    typer.echo(f"key {key} opens nothing now")


@calls.command(
    "list", epilog=examples("agentstream calls list", "agentstream calls list --limit 5 --json")
)
def list_calls(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 20,
    account: AccountOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show the calls that have ended, newest first."""

    async def job() -> list[dict[str, object]]:
        async with opened(configuration(context)) as store:
            owner = await chosen_account(store, account) if account else None
            query = CallQuery(owner.sid if owner else None, limit)
            return [asdict(call) for call in await store.calls.list(query)]

    rows = [
        {
            **row,
            "started": f"{row['created_at']:%Y-%m-%d %H:%M:%S}",
            "from": row["from_number"],
            "to": row["to_number"],
            "talk": f"{int(str(row['duration_ms'])) / 1000:.1f} s",
        }
        for row in run(job())
    ]
    columns = "started from to status cause ended_by talk codec mos sid"
    print_rows(columns.split(), rows, as_json, "no call has ended yet")


@calls.command("show", epilog=examples("agentstream calls show 51e0b7c2d9f84a1bb6c3d2e1f0a9b8c7"))
def show_call(
    context: typer.Context, sid: Annotated[str, typer.Argument(help="The call's sid.")]
) -> None:
    """Print everything that is known of an ended call, as JSON."""

    async def job() -> dict[str, object]:
        async with opened(configuration(context)) as store:
            call_sid = CallSid(sid)
            call = await store.calls.find(call_sid)
            if call is None:
                raise CommandError(f"no ended call {sid}")
            return {
                **asdict(call),
                "streams": [asdict(each) for each in await store.calls.streams(call_sid)],
                "recordings": [asdict(each) for each in await store.calls.recordings(call_sid)],
            }

    print_json(run(job()))


def _show_key(made: dict[str, str], as_json: bool) -> None:
    if as_json:
        print_json(made)
        return
    typer.echo(f"Account sid  {made['account_sid']}")
    typer.echo(f"API key      {made['key']}")
    typer.echo(f"API token    {made['token']}   (shown only now)")
