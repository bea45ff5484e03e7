"""Requests of peers: which transaction, which call, or which refusal (RFC 3261 §8.2, §12.2.2)."""

from collections import Counter

from agentstream.base.errors import PeerError
from agentstream.base.ids import Tokens
from agentstream.sip.call_table import CallTable
from agentstream.sip.core import Core
from agentstream.sip.digest import Stale, Verified, Wrong
from agentstream.sip.flow import SECURE, WEBSOCKET, Flow, Hop, is_private
from agentstream.sip.gate import OPEN, OUTSIDER, Arrival, Ask, Drop, Gate, Pass, Refuse
from agentstream.sip.invite import InviteUsage
from agentstream.sip.invite_server import IncomingCall, SessionTooSmallError
from agentstream.sip.message import BadRequestError, Request, Response
from agentstream.sip.refer_headers import parse_replaces
from agentstream.sip.registrar import Registrar
from agentstream.sip.reports import SipCallRef
from agentstream.sip.screen import Screen
from agentstream.sip.server_transaction import (
    Branch,
    Repeat,
    ServerOutput,
    ServerState,
    ServerTransaction,
    server_key,
)
from agentstream.sip.settings import SipSettings
from agentstream.sip.traffic import Put, Send
from agentstream.sip.transactions import Transactions
from agentstream.sip.uri import parse_uri
from agentstream.sip.wire import encode


