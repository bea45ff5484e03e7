"""The server under test: one `agentstream up` with its own configuration, seen through /proc."""

import asyncio
import json
import os
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import wave
from collections.abc import Container
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.tools import ROOT

from agentstream.store.files import DATABASE_FILE
from agentstream.store.sql_store import open_store
from agentstream.store.values import NewKey

HOST = "127.0.0.1"
SIP_PORT = 9_060  # below the RTP ports
HTTP_PORT = 9_080
BOT_PORT = 9_090
BUSY_PORT = 9_070  # of the trunk: whoever is called there is busy
RTP_PORTS = 5000  # room for 2,500 calls
CALLS_LIMIT = 2000
NUMBERS = {100: "+14155550110", 20: "+14155550120"}  # by the frame's milliseconds
JOURNEY_NUMBER = "+14155550130"
SHOP_PORT = 9_095
PROMPT = "prompt.wav"  # half a second, in the server's folder
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_START_PATIENCE_S = 60
_EVENTS_PATIENCE_S = 60
_START_ATTEMPTS = 6

CONFIG = """
data_dir = "data"

[sip]
listeners = ["udp://{host}:{sip_port}"]
allow = ["{host}"]

[rtp]
host = "{host}"
port_low = {rtp_low}
port_high = {rtp_high}
port_rest_ms = 5000

[http]
port = {http_port}

[api]
calls_per_minute = 0
reads_per_minute = 0

[trunks.busy]
target = "sip:{host}:{busy_port}"

[dial]
trunk = "busy"

[limits]
calls = {calls}
streams_per_account = {calls}

[log]
level = "warning"
"""


def flow(frame_ms: int) -> str:
    """Return the flow of the number that streams frames of `frame_ms`."""
    return f"""
version: 1
name: bench-{frame_ms}
start: talk
applets:
  talk:
    type: voicebot
    url: "ws://{HOST}:{BOT_PORT}/bench"
    settings: {{frame_ms: {frame_ms}}}
"""


def journey(prompt: Path, talk_s: int) -> str:
    """Return the flow that greets, asks for keys, asks a server, lets a bot talk, and tells.

    The talk's limit ends it, so that calls end as they began: one after the other.
    """
    return f"""
version: 1
name: bench-journey
start: greet
applets:
  greet: {{type: greeting, audio: "{prompt}", next: keys}}
  keys:
    type: gather
    gather_prompt: {{audio: "{prompt}"}}
    input_timeout: 1
    on_digits: before
    on_nothing: before
  before: {{type: passthru, url: "http://{HOST}:{SHOP_PORT}/before", next: talk}}
  talk:
    type: voicebot
    url: "ws://{HOST}:{BOT_PORT}/bench"
    settings: {{max_seconds: {talk_s}}}
    next: after
  after: {{type: passthru, url: "http://{HOST}:{SHOP_PORT}/after"}}
"""


