"""`agentstream calls tail`: the live calls of a running server, as they are told by /v1/live."""

import json
import sys
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from agentstream.base.errors import CommandError
from agentstream.server.cli_common import configuration, console, examples
from agentstream.server.cli_server import local_auth, local_url, why

_LATEST = 12  # lines of what happened last
_ROWS = 500

Happening = dict[str, Any]


@dataclass(slots=True)
class LiveCall:
    """One line of the table."""

    sid: str
    caller: str = ""
    called: str = ""
    began: str = ""
    state: str = "ringing"
    stream: str = ""


@dataclass(slots=True)
class Board:
    """What is shown: the live calls, and what happened last."""

    calls: OrderedDict[str, LiveCall] = field(default_factory=OrderedDict)
    latest: deque[str] = field(default_factory=lambda: deque(maxlen=_LATEST))
    ended: int = 0

    def take(self, happening: Happening) -> str:
        """Take one fact; return it as a line."""
        sid, event = str(happening.get("call_sid", "")), str(happening["event"])
        if event == "call_started":
            setup = happening["setup"]
            self.calls[sid] = LiveCall(
                sid, setup["from_number"], setup["to_number"], happening["at"]
            )
            if len(self.calls) > _ROWS:
                self.calls.popitem(last=False)
        call = self.calls.get(sid)
        if call is not None:
            call.state = _STATES.get(event, call.state)
            call.stream = _STREAMS.get(event, call.stream)
        if event == "call_ended":
            self.calls.pop(sid, None)
            self.ended += 1
        line = line_of(happening)
        self.latest.append(line)
        return line

    def shown(self, now: datetime) -> Group:
        """Return the picture."""
        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in ("call", "from", "to", "state", "stream", "for"):
            table.add_column(column, no_wrap=True)
        for call in self.calls.values():
            table.add_row(
                call.sid[:8], call.caller, call.called, call.state, call.stream, _age(call, now)
            )
        title = Text(f"{len(self.calls)} live, {self.ended} ended", style="bold")
        return Group(title, table, Text(""), *(Text(line, style="dim") for line in self.latest))


_STATES = {"call_answered": "talking", "call_hung_up": "ending"}
_STREAMS = {
    "stream_requested": "connecting",
    "stream_attempt_failed": "failing",
    "stream_connected": "open",
    "stream_opened": "open",
    "bot_spoke": "bot speaks",
    "playout_cleared": "bot stopped",
    "stream_finished": "over",
}


EXAMPLES = examples(
    "agentstream calls tail",
    "agentstream calls tail --json | jq .event",
    "agentstream calls tail --url https://voice.example.net --key KEY --token TOKEN",
)


def tail(
    context: typer.Context,
    url: Annotated[str, typer.Option(help="The server; this machine's if not given.")] = "",
    key: Annotated[str, typer.Option(envvar="AGENTSTREAM_KEY", help="An API key.")] = "",
    token: Annotated[str, typer.Option(envvar="AGENTSTREAM_TOKEN", help="Its token.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print every fact as JSON.")] = False,
) -> None:
    """Watch live calls: a table on a terminal, else a line for each fact.

    On the server's own machine no key is needed: whoever can read its data folder may watch.
    """
    config = configuration(context)
    auth = (key, token) if key else local_auth(config)
    facts = happenings(url or local_url(config), auth)
    try:
        if as_json:
            for fact in facts:
                typer.echo(json.dumps(fact, ensure_ascii=False))
        else:
            _watch(facts, console())
    except KeyboardInterrupt:
        return
    typer.echo("the server has stopped", err=True)


def happenings(url: str, auth: tuple[str, str]) -> Iterator[Happening]:
    """Yield facts until the server stops; raises CommandError when it does not let us watch."""
    import httpx  # slow to import: not for other commands

    timeout = httpx.Timeout(10, read=45)  # it says "still here" every 15 s
    try:
        with httpx.stream("GET", f"{url}/v1/live", auth=auth, timeout=timeout) as answer:
            if answer.status_code != 200:
                answer.read()
                raise CommandError(f"{url} answered {answer.status_code}: {why(answer)}")
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))
    except httpx.ConnectError as error:
        raise CommandError(f"{url} does not answer: is the server up? ({error})") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CommandError(f"{url}: {str(error) or type(error).__name__}") from error


def line_of(happening: Happening) -> str:
    """Return a fact as one line for a person."""
    time, sid = str(happening.get("at", ""))[11:23], str(happening.get("call_sid", ""))[:8]
    known = {"event", "at", "at_ms", "call_sid", "account_sid", "leg_sid", "setup", "record"}
    pairs = [
        f"{name}={value}"
        for name, value in happening.items()
        if name not in known and value not in ("", None) and not isinstance(value, dict | list)
    ]
    record = happening.get("record")
    if isinstance(record, dict):
        pairs += [f"{name}={record.get(name)}" for name in ("status", "cause", "ended_by")]
    return " ".join((time, sid, str(happening["event"]), *pairs))


def _watch(facts: Iterator[Happening], output: Console) -> None:
    board = Board()
    if not sys.stdout.isatty():
        for fact in facts:
            output.print(board.take(fact), markup=False, soft_wrap=True)
        return
    with Live(
        get_renderable=lambda: board.shown(datetime.now(UTC)),
        console=output,
        refresh_per_second=4,
        screen=True,
    ):
        for fact in facts:
            board.take(fact)


def _age(call: LiveCall, now: datetime) -> str:
    seconds = int((now - datetime.fromisoformat(call.began)).total_seconds())
    return f"{seconds // 60}:{seconds % 60:02d}"
