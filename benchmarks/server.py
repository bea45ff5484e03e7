"""The server under test: one `agentstream up` with its own configuration, seen through /proc."""

import asyncio
import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.tools import ROOT

from agentstream.store.sql_store import open_store

HOST = "127.0.0.1"
SIP_PORT = 15_060
HTTP_PORT = 18_080
BOT_PORT = 19_000
RTP_LOW, RTP_HIGH = 24_000, 31_999  # room for 4,000 calls
CALLS_LIMIT = 4000
NUMBERS = {100: "+14155550110", 20: "+14155550120"}  # by the frame's milliseconds
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_START_PATIENCE_S = 30

CONFIG = f"""
data_dir = "data"

[sip]
listeners = ["udp://{HOST}:{SIP_PORT}"]
allow = ["{HOST}"]

[rtp]
host = "{HOST}"
port_low = {RTP_LOW}
port_high = {RTP_HIGH}
port_rest_ms = 5000

[http]
port = {HTTP_PORT}

[limits]
calls = {CALLS_LIMIT}
streams_per_account = {CALLS_LIMIT}

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


def agentstream(*words: str) -> list[str]:
    """Return the command line of `agentstream WORDS` without an installed script."""
    return [sys.executable, "-c", "from agentstream.server.cli import app; app()", *words]


@dataclass(frozen=True, slots=True)
class Usage:
    """What the process has used; CPU since its start."""

    cpu_s: float
    at_s: float
    rss_mb: float


class Server:
    """The process; a context manager that starts and stops it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Server":
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder / "agentstream.toml").write_text(CONFIG)
        (self.folder / "data").mkdir()
        asyncio.run(_prepare(self.folder / "data"))
        _raise_file_limit()
        log = (self.folder / "server.log").open("wb")
        self.process = subprocess.Popen(
            agentstream("up"), cwd=self.folder, env=_environment(), stdout=log, stderr=log
        )
        log.close()
        try:
            self._wait_until_it_listens()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.kill()  # nothing of it is needed any more
            self.process.wait()

    def usage(self) -> Usage:
        """Read its CPU time and memory now."""
        assert self.process is not None
        folder = Path(f"/proc/{self.process.pid}")
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        pages = int((folder / "statm").read_text().split()[1])
        return Usage(
            cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS_PER_S,
            at_s=time.monotonic(),
            rss_mb=pages * resource.getpagesize() / 1e6,
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


async def _prepare(data: Path) -> None:
    """Make an account whose numbers ring the flows, before the server opens the store."""
    store = await open_store(data)
    try:
        account = await store.accounts.create("bench")
        await store.accounts.change(account.sid, stream_limit=CALLS_LIMIT)
        for frame_ms, number in NUMBERS.items():
            name = f"bench-{frame_ms}"
            made = await store.flows.apply(account.sid, name, flow(frame_ms), publish=True)
            await store.numbers.assign(number, account.sid, made.sid)
    finally:
        await store.close()


def dropped_datagrams(ports: range) -> int:
    """Count what the kernel dropped for want of room on our UDP sockets with these ports."""
    dropped = 0
    for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].rpartition(":")[2], 16) in ports:
            dropped += int(fields[-1])
    return dropped


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT / "src")}


def _raise_file_limit() -> None:
    """Allow a file per port: a shell allows fewer."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
