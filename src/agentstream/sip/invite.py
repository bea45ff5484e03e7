"""What both sides of an INVITE call have in common once there is a dialog (RFC 3261 §13, §15).

    (incoming, outgoing) --2xx, ACK--> confirmed --BYE either way--> ended

`Ended` is reported at once and once; the usage itself stays until its own BYE is answered, so that
a BYE which crosses ours still finds it.
"""

from dataclasses import dataclass
from typing import Literal

from agentstream.base.errors import PeerError
from agentstream.sip.bodies import (
    content_type,
    one_line,
    passed_headers,
    put_headers,
    q850_of,
    reason,
    sdp_of,
)
from agentstream.sip.commands import HangUp, SendInfo
from agentstream.sip.core import Asker, Core, Exchange
from agentstream.sip.dialog import Dialog
from agentstream.sip.digest import DigestClient
from agentstream.sip.flow import Flow
from agentstream.sip.headers import Reason
from agentstream.sip.message import Request, Response, respond
from agentstream.sip.modify import Modify
from agentstream.sip.refer import LAST_WORD_MS, Referrals
from agentstream.sip.reports import Ended, Header, InfoReceived, Report, SipCallRef
from agentstream.sip.server_transaction import ServerTransaction
from agentstream.sip.session_timer import Agreement
from agentstream.sip.settings import ACCEPT, ALLOW, SUPPORTED
from agentstream.sip.timers import Alarm, Alarms

EXPIRED = Reason("SIP", 408, "Session expired")


@dataclass(slots=True)
class Unacked:
    """A 2xx of ours to an INVITE, repeated until its ACK (RFC 3261 §13.3.1.4)."""

    transaction: ServerTransaction
    data: bytes
    cseq: int
    gap_ms: int
    give_up_at_ms: int
    has_our_offer: bool


