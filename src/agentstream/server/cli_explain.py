"""`agentstream explain`: the story of one call, from its events; of a live one as far as it is."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

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

if TYPE_CHECKING:
    from agentstream.server.explain.report import Explanation, Rows
    from agentstream.switch.ladder import Ladder

_WIDTH: Final = 100
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
    "agentstream explain live",
    "agentstream explain last --sip",
    "agentstream explain last --json | jq .times",
)


def command(
    context: typer.Context,
    call_sid: Annotated[
        str,
        typer.Argument(
            help="The call's sid or how it begins; or: last, the newest that has ended; or: live,"
            " the newest that still goes on."
        ),
    ],
    every: Annotated[
        bool, typer.Option("--all", help="Each mark and each utterance of a bot on its own line.")
    ] = False,
    account: AccountOption = "",
    messages: Annotated[
        bool, typer.Option("--sip", help="Print the SIP messages too, secrets starred.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Tell the story of a call: what it went through, what went wrong, and when.

    A live call is told as far as it went, by the server that runs on this machine.
    """
    from agentstream.server.explain.finding import rows_of  # slow to import: not for --help
    from agentstream.server.explain.report import explain

    config = configuration(context)

    async def job() -> "Rows":
        async with opened(config) as store:
            owner = await chosen_account(store, account) if account else None
            return await rows_of(store, config, call_sid, owner.sid if owner else None)

    told = explain(run(job()), fold=not every)
    if as_json:
        print_json(told.as_json())
    else:
        show(told, _console())
        if told.ladder is not None:
            show_ladder(told.ladder, told.hints, _console(), messages=messages)
        elif messages:
            typer.echo("No message is kept of this call: [sip] keep_messages and keep_days")


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
    for leg, said in told.dialogs:
        output.print(Text(f"\ndialog of {leg}: ", style="bold").append(said, style="default"))
    if told.lines:
        output.print(Text("\nwhere the time went", style="bold"))
        for sentence in told.conclusions:
            output.print(Text(sentence))


def show_ladder(
    ladder: "Ladder", found: Sequence[str], output: Console, *, messages: bool = False
) -> None:
    """Print the ladder as wide as it is, what it tells, and if wanted each message."""
    from agentstream.switch.ladder import text_of
    from agentstream.switch.ladder_text import ladder_rows

    output.print(Text("\nthe SIP messages", style="bold"))
    for row, (step, line) in enumerate(ladder_rows(ladder)):
        is_odd = step is not None and (step.is_repeat or step.status >= 400)
        style = "dim" if row == 0 else "yellow" if is_odd else "default"
        output.print(Text(line, style=style), soft_wrap=True)
    for hint in found:
        output.print(Text(f"! {hint}", style="yellow"))
    for step in ladder.steps if messages else ():
        way = f"{step.at_ms:,.0f} ms, {step.sender} → {step.receiver}, {step.message.transport}"
        output.print(Text(f"\n{way}", style="bold"))
        output.print(Text(text_of(step.message), style="dim"), soft_wrap=True)


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