class ServerSide:
    """Owns nothing but the rules; transactions and calls are kept in their tables."""

    def __init__(
        self,
        core: Core,
        transactions: Transactions,
        calls: CallTable,
        counters: Counter[str],
        put: Put,
        gate: Gate,
    ) -> None:
        self._core = core
        self._settings: SipSettings = core.settings
        self._tokens: Tokens = core.tokens
        self._transactions = transactions
        self._calls = calls
        self._counters = counters
        self._put = put
        self._screen = Screen(core.settings, bytes.fromhex(core.tokens.hex(32)))
        self._gate = gate
        self.registrar: Registrar | None = None
        if core.settings.registrar is not None:
            self.registrar = self._screen.registrar(core.settings.registrar)
            self.registrar.failed = self._phone_failed
        self.retry_after_s: int | None = None  # draining

    def requested(self, request: Request, flow: Flow, now_ms: int) -> None:
        """Take a request; every one but ACK is answered."""
        try:
            self._requested(request, flow, now_ms)
        except PeerError as error:
            self._counters["bad_messages"] += 1
            if request.method != "ACK":
                self._refuse(self._screen.response(request, error.status, str(error)), flow)

    def refuse_broken(self, error: BadRequestError, flow: Flow) -> None:
        """Answer a request that could not be read, as far as it can be answered."""
        try:
            via = error.request.top_via
            error.request.replace_top_via(via.seen_from(flow.remote_host, flow.remote_port))
        except PeerError:
            return
        refusal = error.response(self._tokens.hex(8))
        if refusal is not None:
            self._refuse(refusal, flow)

    def _requested(self, request: Request, flow: Flow, now_ms: int) -> None:
        key = server_key(request)
        known = self._transactions.server(key)
        method = request.method
        if known is not None and method not in ("CANCEL", "ACK"):
            self.perform(known, known.receive(request, now_ms))
            return
        if method == "ACK":
            self._acknowledged(request, known, flow, now_ms)
            return
        via = request.top_via
        request.replace_top_via(via.seen_from(flow.remote_host, flow.remote_port))
        if method == "CANCEL":
            self._cancelled(request, known, flow, now_ms)
        elif to_tag := request.to_tag:
            self._inside(request, to_tag, key, flow, now_ms)
        else:
            self._outside(request, key, flow, now_ms)

    def _acknowledged(
        self, ack: Request, known: ServerTransaction | None, flow: Flow, now_ms: int
    ) -> None:
        tag = ack.to_tag
        if known is not None and known.state is not ServerState.ACCEPTED:
            if not known.to_tag or known.to_tag == tag or known.key[0] != "rfc2543":
                self.perform(known, known.receive(ack, now_ms))
            return
        usage = self._calls.inside(ack.call_id, tag)
        if usage is not None:
            usage.acknowledged(ack, flow, now_ms)
        else:
            self._counters["stray_acks"] += 1

    def _cancelled(
        self, cancel: Request, known: ServerTransaction | None, flow: Flow, now_ms: int
    ) -> None:
        if known is None:
            self._refuse(self._screen.response(cancel, 481), flow)
            return
        # §9.2: the same tag as the answer to the INVITE; 200 whatever becomes of it.
        usage = known.owner
        if isinstance(usage, InviteUsage):
            self._refuse(usage.response(cancel, 200), flow)
            usage.cancelled(cancel, now_ms)
        else:
            self._refuse(self._screen.response(cancel, 200), flow)

    def _inside(self, request: Request, to_tag: str, key: Branch, flow: Flow, now_ms: int) -> None:
        usage = self._calls.inside(request.call_id, to_tag)
        if usage is None:
            self._counters["unknown_dialogs"] += 1
            self._refuse(self._screen.response(request, 481), flow)
            return
        refusal = self._screen.extension_refusal(request)
        if refusal is not None:
            self._refuse(refusal, flow)
            return
        transaction = ServerTransaction(request, key, flow, self._settings.timers, now_ms)
        self._transactions.add_server(transaction)
        transaction.reply_to = reply_flow(request, flow)
        usage.requested(transaction, request, flow, now_ms)

    def _outside(self, request: Request, key: Branch, flow: Flow, now_ms: int) -> None:
        gate = self._gate
        if gate is not OPEN and gate.is_ignored(request.headers.get("User-Agent") or "", flow):
            self._counters["ignored"] += 1
            return
        if request.method == "REGISTER" and self.registrar is not None:
            self._registered(self.registrar, request, key, flow, now_ms)
            return
        if request.method != "INVITE":
            self._other(request, flow, now_ms)
            return
        is_merged = self._transactions.is_merged(request, key)
        refusal = self._screen.refusal(request, is_merged=is_merged)
        if refusal is None:
            refusal = self._too_much(request, flow)
        passed = self._let_in(request, flow, now_ms) if refusal is None else refusal
        if isinstance(passed, Pass):
            self._invited(request, key, flow, passed, now_ms)
        else:
            self._counted_refusal(passed, flow)

    def _other(self, request: Request, flow: Flow, now_ms: int) -> None:
        passed = self._let_in(request, flow, now_ms)
        refusal = self._screen.refusal(request, is_merged=False)
        self._counted_refusal(refusal if isinstance(passed, Pass) else passed, flow)

    def _counted_refusal(self, refusal: Response | None, flow: Flow) -> None:
        """Send a refusal; None is silence."""
        if refusal is None:
            self._counters["ignored"] += 1
            return
        self._counters[f"refused_{refusal.status}"] += 1
        self._refuse(refusal, flow)

    def _let_in(self, request: Request, flow: Flow, now_ms: int) -> Pass | Response | None:
        """Ask the gate; None: this request gets no answer."""
        if self._gate.is_open or self._is_our_transfer(request, flow):
            return OUTSIDER
        arrival = self._screen.arrival(request, flow)
        verdict = self._gate.judge(arrival, now_ms)
        match verdict:
            case Pass():
                return verdict
            case Drop():
                return None
            case Refuse():
                return self._screen.refused(request, verdict)
            case Ask():
                return self._log_in(request, arrival, verdict, now_ms)

    def _is_our_transfer(self, request: Request, flow: Flow) -> bool:
        """Tell whether this INVITE ends an attended transfer within the house (RFC 5589 §7).

        Such a one comes from ourselves, to whom no gate applies, and can do one thing only: take
        the place of the call that its Replaces names, 481 where there is none. Nobody else can
        write it: its branch is 80 random bits, it was sent to our own address, with this Replaces.
        """
        named = request.headers.all("Replaces")
        if request.method != "INVITE" or len(named) != 1:
            return False
        sent = self._transactions.sent(request)
        if sent is None or sent.request.headers.all("Replaces") != named:
            return False
        to = sent.send_to
        host = to.host if isinstance(to, Hop) else to.remote_host
        return parse_uri(self._core.contact(flow).strip("<>")).address == host.strip("[]")

    def _log_in(
        self, request: Request, arrival: Arrival, asked: Ask, now_ms: int
    ) -> Pass | Response:
        screen, gate = self._screen, self._gate
        proof = screen.login(request, asked, now_ms)
        if isinstance(proof, Verified):
            passed = gate.logged_in(arrival, asked, proof.user, now_ms)
            return passed if isinstance(passed, Pass) else screen.refused(request, passed)
        if isinstance(proof, Wrong) and proof.user:
            refuse = gate.login_failed(
                arrival, asked, proof.user, now_ms, is_proven=proof.is_proven
            )
            if refuse is not None:
                return screen.refused(request, refuse)
        return screen.challenge(request, asked, now_ms, is_stale=isinstance(proof, Stale))

    def _registered(
        self, registrar: Registrar, request: Request, key: Branch, flow: Flow, now_ms: int
    ) -> None:
        refusal = self._screen.extension_refusal(request, also=("path",))
        if refusal is None and not self._transactions.has_room(flow.remote_host):
            refusal = self._screen.busy(request, self._settings.retry_after_s)
        if refusal is not None:
            self._refuse(refusal, flow)
            return
        response = registrar.register(request, flow, now_ms)
        self._counters[f"registers_{response.status}"] += 1
        if response.status == 401:  # stateless, as other challenges
            self._refuse(response, flow)
            return
        transaction = ServerTransaction(request, key, flow, self._settings.timers, now_ms)
        self._transactions.add_server(transaction)
        transaction.reply_to = reply_flow(request, flow)
        self._core.answer(transaction, response, now_ms)

    def _phone_failed(
        self, request: Request, flow: Flow, wrong: Wrong, key: str, now_ms: int
    ) -> None:
        """Tell the gate of a REGISTER with a wrong login, which counts as that of a call (SIP-35).

        Whatever it says, the phone is challenged again: a strike is all that it gets.
        """
        asked = Ask("", lambda user, algorithm: None, key)
        arrival = self._screen.arrival(request, flow)
        self._gate.login_failed(arrival, asked, wrong.user, now_ms, is_proven=wrong.is_proven)

    def _too_much(self, request: Request, flow: Flow) -> Response | None:
        if self.retry_after_s is not None:
            return self._screen.busy(request, self.retry_after_s)
        if len(self._calls) >= self._settings.calls or not self._transactions.has_room(
            flow.remote_host
        ):
            return self._screen.busy(request, self._settings.retry_after_s)
        return None

    def _invited(
        self, request: Request, key: Branch, flow: Flow, passed: Pass, now_ms: int
    ) -> None:
        transaction = ServerTransaction(request, key, flow, self._settings.timers, now_ms)
        ref = SipCallRef(self._tokens.hex(16))
        try:
            replaces = self._replaced(request)
            tag = self._tokens.hex(8)
            call = IncomingCall(ref, self._core, transaction, flow, tag, replaces)
        except SessionTooSmallError as error:
            refusal = self._screen.response(request, 422)
            refusal.headers.add("Min-SE", str(error.min_se_s))
            self._refuse(refusal, flow)
            return
        except PeerError as error:
            refusal = self._screen.response(request, error.status)
            if error.status == 415:
                refusal.headers.add("Accept", "application/sdp")
            else:
                refusal.headers.add("Warning", f'399 agentstream "{error}"')
            self._refuse(refusal, flow)
            return
        self._transactions.add_server(transaction, is_new=True)
        transaction.reply_to = reply_flow(request, flow)
        transaction.owner = call
        self._calls.keep(call)
        self._counters["calls_in"] += 1
        call.start(now_ms, passed)

    def _replaced(self, request: Request) -> SipCallRef | None:
        """Return the call that an INVITE is to replace (RFC 3891 §3).

        Raises PeerError: 400 for what cannot be understood, 481, 486 or 603 for what cannot be.
        """
        values = request.headers.all("Replaces")
        if not values:
            return None
        if len(values) > 1 or "Join" in request.headers:
            raise PeerError("one dialog can be replaced")
        found = self._calls.replaced(parse_replaces(values[0]))
        if isinstance(found, int):
            raise PeerError("the dialog cannot be replaced", found)
        return found

    def _refuse(self, response: Response, flow: Flow) -> None:
        self._put(Send(encode(response), reply_flow(response, flow)))

    def transport_failed(self, to: Flow, now_ms: int) -> None:
        """Answer by a new connection what came by one that is gone (RFC 3261 §18.2.2)."""
        if not to.id or to.transport in WEBSOCKET:  # a browser takes no connection
            return
        if self.registrar is not None:
            self.registrar.flow_failed(to)
        for transaction in self._transactions.servers():
            if transaction.reply_to == to:
                via = transaction.request.top_via
                name = via.host.strip("[]") if to.transport in SECURE else ""
                hop = Hop(to.transport, to.remote_host, via.port, name)
                transaction.reply_to = hop.settled()
                self.perform(transaction, transaction.receive(transaction.request, now_ms))

    def perform(self, transaction: ServerTransaction, outputs: list[ServerOutput]) -> None:
        """Carry out what a server transaction wants."""
        for output in outputs:
            if isinstance(output, Repeat):
                self._put(Send(output.data, transaction.reply_to))
            else:
                self._counters["unacknowledged_refusals"] += 1
        self._transactions.settle(transaction)


def reply_flow(message: Request | Response, flow: Flow) -> Flow:
    """Return where the responses of a request go (RFC 3261 §18.2.2, RFC 3581).

    Over UDP without rport that is the sent-by port; but a private sent-by that cannot be what we
    see means a NAT, and then the port that we see is the only one that works.
    """
    if flow.transport != "udp":
        return flow
    via = message.top_via
    if via.rport is not None:
        return flow
    port = via.port or 5060
    if port == flow.remote_port:
        return flow
    host = via.host.strip("[]")
    if host != flow.remote_host and is_private(host) and not is_private(flow.remote_host):
        return flow
    return Flow("udp", flow.local_host, flow.local_port, flow.remote_host, port)