class InviteUsage:
    """The common part; `IncomingCall` and `OutgoingCall` add how the call comes about."""

    def __init__(self, ref: SipCallRef, core: Core, call_id: str, local_tag: str) -> None:
        self.ref = ref
        self.core = core
        self.call_id = call_id
        self.local_tag = local_tag
        self.dialog: Dialog | None = None
        self.alarms = Alarms()
        self.alarm: Alarm | None = None
        self.is_confirmed = False  # the 2xx is acknowledged
        self.is_ended = False  # reported; what follows is silence
        self.local_sdp = ""  # what we said last
        self.remote_sdp = ""
        self.unacked: Unacked | None = None
        self.digest: DigestClient | None = None
        self.made_call_id = False
        self.session_s = 0  # the agreed session interval; 0: none
        self.is_refresher = False
        self.refresh_at_least_s = 0  # what a 422 demanded
        self.session_wish_s = core.settings.session_expires_s  # what we ask for; 0: nothing
        self.modify = Modify(self)
        self.referrals = Referrals(self)
        self._bye_after_ack: HangUp | None = None
        self._bye_after_word: HangUp | None = None

    @property
    def wake_at_ms(self) -> int | None:
        """When the next of our alarms rings."""
        return self.alarms.wake_at_ms

    # Requests of the peer

    def dialog_with(self, remote_tag: str) -> Dialog | None:
        """Return the dialog with this tag of the peer."""
        dialog = self.dialog
        return dialog if dialog is not None and dialog.remote_tag == remote_tag else None

    def requested(
        self, transaction: ServerTransaction, request: Request, flow: Flow, now_ms: int
    ) -> None:
        """Take a request inside the dialog; every one is answered."""
        dialog = self.dialog_with(request.from_tag)
        if dialog is None:
            self.refuse(transaction, 481, now_ms)
            return
        # §12.2.2: a number below the last one is out of order.
        number = request.cseq.number
        if dialog.remote_cseq is not None and number <= dialog.remote_cseq:
            self.refuse(transaction, 500, now_ms)
            return
        dialog.remote_cseq = number
        dialog.flow = flow
        if self.is_ended and request.method != "BYE":
            self.refuse(transaction, 481, now_ms)
            return
        try:
            self._dispatch(transaction, request, dialog, now_ms)
        except PeerError as error:
            self.refuse(transaction, error.status, now_ms)
        self.core.watch(self)

    def _dispatch(
        self, transaction: ServerTransaction, request: Request, dialog: Dialog, now_ms: int
    ) -> None:
        match request.method:
            case "BYE":
                self._bye_received(transaction, request, now_ms)
            case "INVITE" | "UPDATE":
                self.modify.offered(transaction, request, dialog, now_ms)
            case "PRACK":
                self.prack_received(transaction, request, now_ms)
            case "INFO":
                self.core.answer(transaction, self.response(request, 200), now_ms)
                body = request.body.decode("utf-8", "replace")
                kind = content_type(request) if request.body else ""
                self.report(InfoReceived(self.ref, kind, body))
            case "OPTIONS":
                self.core.answer(transaction, describe(self.response(request, 200)), now_ms)
            case "REFER":
                self.referrals.asked(transaction, request, now_ms)
            case "NOTIFY":
                self.referrals.notified(transaction, request, now_ms)
            case _:
                refusal = self.response(request, 405)
                refusal.headers.add("Allow", ALLOW)
                self.core.answer(transaction, refusal, now_ms)

    def prack_received(self, transaction: ServerTransaction, request: Request, now_ms: int) -> None:
        """Take a PRACK; only a call that comes in has something to acknowledge."""
        del request
        self.refuse(transaction, 481, now_ms)

    def _bye_received(self, transaction: ServerTransaction, request: Request, now_ms: int) -> None:
        self.core.answer(transaction, self.response(request, 200), now_ms)
        self.modify.abandon(now_ms)
        self.referrals.abandon(now_ms)
        q850, text = q850_of(request)
        self.end("remote", 0, q850, text, passed_headers(request.headers))
        self.over()

    def acknowledged(self, ack: Request, flow: Flow, now_ms: int) -> None:
        """Take the ACK of a 2xx; one that comes again is nothing."""
        known = self.unacked
        dialog = self.dialog_with(ack.from_tag)
        if known is None or dialog is None or ack.cseq.number != known.cseq:
            return
        dialog.flow = flow
        self.unacked = None
        self.alarms.clear("repeat")
        try:
            answer = sdp_of(ack) if known.has_our_offer else None
        except PeerError:
            answer = None
        if answer is not None:
            self.remote_sdp = answer
        self.answer_acknowledged(answer)
        if self._bye_after_ack is not None:
            self.send_bye(self._bye_after_ack, now_ms)
        else:
            self.modify.go_on(now_ms)
            self.referrals.confirmed(now_ms)
        self.core.watch(self)

    def answer_acknowledged(self, answer: str | None) -> None:
        """Tell the product that its answer arrived."""
        self.modify.acknowledged(answer)

    def cancelled(self, cancel: Request, now_ms: int) -> None:
        """Take a CANCEL; once an INVITE is answered it means nothing (§9.2)."""

    def may_be_modified(self, method: str) -> bool:
        """Tell whether the first offer is answered, so that the peer may make another."""
        del method
        return self.is_confirmed

    # What the product wants

    def hang_up(self, command: HangUp, now_ms: int) -> None:
        """End a call that has been answered."""
        if self.is_ended:
            return
        self.end("local", 0, command.q850, command.text)
        if self.unacked is not None:
            # §15: the callee must not send BYE before the ACK, or before it is certain not to come.
            self._bye_after_ack = command
        elif self.referrals.has_last_word:
            # SIP-62: who referred is told that it went well, and only then that the call is over.
            self._bye_after_word = command
            self.alarms.set("last_word", now_ms + LAST_WORD_MS)
        else:
            self.send_bye(command, now_ms)
        self.core.watch(self)

    def last_word_given(self, now_ms: int) -> None:
        """Send the BYE that waited for the answer to the final NOTIFY of a transfer."""
        if self._bye_after_word is not None:
            self.send_bye(self._bye_after_word, now_ms)

    def send_info(self, command: SendInfo, now_ms: int) -> None:
        """Send INFO."""
        if self.dialog is None or self.is_ended:
            return
        request = self.dialog.request("INFO")
        request.headers.add("Content-Type", one_line(command.content_type))
        request.body = command.body.encode("utf-8", "surrogateescape")
        self.send(request, now_ms)

    # What comes of our own requests

    def heard(self, exchange: Exchange, response: Response, flow: Flow, now_ms: int) -> None:
        """Take the answer to our BYE or INFO."""
        del flow
        if response.is_provisional:
            return
        if exchange.request.method == "BYE":
            self.over()
        elif response.status == 481:
            self.lost(481, "the peer does not know this call", now_ms)

    def unheard(self, exchange: Exchange, status: int, text: str, now_ms: int) -> None:
        """Take it that our BYE or INFO was not answered."""
        del status, text, now_ms
        if exchange.request.method == "BYE":
            self.over()

    def wake(self, now_ms: int) -> None:
        """Let our alarms ring."""
        for name in self.alarms.take_due(now_ms):
            self.rang(name, now_ms)
        self.core.watch(self)

    def rang(self, name: str, now_ms: int) -> None:
        """One alarm rings."""
        match name:
            case "repeat":
                self._repeat_answer(now_ms)
            case "refresh":
                self.modify.refresh(now_ms)
            case "expire":
                self.lost(408, EXPIRED.text, now_ms, EXPIRED)
            case "last_word":
                self.last_word_given(now_ms)
            case _:
                self.referrals.rang(name, now_ms)
                self.modify.rang(name, now_ms)

    # For the parts

    def accepted(
        self,
        transaction: ServerTransaction,
        response: Response,
        now_ms: int,
        *,
        has_our_offer: bool,
    ) -> None:
        """Send a 2xx to an INVITE and repeat it until the ACK."""
        timers = self.core.settings.timers
        self.unacked = Unacked(
            transaction,
            self.core.answer(transaction, response, now_ms),
            transaction.request.cseq.number,
            timers.t1_ms,
            now_ms + timers.transaction_ms,
            has_our_offer,
        )
        self.alarms.set("repeat", now_ms + timers.t1_ms)

    def agreed(self, agreement: Agreement | None, role: Literal["uac", "uas"], now_ms: int) -> None:
        """Start the session timer anew, or stop it."""
        self.alarms.clear("refresh", "expire")
        if agreement is None:
            self.session_s = 0
            return
        self.session_s = agreement.interval_s
        self.is_refresher = agreement.refresher == role
        if self.is_refresher:
            self.alarms.set("refresh", now_ms + agreement.refresh_after_ms)
        self.alarms.set("expire", now_ms + agreement.expires_after_ms)

    def lost(self, status: int, text: str, now_ms: int, why: Reason | None = None) -> None:
        """End a call whose peer has vanished; a BYE is sent in case it has not."""
        if self.is_ended:
            return
        self.end("network", status, 0, text)
        self.send_bye(HangUp(self.ref, 0), now_ms, why or Reason("SIP", status, text))

    def send_bye(self, command: HangUp, now_ms: int, why: Reason | None = None) -> None:
        """Send BYE and stop everything else; the usage is over when it is answered."""
        self.unacked = None
        self._bye_after_ack = self._bye_after_word = None
        self.alarms.clear_all()
        self.modify.abandon(now_ms)
        self.referrals.abandon(now_ms)
        assert self.dialog is not None  # there is no BYE without one
        bye = self.dialog.request("BYE")
        bye.headers.add("Reason", str(why) if why else reason(command.q850, command.text))
        put_headers(bye, command.headers)
        self.send(bye, now_ms)

    def send(self, request: Request, now_ms: int) -> None:
        """Send a request inside the dialog whose answer is taken here."""
        self.core.begin(self.exchange(request, self), now_ms)

    def exchange(self, request: Request, asker: Asker) -> Exchange:
        """Make the exchange of a request inside the dialog."""
        dialog = self.dialog
        assert dialog is not None  # the caller has made the request with it
        request.headers.add("User-Agent", self.core.settings.user_agent)
        exchange = Exchange(request, dialog.next_hop(), asker, dialog.next_cseq, self.digest)
        exchange.hops = dialog.other_hops()
        return exchange

    def response(
        self, request: Request, status: int, text: str = "", *, with_route: bool = False
    ) -> Response:
        """Make a response with our tag."""
        tag = "" if status == 100 else self.local_tag
        response = respond(request, status, text, tag, with_route=with_route)
        response.headers.add("Server", self.core.settings.user_agent)
        return response

    def refuse(self, transaction: ServerTransaction, status: int, now_ms: int) -> None:
        """Answer a request with a bare refusal."""
        self.core.answer(transaction, self.response(transaction.request, status), now_ms)

    def report(self, report: Report) -> None:
        """Tell the product, unless it has been told of the end."""
        if not self.is_ended:
            self.core.report(report)

    def end(
        self,
        by: Literal["remote", "local", "network"],
        status: int,
        q850: int = 0,
        text: str = "",
        headers: tuple[Header, ...] = (),
    ) -> None:
        """Tell the product of the end, once."""
        self.report(Ended(self.ref, by, status, q850, text, headers))
        self.is_ended = True

    def over(self) -> None:
        """Have nothing more to do."""
        self.alarms.clear_all()
        self.unacked = None
        self.modify.forget()
        self.core.close(self)

    def _repeat_answer(self, now_ms: int) -> None:
        known = self.unacked
        if known is None:
            return
        if now_ms >= known.give_up_at_ms:
            # §13.3.1.4: without an ACK the session is ended with a BYE.
            if self._bye_after_ack is not None:
                self.send_bye(self._bye_after_ack, now_ms)
            else:
                self.lost(408, "no ACK", now_ms)
            return
        self.core.repeat(known.transaction, known.data)
        known.gap_ms = min(2 * known.gap_ms, self.core.settings.timers.t2_ms)
        self.alarms.set("repeat", min(now_ms + known.gap_ms, known.give_up_at_ms))


def describe(response: Response) -> Response:
    """Add what we allow, accept and support (OPTIONS, INVITE)."""
    response.headers.add("Allow", ALLOW)
    response.headers.add("Accept", ACCEPT)
    response.headers.add("Supported", SUPPORTED)
    return response
