"""Many calls through trunks both ways, and what became of each packet and each recording.

    python -m benchmarks.trunk_soak --calls 200 --seconds 300

One half comes from the telephone network, enters a flow and is connected to the trunk, recorded.
The other half logs in as the trunk's user and is dialled to the telephone network. Everybody says
sound that is known; who is called says back what is heard. Exit code 1 unless every call was set up
and ended by its caller, no packet was lost by us, and every recording holds what was said.
"""

import argparse
import json
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks.kept_sound import kept
from benchmarks.server import HOST, SIP_PORT, Server, Usage, dropped_datagrams
from benchmarks.soak_table import Direction, Recordings, Soak, failures, print_soak
from benchmarks.tools import ROOT, Report, Tool, call, running
from benchmarks.trunk_server import (
    DESTINATION_PORT,
    DID,
    DOMAIN,
    FAR,
    NETWORK_HOST,
    NETWORK_PORT,
    PASSWORD,
    PEER_HOST,
    USER,
    TrunkServer,
)
from rich.console import Console
from rich.progress import Progress

CALLS_PER_S = 20  # of each direction
SETTLE_S = 3  # the callers' tool waits so long before its window
GRACE_S = 120
RECORDINGS_PATIENCE_S = 60
_FROM_NETWORK = {"host": NETWORK_HOST, "callee": DID}
_FROM_TRUNK = {
    "host": PEER_HOST,
    "callee": FAR,
    "from": f"{DID}@{DOMAIN}",
    "user": USER,
    "password": PASSWORD,
}


class Half:
    """The calls of one direction, and those who answer them."""

    def __init__(self, name: str, who: dict[str, str], answerer: Tool, server: Server) -> None:
        self.name = name
        self.usage: list[Usage] = []  # as its window began and ended
        self.ends = threading.Event()
        self._who = who
        self._answerer = answerer
        self._server = server
        self._called = Report()
        self._drops: tuple[int, int] = (0, 0)

    def run(self, calls: int, seconds: int) -> Direction:
        """Let them talk for so many seconds once all are up."""
        caller = call(
            calls / CALLS_PER_S + seconds + GRACE_S,
            self._begin,
            self._end,
            server=f"{HOST}:{SIP_PORT}",
            calls=calls,
            rate=CALLS_PER_S,
            seconds=seconds,
            **self._who,
        )
        self._answerer.tell("report")
        called = self._called | {"sip": self._answerer.expect("report")["sip"]}
        return Direction(self.name, caller, called, self._drops[1] - self._drops[0])

    def _begin(self) -> None:
        self._answerer.tell("reset")
        self._drops = (self._dropped(), 0)
        self.usage.append(self._server.usage())

    def _end(self) -> None:
        self._called = self._answerer.report()
        self.usage.append(self._server.usage())
        self._drops = (self._drops[0], self._dropped())
        self.ends.set()

    def _dropped(self) -> int:
        """Count what was dropped at sockets that are not the server's."""
        return dropped_datagrams(_Others(self._server.rtp_ports))


class _Others:
    """Every port but those of the server."""

    def __init__(self, ports: range) -> None:
        self._ports = ports

    def __contains__(self, port: object) -> bool:
        return port not in self._ports and port != SIP_PORT


def soak(folder: Path, calls: int, seconds: int, console: Console) -> Soak:
    """Run `calls` calls at once for so many seconds, half of them in each direction."""
    ways = (
        ("network → flow → trunk", _FROM_NETWORK, DESTINATION_PORT),
        ("trunk → network", _FROM_TRUNK, NETWORK_PORT),
    )
    each = calls // 2
    with TrunkServer(folder) as server, ThreadPoolExecutor(len(ways)) as threads:
        ours = [*server.rtp_ports, SIP_PORT]
        dropped = dropped_datagrams(ours)
        with (
            running("answerer", port=ways[0][2]) as destination,
            running("answerer", port=ways[1][2]) as network,
        ):
            halves = [
                Half(name, who, answerer, server)
                for (name, who, _), answerer in zip(ways, (destination, network), strict=True)
            ]
            talks = [threads.submit(half.run, each, seconds) for half in halves]
            with _progress(console, each / CALLS_PER_S + SETTLE_S + seconds, talks):
                for half, talk in zip(halves, talks, strict=True):
                    while not half.ends.wait(0.5) and not talk.done():
                        pass
            dropped = dropped_datagrams(ours) - dropped
            directions = [talk.result() for talk in talks]
        recordings = _recordings(server, each, seconds, console)
    usage = halves[0].usage
    return Soak(directions, recordings, (usage[0], usage[1]), dropped)


@contextmanager
def _progress(console: Console, total_s: float, talks: list[Future[Direction]]) -> Iterator[None]:
    """Show how far the calls are, by the clock."""
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("talking", total=total_s)
        began, is_over = time.monotonic(), threading.Event()

        def show() -> None:
            while not is_over.wait(0.5) and not all(talk.done() for talk in talks):
                progress.update(task, completed=min(total_s, time.monotonic() - began))

        thread = threading.Thread(target=show, daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()


def _recordings(server: Server, calls: int, seconds: int, console: Console) -> Recordings:
    """Wait until the node has written them all, and look at each."""
    folder = server.folder / "data" / "recordings"
    deadline = time.monotonic() + RECORDINGS_PATIENCE_S
    while len(found := sorted(folder.rglob("*.wav"))) < calls and time.monotonic() < deadline:
        time.sleep(0.5)
    looked_at = Recordings(calls, seconds * 1000)
    with Progress(console=console, transient=True) as progress:
        for path in progress.track(found, description="listening to the recordings"):
            looked_at.channels[path.name] = kept(path)
    return looked_at


def main() -> int:
    """Run it and print what came of it."""
    parser = argparse.ArgumentParser(description="Many calls through trunks, both ways.")
    parser.add_argument("--calls", type=int, default=200, help="at once, half in each direction")
    parser.add_argument("--seconds", type=int, default=300, help="once all are up")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "soak")
    options = parser.parse_args()
    console = Console()
    console.width = max(console.width, 100)
    seen = soak(options.folder, options.calls, options.seconds, console)
    details = {one.name: {"caller": one.caller, "called": one.called} for one in seen.directions}
    (options.folder / "soak.json").write_text(json.dumps(details, indent=2) + "\n")
    print_soak(console, seen, f"{options.calls} calls, {options.seconds} s")
    found = failures(seen, options.calls // 2)
    for sentence in found:
        console.print(f"[red]{sentence}[/]")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
