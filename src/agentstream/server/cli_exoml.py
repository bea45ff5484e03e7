"""`agentstream exoml check`: what a document would do, and what is wrong with it."""

from dataclasses import asdict
from typing import Annotated

import typer

from agentstream.server.cli_common import JsonOption, commands, examples, print_json
from agentstream.server.cli_flow_files import FileArgument, text_or_exit

exoml = commands("Documents that drive calls: ExoML with the root <Response>.")
SOMEWHERE = "https://example.com/"


@exoml.command(
    "check",
    epilog=examples(
        "agentstream exoml check menu.xml",
        "agentstream exoml check menu.xml --url https://crm.example.com/ivr/menu",
        "curl -s -d CallSid=1 https://crm.example.com/ivr | agentstream exoml check -",
    ),
)
def check(
    file: FileArgument,
    url: Annotated[
        str, typer.Option(help="Where the document is from: its addresses are relative to this.")
    ] = SOMEWHERE,
    strict: Annotated[
        bool, typer.Option("--strict", help="What means nothing counts as a problem.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Read a document as a call would; no server is needed, and none is asked.

    Exit code 0: it can be run. 1: it has problems. 2: the file cannot be read.
    """
    from agentstream.flows.exoml.reading import BadResponseError, read_response

    text = text_or_exit(file)
    try:
        document = read_response(text.strip(), url)
    except BadResponseError as error:
        problem = str(error).removeprefix("the document: ")
        if as_json:
            print_json({"file": file, "error": problem, "remarks": [], "verbs": []})
        else:
            typer.echo(f"{file}: {problem}")
        raise typer.Exit(1) from None
    remarks = [each.removeprefix("the document: ") for each in document.remarks]
    if as_json:
        verbs = [
            {"verb": type(each.verb).__name__, "line": each.line}
            | asdict(each.verb, dict_factory=_plain)
            for each in document.verbs
        ]
        print_json({"file": file, "error": None, "remarks": remarks, "verbs": verbs})
    else:
        for remark in remarks:
            typer.echo(f"{file}: {remark}")
        names = " → ".join(type(each.verb).__name__ for each in document.verbs) or "no verb"
        typer.echo(f"{file}: {names}: it can be run")
    if strict and remarks:
        raise typer.Exit(1)


def _plain(fields: list[tuple[str, object]]) -> dict[str, object]:
    return {
        name: sorted(value) if isinstance(value, frozenset) else value for name, value in fields
    }
