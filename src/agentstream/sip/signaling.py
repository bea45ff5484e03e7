"""The one interface between the product and SIP; another engine can be put in its place.

Commands return at once; what becomes of them comes back as reports. A command for a call that is
over is ignored: the report `Ended` is on its way or was already given.
"""

from collections.abc import Callable
from typing import Protocol

from agentstream.base.values import dataclass
from agentstream.sip.bindings import Binding
from agentstream.sip.flow import Flow
from agentstream.sip.reports import Header, OutsideRef, OutsideReport, Report, SipCallRef


@dataclass(frozen=True, slots=True)
class Credentials:
    """Digest credentials for one realm ("" answers any realm of this trunk's peer)."""

    user: str
    password: str
    realm: str = ""

    def __repr__(self) -> str:
        return f"Credentials(user={self.user!r}, realm={self.realm!r})"


@dataclass(frozen=True, slots=True)
class Dial:
    """A call to place. `target` is a SIP URI whose host and port (or `proxy`) say where to send."""

    target: str
    from_uri: str
    offer: str | None
    from_display: str = ""
    to_uri: str = ""  # "": the target
    proxy: str = ""  # outbound proxy URI, sent as a loose Route
    headers: tuple[Header, ...] = ()
    credentials: Credentials | None = None
    answer_timeout_ms: int = 60_000  # ring no longer than this, then CANCEL
    tls_profile: str = ""  # whose certificate we show (see `sip.flow.Hop`)
    # A server that says nothing at all, not even 100, is given up after this; 0: only Timer B.
    silence_timeout_ms: int = 0
    max_forwards: int = 70  # RFC 7332: less in a call that is placed for another one
    routes: tuple[str, ...] = ()  # further loose Routes: a Path, or a Service-Route
    flow: Flow | None = None  # the way of a registered phone; None: where the URIs lead
    session_expires_s: int = 0  # the session timer that we ask for (RFC 4028); 0: as settings say


@dataclass(frozen=True, slots=True)
class RegistrationPlan:
    """A registration to keep with a carrier (RFC 3261 section 10.2)."""

    registrar: str  # the domain that we register with: "sip:carrier.example;transport=tcp"
    address: str  # whose calls we want: "sip:acct@carrier.example"
    contact_user: str  # the user of the Request-URI that those calls then have
    credentials: Credentials | None = None
    proxy: str = ""  # outbound proxy URI, sent as a loose Route
    expires_s: int = 3_600  # what we ask for; what is granted counts
    patience_ms: int = 10_000  # for one target of several to answer
    tls_profile: str = ""  # whose certificate we show (see `sip.flow.Hop`)


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """An OPTIONS to a far end: any final answer shows that it lives (SIP-51)."""

    target: str
    proxy: str = ""
    from_user: str = "ping"
    patience_ms: int = 4_000  # for one target of several to answer
    tls_profile: str = ""  # whose certificate we show (see `sip.flow.Hop`)


class SignalingEngine(Protocol):
    """Places and takes calls; reports go to the function given to `on_report`, on the loop."""

    def on_report(self, receive: Callable[[Report], None]) -> None:
        """Set who receives reports; call once, before `start`."""

    async def start(self) -> None:
        """Open the listeners; raises ConfigError naming the address that cannot be bound."""

    async def stop(self, timeout_ms: int) -> None:
        """Let open transactions end within the time, then close everything."""

    def refuse_new_calls(self, retry_after_s: int) -> None:
        """Drain: answer new calls 503 with Retry-After; live ones go on."""

    def local_host(self, ref: SipCallRef) -> str:
        """Return our address as this call's far end sees it, for SDP."""

    def host_towards(self, host: str) -> str:
        """Return our address as a far end at this host would see it, for the SDP of a first offer.

        A name is not looked up: then it is the address of the usual way out.
        """

    def sip_call_id(self, ref: SipCallRef) -> str:
        """Return SIP's own Call-ID of a live call, "" for one that is over."""

    def place(self, dial: Dial) -> SipCallRef:
        """Send INVITE."""

    def ring(self, ref: SipCallRef, status: int = 180, sdp: str | None = None) -> None:
        """Send 180 or 183; reliably (100rel) when the far end requires it."""

    def answer(self, ref: SipCallRef, sdp: str, headers: tuple[Header, ...] = ()) -> None:
        """Send 200; it is repeated until the ACK."""

    def reject(
        self, ref: SipCallRef, status: int, text: str = "", headers: tuple[Header, ...] = ()
    ) -> None:
        """Send a final refusal."""

    def hang_up(
        self, ref: SipCallRef, q850: int = 16, text: str = "", headers: tuple[Header, ...] = ()
    ) -> None:
        """End the call in whatever state it is: CANCEL, BYE, 603, or nothing left to do.

        `Ended` (by "local") follows at once; its status is 487 for a CANCEL, 603 for a refusal.
        """

    def update_media(self, ref: SipCallRef, offer: str) -> None:
        """Send a re-INVITE with our offer (hold, resume, codec change)."""

    def answer_media(self, ref: SipCallRef, sdp: str) -> None:
        """Answer a MediaOffered: the answer, or our offer when they sent none.

        It also answers an `Accepted` whose `Dial.offer` was None: the answer goes out in the ACK.
        """

    def refuse_media(self, ref: SipCallRef, status: int = 488) -> None:
        """Refuse a MediaOffered; the call goes on as it was."""

    def send_info(self, ref: SipCallRef, content_type: str, body: str) -> None:
        """Send an INFO inside the call."""

    def refer(
        self,
        ref: SipCallRef,
        target: str,
        replaces: str = "",
        headers: tuple[Header, ...] = (),
    ) -> None:
        """Ask the far end to call somebody in our stead (REFER); ReferProgress follows.

        `replaces` names the dialog that it is to replace there, as a Replaces header does.
        """

    def answer_refer(self, ref: SipCallRef, status: int = 202, reason: str = "") -> None:
        """Accept a Referred with 202, or refuse it with a status from 300 up."""

    def report_transfer(
        self, ref: SipCallRef, status: int, reason: str = "", *, final: bool = False
    ) -> None:
        """Tell a far end whose Referred was accepted how the new call goes on (NOTIFY)."""

    # What belongs to no call

    def on_outside(self, receive: Callable[[OutsideReport], None]) -> None:
        """Set who is told of registrations and probes; call once, before `start`."""

    def register(self, plan: RegistrationPlan) -> OutsideRef:
        """Send REGISTER, again before its time is over, and again after a failure.

        `Registered` or `RegistrationFailed` follow as often as something comes of it.
        """

    def refresh(self, ref: OutsideRef) -> None:
        """Register again now: the carrier may have forgotten us, or be back from an outage."""

    def unregister(self, ref: OutsideRef) -> None:
        """Take the registration back; `Unregistered` follows."""

    def probe(self, plan: ProbePlan) -> OutsideRef:
        """Send OPTIONS once; `Probed` follows."""

    def bindings(self, key: str) -> tuple[Binding, ...]:
        """Return where the phones are that registered with us under this key (a trunk's sid)."""
