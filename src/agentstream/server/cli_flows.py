"""Commands on flows and numbers: what calls do, and which number rings which flow."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from agentstream.base.errors import CommandError
from agentstream.flows.document import DocumentError, FlowDocument, parse
from agentstream.flows.prompt import WEB
from agentstream.net.egress import mask_url
from agentstream.server import cli_flow_files
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
from agentstream.server.cli_flow_files import read_text
from agentstream.server.flow_check import stream_problems
from agentstream.store.protocols import Store
from agentstream.store.values import Account, AnswerMode, Flow
from agentstream.switch.leg_style import check_endpoint

flows = commands("What calls do: documents of applets, in versions.")
numbers = commands("Which number rings what.")

flows.command("check", epilog=cli_flow_files.CHECK_EXAMPLES)(cli_flow_files.check)
flows.command("graph", epilog=cli_flow_files.GRAPH_EXAMPLES)(cli_flow_files.graph)
flows.command("schema", epilog=cli_flow_files.SCHEMA_EXAMPLES)(cli_flow_files.schema)

_NO_PHONE = "a number, or * for every other one"


@flows.command(
    "apply",
    epilog=examples(
        "agentstream flows apply support.yaml --publish",
        "agentstream flows apply support.yaml --draft",
        "cat support.json | agentstream flows apply -",
    ),
)
def apply_flow(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="The document, YAML or JSON; - is standard input.")],
    publish: Annotated[bool, typer.Option("--publish", help="Let calls enter it.")] = False,
    draft: Annotated[
        bool, typer.Option("--draft", help="Keep it from calls, even if the flow is published.")
    ] = False,
    account: AccountOption = "",
    as_json: JsonOption = False,
) -> None:
    """Check a flow document and keep it as the newest version of its flow.

    An edit of a published flow takes effect on the next call, unless --draft is given.
    """
    if publish and draft:
        raise CommandError("--publish and --draft exclude each other")
    text = read_text(file)
    document = _checked(file, text)
    wish = True if publish else False if draft else None

    async def job() -> Flow:
        async with opened(configuration(context)) as store:
            owner = await chosen_account(store, account)
            made = await store.flows.apply(owner.sid, document.name, text, wish)
            await note(store, f"flows apply {made.name}", owner.sid, _version(made))
            return made

    flow = run(job())
    if as_json:
        print_json(asdict(flow))
        return
    is_live = flow.published_version == flow.latest_version
    state = "published" if is_live else "draft, calls do not enter it yet"
    typer.echo(f"flow {flow.name}: version {flow.latest_version}, {state}")


@flows.command("list", epilog=examples("agentstream flows list", "agentstream flows list --json"))
def list_flows(
    context: typer.Context, account: AccountOption = "", as_json: JsonOption = False
) -> None:
    """Show the flows and which of their versions calls enter."""

    async def job() -> list[Flow]:
        async with opened(configuration(context)) as store:
            owner = await chosen_account(store, account) if account else None
            return list(await store.flows.list(owner.sid if owner else None))

    rows = [
        {
            "name": flow.name,
            "published": flow.published_version,
            "latest": flow.latest_version,
            "account": flow.account_sid,
            "sid": flow.sid,
        }
        for flow in run(job())
    ]
    empty = "no flow yet: agentstream flows apply FILE --publish"
    print_rows(("name", "published", "latest", "account", "sid"), rows, as_json, empty)


@flows.command(
    "publish",
    epilog=examples(
        "agentstream flows publish support", "agentstream flows publish support --version 3"
    ),
)
def publish_flow(
    context: typer.Context,
    flow: Annotated[str, typer.Argument(help="The flow's name or sid.")],
    version: Annotated[
        int | None, typer.Option(help="Which version; the latest if not given.")
    ] = None,
    account: AccountOption = "",
) -> None:
    """Let calls enter a version of a flow: the latest, or an older one again."""

    async def job() -> Flow:
        async with opened(configuration(context)) as store:
            owner = await chosen_account(store, account)
            found = await _flow(store, owner, flow)
            kept = await store.flows.version(found.sid, version)
            if kept is not None:
                _checked(found.name, kept.document)
            done = await store.flows.publish(found.sid, version)
            await note(store, f"flows publish {done.name}", owner.sid, _version(done))
            return done

    done = run(job())
    typer.echo(f"flow {done.name}: version {done.published_version} is published")


@flows.command("show", epilog=examples("agentstream flows show support > support.yaml"))
def show_flow(
    context: typer.Context,
    flow: Annotated[str, typer.Argument(help="The flow's name or sid.")],
    version: Annotated[
        int | None, typer.Option(help="Which version; the latest if not given.")
    ] = None,
    account: AccountOption = "",
) -> None:
    """Print a flow's document as it was applied."""

    async def job() -> str:
        async with opened(configuration(context)) as store:
            found = await _flow(store, await chosen_account(store, account), flow)
            kept = await store.flows.version(found.sid, version)
            if kept is None:
                raise CommandError(f"flow {found.name} has no version {version}")
            return kept.document

    typer.echo(run(job()), nl=False)


