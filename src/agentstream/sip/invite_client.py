"""A call that we place (RFC 3261 §13.2): forks, early dialogs, PRACK, CANCEL, ACK.

INVITE --1xx--> early dialogs --2xx--> ACK, confirmed (invite.py); other forks: ACK, BYE
   '--3xx-6xx, no answer--> ended
   '--hang up: CANCEL, after a 1xx--> ended; a 2xx that crosses it: ACK, BYE
"""

from typing import Literal

from agentstream.base.errors import PeerError
from agentstream.base.values import replace
from agentstream.sip.bodies import passed_headers, put_sdp, q850_of, reason, sdp_of
from agentstream.sip.commands import AnswerMedia, HangUp
from agentstream.sip.core import Core, Exchange
from agentstream.sip.dialog import Dialog, first_hop
from agentstream.sip.digest import DigestClient
from agentstream.sip.flow import Flow, Hop, hop_of
from agentstream.sip.headers import CSeq, NameAddr, RAck, parse_name_addr, parse_options
from agentstream.sip.invite import InviteUsage
from agentstream.sip.message import Headers, Request, Response
from agentstream.sip.modify import ack_of_success
from agentstream.sip.reports import Accepted, Progressed, SipCallRef
from agentstream.sip.server_transaction import ServerTransaction
from agentstream.sip.session_timer import agree_as_client, min_se_of, write_wish
from agentstream.sip.settings import ACCEPT, ALLOW, EXTENSIONS, SUPPORTED
from agentstream.sip.signaling import Dial
from agentstream.sip.uri import parse_uri

_ALSO_ON_REFUSAL = frozenset(("Contact", "Retry-After", "Warning"))


class Early:
    """An early dialog, and the last reliable response taken in it."""

    __slots__ = ("dialog", "rseq", "sdp")

    def __init__(self, dialog: Dialog) -> None:
        self.dialog = dialog
        self.rseq = 0
        self.sdp: str | None = None  # an answer that came reliably


