"""A call that comes in (RFC 3261 §13.3, RFC 3262): ring, answer, reject, CANCEL, PRACK.

RINGING --answer--> 2xx repeated --ACK--> confirmed (invite.py)
   '--reject, CANCEL, BYE--> ended
"""

from agentstream.base.errors import PeerError
from agentstream.sip.bodies import (
    one_line,
    passed_headers,
    put_headers,
    put_sdp,
    put_text,
    q850_of,
    sdp_of,
)
from agentstream.sip.commands import Answer, HangUp, Reject, Ring
from agentstream.sip.core import Core
from agentstream.sip.dialog import Dialog
from agentstream.sip.flow import Flow
from agentstream.sip.gate import OUTSIDER, Pass
from agentstream.sip.headers import Reason, parse_options, parse_rack
from agentstream.sip.invite import InviteUsage, describe
from agentstream.sip.message import Request, Response
from agentstream.sip.reliable import ReliableRinging, Ringing
from agentstream.sip.reports import Confirmed, Invited, MediaAnswered, SipCallRef
from agentstream.sip.server_transaction import ServerTransaction
from agentstream.sip.session_timer import Agreement, TooSmall, agree_as_server, write_agreement

READ_BY_PEOPLE = frozenset((400, 404, 480, 486, 488))  # PN-6: LiveKit shows their bodies
STILL_RINGING_MS = 60_000  # RFC 3261 §13.3.1.1: or proxies give up


