"""The SignalingEngine over real sockets: listeners, admission, DNS and endpoint, wired together."""

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Literal

from agentstream.base.clock import Clock, SystemClock
from agentstream.base.errors import ConfigError
from agentstream.base.ids import RandomTokens, Tokens
from agentstream.net.admission import Admission, AdmissionLimits
from agentstream.net.driver import Driver
from agentstream.net.sip_udp import open_udp
from agentstream.net.transport import SipTransport
from agentstream.sip.commands import (
    Answer,
    AnswerMedia,
    HangUp,
    Place,
    RefuseMedia,
    Reject,
    Ring,
    SendInfo,
    UpdateMedia,
)
from agentstream.sip.endpoint import Endpoint
from agentstream.sip.flow import Flow, Hop, TransportName
from agentstream.sip.reports import Header, Report, SipCallRef
from agentstream.sip.settings import SipSettings
from agentstream.sip.signaling import Dial
from agentstream.sip.traffic import (
    EndpointInput,
    EndpointOutput,
    Received,
    RefuseNewCalls,
    Resolve,
    Resolved,
    Send,
    TransportFailed,
)

log = logging.getLogger(__name__)

Direction = Literal["in", "out"]
Trace = Callable[[Direction, bytes, str], None]  # every message; the text is "udp:192.0.2.1:5060"


@dataclass(frozen=True, slots=True)
class Listener:
    """One address to listen on; `port` 0 lets the system choose."""

    transport: TransportName
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class SipConfig:
    """How signalling reaches the world."""

    listeners: tuple[Listener, ...]
    public_host: str = ""  # what Via, Contact and SDP say; "": the address that the peer reaches
    settings: SipSettings = field(default_factory=SipSettings)
    allow: tuple[str, ...] = ()  # networks whose messages are read; empty: all
    deny: tuple[str, ...] = ()
    admission: AdmissionLimits = field(default_factory=AdmissionLimits)