class OutgoingCall(InviteUsage):
    """One INVITE of ours. Raises PeerError or CommandError on construction for a bad Dial."""

    def __init__(self, ref: SipCallRef, core: Core, dial: Dial, call_id: str) -> None:
        super().__init__(ref, core, call_id, core.tokens.hex(8))
        self.made_call_id = True
        self._dial = dial
        self._cseq = 1
        self._early: dict[str, Early] = {}
        self._extra: dict[str, tuple[Request, Flow | Hop, str]] = {}  # forks: tag -> their ACK
        self._last: tuple[str, int, str | None] | None = None  # progress reported last
        self._offer_to_answer: Exchange | None = None  # the 2xx brought the offer
        if dial.credentials is not None:
            self.digest = DigestClient(dial.credentials)
        hop, request = self._invite(dial)
        self._way: Flow | Hop = dial.flow or hop
        self._exchange = Exchange(request, self._way, self, self._next_cseq, self.digest)
        self.local_sdp = dial.offer or ""

    def start(self, now_ms: int) -> None:
        """Send the INVITE."""
        self.alarms.set("ring", now_ms + self._dial.answer_timeout_ms)
        if self._dial.silence_timeout_ms:
            self.alarms.set("silence", now_ms + self._dial.silence_timeout_ms)
        self.core.begin(self._exchange, now_ms)
        self.core.watch(self)

    def dialog_with(self, remote_tag: str) -> Dialog | None:
        """Return the dialog, or the early dialog, with this tag of the peer."""
        if self.dialog is not None:
            return super().dialog_with(remote_tag)
        early = self._early.get(remote_tag)
        return early.dialog if early is not None else None

    # What the product wants

    def hang_up(self, command: HangUp, now_ms: int) -> None:
        """End the call: CANCEL before the answer, else BYE."""
        if self.dialog is not None:
            self._answer_offer(None)
            super().hang_up(command, now_ms)
        elif not self.is_ended:
            self._give_up("local", 487, command.text, now_ms, command.q850)

    def answer_offer(self, command: AnswerMedia, now_ms: int) -> bool:
        """Put the product's answer into the ACK when the 2xx brought the offer; else False."""
        if self._offer_to_answer is None or self.is_ended:
            return False
        self.local_sdp = command.sdp
        self._answer_offer(command.sdp)
        self.modify.go_on(now_ms)
        return True

    # What the callee does

    def heard(self, exchange: Exchange, response: Response, flow: Flow, now_ms: int) -> None:
        """Take a response to our INVITE, PRACK, BYE or INFO."""
        method = exchange.request.method
        if method == "PRACK":
            return
        if method != "INVITE":
            super().heard(exchange, response, flow, now_ms)
        elif response.is_provisional:
            self._progressed(exchange, response, flow, now_ms)
        elif response.is_success:
            self._succeeded(exchange, response, flow, now_ms)
        else:
            self._refused(exchange, response, now_ms)
        self.core.watch(self)

    def unheard(self, exchange: Exchange, status: int, text: str, now_ms: int) -> None:
        """Take it that our INVITE got no final response."""
        if exchange is self._exchange and self.dialog is None:
            self.end("network", status, 0, text)
            self.over()
        else:
            super().unheard(exchange, status, text, now_ms)

    def _bye_received(self, transaction: ServerTransaction, request: Request, now_ms: int) -> None:
        if self.dialog is None:
            # Its 2xx never reached us. Other forks may still answer; the last one ends the call.
            self._early.pop(request.from_tag, None)
            if self._early:
                self.core.answer(transaction, self.response(request, 200), now_ms)
                return
        super()._bye_received(transaction, request, now_ms)
        if self.dialog is None:
            self.core.cancel(self._exchange, now_ms)

    def rang(self, name: str, now_ms: int) -> None:
        """Give up ringing."""
        if name == "silence":
            self._silent(now_ms)
        elif name == "ring":
            if self.dialog is None:
                self._give_up("local", 408, "not answered in time", now_ms)
        else:
            super().rang(name, now_ms)

    def _progressed(self, exchange: Exchange, response: Response, flow: Flow, now_ms: int) -> None:
        tag = response.to_tag
        early = self._early_dialog(exchange, response, flow) if tag else None
        if self.dialog is not None or self.is_ended:
            return
        try:
            sdp = sdp_of(response)
        except PeerError:
            sdp = None
        if early is not None and "100rel" in parse_options(response.headers.all("Require")):
            if not self._is_in_order(early, response):
                return
            early.sdp = sdp or early.sdp
            self._acknowledge_early(early, response, now_ms)
        news = (tag, response.status, sdp)
        if news != self._last:  # some repeat 180 every second (PN-3)
            self._last = news
            self.remote_sdp = sdp or self.remote_sdp
            self.report(Progressed(self.ref, response.status, sdp))

    def _succeeded(self, exchange: Exchange, response: Response, flow: Flow, now_ms: int) -> None:
        tag = response.to_tag
        if self.dialog is not None and self.dialog.remote_tag == tag:
            self.modify.repeat_ack(exchange.request.cseq.number)
            return
        if self.dialog is not None or self.is_ended:
            self._end_fork(exchange, response, flow, tag, now_ms)
            return
        early = self._early.get(tag)
        if early is not None:
            early.dialog.confirm(response, flow)
            self.dialog = early.dialog
        else:
            self.dialog = Dialog.as_client(exchange.request, response, flow)
        self._early.clear()
        self.alarms.clear("ring", "silence")
        try:
            sdp = sdp_of(response)
        except PeerError:
            sdp = None
        if sdp is None and early is not None:
            sdp = early.sdp
        self.remote_sdp = sdp or ""
        self._offer_to_answer = exchange
        if self._dial.offer is not None or sdp is None:
            self._answer_offer(None)
        self.agreed(agree_as_client(response), "uac", now_ms)
        allows_info = "INFO" in self.dialog.peer_allows
        self.report(Accepted(self.ref, sdp, passed_headers(response.headers), allows_info))

    def _answer_offer(self, sdp: str | None) -> None:
        exchange, self._offer_to_answer = self._offer_to_answer, None
        if exchange is not None:
            self.is_confirmed = True
            self.modify.acknowledge_initial(exchange, sdp)

    def _refused(self, exchange: Exchange, response: Response, now_ms: int) -> None:
        if exchange is not self._exchange or self.dialog is not None:
            return
        if response.status == 422 and not self.is_ended and not self.refresh_at_least_s:
            self._ask_for_longer_session(response, now_ms)
            return
        q850, text = q850_of(response)
        headers = passed_headers(response.headers, _ALSO_ON_REFUSAL)
        self.end("remote", response.status, q850, text or response.reason, headers)
        self.over()

    def _silent(self, now_ms: int) -> None:
        """Pass a server over that has said nothing, not even 100.

        The last one is cancelled: should it wake up later, nobody is to be rung (RFC 3261 §9.1).
        """
        if self.is_ended or self.dialog is not None or self._exchange.is_heard:
            return
        if self.core.pass_over(self._exchange, now_ms):
            self.alarms.set("silence", now_ms + self._dial.silence_timeout_ms)
        else:
            self._give_up("network", 408, "no answer at all", now_ms)

    def _give_up(
        self, by: Literal["local", "network"], status: int, text: str, now_ms: int, q850: int = 0
    ) -> None:
        self.alarms.clear_all()
        self.end(by, status, q850, text)
        if q850:
            self._exchange.cancel_reason = reason(q850, text)
        self.core.cancel(self._exchange, now_ms)
        self.core.watch(self)

    def _end_fork(
        self, exchange: Exchange, response: Response, flow: Flow, tag: str, now_ms: int
    ) -> None:
        """ACK a 2xx that we do not want, and end it with BYE (§13.2.2.4)."""
        known = self._extra.get(tag)
        if known is not None:
            self.core.acknowledge(*known)
            return
        if len(self._extra) >= self.core.settings.forks:
            return
        dialog = Dialog.as_client(exchange.request, response, flow)
        ack = (ack_of_success(dialog, exchange), dialog.next_hop(), self.core.branch())
        self._extra[tag] = ack
        self.core.acknowledge(*ack)
        bye = dialog.request("BYE")
        bye.headers.add("User-Agent", self.core.settings.user_agent)
        if self.dialog is not None:
            bye.headers.add("Reason", 'SIP;cause=200;text="Call completed elsewhere"')
        elif self._exchange.cancel_reason:  # our CANCEL crossed their 2xx
            bye.headers.add("Reason", self._exchange.cancel_reason)
        # Whoever waits for this BYE must be there until it is answered; so is the usage.
        self.core.begin(
            Exchange(bye, dialog.next_hop(), ForkEnd(self), dialog.next_cseq, self.digest), now_ms
        )

    def fork_ended(self) -> None:
        """Be over after the last BYE, when there is no dialog left."""
        if self.dialog is None:
            self.over()

    def _early_dialog(self, exchange: Exchange, response: Response, flow: Flow) -> Early | None:
        tag = response.to_tag
        early = self._early.get(tag)
        if early is None and len(self._early) < self.core.settings.forks:
            early = self._early[tag] = Early(Dialog.as_client(exchange.request, response, flow))
        return early

    def _is_in_order(self, early: Early, response: Response) -> bool:
        """Tell whether this is the next reliable response (RFC 3262 §4)."""
        text = response.headers.get("RSeq") or ""
        if not (text.isascii() and text.isdigit() and len(text) <= 10):
            return False
        rseq = int(text)
        if early.rseq and rseq != early.rseq + 1:
            return False
        early.rseq = rseq
        return True

    def _acknowledge_early(self, early: Early, response: Response, now_ms: int) -> None:
        dialog = early.dialog
        prack = dialog.request("PRACK")
        rack = RAck(early.rseq, CSeq(response.cseq.number, "INVITE"))
        prack.headers.add("RAck", str(rack))
        self.core.begin(
            Exchange(prack, dialog.next_hop(), self, dialog.next_cseq, self.digest), now_ms
        )

    def _ask_for_longer_session(self, response: Response, now_ms: int) -> None:
        self.refresh_at_least_s = max(min_se_of(response), self.core.settings.min_se_s)
        request = self._exchange.request
        wish_s = max(self.session_wish_s, self.refresh_at_least_s)
        write_wish(request, wish_s, self.refresh_at_least_s)
        request.headers.set("CSeq", f"{self._next_cseq()} INVITE")
        self._exchange = Exchange(request, self._way, self, self._next_cseq, self.digest)
        self.core.begin(self._exchange, now_ms)

    def _invite(self, dial: Dial) -> tuple[Hop, Request]:
        target = parse_uri(dial.target).without("method", headers=True)
        parse_uri(dial.from_uri)
        to_uri = str(parse_uri(dial.to_uri or dial.target).without("transport", headers=True))
        caller = NameAddr(dial.from_display, dial.from_uri, {"tag": self.local_tag})
        headers = Headers()
        headers.add("Max-Forwards", str(dial.max_forwards))
        headers.add("From", str(caller))
        headers.add("To", f"<{to_uri}>")
        headers.add("Call-ID", self.call_id)
        headers.add("CSeq", "1 INVITE")
        hop = first_hop(headers, target, parse_uri(dial.proxy) if dial.proxy else None)
        for route in dial.routes:
            headers.add("Route", route)
        if dial.routes and not dial.proxy:
            hop = hop_of(parse_name_addr(dial.routes[0]).sip_uri())
        if not hop.host:
            raise PeerError("target without a host", 416)
        if dial.tls_profile:
            hop = replace(hop, tls_profile=dial.tls_profile)
        settings = self.core.settings
        headers.add("User-Agent", settings.user_agent)
        headers.add("Allow", ALLOW)
        headers.add("Accept", ACCEPT)
        # Without an offer of ours a reliable response would bring one, to be answered in PRACK.
        late = [name for name in EXTENSIONS if name != "100rel"]
        headers.add("Supported", SUPPORTED if dial.offer is not None else ", ".join(late))
        for name, value in dial.headers:
            headers.add(name, value)
        request = Request("INVITE", str(target), headers)
        put_sdp(request, dial.offer)
        self.session_wish_s = dial.session_expires_s or self.session_wish_s
        if self.session_wish_s:
            write_wish(request, max(self.session_wish_s, settings.min_se_s), settings.min_se_s)
        return hop, request

    def _next_cseq(self) -> int:
        self._cseq += 1
        return self._cseq


class ForkEnd:
    """Waits for the answer to the BYE of a fork that nobody wants."""

    def __init__(self, call: OutgoingCall) -> None:
        self._call = call

    def heard(self, exchange: Exchange, response: Response, flow: Flow, now_ms: int) -> None:
        """Take the answer."""
        del exchange, flow, now_ms
        if not response.is_provisional:
            self._call.fork_ended()

    def unheard(self, exchange: Exchange, status: int, text: str, now_ms: int) -> None:
        """Take it that there is none."""
        del exchange, status, text, now_ms
        self._call.fork_ended()
