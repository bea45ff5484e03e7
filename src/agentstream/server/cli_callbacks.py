"""Commands on webhooks that wait or are dead; the server may run meanwhile, or not."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from agentstream.base.clock import SystemClock
from agentstream.base.errors import CommandError
from agentstream.net.egress import mask_secrets
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
    from agentstream.store.values import Webhook

callbacks = commands("What customers' servers are told of calls.")
_SID = "51e0b7c2d9f84a1bb6c3d2e1f0a9b8c7-end"


@callbacks.command(
    "list", epilog=examples("agentstream callbacks list", "agentstream callbacks list --dead")
)
def list_callbacks(
    context: typer.Context,
    dead: Annotated[bool, typer.Option("--dead", help="Only those without attempts left.")] = False,
    call: Annotated[str, typer.Option(help="Only those of this call.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 20,
    account: AccountOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show what is not delivered yet, or was given up; the newest first."""
    from agentstream.store.outbox import WebhookQuery  # slow to import: not for --help

    async def job() -> list[dict[str, object]]:
        async with opened(configuration(context)) as store:
            owner = await chosen_account(store, account) if account else None
            query = WebhookQuery(
                owner.sid if owner else None, ("dead",) if dead else (), call, limit
            )
            return [_shown(webhook) for webhook in await store.outbox.list(query)]

    columns = "written state attempts next kind host last_error sid"
    print_rows(columns.split(), run(job()), as_json, "nothing waits, and nothing is dead")


@callbacks.command("show", epilog=examples(f"agentstream callbacks show {_SID}"))
def show_callback(
    context: typer.Context,
    sid: Annotated[str, typer.Argument(help="The webhook's sid.")],
    as_json: JsonOption = False,
) -> None:
    """Show one with its body; secrets of its URL are masked."""

    async def job() -> Mapping[str, object]:
        async with opened(configuration(context)) as store:
            webhook = await store.outbox.find(sid)
            if webhook is None:
                raise CommandError(f"no callback {sid}: it was delivered, or never was")
            return _shown(webhook)

    shown = run(job())
    if as_json:
        print_json(shown)
        return
    output, body = console(), str(shown["body"])
    for name, value in shown.items():
        if name != "body":
            output.print(f"{name:<13}", style="bold", end="")
            output.print(str(value), markup=False, soft_wrap=True)
    output.print("\n" + body, markup=False, soft_wrap=True)


@callbacks.command(
    "redeliver",
    epilog=examples(
        f"agentstream callbacks redeliver {_SID}", "agentstream callbacks redeliver --all-dead"
    ),
)
def redeliver(
    context: typer.Context,
    sid: Annotated[str, typer.Argument(help="The webhook's sid.")] = "",
    all_dead: Annotated[
        bool, typer.Option("--all-dead", help="Every one that is dead instead.")
    ] = False,
) -> None:
    """Let the server send it again, with all its attempts; now, or when it is up."""
    if bool(sid) == all_dead:
        raise CommandError("give either a sid or --all-dead")

    async def job() -> int:
        async with opened(configuration(context)) as store:
            now = SystemClock().wall()
            count = await store.outbox.redeliver(None if all_dead else [sid], now)
            if not count and sid:
                raise CommandError(f"no callback {sid}: it was delivered, or never was")
            await note(
                store, f"callbacks redeliver {sid or '--all-dead'}", about=f"{count} of them"
            )
            return count

    typer.echo(f"{run(job())} to be sent again")


def _shown(webhook: "Webhook") -> dict[str, object]:
    is_over = webhook.state != "waiting"
    return {
        **asdict(webhook),
        "url": mask_secrets(webhook.url),
        "written": f"{webhook.created_at:%Y-%m-%d %H:%M:%S}",
        "next": None if is_over else f"{webhook.next_at:%Y-%m-%d %H:%M:%S}",
    }
