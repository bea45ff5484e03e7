"""`agentstream trunks status` and `agentstream rejections`, asked of a running server."""

import sys
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from agentstream.base.errors import CommandError
from agentstream.server.cli_common import JsonOption, configuration, console, examples, print_json
from agentstream.server.cli_server import local_auth, local_url, why

_EVERY_S: Final = 2.0
_SHOWN: Final = 50  # rejections on a terminal; --json gives all
_COLOURS: Final = {"up": "green", "down": "red", "resting": "yellow", "unasked": "dim"}
STATUS_EXAMPLES = examples(
    "agentstream trunks status",
    "agentstream trunks status --watch",
    "agentstream trunks status --json | jq '.trunks[].destinations'",
)
REJECTIONS_EXAMPLES = examples(
    "agentstream rejections",
    "agentstream rejections --trunk trmum1d97a5cd0ad16aee6d193f0",
    "agentstream rejections --json | jq '.[0].detail'",
)
Told = dict[str, Any]
UrlOption = Annotated[str, typer.Option(help="The server; this machine's if not given.")]
KeyOption = Annotated[str, typer.Option(envvar="AGENTSTREAM_KEY", help="An API key.")]
TokenOption = Annotated[str, typer.Option(envvar="AGENTSTREAM_TOKEN", help="Its token.")]
WatchOption = Annotated[bool, typer.Option("--watch", help="Look again every two seconds.")]


def status(
    context: typer.Context,
    url: UrlOption = "",
    key: KeyOption = "",
    token: TokenOption = "",
    watch: WatchOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show which destinations and carriers are up, registrations, live calls, minutes of today.

    On the server's own machine no key is needed; carriers are shown there only.
    """
    ask = _asker(context, "/v1/trunks/status", url, key, token)
    if as_json:
        print_json(ask())
    else:
        _show(ask, status_picture, watch)


def rejections(  # noqa: PLR0913, PLR0917  (each is an option of the command)
    context: typer.Context,
    trunk: Annotated[str, typer.Option(help="Of this trunk alone, by its sid.")] = "",
    url: UrlOption = "",
    key: KeyOption = "",
    token: TokenOption = "",
    watch: WatchOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show what was turned away, newest first, with the check that failed."""
    ask = _asker(context, "/v1/trunks/rejections", url, key, token, {"trunk": trunk})
    if as_json:
        print_json(ask()["rejections"])
    else:
        _show(ask, rejections_picture, watch)


def status_picture(told: Told) -> Group:
    """Return the tables of trunks."""
    roads = _table("trunk", "road", "state", "options", "round trip", "registration", "calls")
    for one in told.get("carriers", ()):
        roads.add_row(
            one["name"],
            "carrier",
            *_road(one),
            _registration(one["registration"]),
            _of(one["calls"], one["max_calls"]),
        )
    for one in told["trunks"]:
        calls = str(one["calls_to_trunk"])
        for destination in one["destinations"]:
            roads.add_row(
                one["trunk_name"], destination["destination"], *_road(destination), "", calls
            )
    used = _table("trunk", "account", "calls", "in", "out", "minutes today", "phones", "refused")
    for one in told["trunks"]:
        used.add_row(
            Text(one["trunk_name"], "" if one["status"] == "active" else "strike"),
            one["account_sid"],
            _of(one["calls_from_trunk"] + one["calls_to_trunk"], one["max_calls"]),
            str(one["calls_from_trunk"]),
            str(one["calls_to_trunk"]),
            _of(one["minutes_today"], one["daily_minutes"]),
            str(one["registered_phones"]),
            str(one["rejections"]),
        )
    if not roads.row_count and not used.row_count:
        return Group(Text("no trunk yet: agentstream trunks create NAME"))
    return Group(roads, Text(""), used)


def rejections_picture(told: Told) -> Group:
    """Return the table of what was turned away."""
    table = _table("time", "trunk", "reason", "status", "from", "to", "source", "times", "detail")
    for one in told["rejections"][:_SHOWN]:
        table.add_row(
            str(one["date"])[:19],
            (one["trunk_sid"] or "")[:12],
            Text(one["reason"], "red"),
            str(one["status"] or "silence"),
            _user(one["from_uri"]),
            _user(one["request_uri"]),
            one["source"],
            str(one["count"]),
            one["detail"] or "",
        )
    left = len(told["rejections"]) - _SHOWN
    notes = [Text(f"and {left} older: --json", "dim")] if left > 0 else []
    return Group(table, *notes) if table.row_count else Group(Text("nothing was turned away"))


def _asker(
    context: typer.Context,
    path: str,
    url: str,
    key: str,
    token: str,
    query: dict[str, str] | None = None,
) -> Callable[[], Told]:
    config = configuration(context)
    auth = (key, token) if key else local_auth(config)
    where = url or local_url(config)

    def ask() -> Told:
        import httpx  # slow to import: not for other commands

        try:
            answer = httpx.get(f"{where}{path}", auth=auth, params=query, timeout=10)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            text = str(error) or type(error).__name__
            raise CommandError(f"{where} does not answer: is the server up? ({text})") from error
        if answer.status_code != 200:
            raise CommandError(f"{where} answered {answer.status_code}: {why(answer)}")
        told: Told = answer.json()
        return told

    return ask


def _show(ask: Callable[[], Told], picture: Callable[[Told], Group], watch: bool) -> None:
    output = console()
    if not watch or not sys.stdout.isatty():
        output.print(picture(ask()))
        return
    try:
        with Live(picture(ask()), console=output, screen=True, auto_refresh=False) as live:
            while True:
                time.sleep(_EVERY_S)
                live.update(picture(ask()), refresh=True)
    except KeyboardInterrupt:
        return


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _road(told: Told) -> Iterator[str | Text]:
    state = told["state"]
    rests = f" {told['rests_ms'] // 1000 + 1} s" if state == "resting" else ""
    yield Text(state + rests, _COLOURS.get(state, ""))
    status = told["options_status"]
    yield "" if status is None else str(status or "no answer")
    yield "" if told["round_trip_ms"] is None else f"{told['round_trip_ms']} ms"


def _registration(told: Told | None) -> Text:
    if told is None:
        return Text("")
    if told["is_registered"]:
        return Text("registered", "green")
    return Text(f"no: {told['status'] or 'not yet'} {told['text'] or ''}".strip(), "red")


def _of(used: float, limit: int) -> Text:
    if not limit:
        return Text(f"{used:g}")
    colour = "red" if used >= limit else "yellow" if used >= limit * 0.8 else ""
    return Text(f"{used:g} of {limit}", colour)


def _user(uri: str) -> str:
    """Return the number or name in a URI, for a narrow column."""
    return uri.partition(":")[2].partition("@")[0] if "@" in uri else uri