class IncomingCall(InviteUsage):
    """One INVITE of a peer. Raises PeerError on construction when it cannot make a dialog."""

    def __init__(
        self,
        ref: SipCallRef,
        core: Core,
        transaction: ServerTransaction,
        flow: Flow,
        local_tag: str,
        replaces: SipCallRef | None = None,
    ) -> None:
        request = transaction.request
        super().__init__(ref, core, request.call_id, local_tag)
        agreement = agree_as_server(request, core.settings)
        if isinstance(agreement, TooSmall):
            raise SessionTooSmallError(agreement.min_se_s)
        self._agreement = agreement
        self._replaces = replaces
        self._offer = sdp_of(request)
        self._transaction = transaction
        local = str(request.to_addr.with_tag(local_tag))
        self.dialog = Dialog.as_server(request, local, local_tag, flow)
        self._is_answered = False
        self._is_sdp_settled = False  # our answer went out reliably and was acknowledged
        self._wants_reliable = "100rel" in parse_options(request.headers.all("Require"))
        self._ringing: ReliableRinging | None = None
        self._answer_after_prack: Answer | None = None
        self._last_ringing = b""

    def start(self, now_ms: int, passed: Pass = OUTSIDER) -> None:
        """Tell the product; answer 100 if it has nothing to say in time (RFC 3261 §17.2.1)."""
        settings, request = self.core.settings, self._transaction.request
        if passed.session_expires_s:
            self.session_wish_s = passed.session_expires_s
            self._agreement = self._agreement or self._wanted(request)
        self.alarms.set("unanswered", now_ms + settings.ring_limit_ms)
        if settings.trying_after_ms:
            self.alarms.set("trying", now_ms + settings.trying_after_ms)
        else:
            self._try(now_ms)
        caller = request.from_addr
        self.remote_sdp = self._offer or ""
        self.report(
            Invited(
                ref=self.ref,
                sip_call_id=self.call_id,
                request_uri=request.uri,
                from_uri=caller.uri,
                from_display=caller.display,
                to_uri=request.to_addr.uri,
                source=str(self._transaction.flow),
                offer=self._offer,
                headers=passed_headers(request.headers),
                replaces=self._replaces,
                hops_left=min(int(request.headers.get("Max-Forwards") or 70), 70),
                trunk_sid=passed.trunk_sid,
                shown_caller=passed.caller,
                allows_info=self.dialog is not None and "INFO" in self.dialog.peer_allows,
            )
        )
        self.core.watch(self)

    def _wanted(self, request: Request) -> Agreement | None:
        """Return the session timer that we want of this peer, where it asks for none (§9)."""
        agreement = agree_as_server(request, self.core.settings, self.session_wish_s)
        assert not isinstance(agreement, TooSmall)  # that is said of what they ask for
        return agreement

    def may_be_modified(self, method: str) -> bool:
        """Early, not by INVITE and once our answer is settled; later, once we have answered."""
        return self._is_answered or (method != "INVITE" and self._is_sdp_settled)

    # What the product wants

    def ring(self, command: Ring, now_ms: int) -> None:
        """Send a provisional response, reliably when the caller requires that."""
        if self._is_answered or self.is_ended or not 101 <= command.status <= 199:
            return
        ringing = Ringing(command.status, command.sdp)
        if not self._wants_reliable:
            self._send_ringing(ringing, None, now_ms)
            return
        if self._ringing is None:
            # RFC 3262 §3: the first RSeq is random, below 2**31.
            self._ringing = ReliableRinging(int(self.core.tokens.hex(3), 16))
        if self._ringing.outstanding is None:
            self._send_reliably(self._ringing, ringing, now_ms)
        else:
            self._ringing.waiting.append(ringing)

    def answer(self, command: Answer, now_ms: int) -> None:
        """Send 200, after the PRACK of a provisional response with SDP (RFC 3262 §3)."""
        if self._is_answered or self.is_ended:
            return
        outstanding = self._ringing and self._ringing.outstanding
        if outstanding and outstanding.has_sdp:
            self._answer_after_prack = command
            return
        self._is_answered = True
        self.alarms.clear("trying", "prack", "give_up", "unanswered", "still")
        response = describe(self._response(200))
        put_headers(response, command.headers)
        if self._agreement is not None:
            write_agreement(response, self._agreement)
        if not self._is_sdp_settled:
            put_sdp(response, command.sdp)
            self.local_sdp = command.sdp
        has_our_offer = self._offer is None and not self._is_sdp_settled
        self.accepted(self._transaction, response, now_ms, has_our_offer=has_our_offer)
        self.agreed(self._agreement, "uas", now_ms)
        self.core.watch(self)

    def reject(self, command: Reject, now_ms: int) -> None:
        """Send a final refusal; an answered call is hung up instead."""
        if self._is_answered:
            self.hang_up(HangUp(self.ref, 0, command.text, command.headers), now_ms)
            return
        if self.is_ended:
            return
        status = command.status if 300 <= command.status <= 699 else 480
        self._refuse_invite(status, command.text, command.headers, now_ms)
        self.end("local", status, 0, command.text)
        self.over()

    def hang_up(self, command: HangUp, now_ms: int) -> None:
        """End the call: 603 before the answer, else BYE."""
        if self._is_answered:
            super().hang_up(command, now_ms)
        else:
            self.reject(Reject(self.ref, 603, command.text, command.headers), now_ms)

    # What the caller does

    def cancelled(self, cancel: Request, now_ms: int) -> None:
        """Take a CANCEL: 487 if it comes before our answer."""
        if self._is_answered or self.is_ended:
            return
        self._refuse_invite(487, "", (), now_ms)
        q850, text = q850_of(cancel)
        self.end("remote", 487, q850, text, passed_headers(cancel.headers))
        self.over()

    def answer_acknowledged(self, answer: str | None) -> None:
        """Tell the product that the far end has our answer."""
        if self.is_confirmed:
            super().answer_acknowledged(answer)
        else:
            self.is_confirmed = True
            self.report(Confirmed(self.ref, answer))

    def _bye_received(self, transaction: ServerTransaction, request: Request, now_ms: int) -> None:
        if not self._is_answered and not self.is_ended:
            self._refuse_invite(487, "", (), now_ms)  # §15.1.2
        super()._bye_received(transaction, request, now_ms)

    def prack_received(self, transaction: ServerTransaction, request: Request, now_ms: int) -> None:
        """Take a PRACK; what waited behind its response is sent."""
        rack = request.headers.get("RAck")
        if rack is None:
            raise PeerError("RAck missing")
        ringing = self._ringing
        known = ringing.acknowledge(parse_rack(rack)) if ringing else None
        if known is None or ringing is None:
            self.refuse(transaction, 481, now_ms)
            return
        self.alarms.clear("prack", "give_up")
        sdp = sdp_of(request)
        if known.has_sdp:
            self._is_sdp_settled = self._offer is not None or sdp is not None
        if sdp is not None and not (known.has_sdp and self._offer is None):
            self.modify.offered_in_prack(transaction, sdp, now_ms)
        else:
            self.core.answer(transaction, self.response(request, 200), now_ms)
            if sdp is not None:
                self.remote_sdp = sdp
                self.report(MediaAnswered(self.ref, sdp))
        if self._answer_after_prack is not None:
            self.answer(self._answer_after_prack, now_ms)
        elif ringing.waiting and not self._is_answered:
            self._send_reliably(ringing, ringing.waiting.popleft(), now_ms)

    def rang(self, name: str, now_ms: int) -> None:
        """Repeat a reliable response, or give up on it: 5xx (RFC 3262 §3)."""
        known = self._ringing.outstanding if self._ringing else None
        if name == "unanswered":
            self.reject(Reject(self.ref, 480, "not answered"), now_ms)
        elif name == "trying":
            self._try(now_ms)
        elif name == "still":
            self.core.repeat(self._transaction, self._last_ringing)
            self.alarms.set("still", now_ms + STILL_RINGING_MS)
        elif name == "prack" and known is not None:
            self.core.repeat(self._transaction, known.data)
            known.gap_ms *= 2
            self.alarms.set("prack", now_ms + known.gap_ms)
        elif name == "give_up" and known is not None:
            self._refuse_invite(504, "no PRACK", (), now_ms)
            self.end("network", 504, 0, "no PRACK")
            self.over()
        else:
            super().rang(name, now_ms)

    def lost(self, status: int, text: str, now_ms: int, why: Reason | None = None) -> None:
        """End a call whose peer has vanished; before the answer there is an INVITE to refuse."""
        if self._is_answered or self.is_ended:
            super().lost(status, text, now_ms, why)
            return
        self._refuse_invite(480, text, (), now_ms)
        self.end("network", status, 0, text)
        self.over()

    def over(self) -> None:
        """Have nothing more to do; the transaction ends by itself."""
        self._transaction.owner = None
        super().over()

    def _try(self, now_ms: int) -> None:
        trying = self.response(self._transaction.request, 100)
        self.core.answer(self._transaction, trying, now_ms)

    def _send_reliably(self, reliable: ReliableRinging, ringing: Ringing, now_ms: int) -> None:
        data = self._send_ringing(ringing, reliable.next_rseq(), now_ms)
        timers = self.core.settings.timers
        number = self._transaction.request.cseq.number
        has_sdp = ringing.sdp is not None
        at_ms = reliable.sent(number, data, timers, now_ms, has_sdp=has_sdp)
        self.alarms.set("prack", at_ms)
        self.alarms.set("give_up", now_ms + timers.transaction_ms)
        self.core.watch(self)

    def _send_ringing(self, ringing: Ringing, rseq: int | None, now_ms: int) -> bytes:
        self.alarms.clear("trying")
        response = self._response(ringing.status)
        if rseq is not None:
            response.headers.add("Require", "100rel")
            response.headers.add("RSeq", str(rseq))
        if not self._is_sdp_settled:
            put_sdp(response, ringing.sdp)
            self.local_sdp = ringing.sdp or self.local_sdp
        data = self.core.answer(self._transaction, response, now_ms)
        if rseq is None:
            self._last_ringing = data
            self.alarms.set("still", now_ms + STILL_RINGING_MS)
            self.core.watch(self)
        return data

    def _refuse_invite(
        self, status: int, text: str, headers: tuple[tuple[str, str], ...], now_ms: int
    ) -> None:
        response = self.response(self._transaction.request, status, one_line(text))
        put_headers(response, headers)
        if status in READ_BY_PEOPLE:
            put_text(response, one_line(text))
        self.core.answer(self._transaction, response, now_ms)

    def _response(self, status: int) -> Response:
        """Make a response that makes a dialog: with Record-Route and Contact."""
        response = self.response(self._transaction.request, status, with_route=True)
        response.headers.add("Contact", self.core.contact(self._transaction.flow))
        return response


class SessionTooSmallError(PeerError):
    """The INVITE asks for a session interval below our least (RFC 4028 §6): 422."""

    def __init__(self, min_se_s: int) -> None:
        super().__init__("session interval too small", 422)
        self.min_se_s = min_se_s