class SipEngine:
    """Implements `SignalingEngine`."""

    def __init__(
        self,
        config: SipConfig,
        *,
        clock: Clock | None = None,
        tokens: Tokens | None = None,
        trace: Trace | None = None,
    ) -> None:
        self._config = config
        self._clock = clock or SystemClock()
        self._tokens = tokens or RandomTokens()
        self._trace = trace
        self._receive_report: Callable[[Report], None] = _drop
        self._admission = Admission(config.allow, config.deny, config.admission)
        self._transports: list[SipTransport] = []
        self._local_hosts: dict[str, str] = {}
        self._errors: Counter[str] = Counter()
        self._is_stopping = False
        self._idle = asyncio.Event()  # stopping, and no call is left
        self._endpoint = Endpoint(config.settings, self._tokens, self._our_address)
        self._driver: Driver[EndpointInput, EndpointOutput] = Driver(
            self._endpoint, self._clock, self._perform, self._failed
        )

    # SignalingEngine

    def on_report(self, receive: Callable[[Report], None]) -> None:
        """Set who receives reports; call once, before `start`."""
        self._receive_report = receive

    async def start(self) -> None:
        """Open the listeners; raises ConfigError naming the address that cannot be bound."""
        try:
            for listener in self._config.listeners:
                self._transports.append(await self._open(listener))
        except ConfigError:
            await self._close_transports()
            raise

    async def stop(self, timeout_ms: int) -> None:
        """Let open calls and transactions end within the time, then close everything."""
        self._is_stopping = True
        if not self._endpoint.load.calls:
            self._idle.set()
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await self._idle.wait()
        except TimeoutError:
            log.warning("event=sip_stopped_with_calls calls=%d", self._endpoint.load.calls)
        self._driver.close()
        await self._close_transports()

    def refuse_new_calls(self, retry_after_s: int) -> None:
        """Drain: answer new calls 503 with Retry-After; live ones go on."""
        self._driver.feed(RefuseNewCalls(retry_after_s))

    def local_host(self, ref: SipCallRef) -> str:
        """Return our address as this call's far end sees it, for SDP."""
        flow = self._endpoint.flow_of(ref)
        return self._our_host(flow.remote_host if flow is not None else "")

    def place(self, dial: Dial) -> SipCallRef:
        """Send INVITE."""
        ref = SipCallRef(self._tokens.hex(16))
        self._driver.feed(Place(ref, dial))
        return ref

    def ring(self, ref: SipCallRef, status: int = 180, sdp: str | None = None) -> None:
        """Send 180 or 183; reliably (100rel) when the far end requires it."""
        self._driver.feed(Ring(ref, status, sdp))

    def answer(self, ref: SipCallRef, sdp: str, headers: tuple[Header, ...] = ()) -> None:
        """Send 200; it is repeated until the ACK."""
        self._driver.feed(Answer(ref, sdp, headers))

    def reject(
        self, ref: SipCallRef, status: int, text: str = "", headers: tuple[Header, ...] = ()
    ) -> None:
        """Send a final refusal."""
        self._driver.feed(Reject(ref, status, text, headers))

    def hang_up(
        self, ref: SipCallRef, q850: int = 16, text: str = "", headers: tuple[Header, ...] = ()
    ) -> None:
        """End the call in whatever state it is: CANCEL, BYE, 603, or nothing left to do."""
        self._driver.feed(HangUp(ref, q850, text, headers))

    def update_media(self, ref: SipCallRef, offer: str) -> None:
        """Send a re-INVITE with our offer (hold, resume, codec change)."""
        self._driver.feed(UpdateMedia(ref, offer))

    def answer_media(self, ref: SipCallRef, sdp: str) -> None:
        """Answer a MediaOffered: the answer, or our offer when they sent none.

        It also answers the offer of an `Accepted` whose Dial had none; the answer goes in the ACK.
        """
        self._driver.feed(AnswerMedia(ref, sdp))

    def refuse_media(self, ref: SipCallRef, status: int = 488) -> None:
        """Refuse a MediaOffered; the call goes on as it was."""
        self._driver.feed(RefuseMedia(ref, status))

    def send_info(self, ref: SipCallRef, content_type: str, body: str) -> None:
        """Send an INFO inside the call."""
        self._driver.feed(SendInfo(ref, content_type, body))

    # For operators and tests

    @property
    def counters(self) -> dict[str, int]:
        """Everything that was counted since the start, and what is held now."""
        admission, load = self._admission.counters, self._endpoint.load
        return {
            **self._endpoint.counters,
            **self._errors,
            "messages_admitted": admission.admitted,
            "messages_denied": admission.denied,
            "messages_unlisted": admission.unlisted,
            "messages_too_fast": admission.too_fast,
            "calls_now": load.calls,
            "transactions_now": load.transactions,
        }

    @property
    def addresses(self) -> list[tuple[str, str, int]]:
        """What is bound: transport, host, port."""
        return [(t.transport, *t.local_address) for t in self._transports]

    # Sockets

    async def _open(self, listener: Listener) -> SipTransport:
        return await open_udp(
            listener.host,
            listener.port,
            self._received,
            failed=self._send_failed,
            admission=self._admission,
            clock=self._clock,
        )

    async def _close_transports(self) -> None:
        for transport in self._transports:
            await transport.close()
        self._transports.clear()

    def _received(self, data: bytes, flow: Flow) -> None:
        if self._trace is not None:
            self._trace("in", data, str(flow))
        self._driver.feed(Received(data, flow))

    def _send_failed(self, flow: Flow, text: str) -> None:
        self._errors["sends_failed"] += 1
        self._driver.feed(TransportFailed(flow, text))

    # What the endpoint wants

    def _perform(self, output: EndpointOutput) -> None:
        if isinstance(output, Send):
            self._send(output)
        elif isinstance(output, Resolve):
            self._driver.feed(Resolved(output.hop, ()))
        else:
            self._receive_report(output)
        if self._is_stopping and not self._endpoint.load.calls:
            self._idle.set()

    def _send(self, send: Send) -> None:
        to = send.to
        transport = self._transport_for(to)
        if transport is None:
            self._errors["no_listener"] += 1
            self._driver.feed(TransportFailed(to, f"no listener for {to.transport}"))
            return
        flow, tls_name = (to.as_flow(), to.tls_name) if isinstance(to, Hop) else (to, "")
        if self._trace is not None:
            self._trace("out", send.data, str(flow))
        transport.send(send.data, flow, tls_name)

    def _transport_for(self, to: Flow | Hop) -> SipTransport | None:
        """Return the listener that a flow came by, or the first that can reach the hop."""
        host = to.remote_host if isinstance(to, Flow) else to.host
        for transport in self._transports:
            if transport.transport != to.transport:
                continue
            local = transport.local_address
            if isinstance(to, Flow):
                if local == (to.local_host, to.local_port):
                    return transport
            elif (":" in local[0]) == (":" in host):
                return transport
        return None

    def _our_address(self, transport: str, host: str) -> tuple[str, int]:
        port = 5061 if transport == "tls" else 5060
        for opened in self._transports:
            if opened.transport == transport:
                port = opened.local_address[1]
                break
        return self._our_host(host), port

    def _our_host(self, peer: str) -> str:
        if self._config.public_host:
            return self._config.public_host
        known = self._local_hosts.get(peer)
        if known is None:
            if len(self._local_hosts) >= HOSTS_REMEMBERED:
                self._local_hosts.clear()
            known = self._local_hosts[peer] = local_host_towards(peer)
        return known

    def _failed(self, error: Exception) -> None:
        self._errors["bugs"] += 1
        log.error("event=sip_bug error=%r", error, exc_info=error)


HOSTS_REMEMBERED = 65_536


def local_host_towards(peer: str) -> str:
    """Return the address that the system would use to reach this one; nothing is sent."""
    peer = peer or "192.0.2.1"
    try:
        version = ip_address(peer.partition("%")[0]).version
        family = socket.AF_INET6 if version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((peer, 9))
            host: str = probe.getsockname()[0]
            return host
    except (OSError, ValueError):
        return "127.0.0.1"


def _drop(report: Report) -> None:
    log.error("event=report_without_receiver report=%s", type(report).__name__)