def _write_prompt(path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(bytes(8_000))


def agentstream(*words: str) -> list[str]:
    """Return the command line of `agentstream WORDS` without an installed script."""
    return [sys.executable, "-c", "from agentstream.server.cli import app; app()", *words]


@dataclass(frozen=True, slots=True)
class Usage:
    """What the process has used; CPU since its start."""

    cpu_s: float
    at_s: float
    rss_mb: float


def usage_of(pid: int) -> Usage:
    """Read a process's CPU time and memory now."""
    folder = Path(f"/proc/{pid}")
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    pages = int((folder / "statm").read_text().split()[1])
    return Usage(
        cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS_PER_S,
        at_s=time.monotonic(),
        rss_mb=pages * resource.getpagesize() / 1e6,
    )


class Server:
    """The process; a context manager that starts and stops it."""

    def __init__(self, folder: Path, talk_s: int) -> None:
        self.folder = folder
        self.talk_s = talk_s  # of a journey
        self.process: subprocess.Popen[bytes] | None = None
        self.rtp_ports = range(0)
        self.key: NewKey  # of its account; made when it is entered

    def __enter__(self) -> "Server":
        _raise_file_limit()
        for attempt in range(_START_ATTEMPTS):
            self._start()
            try:
                self._wait_until_it_listens()
            except BaseException:
                self.__exit__()
                # Another program may take one of the ports between our look and the server's.
                if "Address already in use" in self.log_tail() and attempt + 1 < _START_ATTEMPTS:
                    continue
                raise
            break
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.kill()  # nothing of it is needed any more
            self.process.wait()

    def usage(self) -> Usage:
        """Read its CPU time and memory now."""
        assert self.process is not None
        return usage_of(self.process.pid)

    def events(self, kind: str, count: int) -> list[dict[str, Any]]:
        """Return what its calls left of this kind, once there is as much as wanted."""
        deadline = time.monotonic() + _EVENTS_PATIENCE_S
        query = (
            "SELECT event.value ->> 2 FROM call_stories, json_each(call_stories.events) AS event"
            " WHERE event.value ->> 1 = ?"
        )
        with closing(sqlite3.connect(self.folder / "data" / DATABASE_FILE)) as database:
            while True:
                rows = database.execute(query, (kind,)).fetchall()
                if len(rows) >= count or time.monotonic() > deadline:
                    return [json.loads(body) for (body,) in rows]
                time.sleep(0.5)

    def _start(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "data").mkdir(parents=True)
        _write_prompt(self.folder / PROMPT)
        self.key = asyncio.run(self.prepare())
        self.rtp_ports = free_ports(RTP_PORTS)
        (self.folder / "agentstream.toml").write_text(self.settings())
        with (self.folder / "server.log").open("wb") as log:
            self.process = subprocess.Popen(
                agentstream("up"), cwd=self.folder, env=_environment(), stdout=log, stderr=log
            )

    async def prepare(self) -> NewKey:
        """Make an account, its key, and numbers that ring the flows, before the server is up."""
        flows = {number: flow(frame_ms) for frame_ms, number in NUMBERS.items()}
        flows[JOURNEY_NUMBER] = journey(self.folder / PROMPT, self.talk_s)
        store = await open_store(self.folder / "data")
        try:
            account = await store.accounts.create("bench")
            await store.accounts.change(account.sid, stream_limit=CALLS_LIMIT)
            for number, document in flows.items():
                name = f"bench-{number[-3:]}"
                made = await store.flows.apply(account.sid, name, document, publish=True)
                await store.numbers.assign(number, account.sid, made.sid)
            return await store.accounts.create_key(account.sid)
        finally:
            await store.close()

    def settings(self) -> str:
        """Return its configuration."""
        return CONFIG.format(
            host=HOST,
            sip_port=SIP_PORT,
            http_port=HTTP_PORT,
            busy_port=BUSY_PORT,
            rtp_low=self.rtp_ports[0],
            rtp_high=self.rtp_ports[-1],
            calls=CALLS_LIMIT,
        )

    def log_tail(self) -> str:
        """Return the last lines that it wrote."""
        text = (self.folder / "server.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-20:])

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + _START_PATIENCE_S
        while time.monotonic() < deadline:
            assert self.process is not None
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection((HOST, HTTP_PORT), timeout=1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise RuntimeError(f"the server did not start:\n{self.log_tail()}")


def free_ports(count: int) -> range:
    """Find `count` UDP ports in a row, from an even one, that nobody has."""
    for low in range(10_000, 32_000, 1000):
        if all(_is_free(port) for port in range(low, low + count)):
            return range(low, low + count)
    raise RuntimeError(f"no {count} UDP ports in a row are free")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def dropped_datagrams(ports: Container[int]) -> int:
    """Count what the kernel dropped for want of room on the UDP sockets with these ports."""
    return sum(count for port, count in drops_by_port() if port in ports)


def drops_by_port() -> list[tuple[int, int]]:
    """Return the port of every UDP socket of this machine, and what the kernel dropped there."""
    lines = Path("/proc/net/udp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return [(int(one[1].rpartition(":")[2], 16), int(one[-1])) for one in fields]


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT / "src")}


def _raise_file_limit() -> None:
    """Allow a file per port: a shell allows fewer."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
