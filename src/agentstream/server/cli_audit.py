"""`agentstream audit`: who changed what; and the other commands' own entries in it."""

import getpass
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from agentstream.base.clock import SystemClock
from agentstream.base.ids import RandomTokens
from agentstream.server.cli_common import (
    AccountOption,
    JsonOption,
    chosen_account,
    configuration,
    examples,
    opened,
    print_rows,
    run,
)
from agentstream.store.audit import Change, ChangeQuery
from agentstream.store.protocols import Store

EXAMPLES = examples(
    "agentstream audit",
    "agentstream audit --hours 24 --account greenleaf1",
    "agentstream audit --who 'key 51e0' --json",
)


def audit(
    context: typer.Context,
    who: Annotated[str, typer.Option(help="Only of those whose name begins so.")] = "",
    hours: Annotated[
        int | None, typer.Option(min=1, max=876_000, help="Only of so many hours.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 50,
    account: AccountOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show who changed what, over HTTP or by a command; the newest first."""
    since = None if hours is None else SystemClock().wall() - timedelta(hours=hours)

    async def job() -> list[Change]:
        async with opened(configuration(context)) as store:
            owner = (await chosen_account(store, account)).sid if account else ""
            return list(await store.audit.list(ChangeQuery(owner, who, since, limit)))

    rows = [
        {**asdict(change), "when": f"{change.at:%Y-%m-%d %H:%M:%S}", "account": change.account_sid}
        for change in run(job())
    ]
    columns = "when who account what outcome about"
    print_rows(columns.split(), rows, as_json, "nothing was changed")


async def note(store: Store, what: str, account_sid: str = "", about: str = "") -> None:
    """Write down what a command has changed, by whoever runs it on this machine."""
    change = Change(
        sid=RandomTokens().hex(16),
        at=SystemClock().wall(),
        account_sid=account_sid,
        who=f"command line ({_user()})",
        what=what,
        outcome="done",
        about=about,
    )
    await store.audit.write([change])


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "nobody"
