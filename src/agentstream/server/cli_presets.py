"""Commands on presets: which platforms are known, what of them, and a trunk to one of them."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from agentstream.base.clock import SystemClock
from agentstream.base.errors import CommandError
from agentstream.base.ids import RandomTokens
from agentstream.server.cli_audit import note
from agentstream.server.cli_common import (
    JsonOption,
    chosen_account,
    commands,
    configuration,
    console,
    examples,
    print_json,
    print_rows,
    run,
)
from agentstream.server.cli_trunk_parts import opened_trunks, row_of, show_trunk_parts

if TYPE_CHECKING:
    from agentstream.server.preset_facts import OurFacts
    from agentstream.server.preset_making import Made
    from agentstream.server.presets import FilledPreset, Preset
    from agentstream.server.trunk_making import TrunkWish

presets = commands("Platforms that are known: what their trunks need, as data that you may edit.")


@dataclass(frozen=True, slots=True)
class PresetOptions:
    """What was written on the line beside the trunk's own options."""

    name: str
    answers: list[str]
    region: str
    takes_over: bool | None
    account: str
    as_json: bool


@presets.callback(
    invoke_without_command=True,
    no_args_is_help=False,
    epilog=examples("agentstream presets", "agentstream presets show livekit"),
)
def list_presets(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show the platforms that are known."""
    if context.invoked_subcommand is not None:
        return
    from agentstream.server import presets as data

    folder = configuration(context).data_dir / "presets"
    found = [data.load(name, folder) for name in data.names(folder)]
    rows = [
        {
            "name": one.name,
            "title": one.title,
            "kind": one.kind,
            "checked on": str(one.checked_on),
            "asks": ", ".join(one.ask),
            "regions": ", ".join(one.regions),
            "about": one.about,
        }
        for one in found
    ]
    columns = ("name", "title", "kind", "checked on", "asks", "regions")
    print_rows(columns, rows, as_json, "there is none")


@presets.command(
    "show",
    epilog=examples("agentstream presets show livekit", "agentstream presets show vapi --json"),
)
def show_preset(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The preset's name.")],
    as_json: JsonOption = False,
) -> None:
    """Show all that is known of a platform; a file of yours in DATA_DIR/presets counts instead."""
    from agentstream.server import presets as data

    preset = data.load(name, configuration(context).data_dir / "presets")
    if as_json:
        print_json(preset.model_dump(mode="json"))
        return
    output = console()
    output.print(preset.title, style="bold", markup=False)
    for text in (preset.about, f"looked up on {preset.checked_on}; {preset.kind}", ""):
        output.print(text, markup=False)
    grid = Table(box=None, show_header=False, pad_edge=False)
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for label, value in _known(preset):
        grid.add_row(Text(label), Text(value))
    output.print(grid)


def create_by_preset(context: typer.Context, asked: PresetOptions, trunk: "TrunkWish") -> None:
    """Make a trunk by a preset, and print what to write at the platform."""
    from agentstream.net.dns import Resolver
    from agentstream.server import presets as data
    from agentstream.server.preset_facts import our_facts
    from agentstream.server.preset_making import PresetWish, make

    config = configuration(context)
    preset = data.load(asked.name, config.data_dir / "presets")
    answers = _answers(asked.answers)
    if sys.stdin.isatty() and sys.stdout.isatty() and not asked.as_json:
        answers = _prompted(preset, answers)
    filled = data.fill(preset, answers, asked.region)
    wish = PresetWish(filled, trunk, RandomTokens().hex(12), asked.takes_over, config.country_code)

    async def job() -> "tuple[Made, OurFacts]":
        now, resolver = SystemClock().wall(), Resolver()
        try:
            facts = await our_facts(config, filled, resolver, now.date())
        finally:
            resolver.close()
        async with opened_trunks(context) as (store, door):
            owner = await chosen_account(store, asked.account)
            made = await make(store, door, owner, now, wish)
            what = f"trunks create {trunk.name} --preset {preset.name}"
            await note(store, what, owner.sid, _about(made))
            return made, facts

    made, facts = run(job())
    if asked.as_json:
        print_json(_as_json(filled, made, facts))
    else:
        _show_made(filled, made, facts)


def _answers(texts: list[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise CommandError(f"--answer {text!r}: write NAME=VALUE")
        found[name.strip()] = value.strip()
    return found


def _prompted(preset: "Preset", answers: Mapping[str, str]) -> dict[str, str]:
    """Ask a person at a terminal for what is missing."""
    from agentstream.server.presets import missing

    given = dict(answers)
    for name in missing(preset, answers):
        one = preset.ask[name]
        given[name] = typer.prompt(f"{one.question}\n  such as {one.example}\n{name}").strip()
    return given


def _known(preset: "Preset") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, one in preset.ask.items():
        optional = " (optional)" if one.optional else ""
        rows.append((f"--answer {name}", f"{one.question}{optional}, such as {one.example}"))
    rows += [("destination", f"{one.uri} priority {one.priority}") for one in preset.destinations]
    for name, region in preset.regions.items():
        goals = ", ".join(goal.uri for goal in region.destinations)
        rows.append((f"--region {name}", f"{region.about} {goals}"))
    if preset.kind == "sip":
        shape = preset.trunk
        rows.append(("callers", _callers(preset)))
        rows.append(("numbers", f"{shape.number_mode} mode"))
        rows += [("setting", f"{name}={value}") for name, value in shape.settings.items()]
    rows += [("write there", f"{one.where}{_over(one.over)}: {one.value}") for one in preset.paste]
    return rows + [("note", text) for text in preset.notes.values()]


def _callers(preset: "Preset") -> str:
    networks = ", ".join(preset.trunk.allow)
    match preset.trunk.auth:
        case "digest" if networks:
            way = "either is enough" if preset.trunk.auth_mode == "any" else "both are needed"
            return f"log in, from {networks}: {way}"
        case "digest":
            return "log in"
        case "acl":
            return f"come from {networks}"
        case _:
            return "none: calls only go to it"


def _over(over: str) -> str:
    return {"tls": " (over TLS)", "clear": " (not over TLS)"}.get(over, "")


def _about(made: "Made") -> str:
    about = [f"trunk {made.parts.trunk.sid}"] if made.parts else []
    about += [f"flow {made.flow.sid}, rung by {', '.join(made.numbers)}"] if made.flow else []
    return "; ".join(about)


def _pasted(filled: "FilledPreset", made: "Made", facts: "OurFacts") -> list[tuple[str, str]]:
    return filled.to_paste({**facts.values, **made.facts})


def _as_json(filled: "FilledPreset", made: "Made", facts: "OurFacts") -> dict[str, Any]:
    flow = made.flow
    return {
        "preset": filled.preset.name,
        "checked_on": str(filled.preset.checked_on),
        "trunk": row_of(made.parts) if made.parts else None,
        "flow": {"name": flow.name, "sid": flow.sid, "numbers": made.numbers} if flow else None,
        "user": made.facts.get("user", ""),
        "password": made.facts.get("password", ""),
        "paste": [
            {"where": where, "value": value} for where, value in _pasted(filled, made, facts)
        ],
        "notes": dict(filled.preset.notes),
        "warnings": list(facts.warnings) if filled.preset.paste else [],
    }


def _show_made(filled: "FilledPreset", made: "Made", facts: "OurFacts") -> None:
    output, preset = console(), filled.preset
    if made.parts:
        show_trunk_parts(made.parts, as_json=False)
        output.print()
    if made.flow:
        goes = "the bot" if filled.bot_url else preset.title
        rings = f"{', '.join(made.numbers) or 'no number yet'} rings it and reaches {goes}"
        output.print(f"flow {made.flow.name!r} is published; {rings}", markup=False)
        output.print()
    pasted = _pasted(filled, made, facts)
    if pasted:
        title = f"{preset.title}: write there (looked up on {preset.checked_on})"
        table = Table(
            title=title, title_justify="left", title_style="bold", box=None, pad_edge=False
        )
        table.add_column("field")
        table.add_column("value", overflow="fold", style="green")
        for where, value in pasted:
            table.add_row(Text(where), Text(value))
        output.print(table)
    if "password" in made.facts:
        output.print("The password is shown only now.", style="yellow")
    for text in preset.notes.values():
        output.print(f"- {text}", markup=False, soft_wrap=True)
    for text in facts.warnings if pasted else ():
        output.print(f"warning: {text}", style="yellow", markup=False, soft_wrap=True)
