"""Places calls at a steady rate and ends each after a second: the other side of `sip_setups`.

Logs in where it is asked to. Prints one line of JSON: calls, how many failed, and how long from
INVITE to answer (milliseconds; the caller's own queue included).
"""

import argparse
import asyncio
import json
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import uvloop

from agentstream.net.admission import AdmissionLimits
from agentstream.net.sip_engine import Listener, SipConfig, SipEngine
from agentstream.net.tls import TlsFiles
from agentstream.sip.flow import SECURE
from agentstream.sip.reports import Accepted, Ended, Report, SipCallRef
from agentstream.sip.signaling import Credentials, Dial
from agentstream.testing.answering import SDP
from agentstream.testing.certificates import Authority

HOST = "127.0.0.1"
REALM, USER, PASSWORD = "bench", "bench", "a long and random password"
TALK_S = 1.0
LATE_S = 40.0  # a call that has not ended by then never will (64*T1)
OFFER = SDP.format(host=HOST, version=1)


class Caller:
    """Keeps count of the calls of one engine."""

    def __init__(self, engine: SipEngine, target: str, calls: int) -> None:
        self.placed: dict[SipCallRef, float] = {}
        self.waited_ms: list[float] = []
        self.failed = 0
        self.ended = 0
        self.done = asyncio.Event()  # every call has ended
        self._calls = calls
        self._engine = engine
        self._target = target
        engine.on_report(self._receive)

    def place(self) -> None:
        """Place one more call."""
        credentials = Credentials(USER, PASSWORD)
        dial = Dial(self._target, f"sip:{USER}@{HOST}", OFFER, credentials=credentials)
        self.placed[self._engine.place(dial)] = time.monotonic()

    def _receive(self, report: Report) -> None:
        match report:
            case Accepted(ref=ref):
                self.waited_ms.append((time.monotonic() - self.placed[ref]) * 1000)
                asyncio.get_running_loop().call_later(TALK_S, self._engine.hang_up, ref)
            case Ended():
                self.ended += 1
                self.failed += report.by != "local"
                if self.ended == self._calls:
                    self.done.set()
            case _:
                pass


async def run(options: argparse.Namespace) -> dict[str, object]:
    """Place all calls; return what became of them."""
    with tempfile.TemporaryDirectory() as folder:
        engine = _engine(options, Path(folder))
        await engine.start()
        kind = options.transport
        scheme = "sips" if kind == "wss" else "sip"
        word = "ws" if kind == "wss" else kind
        calls = options.rate * options.seconds
        target = f"{scheme}:1000@{HOST}:{options.port};transport={word}"
        caller = Caller(engine, target, calls)
        began_s = time.monotonic()
        for number in range(calls):
            await asyncio.sleep(max(0, began_s + number / options.rate - time.monotonic()))
            caller.place()
        with suppress(TimeoutError):
            async with asyncio.timeout(LATE_S):
                await caller.done.wait()
        await engine.stop(1_000)
    waited_ms = sorted(caller.waited_ms) or [0.0]
    return {
        "calls": calls,
        "failed": caller.failed + calls - caller.ended,
        "p50_ms": round(waited_ms[len(waited_ms) // 2], 1),
        "p99_ms": round(waited_ms[len(waited_ms) * 99 // 100], 1),
    }


def _engine(options: argparse.Namespace, folder: Path) -> SipEngine:
    tls = TlsFiles()
    if options.transport in SECURE:
        tls = TlsFiles((Authority.found(folder / "caller").issue(HOST),), options.ca_file)
    listener = Listener(options.transport, HOST, 0)
    limits = AdmissionLimits(rate_per_s=0)
    return SipEngine(SipConfig((listener,), admission=limits, tls=tls))


def main() -> None:
    """Read the arguments and call."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transport", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--ca-file", default="")
    print(json.dumps(uvloop.run(run(parser.parse_args()))))


if __name__ == "__main__":
    main()
