"""A SIP peer that a test plays by hand against an Endpoint, in virtual time.

script = SipScript()
script.say(INVITE)                      # text with bare line ends
script.expect(100)
script.do(Ring(script.ref))
script.expect(180)
"""

from collections import deque
from dataclasses import replace
from typing import TypeVar

from agentstream.base.errors import PeerError
from agentstream.base.ids import CountedTokens
from agentstream.sip.commands import Answer, CallCommand, OutsideCommand, Place
from agentstream.sip.endpoint import Endpoint
from agentstream.sip.flow import Flow
from agentstream.sip.gate import OPEN, Gate
from agentstream.sip.message import Headers, Request, Response, respond
from agentstream.sip.reports import (
    Accepted,
    Confirmed,
    Invited,
    OutsideReport,
    Report,
    SipCallRef,
)
from agentstream.sip.settings import SipSettings
from agentstream.sip.signaling import Dial
from agentstream.sip.traffic import EndpointInput, EndpointOutput, Received, Resolve, Send
from agentstream.sip.wire import encode, parse_datagram

R = TypeVar("R", bound=Report)
Told = TypeVar("Told", bound=OutsideReport)

OUR_HOST = "192.0.2.10"
PEER_HOST = "192.0.2.1"
UDP = Flow("udp", OUR_HOST, 5060, PEER_HOST, 5060)
TCP = Flow("tcp", OUR_HOST, 5060, PEER_HOST, 40_000, 1)
OFFER = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 0\r\n"
)
REF = SipCallRef("call-1")  # the call that `placed` places
TARGET = "sip:+14155550100@192.0.2.1"
ANSWER = OFFER.replace("192.0.2.1", "192.0.2.10").replace("4000", "5000")


def our_address(transport: str, host: str) -> tuple[str, int]:
    """Be found at one address."""
    del host
    return OUR_HOST, 5061 if transport == "tls" else 5060


class SipScript:
    """One endpoint, what it sent and reported; unless told otherwise it says 100 at once."""

    def __init__(
        self,
        settings: SipSettings | None = None,
        flow: Flow = UDP,
        trying_after_ms: int = 0,
        gate: Gate = OPEN,
    ) -> None:
        settings = replace(settings or SipSettings(), trying_after_ms=trying_after_ms)
        self.endpoint = Endpoint(settings, CountedTokens(), our_address, gate)
        self.flow = flow
        self.now_ms = 0
        self.sent: deque[tuple[Request | Response, Send]] = deque()
        self.sent_at_ms: list[tuple[int, str]] = []  # everything ever sent: when, first word or two
        self.reports: deque[Report] = deque()
        self.outside: deque[OutsideReport] = deque()
        self.questions: deque[Resolve] = deque()
        self.refs: list[SipCallRef] = []

    @property
    def ref(self) -> SipCallRef:
        """The call that came in last."""
        return self.refs[-1]

    # What happens

    def say(self, message: str | Request | Response, flow: Flow | None = None) -> None:
        """Let the peer send a message; text may have bare line ends and no Content-Length."""
        data = from_text(message) if isinstance(message, str) else encode(message)
        self.feed(Received(data, flow or self.flow))

    def do(self, command: CallCommand | OutsideCommand) -> None:
        """Give a command of the product."""
        self.feed(command)

    def feed(self, happening: EndpointInput) -> None:
        """Give any input."""
        self._take(self.endpoint.receive(happening, self.now_ms))

    def wait(self, duration_ms: int) -> None:
        """Let time pass, waking the endpoint whenever it wants."""
        until_ms = self.now_ms + duration_ms
        while (at_ms := self.endpoint.wake_at_ms) is not None and at_ms <= until_ms:
            assert at_ms >= self.now_ms or not self.sent_at_ms, "an alarm in the past"
            self.now_ms = max(self.now_ms, at_ms)
            self._take(self.endpoint.wake(self.now_ms))
        self.now_ms = until_ms

    # What is expected

    def expect(self, what: int | str) -> Request | Response:
        """Take the oldest message sent: a response by status or a request by method."""
        assert self.sent, f"expected {what}, but nothing was sent"
        message, _ = self.sent.popleft()
        got = message.status if isinstance(message, Response) else message.method
        assert got == what, f"expected {what}, got {got}"
        return message

    def response(self, status: int) -> Response:
        """Take the oldest message sent; it must be this response."""
        message = self.expect(status)
        assert isinstance(message, Response)
        return message

    def request(self, method: str) -> Request:
        """Take the oldest message sent; it must be this request."""
        message = self.expect(method)
        assert isinstance(message, Request)
        return message

    def expect_nothing(self) -> None:
        """Check that nothing was sent."""
        assert not self.sent, f"unexpected: {[m for m, _ in self.sent]}"

    def report(self, kind: type[R]) -> R:
        """Take the oldest report; it must be of this kind."""
        assert self.reports, f"expected {kind.__name__}, but there is no report"
        report = self.reports.popleft()
        assert isinstance(report, kind), f"expected {kind.__name__}, got {report}"
        return report

    def told(self, kind: type[Told]) -> Told:
        """Take the oldest report of what belongs to no call; it must be of this kind."""
        assert self.outside, f"expected {kind.__name__}, but there is no report"
        report = self.outside.popleft()
        assert isinstance(report, kind), f"expected {kind.__name__}, got {report}"
        return report

    def expect_no_report(self) -> None:
        """Check that nothing was reported."""
        assert not self.reports, f"unexpected: {list(self.reports)}"
        assert not self.outside, f"unexpected: {list(self.outside)}"

    def expect_empty(self) -> None:
        """Check that after all timers nothing is left in the endpoint."""
        self.wait(200_000)
        load = self.endpoint.load
        assert (load.calls, load.transactions, load.waiting_for_dns) == (0, 0, 0), load

    def _take(self, outputs: list[EndpointOutput]) -> None:
        for output in outputs:
            if isinstance(output, Send):
                try:
                    message = parse_datagram(output.data)
                except PeerError:
                    if not output.data.startswith(b"SIP/2.0 4"):
                        raise
                    continue  # a refusal echoes what could not be read
                self.sent.append((message, output))
                word = str(message.status) if isinstance(message, Response) else message.method
                self.sent_at_ms.append((self.now_ms, word))
            elif isinstance(output, Resolve):
                self.questions.append(output)
            elif isinstance(output, OutsideReport):
                self.outside.append(output)
            else:
                if isinstance(output, Invited):
                    self.refs.append(output.ref)
                self.reports.append(output)


