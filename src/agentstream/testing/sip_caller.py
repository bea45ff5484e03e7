"""A SIP engine that places calls and waits for what becomes of each: a trunk's caller."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from agentstream.net.sip_engine import Listener, SipConfig, SipEngine, TlsFiles
from agentstream.sip.flow import TransportName
from agentstream.sip.reports import Accepted, Ended, Report
from agentstream.sip.signaling import Credentials, Dial
from agentstream.testing.answering import SDP
from agentstream.testing.ports import HOST
from agentstream.testing.trunks import DOMAIN
from agentstream.testing.waiting import until


class SipCaller:
    """Places calls and waits for what becomes of them."""

    def __init__(self, engine: SipEngine) -> None:
        self.engine = engine
        self._told: list[Report] = []
        engine.on_report(self._told.append)

    async def call(
        self,
        target: str,
        credentials: Credentials | None = None,
        *,
        sender: str = f"sip:bob@{DOMAIN}",
        offer: str = SDP.format(host=HOST, version=1),
        **fields: Any,  # noqa: ANN401  (more of a Dial)
    ) -> Accepted | Ended:
        """Return the answer or the refusal; an answered call stays."""
        dial = Dial(target, sender, offer, credentials=credentials, **fields)
        ref = self.engine.place(dial)

        def found() -> Accepted | Ended | None:
            finals = (one for one in self._told if isinstance(one, Accepted | Ended))
            return next((one for one in finals if one.ref == ref), None)

        await until(found, 10_000)
        report = found()
        assert report is not None
        return report


@asynccontextmanager
async def sip_caller(
    octet: int = 3, transport: TransportName = "udp", tls: TlsFiles | None = None
) -> AsyncIterator[SipCaller]:
    """Run one that calls from 127.0.0.`octet`."""
    listener = Listener(transport, f"127.0.0.{octet}", 0)
    engine = SipEngine(SipConfig((listener,), tls=tls or TlsFiles()))
    await engine.start()
    try:
        yield SipCaller(engine)
    finally:
        await engine.stop(1_000)
