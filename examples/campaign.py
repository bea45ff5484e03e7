"""Call every number of a CSV file through the calls API, and add up exactly what came of it.

    export AGENTSTREAM_KEY=... AGENTSTREAM_TOKEN=...
    python examples/campaign.py numbers.csv --account greenleaf1 --caller-id 08040000002 \
        --flow support            (or --bot wss://bots.example.net/ws)

The file has a column `number`, or numbers in its first column. Calls begin at a steady rate, and
only so many live at once: a place is free again when the `terminal` callback of a call has come to
the little web server in here, which the phone server must be able to reach (--receiver). At the
end the calls are read back over the API, and held against what the callbacks said.

Exit code 0: every number has one outcome, and all sums agree. 1: they do not. 2: it did not begin.
"""

import argparse
import asyncio
import csv
import json
import os
import secrets
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

import httpx
import uvicorn
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

NUMBERS_LIMIT = 100_000
TRIES = 6  # of placing one call, when it is too much now or the connection breaks
PATIENCE_S = 60  # the longest wait between them
PAGE = 100  # calls that are read back at once
EVENTS = ("ringing", "answered", "terminal")
OUTCOMES = {
    "completed": "answered",
    "busy": "busy",
    "no-answer": "no answer",
    "failed": "failed",
    "canceled": "failed",
}
ROWS = ("answered", "busy", "no answer", "failed", "not placed", "not told")


@dataclass
class Callee:
    """One number, and what is known of its call."""

    number: str
    sid: str = ""
    status: str = ""  # what the terminal callback said
    refusal: str = ""  # why no call was placed
    told: Counter[str] = field(default_factory=Counter)  # callbacks by event, duplicates apart
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def outcome(self) -> str:
        """The one row of the table that this number belongs to."""
        if self.refusal:
            return "not placed"
        return OUTCOMES.get(self.status, "not told")


@dataclass
class Ledger:
    """Every number, and every callback once."""

    callees: list[Callee]
    name: str = field(default_factory=lambda: secrets.token_hex(4))  # of this campaign
    seen: set[str] = field(default_factory=set)  # the ids of callbacks
    duplicates: int = 0
    strange: int = 0  # callbacks of calls that are not ours

    def custom_field(self, index: int) -> str:
        """Return what a call's callbacks are known by: they may come before its sid does."""
        return f"{self.name}-{index}"

    def take(self, webhook_id: str, said: dict[str, object]) -> None:
        """Take one callback."""
        if webhook_id in self.seen:
            self.duplicates += 1
            return
        self.seen.add(webhook_id)
        name, _, index = str(said.get("CustomField", "")).rpartition("-")
        if name != self.name or not index.isdecimal() or int(index) >= len(self.callees):
            self.strange += 1
            return
        callee, event = self.callees[int(index)], str(said.get("EventType"))
        callee.told[event] += 1
        if event == "terminal":
            callee.status = str(said.get("Status"))
            callee.over.set()

    @property
    def outcomes(self) -> Counter[str]:
        """How many numbers have each outcome."""
        return Counter(callee.outcome for callee in self.callees)

    @property
    def told(self) -> Counter[str]:
        """How many callbacks came of each event, duplicates apart."""
        return sum((callee.told for callee in self.callees), Counter())

    def differences(self, read_back: dict[str, str]) -> list[str]:
        """Say where sums differ; `read_back` has the status of each sid as the API knows it."""
        found = []
        placed = [callee for callee in self.callees if callee.sid]
        outcomes, told = self.outcomes, self.told
        if sum(outcomes[row] for row in ROWS) != len(self.callees):
            found.append(f"{len(self.callees)} numbers, but outcomes of {sum(outcomes.values())}")
        if told["terminal"] != len(placed):
            found.append(f"{len(placed)} calls were placed, {told['terminal']} were told as over")
        if told["answered"] != outcomes["answered"]:
            found.append(
                f"{told['answered']} were told as answered, {outcomes['answered']} as completed"
            )
        if self.strange:
            found.append(f"{self.strange} callbacks belong to no call of this campaign")
        for callee in placed:
            if any(count > 1 for count in callee.told.values()):
                found.append(f"{callee.sid}: told twice under two ids: {dict(callee.told)}")
            if callee.status != read_back.get(callee.sid):
                found.append(
                    f"{callee.sid}: told as {callee.status or 'nothing'},"
                    f" read back as {read_back.get(callee.sid, 'nothing')}"
                )
        return found


