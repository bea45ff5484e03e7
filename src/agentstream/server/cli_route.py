"""`agentstream route`: where a call to a number would go, without calling anybody."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.table import Table
from rich.text import Text

from agentstream.base.errors import CommandError
from agentstream.server.cli_common import (
    JsonOption,
    configuration,
    console,
    examples,
    opened,
    print_json,
    run,
)

if TYPE_CHECKING:
    from agentstream.server.route_plan import Plan
    from agentstream.store.sql_store import SqlStore

_MARKS: Final = {"ok": ("✔", "green"), "no": ("✘", "red"), "note": ("·", "dim")}
EXAMPLES = examples(
    "agentstream route +918040000002",
    "agentstream route 09876500001 --from +918040000002",
    "agentstream route +919876500001 --trunk trmum1d97a5cd0ad16aee6d193f0",
)


def command(
    context: typer.Context,
    number: Annotated[str, typer.Argument(help="A number in any form, or a SIP address.")],
    caller: Annotated[str, typer.Option("--from", help="The caller's number.")] = "",
    trunk: Annotated[
        str, typer.Option(help="An operator's trunk by name, or an account's by its sid.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Tell where a call in to a number goes, and where one out to it. Nobody is called.

    Exit code 0: at least one of them goes somewhere.
    """
    from agentstream.server.route_plan import plans_of  # slow to import: not for --help

    config = configuration(context)

    async def job() -> "list[Plan]":
        async with opened(config) as store:
            known = trunk.lower() in config.trunks
            if trunk and not known and not await _is_of_an_account(store, trunk):
                names = ", ".join(config.trunks) or "none"
                raise CommandError(f"no trunk {trunk}: the configuration has {names}")
            return await plans_of(store, config, number, caller, trunk)

    plans = run(job())
    if as_json:
        print_json([{**asdict(plan), "leads_somewhere": plan.leads_somewhere} for plan in plans])
    else:
        for plan in plans:
            _show(plan)
    if not any(plan.leads_somewhere for plan in plans):
        raise typer.Exit(1)


async def _is_of_an_account(store: "SqlStore", sid: str) -> bool:
    return any(parts.trunk.sid == sid.lower() for parts in await store.trunks.all())


def _show(plan: "Plan") -> None:
    output = console()
    output.print(Text(plan.title, style="bold"))
    table = Table(box=None, pad_edge=False, show_header=False)
    for step in plan.steps:
        mark, style = _MARKS[step.mark]
        table.add_row(Text(f"  {mark}", style=style), Text(step.name, style="dim"), Text(step.text))
    output.print(table)