def from_text(text: str) -> bytes:
    """Turn readable text into wire bytes; a blank line separates the body."""
    head, _, body = text.lstrip("\n").replace("\r\n", "\n").partition("\n\n")
    lines = [line.strip() for line in head.strip("\n").split("\n")]
    return ("\r\n".join(lines) + "\r\n\r\n" + body.replace("\n", "\r\n")).encode(
        "utf-8", "surrogateescape"
    )


def invite_text(
    *,
    branch: str = "z9hG4bKi1",
    call_id: str = "c1@192.0.2.1",
    tag: str = "a",
    cseq: int = 1,
    headers: str = "",
    sdp: str | None = OFFER,
) -> str:
    """Return an INVITE of a caller."""
    body = headers
    if sdp is not None:
        body = f"Content-Type: application/sdp\n{headers.strip()}".strip() + f"\n\n{sdp}"
    return (
        "INVITE sip:+918000000042@192.0.2.10 SIP/2.0\n"
        f"Via: SIP/2.0/UDP 192.0.2.1:5060;branch={branch};rport\n"
        "Max-Forwards: 70\n"
        f"From: Ann <sip:+912240000017@192.0.2.1>;tag={tag}\n"
        "To: <sip:+918000000042@192.0.2.10>\n"
        f"Call-ID: {call_id}\n"
        f"CSeq: {cseq} INVITE\n"
        "Contact: <sip:ann@192.0.2.1:5060>\n" + body
    )


def inside_text(
    method: str,
    answer: Response,
    *,
    cseq: int,
    branch: str = "",
    headers: str = "",
    sdp: str | None = None,
) -> str:
    """Return a request of the caller inside the dialog that our answer has made."""
    body = headers.strip()
    if sdp is not None:
        body = f"Content-Type: application/sdp\n{body}".strip() + f"\n\n{sdp}"
    return (
        f"{method} {answer.contacts[0].uri if answer.contacts else 'sip:192.0.2.10'} SIP/2.0\n"
        f"Via: SIP/2.0/UDP 192.0.2.1:5060;branch={branch or f'z9hG4bK{method}{cseq}'};rport\n"
        "Max-Forwards: 70\n"
        f"From: {answer.headers.get('From')}\n"
        f"To: {answer.headers.get('To')}\n"
        f"Call-ID: {answer.call_id}\n"
        f"CSeq: {cseq} {method}\n"
        "Contact: <sip:ann@192.0.2.1:5060>\n" + body
    )


def answer_to(
    request: Request,
    status: int,
    tag: str = "b",
    *,
    sdp: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
    contact: str = "<sip:bob@192.0.2.1:5060>",
) -> Response:
    """Return a callee's answer to a request of ours."""
    response = respond(request, status, to_tag=tag if status > 100 else "")
    items = Headers(response.headers.items())
    if contact and status < 300:
        items.add("Contact", contact)
    for name, value in headers:
        items.add(name, value)
    if sdp is not None:
        items.add("Content-Type", "application/sdp")
    return Response(status, response.reason, items, (sdp or "").encode())


def talking(headers: str = "", settings: SipSettings | None = None) -> tuple[SipScript, Response]:
    """Return a call that came in and is acknowledged; the caller's next CSeq is 2."""
    script = SipScript(settings)
    script.say(invite_text(headers=headers))
    script.do(Answer(script.ref, ANSWER))
    script.expect(100)
    ok = script.response(200)
    script.say(inside_text("ACK", ok, cseq=1))
    script.report(Invited)
    script.report(Confirmed)
    return script, ok


def calling(settings: SipSettings | None = None, **options: object) -> tuple[SipScript, Request]:
    """Return a call that we placed and that was answered; our INVITE was 1."""
    script = SipScript(settings)
    ref = SipCallRef("out")
    script.refs.append(ref)
    script.do(Place(ref, Dial("sip:bob@192.0.2.1", "sip:a@b.example", OFFER, **options)))  # type: ignore[arg-type]
    invite = script.request("INVITE")
    script.say(answer_to(invite, 200, sdp=ANSWER))
    script.request("ACK")
    script.report(Accepted)
    return script, invite


def placed(
    target: str = TARGET, settings: SipSettings | None = None, **options: object
) -> tuple[SipScript, Request]:
    """Return a call that we have just placed, and its INVITE."""
    script = SipScript(settings)
    dial = Dial(target, "sip:+918000000042@agentstream.example", OFFER, **options)  # type: ignore[arg-type]
    script.do(Place(REF, dial))
    return script, script.request("INVITE")
