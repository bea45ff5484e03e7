"""Commands on flow documents that need no server: check, graph and schema."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
from agentstream.server.config import Config

if TYPE_CHECKING:
    from agentstream.server.flow_targets import Surroundings

FileArgument = Annotated[str, typer.Argument(help="The document; - is standard input.")]

CHECK_EXAMPLES = examples(
    "agentstream flows check support.yaml",
    "agentstream flows check support.yaml --strict",
    "agentstream flows check support.yaml --json | jq '.findings[].text'",
)
GRAPH_EXAMPLES = examples(
    "agentstream flows graph support.yaml -o support.svg",
    "agentstream flows graph support.yaml > support.svg",
)
SCHEMA_EXAMPLES = examples("agentstream flows schema > flow.schema.json")


def check(
    context: typer.Context,
    file: FileArgument,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as problems.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Look for mistakes in a flow document, and for what is allowed and seldom meant.

    Where it leads is looked up in this machine's configuration and database, if there is one.
    Exit code 0: it can be used. 1: it has problems. 2: the file cannot be read.
    """
    from agentstream.server.flow_check import check as look
    from agentstream.server.flow_check import show

    text = text_or_exit(file)
    report = look(text, _surroundings(configuration(context)))
    if as_json:
        print_json(report.as_json(file))
    else:
        show(report, file, text, console())
    if report.errors or (strict and report.warnings):
        raise typer.Exit(1)


def graph(
    file: FileArgument,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write; else standard output.")
    ] = None,
) -> None:
    """Draw a flow as SVG: its applets, and where their exits lead. Exit codes as in `check`."""
    from agentstream.flows.document import DocumentError, parse
    from agentstream.flows.drawing import draw

    try:
        document = parse(text_or_exit(file))
    except DocumentError as error:
        lines = (f"{file}: {problem}" for problem in error.problems)
        raise CommandError("\n".join(lines)) from error
    picture = draw(document)
    if output is None:
        typer.echo(picture, nl=False)
        return
    try:
        output.write_text(picture, "utf-8")
    except OSError as error:
        raise CommandError(f"{output}: {error.strerror or error}") from error
    typer.echo(f"{output}: {len(document.applets)} applets")


def schema() -> None:
    """Print the JSON Schema of flow documents, for editors and other programs."""
    from agentstream.flows.schema import flow_schema_text

    typer.echo(flow_schema_text(), nl=False)


def read_text(file: str) -> str:
    """Return a file's text, "-" is standard input; raises CommandError when it has none."""
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise CommandError(f"{file}: {why}") from error


def text_or_exit(file: str) -> str:
    """Return a file's text; without one the command ends with exit code 2."""
    try:
        return read_text(file)
    except CommandError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None


def _surroundings(config: Config) -> "Surroundings":
    """Return what is known here; a look leaves nothing behind, so no database is made."""
    from agentstream.server.flow_targets import Surroundings

    file = config.database_file
    if file is not None and not file.exists():
        return Surroundings(roads=config.roads())

    async def published() -> dict[str, str]:
        async with opened(config) as store:
            return {each.flow.sid: each.flow.name for each in await store.flows.published()}

    return Surroundings(run(published()), config.roads())
