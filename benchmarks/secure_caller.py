"""Places calls over UDP in clear or over TLS with SRTP, and lets them talk: for `secure`.

    python -m benchmarks.secure_caller --server 127.0.0.1:9061 --callee +14155550110 \
        --transport tls --calls 200 --seconds 10 --ca-file FILE

JSON lines as of `caller`: `steady`, `end`, `report` with what failed and what the legs counted.
"""

import argparse
import asyncio
import json
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import uvloop
from benchmarks.server import HOST, free_ports

from agentstream import _media
from agentstream.base.ids import RandomTokens
from agentstream.media.negotiate import LocalMedia, SdpSession
from agentstream.media.plan import EnginePlan, RtpLegPlan
from agentstream.net.admission import AdmissionLimits
from agentstream.net.sip_engine import Listener, SipConfig, SipEngine
from agentstream.net.tls import TlsFiles
from agentstream.sip.reports import Accepted, Ended, Report, SipCallRef
from agentstream.sip.signaling import Dial
from agentstream.testing.certificates import Authority
from agentstream.testing.waiting import until

RATE_PER_S = 40
SETTLE_S = 2.0
ANSWER_MS = 20_000


class Talkers:
    """The calls of one run."""

    def __init__(
        self, engine: SipEngine, media: _media.Engine, options: argparse.Namespace
    ) -> None:
        self._engine = engine
        self._media = media
        self._is_sealed = options.transport == "tls"
        self._target = f"sip:{options.callee}@{options.server};transport={options.transport}"
        self._tokens = RandomTokens()
        self._calls: dict[SipCallRef, tuple[_media.Leg, SdpSession]] = {}
        self.answered = 0
        self.failed = 0
        self.sealed = 0  # legs whose keys were agreed
        engine.on_report(self._take)

    def place(self, number: int) -> None:
        """Place one more call."""
        leg = self._media.open_rtp_leg(RtpLegPlan(str(number), follows_clock=False))
        session = SdpSession(number + 1, self._tokens)
        local = LocalMedia(
            address=HOST,
            port=leg.rtp_port,
            codecs=("PCMU",),
            srtp="required" if self._is_sealed else "off",
        )
        offer = session.offer(local)
        dial = Dial(self._target, f"sip:+14155550100@{HOST}", offer)
        self._calls[self._engine.place(dial)] = leg, session

    def hang_up(self) -> None:
        """End them all."""
        for ref, (leg, _) in self._calls.items():
            self._engine.hang_up(ref)
            leg.close()

    def _take(self, report: Report) -> None:
        match report:
            case Accepted(ref=ref, sdp=str(sdp)):
                leg, session = self._calls[ref]
                remote = session.accept(sdp)
                self.sealed += remote.srtp is not None
                leg.connect(remote)
                self.answered += 1
            case Ended():
                self.failed += report.by != "local"
            case _:
                pass


async def run(options: argparse.Namespace) -> None:
    """Let them call, talk, and end."""
    with tempfile.TemporaryDirectory() as folder:
        engine = _engine(options, Path(folder))
        ports = free_ports(2 * options.calls + 2)
        media = _media.Engine(EnginePlan(HOST, ports[0], ports[-1], workers=1, port_rest_ms=0))
        talkers = Talkers(engine, media, options)
        await engine.start()
        began_s = time.monotonic()
        for number in range(options.calls):
            await asyncio.sleep(max(0, began_s + number / RATE_PER_S - time.monotonic()))
            talkers.place(number)
        with suppress(TimeoutError):
            await until(lambda: talkers.answered + talkers.failed >= options.calls, ANSWER_MS)
        await asyncio.sleep(SETTLE_S)
        _say("steady", calls=talkers.answered)
        await asyncio.sleep(options.seconds)
        _say("end", calls=talkers.answered, cpu_s=time.process_time())
        heard = media.stats().as_dict()
        talkers.hang_up()
        await engine.stop(5_000)
        media.close()
    missing = options.calls - talkers.answered
    _say("report", failed=talkers.failed + missing, sealed=talkers.sealed, media=heard)


def _engine(options: argparse.Namespace, folder: Path) -> SipEngine:
    tls = TlsFiles()
    if options.transport == "tls":
        tls = TlsFiles((Authority.found(folder / "caller").issue(HOST),), options.ca_file)
    listener = Listener(options.transport, HOST, 0)
    return SipEngine(SipConfig((listener,), admission=AdmissionLimits(rate_per_s=0), tls=tls))


def _say(event: str, **body: object) -> None:
    print(json.dumps({"event": event, **body}), flush=True)


def main() -> None:
    """Read the arguments and call."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True)
    parser.add_argument("--callee", required=True)
    parser.add_argument("--transport", choices=("udp", "tls"), required=True)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--ca-file", default="")
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