@numbers.command(
    "assign",
    epilog=examples(
        "agentstream numbers assign +918040000002 support",
        "agentstream numbers assign '*' support",
        "agentstream numbers assign +918040000002 https://crm.example.com/ivr",
        "agentstream numbers assign +918040000002 --events https://hooks.example.com/legs",
    ),
)
def assign_number(
    context: typer.Context,
    number: Annotated[str, typer.Argument(help=f"What is dialled: {_NO_PHONE}.")],
    flow: Annotated[
        str,
        typer.Argument(
            help="The flow's name or sid, or the address of a server of ExoML documents."
        ),
    ] = "",
    events: Annotated[
        str, typer.Option(help="Instead of a flow: where the events of its legs go.")
    ] = "",
    manual: Annotated[
        bool, typer.Option("--manual", help="With --events: ring until an action answers.")
    ] = False,
    account: AccountOption = "",
) -> None:
    """Let a number ring a flow, documents, or legs steered from outside, from the next call on."""
    if bool(flow) == bool(events):
        raise CommandError("give the flow, or --events and an address")
    if manual and not events:
        raise CommandError("--manual goes with --events")

    async def job() -> str:
        settings = configuration(context)
        async with opened(settings) as store:
            owner = await chosen_account(store, account)
            if events:
                endpoint = check_endpoint(events, settings.legs.settings())
                mode: AnswerMode = "manual" if manual else "auto"
                kept = await store.numbers.attach(number, owner.sid, endpoint, mode)
                await note(store, f"numbers assign {kept.number}", owner.sid, "events of legs")
                return f"{kept.number} rings legs whose events go to {mask_url(endpoint)}"
            if flow.startswith(WEB):
                found = await _documents(store, owner, number, flow)
            else:
                found = await _flow(store, owner, flow)
            kept = await store.numbers.assign(number, owner.sid, found.sid)
            await note(store, f"numbers assign {kept.number}", owner.sid, f"flow {found.sid}")
            is_draft = not found.published_version
            hint = " (a draft: publish it, or the number is refused)" if is_draft else ""
            return f"{kept.number} rings flow {found.name}{hint}"

    typer.echo(run(job()))


@numbers.command("release", epilog=examples("agentstream numbers release +918040000002"))
def release_number(
    context: typer.Context, number: Annotated[str, typer.Argument(help="The number.")]
) -> None:
    """Forget a number; calls to it are refused."""

    async def job() -> None:
        async with opened(configuration(context)) as store:
            await store.numbers.release(number)
            await note(store, f"numbers release {number}")

    run(job())
    typer.echo(f"{number} rings nothing now")


@numbers.command("list", epilog=examples("agentstream numbers list"))
def list_numbers(
    context: typer.Context, account: AccountOption = "", as_json: JsonOption = False
) -> None:
    """Show the numbers and what they ring."""

    async def job() -> list[dict[str, object]]:
        async with opened(configuration(context)) as store:
            owner = await chosen_account(store, account) if account else None
            names = {flow.sid: flow for flow in await store.flows.list()}
            return [
                {
                    "number": each.number,
                    "flow": names[each.flow_sid].name if each.flow_sid in names else None,
                    "account": each.account_sid,
                    "flow_sid": each.flow_sid,
                    "events": mask_url(each.event_endpoint),
                }
                for each in await store.numbers.list(owner.sid if owner else None)
            ]

    empty = "no number yet: agentstream numbers assign NUMBER FLOW"
    print_rows(("number", "flow", "events", "account"), run(job()), as_json, empty)


def _version(flow: Flow) -> str:
    published = flow.published_version or "none"
    return f"flow {flow.sid}: latest {flow.latest_version}, published {published}"


async def _flow(store: Store, owner: Account, name: str) -> Flow:
    flow = await store.flows.find(owner.sid, name)
    if flow is None:
        raise CommandError(f"account {owner.sid} has no flow {name}")
    return flow


async def _documents(store: Store, owner: Account, number: str, url: str) -> Flow:
    """Publish the flow of one applet that lets documents drive the calls of a number (XR-1)."""
    name = f"documents {number}"[:64]
    applets = {"ivr": {"type": "exoml", "url": url}}
    text = json.dumps({"version": 1, "name": name, "start": "ivr", "applets": applets}, indent=2)
    _checked("the address", text)
    return await store.flows.apply(owner.sid, name, text, publish=True)


def _checked(file: str, text: str) -> FlowDocument:
    try:
        document = parse(text)
    except DocumentError as error:
        lines = (f"{file}: {problem}" for problem in error.problems)
        raise CommandError("\n".join(lines)) from error
    for problem in stream_problems(document):
        raise CommandError(f"{file}: {problem}")
    for warning in document.warnings:
        typer.echo(f"warning: {file}: {warning}", err=True)
    return document
