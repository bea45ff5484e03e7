"""A product of one thought: answer every call with the same SDP. For tests of SIP engines."""

import asyncio
from collections import Counter

from agentstream.sip.reports import Accepted, Ended, Invited, MediaOffered, Report, SipCallRef
from agentstream.sip.signaling import SignalingEngine

SDP = (
    "v=0\r\no=- 7 {version} IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
    "a=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
)


class Answering:
    """Rings if asked to, answers, answers every offer; counts and keeps what was reported."""

    def __init__(
        self,
        engine: SignalingEngine,
        *,
        rings: bool = False,
        answers: bool = True,
        keep: int = 10_000,
    ) -> None:
        self._engine = engine
        self._rings = rings
        self._answers = answers
        self._keep = keep
        self.reports: list[Report] = []  # the first `keep` of them
        self.counts: Counter[str] = Counter()
        self.refs: list[SipCallRef] = []
        self._news = asyncio.Event()
        engine.on_report(self.receive)

    def receive(self, report: Report) -> None:
        """Take a report of the engine."""
        self.counts[type(report).__name__] += 1
        self._news.set()
        if len(self.reports) < self._keep:
            self.reports.append(report)
        match report:
            case Invited(ref=ref):
                if len(self.refs) < self._keep:
                    self.refs.append(ref)
                if self._rings:
                    self._engine.ring(ref)
                if self._answers:
                    self._engine.answer(ref, self.sdp(ref))
            case MediaOffered(ref=ref):
                self._engine.answer_media(ref, self.sdp(ref, 2))
            case _:
                pass

    async def told(self, kind: str, times: int, timeout_ms: int = 20_000) -> None:
        """Wait until so many reports of this kind have come."""
        async with asyncio.timeout(timeout_ms / 1000):
            while self.counts[kind] < times:
                self._news.clear()
                await self._news.wait()

    def sdp(self, ref: SipCallRef, version: int = 1) -> str:
        """Return the SDP that this product always says."""
        return SDP.format(host=self._engine.local_host(ref), version=version)

    def of(self, ref: SipCallRef) -> list[Report]:
        """Return the reports of one call."""
        return [report for report in self.reports if report.ref == ref]

    @property
    def ended(self) -> list[Ended]:
        """Every end that was reported."""
        return [report for report in self.reports if isinstance(report, Ended)]

    @property
    def accepted(self) -> list[Accepted]:
        """Every call of ours that was answered."""
        return [report for report in self.reports if isinstance(report, Accepted)]
