"""An engine with a gate on loopback, and a product that tells where each call would go.

The product does with an invitation what a switchboard does: it runs a flow, goes to the telephone
network, rings a number of this house, or knows no such number. Nobody is banned unless the test
says `house.gate.strike = house.engine.strike`.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from agentstream.base.clock import SystemClock
from agentstream.base.ids import TrunkSid
from agentstream.net.admission import AdmissionLimits
from agentstream.net.sip_engine import Listener, SipConfig, SipEngine
from agentstream.sip.flow import TransportName
from agentstream.sip.reports import Invited, Report
from agentstream.store.trunk_book import TrunkBook
from agentstream.switch.caller_id import user_number
from agentstream.switch.gatekeeper import Gatekeeper
from agentstream.switch.rejections import Rejections
from agentstream.switch.trunk_gate import GateSettings, TrunkGate, is_flow_number
from agentstream.switch.trunk_load import TrunkLoad
from agentstream.testing.answering import SDP
from agentstream.testing.ports import HOST
from agentstream.testing.trunk_books import RingingNumbers


class GatedHouse:
    """What came in, and where it went: "flow", "network", "rings" or "404"."""

    def __init__(
        self,
        book: TrunkBook,
        settings: GateSettings,
        rings: Iterable[str],
        limits: AdmissionLimits,
        transport: TransportName,
    ) -> None:
        self.book = book
        self.went: list[tuple[str, Invited]] = []
        self._numbers = RingingNumbers(rings)
        self._country_code = settings.country_code
        clock = SystemClock()
        load = TrunkLoad(lambda: clock.wall().date())
        judge = TrunkGate(settings, lambda: self.book, self._numbers, load)
        self.gate = Gatekeeper(judge, Rejections(), clock)
        config = SipConfig((Listener(transport, HOST, 0),), admission=limits)
        self.engine = SipEngine(config, gate=self.gate)
        self.engine.on_report(self._take)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.engine.addresses[0][2]

    def _take(self, report: Report) -> None:
        if not isinstance(report, Invited):
            return
        where = self._where(report)
        self.went.append((where, report))
        if where == "404":
            self.engine.reject(report.ref, 404)
        else:
            self.engine.answer(report.ref, SDP.format(host=HOST, version=1))

    def _where(self, invited: Invited) -> str:
        number = user_number(invited.request_uri, self._country_code)
        if invited.trunk_sid:
            entry = self.book.entries[TrunkSid(invited.trunk_sid)]
            return "flow" if is_flow_number(self.book, entry, number) else "network"
        return "rings" if self._numbers.takes(number) else "404"


@asynccontextmanager
async def gated_house(
    book: TrunkBook,
    settings: GateSettings | None = None,
    rings: Iterable[str] = (),
    limits: AdmissionLimits | None = None,
    transport: TransportName = "udp",
) -> AsyncIterator[GatedHouse]:
    """Run one on loopback."""
    house = GatedHouse(
        book, settings or GateSettings(), rings, limits or AdmissionLimits(), transport
    )
    await house.engine.start()
    try:
        yield house
    finally:
        await house.engine.stop(1_000)
