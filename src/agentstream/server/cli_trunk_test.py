"""`agentstream trunks test`: the doctor of a trunk, one line for each step (SD-4)."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from agentstream.base.clock import SystemClock
from agentstream.base.ids import RandomTokens
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
    from agentstream.server.check import Finding
    from agentstream.server.trunk_doctor import Patient

_MARKS: Final = {"ok": ("✔", "green"), "warning": ("!", "yellow"), "error": ("✘", "red")}
EXAMPLES = examples(
    "agentstream trunks test carrier",
    "agentstream trunks test trmum1d97a5cd0ad16aee6d193f0",
    "agentstream trunks test 'sip:sbc.example.net:5061;transport=tls'",
    "agentstream trunks test carrier --call +919876500001",
)


def command(
    context: typer.Context,
    trunk: Annotated[
        str,
        typer.Argument(help="An operator's trunk by name, an account's by sid or name, or a URI."),
    ],
    call: Annotated[
        str, typer.Option("--call", help="Also call this number, and listen for an echo.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Look a trunk over: names, connections, certificates, OPTIONS, digest, our address.

    Nobody is called unless --call says whom. Exit code 0: nothing is wrong.
    """
    config = configuration(context)
    output = console()
    findings, patient = run(_examined(trunk, call, config, None if as_json else output))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        _show_forms(patient, config, output)
    if any(finding.verdict == "error" for finding in findings):
        raise typer.Exit(1)


async def _examined(
    trunk: str, call: str, config: Config, output: Console | None
) -> "tuple[list[Finding], Patient]":
    from agentstream.server.trunk_call import call_by  # slow to import: not for --help
    from agentstream.server.trunk_doctor import examine, patient_of
    from agentstream.store.trunk_book import book_of

    async with opened(config) as store:
        accounts = {account.sid: account for account in await store.accounts.list()}
        patient = patient_of(trunk, config, book_of(await store.trunks.all(), accounts))
    findings: list[Finding] = []
    async for finding in examine(patient, config, SystemClock(), RandomTokens()):
        findings.append(finding)
        if output is not None:
            _show(finding, output)
    if call:
        async for finding in call_by(patient, call, config):
            findings.append(finding)
            if output is not None:
                _show(finding, output)
    return findings, patient


def _show(finding: "Finding", output: Console) -> None:
    mark, style = _MARKS[finding.verdict]
    line = Text(f"{mark} ", style=style).append(finding.name, style="bold")
    output.print(line.append(f"  {finding.text}", style="default"), soft_wrap=True)


def _show_forms(patient: "Patient", config: Config, output: Console) -> None:
    """Print what to write into the partner's form; of a preset, field by field."""
    from agentstream.server import presets
    from agentstream.server.preset_facts import listener_for
    from agentstream.server.trunk_doctor import form_lines, paste_facts

    output.print(Text("\nfor their form", style="bold"))
    for name, value in form_lines(patient, config):
        output.print(Text(f"  {name}: ", style="dim").append(value, style="default"))
    wanted = patient.entry.options.preset if patient.entry else ""
    folder = config.data_dir / "presets"
    if wanted and wanted in presets.names(folder):
        preset = presets.load(wanted, folder)
        output.print(Text(f"\n{preset.title}, as of {preset.checked_on}", style="bold"))
        ours = listener_for(config.sip.listeners, preset.speaks)
        way = {"our_port": str(ours.port), "our_transport": ours.transport}
        for name, value in preset.to_paste({**paste_facts(patient, config), **way}, {}):
            output.print(Text(f"  {name}: ", style="dim").append(value, style="default"))
