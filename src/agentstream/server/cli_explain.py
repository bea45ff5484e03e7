"""`agentstream explain`: the story of one call, from its events."""

import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agentstream.base.errors import CommandError
from agentstream.base.ids import AccountSid, CallSid
from agentstream.server.cli_common import (
    AccountOption,
    JsonOption,
    chosen_account,
    configuration,
    examples,
    opened,
    print_json,
    run,
)
from agentstream.store.protocols import CallQuery
from agentstream.store.values import CallRecord

if TYPE_CHECKING:
    from agentstream.server.explain.report import Explanation, Rows
    from agentstream.store.sql_store import SqlStore

_WIDTH: Final = 100
_HINTS: Final = 3  # sids that are named when the one asked for is unknown
_WHO: Final = {
    "call": "cyan",
    "flow": "blue",
    "bot": "magenta",
    "line": "green",
    "leg": "green",
    "web": "yellow",
    "note": "dim",
}

EXAMPLES = examples(
    "agentstream explain 51e0b7c2",
    "agentstream explain last --all",
    "agentstream explain last --json | jq .times",
)


def command(
    context: typer.Context,
    call_sid: Annotated[
        str, typer.Argument(help="The call's sid or how it begins; or: last, the newest call.")
    ],
    every: Annotated[
        bool, typer.Option("--all", help="Each mark and each utterance of a bot on its own line.")
    ] = False,
    account: AccountOption = "",
    as_json: JsonOption = False,
) -> None:
    """Tell the story of a call that has ended: what it went through, what went wrong, and when."""
    from agentstream.server.explain.report import explain  # slow to import: not for --help

    async def job() -> "Rows":
        async with opened(configuration(context)) as store:
            owner = await chosen_account(store, account) if account else None
            return await _rows(store, call_sid, owner.sid if owner else None)

    told = explain(run(job()), fold=not every)
    if as_json:
        print_json(told.as_json())
    else:
        show(told, _console())


def show(told: "Explanation", output: Console) -> None:
    """Print the story."""
    head = Table(box=None, pad_edge=False, show_header=False)
    head.add_column(style="dim", no_wrap=True)
    head.add_column(overflow="fold")
    for name, said in told.header:
        head.add_row(name, Text(said, style="bold" if name == "end" else "default"))
    output.print(head)
    output.print()
    if told.lines:
        output.print(_timeline(told))
    else:
        kept = "[events] in the configuration says whether and how long they are kept"
        output.print(Text(f"No event was kept of this call: {kept}.", style="yellow"))
    for leg, said, is_bad in told.quality:
        line = Text(f"\nquality of {leg}: ", style="bold")
        output.print(line.append(said, style="yellow" if is_bad else "default"))
    if told.lines:
        output.print(Text("\nwhere the time went", style="bold"))
        for sentence in told.conclusions:
            output.print(Text(sentence))


def _timeline(told: "Explanation") -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1))
    table.add_column("ms", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("", overflow="fold")
    for line in told.lines:
        is_warning = line.tone == "warning"
        style = "yellow" if is_warning else "green" if line.tone == "good" else "default"
        table.add_row(
            Text(f"{line.at_ms:,}", style="dim"),
            Text("!" if is_warning else " ", style="bold yellow"),
            Text(line.who, style=_WHO.get(line.who, "default")),
            Text(line.text, style=style),
        )
    return table


def _console() -> Console:
    """Return standard output, 100 columns wide or less; a pipe gets no colour."""
    if not sys.stdout.isatty():
        return Console(width=_WIDTH, highlight=False)
    output = Console(highlight=False)
    output.width = min(output.width, _WIDTH)
    return output


async def _rows(store: "SqlStore", wanted: str, owner: AccountSid | None) -> "Rows":
    from agentstream.server.explain.report import Rows

    call = await _call(store, wanted, owner)
    flow = await store.flows.find(call.account_sid, call.flow_sid) if call.flow_sid else None
    return Rows(
        call,
        await store.calls.streams(call.sid),
        await store.calls.recordings(call.sid),
        await store.call_events.of(call.sid),
        flow.name if flow else "",
    )


async def _call(store: "SqlStore", wanted: str, owner: AccountSid | None) -> CallRecord:
    """Return the call that is meant; raises CommandError naming calls that there are."""
    exact = await store.calls.find(CallSid(wanted))
    if exact is not None and owner in (None, exact.account_sid):
        return exact
    query = CallQuery(owner, 1) if wanted == "last" else CallQuery(owner, _HINTS + 1, None, wanted)
    found = await store.calls.list(query)
    if len(found) == 1:
        return found[0]
    if found:
        sids = ", ".join(call.sid for call in found[:_HINTS])
        more = " and more" if len(found) > _HINTS else ""
        raise CommandError(f"several calls begin with {wanted}: {sids}{more}")
    newest = await store.calls.list(CallQuery(owner, _HINTS))
    if not newest:
        raise CommandError("no call has ended yet; live ones: agentstream calls tail")
    sids = ", ".join(call.sid for call in newest)
    raise CommandError(
        f"no ended call {wanted}; the newest are {sids}; live ones: agentstream calls tail"
    )
