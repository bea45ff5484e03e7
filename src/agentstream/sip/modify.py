"""Changing a call's media: re-INVITE and UPDATE in both directions (RFC 3261 §14, RFC 3311).

One change at a time. Theirs while ours is out: 491. Theirs while theirs waits for us: 500 with
Retry-After. Ours while anything is out: kept until it is done; after 491, tried again at random.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import proxy

from agentstream.base.errors import PeerError
from agentstream.sip.bodies import put_sdp, sdp_of
from agentstream.sip.commands import AnswerMedia, RefuseMedia, UpdateMedia
from agentstream.sip.core import Exchange
from agentstream.sip.dialog import Dialog
from agentstream.sip.flow import Flow, Hop
from agentstream.sip.message import Request, Response
from agentstream.sip.reports import MediaAnswered, MediaOffered, MediaRefused
from agentstream.sip.server_transaction import ServerTransaction
from agentstream.sip.session_timer import (
    Agreement,
    TooSmall,
    agree_as_client,
    agree_as_server,
    min_se_of,
    write_agreement,
    write_wish,
)
from agentstream.sip.settings import ALLOW, SUPPORTED

if TYPE_CHECKING:
    from agentstream.sip.invite import InviteUsage


@dataclass(slots=True)
class Theirs:
    """A change that the peer asks for and the product has not answered."""

    transaction: ServerTransaction
    has_offer: bool
    agreement: Agreement | None


@dataclass(slots=True)
class SentAck:
    """The ACK of our latest INVITE, for when its 2xx comes again."""

    cseq: int
    ack: Request
    to: Flow | Hop
    branch: str


class Modify:
    """The one change that may be under way, and the one that waits behind it."""

    def __init__(self, usage: "InviteUsage") -> None:
        # Weak, as it is our owner: a ring would keep both until the collector looks.
        self._usage: InviteUsage = proxy(usage)
        self._core = usage.core  # stays when our owner is over: a 2xx may come again even then
        self._ours: Exchange | None = None
        self._is_refresh = False
        self._is_update_refused = False  # whatever Allow says
        self._offer = ""
        self._waiting_offer: str | None = None
        self._theirs: Theirs | None = None
        self._ack: SentAck | None = None
        self._awaits_answer = False  # our 2xx to their re-INVITE carries our offer

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return self._ours is None and self._theirs is None and self._usage.unacked is None

    # Theirs

    def offered(
        self, transaction: ServerTransaction, request: Request, dialog: Dialog, now_ms: int
    ) -> None:
        """Take a re-INVITE or UPDATE."""
        usage = self._usage
        offer = sdp_of(request)
        changes_media = request.method == "INVITE" or offer is not None
        if changes_media and self._is_refused_for_now(transaction, now_ms):
            return
        agreement = agree_as_server(request, usage.core.settings, usage.session_wish_s)
        if isinstance(agreement, TooSmall):
            refusal = usage.response(request, 422)
            refusal.headers.add("Min-SE", str(agreement.min_se_s))
            usage.core.answer(transaction, refusal, now_ms)
            return
        assert dialog.flow is not None  # just set by this request
        dialog.refresh(request, dialog.flow)
        theirs = Theirs(transaction, offer is not None, agreement)
        if not changes_media:
            usage.core.answer(transaction, self._success(theirs, None), now_ms)
            usage.agreed(agreement, "uas", now_ms)
            return
        if request.method == "INVITE":
            usage.core.answer(transaction, usage.response(request, 100), now_ms)
        self._wait_for_product(theirs, now_ms)
        if offer is not None:
            usage.remote_sdp = offer
        usage.report(MediaOffered(usage.ref, offer))

    def offered_in_prack(self, transaction: ServerTransaction, offer: str, now_ms: int) -> None:
        """Take an offer in a PRACK (RFC 3262 §5); its 200 carries the answer."""
        if self._is_refused_for_now(transaction, now_ms):
            return
        self._wait_for_product(Theirs(transaction, True, None), now_ms)
        self._usage.remote_sdp = offer
        self._usage.report(MediaOffered(self._usage.ref, offer))

    def answer(self, command: AnswerMedia, now_ms: int) -> bool:
        """Send the product's answer; False when nothing waits for one."""
        theirs, usage = self._theirs, self._usage
        if theirs is None:
            return False
        self._done_with_theirs()
        response = self._success(theirs, command.sdp)
        usage.local_sdp = command.sdp
        method = theirs.transaction.request.method
        if method == "INVITE":
            self._awaits_answer = not theirs.has_offer
            usage.accepted(theirs.transaction, response, now_ms, has_our_offer=not theirs.has_offer)
        else:
            usage.core.answer(theirs.transaction, response, now_ms)
        if method != "PRACK":
            usage.agreed(theirs.agreement, "uas", now_ms)
        self.go_on(now_ms)
        usage.core.watch(usage)
        return True

    def refuse(self, command: RefuseMedia, now_ms: int) -> None:
        """Refuse theirs; the call goes on as it was."""
        theirs = self._theirs
        if theirs is not None:
            self._done_with_theirs()
            self._usage.refuse(theirs.transaction, command.status, now_ms)
            self.go_on(now_ms)
            self._usage.core.watch(self._usage)

    def acknowledged(self, answer: str | None) -> None:
        """Take the ACK to our 2xx; it brings the answer when the offer was ours."""
        if self._awaits_answer:
            self._awaits_answer = False
            if answer is not None:
                self._usage.report(MediaAnswered(self._usage.ref, answer))

    # Ours

    def obey(self, command: UpdateMedia | RefuseMedia, now_ms: int) -> None:
        """Carry out a command of the product."""
        if isinstance(command, UpdateMedia):
            self.update(command, now_ms)
        else:
            self.refuse(command, now_ms)

    def update(self, command: UpdateMedia, now_ms: int) -> None:
        """Send our offer in a re-INVITE, now or when the way is free; the newest offer counts."""
        self._waiting_offer = command.offer
        self.go_on(now_ms)
        self._usage.core.watch(self._usage)

    def refresh(self, now_ms: int) -> None:
        """Refresh the session: UPDATE if the peer allows it, else re-INVITE (SIP-50)."""
        usage = self._usage
        if not self.is_idle or usage.dialog is None or self._waiting_offer is not None:
            # Any change that goes through refreshes the session as well.
            usage.alarms.set("refresh", now_ms + 1_000)
            return
        self._is_refresh = True
        if "UPDATE" in usage.dialog.peer_allows and not self._is_update_refused:
            self._send("UPDATE", None, now_ms)
        else:
            self._send("INVITE", usage.local_sdp, now_ms)

    def go_on(self, now_ms: int) -> None:
        """Send what waits, if the way is free."""
        usage = self._usage
        is_free = usage.is_confirmed and not usage.is_ended and self.is_idle
        if is_free and self._waiting_offer is not None and "glare" not in usage.alarms:
            offer, self._waiting_offer = self._waiting_offer, None
            self._is_refresh = False
            self._send("INVITE", offer, now_ms)

    def rang(self, name: str, now_ms: int) -> None:
        """Take an alarm: "glare" is over; the "product" or the peer ("ours") has not answered."""
        if name == "glare":
            self.go_on(now_ms)
        elif name == "ours" and self._ours is not None:
            self._usage.core.cancel(self._ours, now_ms)
        elif name == "product" and self._theirs is not None:
            self.refuse(RefuseMedia(self._usage.ref, 500), now_ms)

    def abandon(self, now_ms: int) -> None:
        """Give everything up, because the call ends (§15.1.2)."""
        theirs, self._theirs = self._theirs, None
        ours, self._ours = self._ours, None
        self._waiting_offer = None
        if ours is not None:
            self._usage.core.cancel(ours, now_ms)
        if theirs is not None:
            self._usage.refuse(theirs.transaction, 487, now_ms)

    def forget(self) -> None:
        """Wait for nothing any more: the call is over, and what still comes concerns nobody."""
        self._ours = self._theirs = self._waiting_offer = None

    def heard(self, exchange: Exchange, response: Response, flow: Flow, now_ms: int) -> None:
        """Take the answer to our re-INVITE or UPDATE."""
        usage = self._usage
        if response.is_provisional:
            return
        is_invite = exchange.request.method == "INVITE"
        if response.is_success and is_invite:
            self._acknowledge(exchange, response, flow)
        if exchange is not self._ours:  # its 2xx came again
            return
        self._ours = None
        usage.alarms.clear("ours")
        if response.is_success:
            self._succeeded(exchange, response, flow, now_ms)
        elif response.status == 491:
            self._glare(now_ms)
        elif response.status in (408, 481):
            # §12.2.1.2, §14.1: the peer has lost this call.
            usage.lost(response.status, "the peer does not know this call", now_ms)
        elif response.status == 422 and self._ask_for_longer(response, now_ms):
            pass
        elif response.status in (405, 501) and not is_invite:
            # PN-1: some list UPDATE in Allow and do not take it.
            self._is_update_refused = True
            self.refresh(now_ms)
        elif not self._is_refresh:
            usage.report(MediaRefused(usage.ref, response.status))
        self.go_on(now_ms)
        usage.core.watch(usage)

    def unheard(self, exchange: Exchange, status: int, text: str, now_ms: int) -> None:
        """Take it that our re-INVITE or UPDATE was never answered: the call is lost (§14.1)."""
        if exchange is self._ours:
            self._ours = None
            self._usage.lost(status, text, now_ms)
            self._usage.core.watch(self._usage)

    def acknowledge_initial(self, exchange: Exchange, to_sdp: str | None) -> None:
        """Send the ACK to the first 2xx of a call that we placed."""
        self._send_ack(exchange, to_sdp)

    def repeat_ack(self, cseq: int) -> None:
        """Send the ACK again, if its INVITE is the latest one."""
        sent = self._ack
        if sent is not None and sent.cseq == cseq:
            self._core.acknowledge(sent.ack, sent.to, sent.branch)

    def _send(self, method: str, offer: str | None, now_ms: int) -> None:
        usage = self._usage
        dialog = usage.dialog
        assert dialog is not None  # confirmed, so there is one
        request = dialog.request(method)
        request.headers.add("Supported", SUPPORTED)
        request.headers.add("Allow", ALLOW)
        self._offer = offer or ""
        put_sdp(request, offer)
        if usage.session_s:
            # Who refreshes stays as agreed; named by this transaction's roles (RFC 4028 §7.4).
            refresher = "uac" if usage.is_refresher else "uas"
            seconds = max(usage.session_s, usage.refresh_at_least_s)
            write_wish(
                request,
                seconds,
                max(usage.core.settings.min_se_s, usage.refresh_at_least_s),
                refresher,
            )
        self._ours = usage.exchange(request, self)
        # Once it has said 100, the peer may think without end; we do not wait so long.
        usage.alarms.set("ours", now_ms + usage.core.settings.timers.transaction_ms)
        usage.core.begin(self._ours, now_ms)

    def _succeeded(self, exchange: Exchange, response: Response, flow: Flow, now_ms: int) -> None:
        usage = self._usage
        assert usage.dialog is not None  # confirmed, so there is one
        usage.dialog.refresh(response, flow)
        usage.agreed(agree_as_client(response), "uac", now_ms)
        if exchange.request.method != "INVITE":
            return
        try:
            answer = sdp_of(response)
        except PeerError:
            answer = None
        if answer is None:
            if not self._is_refresh:
                usage.report(MediaRefused(usage.ref, 488))
            return
        is_news = answer != usage.remote_sdp
        usage.local_sdp, usage.remote_sdp = self._offer, answer
        if is_news or not self._is_refresh:
            usage.report(MediaAnswered(usage.ref, answer))

    def _ask_for_longer(self, response: Response, now_ms: int) -> bool:
        """RFC 4028 §7.3: try again with the Min-SE of a 422, when that is more than was asked."""
        usage, least_s = self._usage, min_se_of(response)
        if not usage.session_s or least_s <= max(usage.session_s, usage.refresh_at_least_s):
            return False  # it would only be said again
        usage.refresh_at_least_s = least_s
        if self._is_refresh:
            usage.alarms.set("refresh", now_ms)
        elif self._waiting_offer is None:
            self._waiting_offer = self._offer
        return True

    def _acknowledge(self, exchange: Exchange, response: Response, flow: Flow) -> None:
        number = response.cseq.number
        if self._ack is not None and self._ack.cseq == number:
            self.repeat_ack(number)
            return
        if self._usage.dialog is not None:
            self._usage.dialog.refresh(response, flow)
            self._send_ack(exchange, None)

    def _send_ack(self, exchange: Exchange, sdp: str | None) -> None:
        usage = self._usage
        dialog = usage.dialog
        assert dialog is not None  # the 2xx has made or confirmed it
        number = exchange.request.cseq.number
        ack = ack_of_success(dialog, exchange)
        put_sdp(ack, sdp)
        self._ack = SentAck(number, ack, dialog.next_hop(), usage.core.branch())
        self.repeat_ack(number)

    def _glare(self, now_ms: int) -> None:
        usage = self._usage
        # §14.1: whoever made the Call-ID waits 2.1 to 4 s, the other 0 to 2 s, in steps of 10 ms.
        if usage.made_call_id:
            delay_ms = 2_100 + usage.core.random_ms(1_910)
        else:
            delay_ms = usage.core.random_ms(2_010)
        if self._is_refresh:
            usage.alarms.set("refresh", now_ms + delay_ms)
            return
        if self._waiting_offer is None:
            self._waiting_offer = self._offer
        usage.alarms.set("glare", now_ms + delay_ms)

    def _is_refused_for_now(self, transaction: ServerTransaction, now_ms: int) -> bool:
        usage = self._usage
        method = transaction.request.method
        if self._ours is not None:
            usage.refuse(transaction, 491, now_ms)
            return True
        waits_for_ack = usage.unacked is not None and usage.unacked.has_our_offer
        if self._theirs is not None or waits_for_ack or not usage.may_be_modified(method):
            # §14.2, RFC 3311 §5.2: between 0 and 10 seconds.
            refusal = usage.response(transaction.request, 500)
            refusal.headers.add("Retry-After", str(usage.core.random_ms(10_010) // 1000))
            usage.core.answer(transaction, refusal, now_ms)
            return True
        return False

    def _wait_for_product(self, theirs: Theirs, now_ms: int) -> None:
        self._theirs = theirs
        timeout_ms = self._usage.core.settings.answer_media_timeout_ms
        self._usage.alarms.set("product", now_ms + timeout_ms)

    def _done_with_theirs(self) -> None:
        self._theirs = None
        self._usage.alarms.clear("product")

    def _success(self, theirs: Theirs, sdp: str | None) -> Response:
        usage = self._usage
        response = usage.response(theirs.transaction.request, 200)
        response.headers.add("Contact", usage.core.contact(theirs.transaction.flow))
        response.headers.add("Allow", ALLOW)
        response.headers.add("Supported", SUPPORTED)
        if theirs.agreement is not None:
            write_agreement(response, theirs.agreement)
        put_sdp(response, sdp)
        return response


def ack_of_success(dialog: Dialog, exchange: Exchange) -> Request:
    """Make the ACK to a 2xx (§13.2.2.4); it repeats the INVITE's number and credentials."""
    ack = dialog.request("ACK", exchange.request.cseq.number)
    for name in ("Authorization", "Proxy-Authorization"):
        for value in exchange.request.headers.all(name):
            ack.headers.add(name, value)
    return ack
