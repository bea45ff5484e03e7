"""Programs that ask the calls API at a steady rate, and the phone that refuses what they place.

    python -m benchmarks.api_load --port 9080 --account SID --key KEY --token TOKEN
        --rate 100 --sip-port 9070

Every fifth request places a call to a number that is busy; the others read one call, and a page
of them. A request counts from when it was due, so that a slow answer hides nobody behind it. Says
`ready` and reports in JSON lines like the native tools; stays until its standard input ends.

It speaks HTTP by hand: what a client library needs for a request is more than what the server does,
and on a shared machine that would be measured as the server's.
"""

import argparse
import asyncio
import base64
import json
import sys
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import uvloop

from agentstream.net.sip_engine import Listener, SipConfig, SipEngine
from agentstream.testing.scripted_callee import ScriptedCallee

HOST: Final = "127.0.0.1"
PATIENCE_S: Final = 10
FORM: Final = urlencode({"From": "+14155550901", "To": "+14155550902", "CallerId": "+14155550110"})
CONNECT_EACH: Final = 5
WAITING_LIMIT: Final = 1_000  # requests without an answer; more fail at once


class RefusedError(Exception):
    """The server answered with another status than 200."""


class Client:
    """Keeps connections, one request at a time on each."""

    def __init__(self, port: int, account: str, key: str, token: str) -> None:
        self._port = port
        self._base = f"/v1/Accounts/{account}/"
        secret = base64.b64encode(f"{key}:{token}".encode()).decode()
        self._headers = f"Host: {HOST}\r\nAuthorization: Basic {secret}\r\n"
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, method: str, path: str, form: str = "") -> dict[str, Any]:
        """Return the JSON of an answer; RefusedError or OSError when there is none."""
        connection = self._kept() or await asyncio.open_connection(HOST, self._port)
        async with asyncio.timeout(PATIENCE_S):
            status, body = await self._exchange(*connection, self._request(method, path, form))
        self._idle.append(connection)
        if status != 200:
            raise RefusedError(status)
        answer: dict[str, Any] = json.loads(body)
        return answer

    def close(self) -> None:
        """Close every connection."""
        for _, writer in self._idle:
            writer.close()

    def _kept(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Return a connection that the server has not closed for want of requests."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return None

    def _request(self, method: str, path: str, form: str) -> bytes:
        head = f"{method} {self._base}{path} HTTP/1.1\r\n{self._headers}"
        if form:
            head += "Content-Type: application/x-www-form-urlencoded\r\n"
        return f"{head}Content-Length: {len(form)}\r\n\r\n{form}".encode()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> tuple[int, bytes]:
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        return int(head.split(b" ", 2)[1]), await reader.readexactly(length)


@dataclass
class Load:
    """The requests of the measured window."""

    client: Client
    rate: int
    took_ms: dict[str, list[float]] = field(default_factory=dict)
    failed: int = 0
    last_sid: str = ""
    waiting: set[asyncio.Task[None]] = field(default_factory=set)

    def reset(self) -> None:
        """Begin the window."""
        self.took_ms = {"read": [], "connect": []}
        self.failed = 0

    def report(self) -> dict[str, object]:
        """Return counts and delays of each kind."""
        kinds = {kind: _delays(sorted(took)) for kind, took in self.took_ms.items()}
        return {"event": "report", "failed": self.failed, **kinds}

    async def run(self) -> None:
        """Ask until cancelled."""
        loop = asyncio.get_running_loop()
        began, number = loop.time(), 0
        while True:
            due = began + number / self.rate
            await asyncio.sleep(due - loop.time())
            if len(self.waiting) >= WAITING_LIMIT:
                self.failed += 1
            else:
                task = loop.create_task(self._ask(number, due))
                self.waiting.add(task)
                task.add_done_callback(self.waiting.discard)
            number += 1

    async def _ask(self, number: int, due: float) -> None:
        kind = "read" if number % CONNECT_EACH else "connect"
        try:
            if kind == "connect":
                answer = await self.client.ask("POST", "Calls/connect.json", FORM)
                self.last_sid = answer["Call"]["Sid"]
            elif number % 2 and self.last_sid:
                await self.client.ask("GET", f"Calls/{self.last_sid}.json?details=true")
            else:
                await self.client.ask("GET", "Calls.json?PageSize=20")
        except (OSError, EOFError, RefusedError, ValueError, KeyError):
            self.failed += 1
            return
        self.took_ms[kind].append((asyncio.get_running_loop().time() - due) * 1000)


def _delays(took_ms: list[float]) -> dict[str, float]:
    if not took_ms:
        return {"count": 0}
    p50, p99 = (took_ms[len(took_ms) * share // 100] for share in (50, 99))
    return {"count": len(took_ms), "p50_ms": p50, "p99_ms": p99, "max_ms": took_ms[-1]}


async def main(options: argparse.Namespace) -> None:
    """Serve until standard input ends; `reset` begins the window, anything else asks for it."""
    engine = SipEngine(SipConfig(listeners=(Listener("udp", HOST, options.sip_port),)))
    ScriptedCallee(engine, who=lambda _: "busy")
    await engine.start()
    client = Client(options.port, options.account, options.key, options.token)
    load = Load(client, options.rate)
    load.reset()
    running = asyncio.create_task(load.run())
    print(json.dumps({"event": "ready"}), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if line.strip() == "reset":
            load.reset()
        else:
            print(json.dumps(load.report()), flush=True)
    for task in (running, *load.waiting):
        task.cancel()
    await asyncio.gather(running, *load.waiting, return_exceptions=True)
    client.close()
    await engine.stop(1_000)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("port", "rate", "sip-port"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("account", "key", "token"):
        parser.add_argument(f"--{name}", required=True)
    uvloop.run(main(parser.parse_args()))
