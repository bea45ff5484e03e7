"""The SignalingEngine over real sockets: listeners, admission, DNS and endpoint, wired together."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import field
from ipaddress import ip_address
from typing import Literal

from agentstream.base.clock import Clock, SystemClock
from agentstream.base.ids import RandomTokens, Tokens
from agentstream.base.values import dataclass
from agentstream.base.weight import draw_by
from agentstream.net.admission import AdmissionLimits
from agentstream.net.driver import Driver
from agentstream.net.egress import EgressPolicy
from agentstream.net.locate import PREFERENCE
from agentstream.net.sip_connection import StreamLimits
from agentstream.net.sip_lookup import Locate, SipLookup
from agentstream.net.sip_sockets import Listener, SipSockets, SocketSettings
from agentstream.net.tls import TlsFiles
from agentstream.net.tls_watch import CertificateWatch
from agentstream.sip.bindings import Binding
from agentstream.sip.commands import (
    Answer,
    AnswerMedia,
    AnswerRefer,
    HangUp,
    Place,
    Probe,
    Refer,
    Refresh,
    RefuseMedia,
    Register,
    Reject,
    ReportTransfer,
    Ring,
    SendInfo,
    Unregister,
    UpdateMedia,
)
from agentstream.sip.endpoint import Endpoint
from agentstream.sip.flow import Flow, Hop
from agentstream.sip.gate import OPEN, Gate
from agentstream.sip.reports import (
    Header,
    OutsideRef,
    OutsideReport,
    Report,
    SipCallRef,
    Unregistered,
)
from agentstream.sip.settings import SipSettings
from agentstream.sip.signaling import Dial, ProbePlan, RegistrationPlan
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

__all__ = ["Listener", "SipConfig", "SipEngine", "TlsFiles", "Trace"]

Direction = Literal["in", "out"]
# Every message as it passes, in or out, and its way; a hop that was never heard from has no flow.
Trace = Callable[[Direction, bytes, Flow | Hop], None]


@dataclass(frozen=True, slots=True)
class SipConfig:
    """How signalling reaches the world."""

    listeners: tuple[Listener, ...]
    public_host: str = ""  # what Via, Contact and SDP say; "": the address that the peer reaches
    settings: SipSettings = field(default_factory=SipSettings)
    allow: tuple[str, ...] = ()  # networks whose messages are read; empty: all
    deny: tuple[str, ...] = ()
    admission: AdmissionLimits = field(default_factory=AdmissionLimits)
    streams: StreamLimits = field(default_factory=StreamLimits)
    tls: TlsFiles = field(default_factory=TlsFiles)
    origins: tuple[str, ...] = ()  # web pages that may open a WebSocket; empty: all
    egress: EgressPolicy = field(default_factory=EgressPolicy)  # where names may lead
    trusted: frozenset[str] = frozenset()  # names that may lead anywhere


class SipEngine:
    """Implements `SignalingEngine`."""

    def __init__(
        self,
        config: SipConfig,
        *,
        clock: Clock | None = None,
        tokens: Tokens | None = None,
        locate: Locate | None = None,
        trace: Trace | None = None,
        gate: Gate = OPEN,
    ) -> None:
        self._gate = gate
        self._config = config
        self._clock = clock or SystemClock()
        self._tokens = tokens or RandomTokens()
        self._trace = trace
        self._receive_report: Callable[[Report], None] = _drop
        self._receive_outside: Callable[[OutsideReport], None] = _drop
        self._registrations: set[OutsideRef] = set()
        self._sockets = SipSockets(
            SocketSettings(
                config.listeners,
                config.public_host,
                config.allow,
                config.deny,
                config.admission,
                config.streams,
                config.tls,
                config.origins,
                gate.knows,
            ),
            self._received,
            self._send_failed,
            self._clock,
        )
        self._watch: CertificateWatch | None = None  # once there are certificates
        self._watching: asyncio.Task[None] | None = None
        self._errors: Counter[str] = Counter()
        self._lookup = SipLookup(locate, self._resolved, self._errors)
        self._is_stopping = False
        self._idle = asyncio.Event()  # stopping, and no call is left
        self._endpoint = Endpoint(config.settings, self._tokens, self._our_address, gate)
        self._driver: Driver[EndpointInput, EndpointOutput] = Driver(
            self._endpoint, self._clock, self._perform, self._failed
        )

    # SignalingEngine

    def on_report(self, receive: Callable[[Report], None]) -> None:
        """Set who receives reports; call once, before `start`."""
        self._receive_report = receive

    async def start(self) -> None:
        """Open the listeners; raises ConfigError naming the address that cannot be bound."""
        await self._sockets.open()
        if self._sockets.tls is not None:
            self._watch = CertificateWatch(self._sockets.tls)
            self._watching = asyncio.create_task(self._watch.run(), name="certificates")
        spoken = {transport for transport, _, _ in self._sockets.addresses}
        self._lookup.open(
            self._clock,
            draw_by(self._tokens),
            [name for name in PREFERENCE if name in spoken],
            self._config.egress,
            self._config.trusted,
        )

    async def stop(self, timeout_ms: int) -> None:
        """Let open calls and transactions end within the time, then close everything.

        Registrations are taken back first: nobody shall call where nobody is.
        """
        self._is_stopping = True
        for ref in tuple(self._registrations):
            self._driver.feed(Unregister(ref))
        self._note_idle()
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await self._idle.wait()
        except TimeoutError:
            load = self._endpoint.load
            log.warning(
                "event=sip_stopped_with_calls calls=%d registrations=%d",
                load.calls,
                load.registrations,
            )
        self._driver.close()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._lookup.close()
        await self._sockets.close()

    def refuse_new_calls(self, retry_after_s: int) -> None:
        """Drain: answer new calls 503 with Retry-After; live ones go on."""
        self._driver.feed(RefuseNewCalls(retry_after_s))

    def local_host(self, ref: SipCallRef) -> str:
        """Return our address as this call's far end sees it, for SDP."""
        flow = self._endpoint.flow_of(ref)
        return self._sockets.our_host(flow.remote_host if flow is not None else "")

    def host_towards(self, host: str) -> str:
        """Return our address as a far end at this host would see it; a name is not looked up."""
        try:
            ip_address(host)
        except ValueError:
            host = ""
        return self._sockets.our_host(host)

    def sip_call_id(self, ref: SipCallRef) -> str:
        """Return SIP's own Call-ID of a live call, "" for one that is over."""
        return self._endpoint.sip_call_id(ref)

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

    def on_outside(self, receive: Callable[[OutsideReport], None]) -> None:
        """Set who is told of registrations and probes; call once, before `start`."""
        self._receive_outside = receive

    def register(self, plan: RegistrationPlan) -> OutsideRef:
        """Send REGISTER, again before its time is over, and again after a failure."""
        ref = OutsideRef(self._tokens.hex(16))
        self._registrations.add(ref)
        self._driver.feed(Register(ref, plan))
        return ref

    def refresh(self, ref: OutsideRef) -> None:
        """Register again now: the carrier may have forgotten us, or be back from an outage."""
        self._driver.feed(Refresh(ref))

    def unregister(self, ref: OutsideRef) -> None:
        """Take the registration back; `Unregistered` follows."""
        self._driver.feed(Unregister(ref))

    def probe(self, plan: ProbePlan) -> OutsideRef:
        """Send OPTIONS once; `Probed` follows."""
        ref = OutsideRef(self._tokens.hex(16))
        self._driver.feed(Probe(ref, plan))
        return ref

    def bindings(self, key: str) -> tuple[Binding, ...]:
        """Return where the phones are that registered with us under this key."""
        return self._endpoint.bindings(key, self._clock.now_ms())

    def refer(
        self,
        ref: SipCallRef,
        target: str,
        replaces: str = "",
        headers: tuple[Header, ...] = (),
    ) -> None:
        """Ask the far end to call somebody in our stead (REFER)."""
        self._driver.feed(Refer(ref, target, replaces, headers))

    def answer_refer(self, ref: SipCallRef, status: int = 202, reason: str = "") -> None:
        """Accept a Referred with 202, or refuse it."""
        self._driver.feed(AnswerRefer(ref, status, reason))

    def report_transfer(
        self, ref: SipCallRef, status: int, reason: str = "", *, final: bool = False
    ) -> None:
        """Tell whoever referred how the new call goes on (NOTIFY)."""
        self._driver.feed(ReportTransfer(ref, status, reason, final))

    # For operators and tests

    def reload_certificates(self) -> None:
        """Read the TLS files again now; live connections keep what they have."""
        if self._watch is not None:
            self._watch.ask()

    def certificates(self) -> dict[str, int]:
        """Return for how many seconds each certificate is still valid, by its file."""
        return self._watch.expires_in_s() if self._watch is not None else {}

    @property
    def counters(self) -> dict[str, int]:
        """Everything that was counted since the start, and what is held now."""
        admission, load = self._sockets.admission.counters, self._endpoint.load
        return {
            **self._endpoint.counters,
            **{f"gate_{name}": count for name, count in self._gate.counters.items()},
            **self._errors,
            "messages_admitted": admission.admitted,
            "messages_denied": admission.denied,
            "messages_unlisted": admission.unlisted,
            "messages_too_fast": admission.too_fast,
            **self._sockets.counters,
            **self._certificate_counts(),
            "messages_too_many_invites": admission.too_many_invites,
            "messages_banned": admission.banned,
            "bans": self._sockets.admission.bans.given,
            "banned_now": len(self._sockets.admission.bans),
            "calls_now": load.calls,
            "transactions_now": load.transactions,
            "registrations_now": load.registrations,
        }

    def strike(self, host: str, now_ms: int) -> bool:
        """Note that a source did what no honest one does; tell whether it is banned by that."""
        return self._sockets.admission.strike(host, now_ms)

    @property
    def addresses(self) -> list[tuple[str, str, int]]:
        """What is bound: transport, host, port."""
        return self._sockets.addresses

    def _certificate_counts(self) -> dict[str, int]:
        if self._watch is None:
            return {}
        watch = self._watch
        return {"certificate_reloads": watch.reloads, "certificates_refused": watch.failures}

    # Sockets

    def _received(self, data: bytes, flow: Flow) -> None:
        if self._trace is not None:
            self._trace("in", data, flow)
        self._driver.feed(Received(data, flow))
        self._note_idle()  # the answer to a BYE ends a call without any output

    def _send_failed(self, flow: Flow, text: str) -> None:
        self._errors["sends_failed"] += 1
        self._driver.feed(TransportFailed(flow, text))

    # What the endpoint wants

    def _perform(self, output: EndpointOutput) -> None:
        if isinstance(output, Send):
            self._send(output)
        elif isinstance(output, Resolve):
            self._lookup.look_up(output.hop)
        elif isinstance(output, OutsideReport):
            if isinstance(output, Unregistered):
                self._registrations.discard(output.ref)
            # Never before `register` or `probe` has returned the ref that it is about.
            asyncio.get_running_loop().call_soon(self._receive_outside, output)
        else:
            self._receive_report(output)
        self._note_idle()

    def _note_idle(self) -> None:
        if self._is_stopping:
            load = self._endpoint.load
            if not (load.calls or load.registrations):
                self._idle.set()

    def _send(self, send: Send) -> None:
        if self._trace is not None:
            self._trace("out", send.data, send.to)
        if not self._sockets.send(send.data, send.to):
            self._errors["no_listener"] += 1
            text = f"no listener for {send.to.transport}"
            self._driver.feed(TransportFailed(send.to, text))

    def _resolved(self, resolved: Resolved) -> None:
        self._driver.feed(resolved)

    def _our_address(self, transport: str, host: str) -> tuple[str, int]:
        return self._sockets.our_address(transport, host)

    def _failed(self, error: Exception) -> None:
        self._errors["bugs"] += 1
        log.error("event=sip_bug error=%r", error, exc_info=error)


def _drop(report: Report | OutsideReport) -> None:
    log.error("event=report_without_receiver report=%s", type(report).__name__)