class Campaign:
    """Places the calls, and waits for what comes of them."""

    def __init__(
        self, options: argparse.Namespace, ledger: Ledger, client: httpx.AsyncClient
    ) -> None:
        self.options = options
        self.ledger = ledger
        self.client = client
        self.callback_url = ""

    async def run(self, progress: Progress) -> dict[str, str]:
        """Call everybody; returns the status of every sid as the API knows it."""
        options, bar = self.options, progress.add_task("calling", total=len(self.ledger.callees))
        places = asyncio.Semaphore(options.at_once)
        loop = asyncio.get_running_loop()
        next_at = loop.time()
        async with asyncio.TaskGroup() as calls:
            for index, callee in enumerate(self.ledger.callees):
                await places.acquire()
                # A place that was long in coming is not made up for by a burst.
                next_at = max(next_at, loop.time() - 1)
                await asyncio.sleep(next_at - loop.time())
                next_at += 1 / options.rate
                call = calls.create_task(self._call(index, callee))
                call.add_done_callback(lambda _: places.release())
                call.add_done_callback(lambda _: progress.advance(bar))
        return await self._read_back()

    async def _call(self, index: int, callee: Callee) -> None:
        options = self.options
        form = {
            "From": callee.number,
            "CallerId": options.caller_id,
            "TimeOut": str(options.ring_seconds),
            "TimeLimit": str(options.call_seconds),
            "CustomField": self.ledger.custom_field(index),
            "StatusCallback": self.callback_url,
            "StatusCallbackEvents": ",".join(EVENTS),
            "StatusCallbackContentType": "application/json",
        }
        if options.bot:
            form |= {"StreamUrl": options.bot, "StreamType": "bidirectional"}
        else:
            flow = quote(options.flow, safe="")
            form["Url"] = f"http://my.example.com/{options.account}/exoml/start_voice/{flow}"
        # An order whose answer was lost is repeated: the same key never rings a phone twice.
        key = {"Idempotency-Key": self.ledger.custom_field(index)}
        try:
            callee.sid = await self._place(form, key)
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            callee.refusal = str(error) or type(error).__name__
            return
        limit_s = options.ring_seconds + options.call_seconds + options.grace_seconds
        try:
            async with asyncio.timeout(limit_s):
                await callee.over.wait()
        except TimeoutError:
            pass  # its row is "not told", and the sums differ

    async def _place(self, form: dict[str, str], headers: dict[str, str]) -> str:
        for tries_left in reversed(range(TRIES)):
            wait_s = 1
            try:
                answer = await self.client.post("Calls/connect.json", data=form, headers=headers)
            except httpx.TransportError:
                if not tries_left:
                    raise
            else:
                if answer.status_code == 200:
                    return str(answer.json()["Call"]["Sid"])
                if answer.status_code != 429 or not tries_left:
                    raise ValueError(answer.json()["RestException"]["Message"])
                wait_s = int(answer.headers.get("Retry-After", "1"))
            await asyncio.sleep(min(PATIENCE_S, wait_s))
        raise AssertionError("the last try returns or raises")

    async def _read_back(self) -> dict[str, str]:
        found: dict[str, str] = {}
        sids = [callee.sid for callee in self.ledger.callees if callee.sid]
        for start in range(0, len(sids), PAGE):
            some = ",".join(sids[start : start + PAGE])
            answer = await self.client.get("Calls.json", params={"Sid": some, "PageSize": PAGE})
            answer.raise_for_status()
            found |= {call["Sid"]: call["Status"] for call in answer.json()["Calls"]}
        return found


class Receiver(uvicorn.Server):
    """The web server that callbacks come to; only who knows the key is listened to."""

    def __init__(self, ledger: Ledger, host: str, port: int) -> None:
        self._ledger = ledger
        self._key = secrets.token_urlsafe(16)
        app = Starlette(routes=[Route("/callbacks", self.told, methods=["POST"])])
        super().__init__(uvicorn.Config(app, host=host, port=port, log_level="warning"))

    async def told(self, request: Request) -> Response:
        """Take one callback."""
        key = request.query_params.get("key", "")
        if not secrets.compare_digest(key.encode(), self._key.encode()):
            return Response(status_code=403)
        self._ledger.take(request.headers.get("webhook-id", ""), await request.json())
        return Response(status_code=200)

    async def url(self, public: str) -> str:
        """Wait until it listens; returns the URL for callbacks, at `public` if that is given."""
        async with asyncio.timeout(10):
            while not self.started:  # noqa: ASYNC110  (it has no event for that)
                await asyncio.sleep(0.01)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        base = public.rstrip("/") or f"http://{host}:{port}"
        return f"{base}/callbacks?key={self._key}"


