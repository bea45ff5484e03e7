"""The command line: `agentstream up`, and everything that an operator does beside it."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from agentstream import __version__
from agentstream.base.errors import CommandError
from agentstream.server import (
    cli_audit,
    cli_explain,
    cli_pcap,
    cli_route,
    cli_tail,
    cli_trunk_test,
    cli_trunk_watch,
)
from agentstream.server.cli_accounts import accounts, calls, keys
from agentstream.server.cli_callbacks import callbacks
from agentstream.server.cli_common import (
    JsonOption,
    commands,
    configuration,
    console,
    examples,
    opened,
    print_json,
    run,
)
from agentstream.server.cli_exoml import exoml
from agentstream.server.cli_flows import flows, numbers
from agentstream.server.cli_presets import presets
from agentstream.server.cli_recordings import recordings
from agentstream.server.cli_trunks import trunks
from agentstream.server.config import Config, as_toml

calls.command("tail", epilog=cli_tail.EXAMPLES)(cli_tail.tail)

trunks.command("test", epilog=cli_trunk_test.EXAMPLES)(cli_trunk_test.command)
trunks.command("status", epilog=cli_trunk_watch.STATUS_EXAMPLES)(cli_trunk_watch.status)

app = commands("A phone server for voicebots: SIP in, WebSocket out.")
for _name, _group in (
    ("flows", flows),
    ("numbers", numbers),
    ("trunks", trunks),
    ("presets", presets),
    ("exoml", exoml),
    ("calls", calls),
    ("recordings", recordings),
    ("callbacks", callbacks),
    ("accounts", accounts),
    ("keys", keys),
):
    app.add_typer(_group, name=_name)


app.command("audit", epilog=cli_audit.EXAMPLES)(cli_audit.audit)
app.command("explain", epilog=cli_explain.EXAMPLES)(cli_explain.command)
app.command("pcap", epilog=cli_pcap.EXAMPLES)(cli_pcap.command)
app.command("rejections", epilog=cli_trunk_watch.REJECTIONS_EXAMPLES)(cli_trunk_watch.rejections)
app.command("route", epilog=cli_route.EXAMPLES)(cli_route.command)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"agentstream {__version__}")
        raise typer.Exit


@app.callback(
    epilog=examples(
        "agentstream up", "agentstream demo", "agentstream call wss://bots.example.net/ws"
    )
)
def root(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            envvar="AGENTSTREAM_CONFIG",
            help="The configuration file; agentstream.toml here if not given.",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Point a SIP phone or trunk at one end, and a bot at the other."""


@app.command(
    epilog=examples(
        "agentstream up", "AGENTSTREAM_HTTP__HOST=0.0.0.0 agentstream --config /etc/a.toml up"
    )
)
def up(context: typer.Context) -> None:
    """Start the server. The first time, an account is made and its key shown.

    It stops on SIGTERM or Ctrl-C: new calls are refused, live ones finish or the deadline passes.
    """
    from agentstream.server.check import raise_file_limit
    from agentstream.server.first_run import prepare, show, show_addresses
    from agentstream.server.logs import set_up_logs
    from agentstream.server.run import run as serve

    config = configuration(context)
    set_up_logs(config.log)
    if not raise_file_limit(config):
        typer.echo("warning: too few files may be open: agentstream check", err=True)

    async def first() -> Any:  # noqa: ANN401
        async with opened(config) as store:
            return await prepare(store, config.limits.streams_per_account)

    made = run(first())
    if made is None:
        show_addresses("NUMBER", config, console())
    else:
        show(made, config, console())
    serve(config)


@app.command(epilog=examples("agentstream demo"))
def demo(
    save: Annotated[Path | None, typer.Option(help="Where to keep the recording.")] = None,
) -> None:
    """Watch a real SIP call talk to a bot on this machine. Exit code 0: every step was seen."""
    from agentstream.server import demo as scene

    raise typer.Exit(scene.run(save))


