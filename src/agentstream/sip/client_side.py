"""Our requests: where each goes, challenges, failover, CANCEL, and who is told what came of it."""

from collections.abc import Callable

from agentstream.base.errors import PeerError
from agentstream.base.ids import Tokens
from agentstream.sip.client_transaction import (
    ClientOutput,
    ClientState,
    ClientTransaction,
    Passed,
    Transmit,
    cancel_of,
)
from agentstream.sip.core import Exchange
from agentstream.sip.flow import WEBSOCKET, Flow, Hop, is_same_way
from agentstream.sip.headers import seconds_of
from agentstream.sip.message import Headers, Request, Response
from agentstream.sip.quarantine import Quarantine
from agentstream.sip.settings import OurAddress, SipSettings
from agentstream.sip.traffic import Put, Resolve, Send
from agentstream.sip.transactions import Transactions
from agentstream.sip.wire import encode

WAITING_LIMIT = 1_000  # requests that wait for DNS; beyond, one more fails at once


_WITH_CONTACT = frozenset(("INVITE", "UPDATE", "REFER", "NOTIFY"))
_CONTACT_WORDS = {"wss": "ws"}


class ClientSide:
    """Owns the exchanges of an endpoint."""

    def __init__(
        self,
        settings: SipSettings,
        tokens: Tokens,
        our_address: OurAddress,
        transactions: Transactions,
        put: Put,
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._our_address = our_address
        self._transactions = transactions
        self._put = put
        self._quarantine = Quarantine()
        # Named hops that are being looked up, and what to do with the numeric ones.
        self._waiting: dict[Hop, list[Callable[[tuple[Hop, ...], int], None]]] = {}

    @property
    def waiting(self) -> int:
        """How many requests wait for DNS."""
        return sum(map(len, self._waiting.values()))

    def begin(self, exchange: Exchange, now_ms: int) -> None:
        """Send a request, after DNS if need be."""
        self._with_hops(exchange.to, lambda hops, at_ms: self._try(exchange, hops, at_ms), now_ms)

    def acknowledge(self, ack: Request, to: Flow | Hop, branch: str) -> None:
        """Send the ACK to a 2xx, after DNS if need be; it belongs to no transaction."""

        def go(hops: tuple[Hop, ...], now_ms: int) -> None:
            del now_ms  # an ACK has no timers
            for hop in hops[:1]:
                self._put(Send(encode(self._with_via(ack, hop, branch)), hop))

        if isinstance(to, Flow):
            self._put(Send(encode(self._with_via(ack, to, branch)), to))
        else:
            self._with_hops(to, go, 0)

    def cancel(self, exchange: Exchange, now_ms: int) -> None:
        """CANCEL, but never before a provisional response (RFC 3261 §9.1)."""
        if exchange.is_cancelled or exchange.is_over or exchange.request.method != "INVITE":
            return
        exchange.is_cancelled = True
        transaction = self._transaction_of(exchange)
        if transaction is None:  # still waiting for DNS
            self._fail(exchange, 487, "cancelled", now_ms)
        elif transaction.state is ClientState.PROCEEDING:
            self._send_cancel(transaction, now_ms)
        elif transaction.is_open:
            transaction.hush()  # if it was lost, the better
            self._transactions.settle(transaction)

    def pass_over(self, exchange: Exchange, now_ms: int) -> bool:
        """Take a server that says nothing as failed, and try the next one; False: there is none."""
        transaction = self._transaction_of(exchange)
        if transaction is None or not exchange.hops:
            return False
        transaction.end()
        self._transactions.settle(transaction)
        return self._try_next(exchange, now_ms)

    def resolved(self, hop: Hop, hops: tuple[Hop, ...], now_ms: int) -> None:
        """Go on with what waited for this name."""
        for then in self._waiting.pop(hop, []):
            then(tuple(found.settled() for found in hops), now_ms)

    def heard(self, response: Response, flow: Flow, now_ms: int) -> bool:
        """Take a response; False when it belongs to nothing of ours."""
        transaction = self._transactions.client(response)
        if transaction is None:
            return False
        self._perform(transaction, transaction.receive(response, now_ms), flow, now_ms)
        return True

    def woken(self, transaction: ClientTransaction, now_ms: int) -> None:
        """Let a transaction's timers fire."""
        self._perform(transaction, transaction.wake(now_ms), None, now_ms)

    def transport_failed(self, to: Flow | Hop, text: str, now_ms: int) -> None:
        """Fail what waits for an answer that way, or try its next target."""
        for transaction in self._transactions.clients():
            if transaction.is_open and is_same_way(transaction.send_to, to):
                transaction.end()
                self._transactions.settle(transaction)
                self._give_up(transaction, 503, text or "no way there", now_ms)

    def _with_hops(
        self, to: Flow | Hop, then: Callable[[tuple[Hop, ...], int], None], now_ms: int
    ) -> None:
        if isinstance(to, Flow):
            then((), now_ms)
        elif to.is_numeric:
            then((to.settled(),), now_ms)
        elif to in self._waiting:
            self._waiting[to].append(then)
        elif self.waiting >= WAITING_LIMIT:
            then((), now_ms)
        else:
            self._waiting[to] = [then]
            self._put(Resolve(to))

    def _try(self, exchange: Exchange, hops: tuple[Hop, ...], now_ms: int) -> None:
        if exchange.is_over:
            return
        if isinstance(exchange.to, Hop):
            exchange.hops = self._quarantine.in_order(hops, now_ms)
            if not exchange.hops:
                self._fail(exchange, 503, "the name leads nowhere", now_ms)
                return
            exchange.to = exchange.hops.pop(0)
        self._launch(exchange, now_ms)

    def _launch(self, exchange: Exchange, now_ms: int) -> None:
        request = self._with_via(exchange.request, exchange.to, self.branch())
        if exchange.contact is not None:
            peer = exchange.to.host if isinstance(exchange.to, Hop) else exchange.to.remote_host
            transport = exchange.to.transport
            written = exchange.contact(transport, *self._our_address(transport, peer))
            request.headers.set("Contact", written)
        timers = self._settings.timers
        transaction = ClientTransaction(request, exchange.to, timers)
        transaction.owner = exchange
        exchange.transaction_key = transaction.key
        self._transactions.add_client(transaction)
        outputs = transaction.start(now_ms)
        if exchange.patience_ms:
            transaction.limit(now_ms + min(exchange.patience_ms, timers.transaction_ms))
        self._perform(transaction, outputs, None, now_ms)

    def _perform(
        self,
        transaction: ClientTransaction,
        outputs: list[ClientOutput],
        flow: Flow | None,
        now_ms: int,
    ) -> None:
        for output in outputs:
            if isinstance(output, Transmit):
                self._put(Send(output.data, transaction.send_to))
        self._transactions.settle(transaction)
        for output in outputs:
            if isinstance(output, Passed):
                assert flow is not None  # responses come by a flow
                self._passed(transaction, output.response, flow, now_ms)
            elif not isinstance(output, Transmit):
                self._give_up(transaction, 408, "no answer", now_ms)

    def _passed(
        self, transaction: ClientTransaction, response: Response, flow: Flow, now_ms: int
    ) -> None:
        exchange = transaction.owner
        if not isinstance(exchange, Exchange):  # a CANCEL of ours
            return
        exchange.is_heard = True
        if response.status == 503:
            wait_ms = seconds_of(response.headers.get("Retry-After")) * 1000
            self._quarantine.failed(transaction.send_to, now_ms, wait_ms)
        else:
            self._quarantine.answered(transaction.send_to)
        if response.is_provisional:
            if exchange.is_cancelled and transaction.request.method == "INVITE":
                self._send_cancel(transaction, now_ms)
            if response.status > 100 and not exchange.is_over:
                exchange.asker.heard(exchange, response, flow, now_ms)
            return
        if not response.is_success and not exchange.is_cancelled:
            if response.status in (401, 407) and self._answer_challenge(exchange, response, now_ms):
                return
            # RFC 3263 §4.3: 503 counts as a failure of this target.
            if response.status == 503 and self._try_next(exchange, now_ms):
                return
        exchange.is_over = True
        try:
            exchange.asker.heard(exchange, response, flow, now_ms)
        except PeerError as error:
            # What cannot be understood is no answer; whoever waits must not wait for ever.
            exchange.asker.unheard(exchange, 502, f"malformed answer: {error}", now_ms)

    def _answer_challenge(self, exchange: Exchange, response: Response, now_ms: int) -> bool:
        if exchange.digest is None:
            return False
        answers = exchange.digest.answer(
            exchange.request, response, self._tokens.hex(8), exchange.attempts
        )
        if not answers:
            return False
        exchange.attempts += 1
        headers = exchange.request.headers
        for name, _ in answers:
            headers.remove(name)
        for name, value in answers:
            headers.add(name, value)
        headers.set("CSeq", f"{exchange.next_cseq()} {exchange.request.method}")
        self._launch(exchange, now_ms)
        return True

    def _give_up(self, transaction: ClientTransaction, status: int, text: str, now_ms: int) -> None:
        exchange = transaction.owner
        if not isinstance(exchange, Exchange) or exchange.is_over:
            return
        if not exchange.is_heard:
            self._quarantine.failed(transaction.send_to, now_ms)
        if exchange.is_heard or exchange.is_cancelled or not self._try_next(exchange, now_ms):
            self._fail(exchange, status, text, now_ms)

    def _try_next(self, exchange: Exchange, now_ms: int) -> bool:
        if not exchange.hops:
            return False
        exchange.to = exchange.hops.pop(0)
        exchange.is_heard = False  # not by this one
        self._launch(exchange, now_ms)  # RFC 3263 §4.3: a new branch, else the same request
        return True

    def _fail(self, exchange: Exchange, status: int, text: str, now_ms: int) -> None:
        exchange.is_over = True
        exchange.asker.unheard(exchange, status, text, now_ms)

    def _send_cancel(self, transaction: ClientTransaction, now_ms: int) -> None:
        exchange = transaction.owner
        if not isinstance(exchange, Exchange):
            return
        request = cancel_of(transaction.request)
        if exchange.cancel_reason:
            request.headers.add("Reason", exchange.cancel_reason)
        cancel = ClientTransaction(request, transaction.send_to, self._settings.timers)
        if cancel.key in self._transactions:
            return
        self._transactions.add_client(cancel)
        self._perform(cancel, cancel.start(now_ms), None, now_ms)
        # RFC 3261 §9.1: without a final response in 64*T1 the transaction counts as cancelled.
        transaction.limit(now_ms + self._settings.timers.transaction_ms)
        self._transactions.settle(transaction)

    def _transaction_of(self, exchange: Exchange) -> ClientTransaction | None:
        key = exchange.transaction_key
        return None if key is None else self._transactions.client_by_key(key)

    def branch(self) -> str:
        """Make a branch that nobody can guess."""
        return "z9hG4bK" + self._tokens.hex(10)

    def _with_via(self, request: Request, to: Flow | Hop, branch: str) -> Request:
        peer = to.host if isinstance(to, Hop) else to.remote_host
        host, port = self._our_address(to.transport, peer)
        if ":" in host:
            host = f"[{host}]"
        via = f"SIP/2.0/{to.transport.upper()} {host}:{port};branch={branch}"
        if to.transport not in WEBSOCKET:  # there an answer has no other way than the connection
            via += ";rport"
        if to.transport == "tls":
            via += ";alias"  # RFC 5923 §5: requests for this port may come back on the connection
        headers = Headers.trusted([("Via", via), *request.headers.items()])
        if request.method in _WITH_CONTACT and "Contact" not in headers:
            headers.add("Contact", contact(to.transport, host, port))
        return Request(request.method, request.uri, headers, request.body)


def contact(transport: str, host: str, port: int) -> str:
    """Write a Contact; host and port always, as some take 5060 when there is none (PN-6a)."""
    host = f"[{host}]" if ":" in host and host[0] != "[" else host
    # RFC 7118 §5.2: "ws" names both kinds of WebSocket.
    kind = "" if transport == "udp" else f";transport={_CONTACT_WORDS.get(transport, transport)}"
    return f"<sip:{host}:{port}{kind}>"