def read_numbers(path: Path) -> list[str]:
    """Return the numbers of a file; ends the program with a sentence when there are none."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file) if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        give_up(f"{path}: {error}")
    column = 0
    if rows and "number" in (names := [cell.lower() for cell in rows[0]]):
        column, rows = names.index("number"), rows[1:]
    numbers = [row[column] for row in rows if len(row) > column and row[column]]
    if not 0 < len(numbers) <= NUMBERS_LIMIT:
        give_up(f"{path}: {len(numbers)} numbers, it may be 1 to {NUMBERS_LIMIT}")
    return numbers


def give_up(why: str) -> NoReturn:
    """End before anybody was called."""
    print(why, file=sys.stderr)
    raise SystemExit(2)


def show(ledger: Ledger, differences: list[str], *, as_json: bool) -> None:
    """Print what came of it."""
    outcomes, told = ledger.outcomes, ledger.told
    if as_json:
        facts = {
            "numbers": len(ledger.callees),
            "outcomes": {row: outcomes[row] for row in ROWS},
            "callbacks": {event: told[event] for event in EVENTS},
            "duplicates": ledger.duplicates,
            "differences": differences,
        }
        print(json.dumps(facts))
        return
    table = Table(title="Campaign")
    table.add_column("")
    table.add_column("count", justify="right")
    for row in ROWS:
        table.add_row(row, str(outcomes[row]))
    table.add_section()
    table.add_row("numbers", str(sum(outcomes.values())))
    table.add_section()
    for event in EVENTS:
        table.add_row(f"callbacks: {event}", str(told[event]))
    table.add_row("callbacks: duplicates", str(ledger.duplicates))
    console = Console()
    console.print(table)
    for why in sorted({callee.refusal for callee in ledger.callees if callee.refusal})[:10]:
        console.print(f"not placed: {why}", markup=False)
    for line in differences[:20]:
        console.print(f"differs: {line}", markup=False, style="red")
    if not differences:
        console.print("all sums agree", style="green")


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("numbers", type=Path, help="the CSV file")
    parser.add_argument("--api", default="http://127.0.0.1:8080", help="the phone server")
    parser.add_argument("--account", required=True, help="the account's sid")
    parser.add_argument("--caller-id", required=True, help="a number of the account")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--flow", default="", help="a published flow's sid or name")
    what.add_argument("--bot", default="", help="a bot's address, ws:// or wss://")
    parser.add_argument("--rate", type=float, default=10.0, help="calls that begin in a second")
    parser.add_argument("--at-once", type=int, default=50, help="calls that may live at once")
    parser.add_argument("--ring-seconds", type=int, default=30)
    parser.add_argument("--call-seconds", type=int, default=600, help="the longest a call may be")
    parser.add_argument(
        "--grace-seconds", type=int, default=60, help="how late the last callback may come"
    )
    parser.add_argument("--receiver", default="", help="our URL as the phone server reaches it")
    parser.add_argument("--listen", default="127.0.0.1", help="the address callbacks come to")
    parser.add_argument("--port", type=int, default=0, help="and the port; 0: any free one")
    parser.add_argument("--json", action="store_true", help="print one JSON line, for scripts")
    options = parser.parse_args(words)
    if not (0 < options.rate <= 1_000 and 0 < options.at_once <= 10_000):
        parser.error("--rate is above 0 and at most 1000, --at-once 1 to 10000")
    return options


async def main(options: argparse.Namespace) -> int:
    """Run a campaign; returns the exit code."""
    try:
        auth = os.environ["AGENTSTREAM_KEY"], os.environ["AGENTSTREAM_TOKEN"]
    except KeyError as missing:
        give_up(f"set {missing.args[0]}: `agentstream keys create` makes both")
    ledger = Ledger([Callee(number) for number in read_numbers(options.numbers)])
    base = f"{options.api.rstrip('/')}/v1/Accounts/{quote(options.account, safe='')}/"
    receiver = Receiver(ledger, options.listen, options.port)
    serving = asyncio.create_task(receiver.serve())
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    progress = Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True))
    async with httpx.AsyncClient(base_url=base, auth=auth, timeout=15) as client:
        campaign = Campaign(options, ledger, client)
        campaign.callback_url = await receiver.url(options.receiver)
        with progress:
            calling = asyncio.create_task(campaign.run(progress))
            await asyncio.wait([calling, serving], return_when=asyncio.FIRST_COMPLETED)
        if not calling.done():  # Ctrl-C ended the receiver
            calling.cancel()
            await asyncio.wait([calling])
        read_back = {} if calling.cancelled() else calling.result()
    receiver.should_exit = True
    await serving
    differences = ledger.differences(read_back)
    show(ledger, differences, as_json=options.json)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(arguments())))