@app.command(
    epilog=examples(
        "agentstream call wss://bots.example.net/ws --text 'Hello, who is there?'",
        "agentstream call ws://localhost:8765 --say hello.wav --save heard.wav --seconds 20",
        "agentstream call ws://localhost:8765 --dtmf 12# --profile field",
    )
)
def call(  # noqa: PLR0913, PLR0917  (each is an option of the command)
    bot_url: Annotated[str, typer.Argument(help="The bot: ws://, wss://, or http(s):// to ask.")],
    say: Annotated[Path | None, typer.Option(help="A sound file that the caller plays.")] = None,
    text: Annotated[str, typer.Option(help="Or a sentence that the caller speaks.")] = "",
    language: Annotated[str, typer.Option(help="The sentence's language tag.")] = "en-IN",
    save: Annotated[Path | None, typer.Option(help="Keep what the caller heard, as WAV.")] = None,
    rate: Annotated[int, typer.Option(help="The line: 8000 or 16000 Hz.")] = 8_000,
    dtmf: Annotated[str, typer.Option(help="Keys that the caller presses.")] = "",
    dtmf_after: Annotated[float, typer.Option(help="Seconds before the first key.")] = 2.0,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long the caller stays.")] = 10.0,
    profile: Annotated[str, typer.Option(help="The wire's preset: docs or field.")] = "",
) -> None:
    """Call a bot without any phone network. Exit code 0: the bot was heard."""
    from agentstream.server.call import CallWish, call_bot, report

    if say is not None and text:
        raise CommandError("give either --say or --text")
    if say is not None and not say.is_file():
        raise CommandError(f"{say}: there is no such file")
    wish = CallWish(
        bot_url=bot_url,
        say=say,
        text=text,
        language=language,
        save=save,
        rate_hz=rate,
        digits=dtmf,
        digits_after_s=dtmf_after,
        seconds=seconds,
        profile=profile,
    )
    output = console()
    heard = run(call_bot(wish, output))
    raise typer.Exit(report(heard, wish, output))


@app.command(
    epilog=examples(
        "agentstream check",
        "agentstream check --bot wss://bots.example.net/ws",
        "agentstream check --json",
    )
)
def check(
    context: typer.Context,
    bot: Annotated[str, typer.Option(help="Also dial this bot, without a call.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Look whether everything is there that a call needs. Exit code 0: nothing is wrong."""
    from agentstream.server.check import Finding, check_all

    config = configuration(context)
    findings = check_all(config)
    if bot:
        verdict, text = run(_reach(bot, config))
        findings.append(Finding("bot", verdict, text))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        output = console()
        colours = {"ok": "green", "warning": "yellow", "error": "red"}
        for finding in findings:
            output.print(f"{finding.verdict:<8}", style=colours[finding.verdict], end="")
            output.print(f"{finding.name}: {finding.text}", markup=False, soft_wrap=True)
    if any(finding.verdict == "error" for finding in findings):
        raise typer.Exit(1)


@app.command(
    "print-config",
    epilog=examples(
        "agentstream print-config > agentstream.toml", "agentstream print-config --json"
    ),
)
def print_config(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show every setting with its value; secrets are masked."""
    shown = configuration(context).shown()
    if as_json:
        print_json(shown)
    else:
        typer.echo(as_toml(shown), nl=False)


async def _reach(url: str, config: Config) -> tuple[Any, str]:
    from agentstream.bot.check import check as dial

    report = await dial(url, config.profile())
    if report.error:
        return "error", f"{report.url or url}: {report.failed_phase}: {report.error}"
    phases = ", ".join(f"{phase.name} {phase.took_ms:.0f} ms" for phase in report.phases)
    said = [f"{finding.severity}: {finding.text}" for finding in report.findings]
    first_ms = report.first_audio_ms
    heard = "no audio" if first_ms is None else f"audio after {first_ms} ms"
    text = "; ".join([f"{report.url}: {phases}; heard {heard}", *said])
    return ("ok" if report.is_fine else "error"), text
