"""The SIP endpoint: messages, commands and time in; messages, DNS questions and reports out.

Received --parse--> transaction --> call (by Call-ID and our tag) --> reports
commands --> call --> exchange --> transaction --> Send
"""

from collections import Counter
from dataclasses import dataclass

from agentstream.base.errors import AgentStreamError, PeerError
from agentstream.base.ids import Tokens
from agentstream.sip.client_side import ClientSide, contact
from agentstream.sip.client_transaction import ClientTransaction
from agentstream.sip.commands import (
    Answer,
    AnswerMedia,
    CallCommand,
    HangUp,
    Place,
    RefuseMedia,
    Reject,
    Ring,
    SendInfo,
    UpdateMedia,
)
from agentstream.sip.core import Exchange, Usage
from agentstream.sip.flow import Flow, Hop, is_private
from agentstream.sip.invite import InviteUsage
from agentstream.sip.invite_client import OutgoingCall
from agentstream.sip.invite_server import IncomingCall, SessionTooSmallError
from agentstream.sip.message import BadRequestError, Request, Response
from agentstream.sip.reports import Ended, Report, SipCallRef
from agentstream.sip.screen import Screen
from agentstream.sip.server_transaction import (
    Repeat,
    Say,
    ServerOutput,
    ServerState,
    ServerTransaction,
    server_key,
)
from agentstream.sip.settings import OurAddress, SipSettings
from agentstream.sip.timers import Sleeper, WakeQueue
from agentstream.sip.traffic import (
    EndpointInput,
    EndpointOutput,
    Received,
    RefuseNewCalls,
    Resolved,
    Send,
    TransportFailed,
)
from agentstream.sip.transactions import Transactions
from agentstream.sip.wire import encode, parse_datagram


@dataclass(frozen=True, slots=True)
class Load:
    """How much the endpoint holds at this moment."""

    calls: int
    transactions: int
    alarms: int
    waiting_for_dns: int


class Endpoint:
    """A Machine[EndpointInput, EndpointOutput] for all calls of one node."""

    def __init__(self, settings: SipSettings, tokens: Tokens, our_address: OurAddress) -> None:
        self.settings = settings
        self.tokens = tokens
        self.counters: Counter[str] = Counter()
        self._our_address = our_address
        self._queue = WakeQueue()
        self._transactions = Transactions(settings, self._queue)
        self._outputs: list[EndpointOutput] = []
        self._client = ClientSide(settings, tokens, our_address, self._transactions, self._put)
        self._screen = Screen(settings, bytes.fromhex(tokens.hex(32)))
        self._calls: dict[SipCallRef, IncomingCall | OutgoingCall] = {}
        self._usages: dict[tuple[str, str], InviteUsage] = {}  # Call-ID and our tag
        self._retry_after_s: int | None = None  # draining

    # Machine

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""
        return self._queue.wake_at_ms

    def receive(self, happening: EndpointInput, now_ms: int) -> list[EndpointOutput]:
        """Take one happening; return what follows, in order."""
        match happening:
            case Received(data, flow):
                self._received(data, flow, now_ms)
            case Resolved(hop, hops):
                self._client.resolved(hop, hops, now_ms)
            case TransportFailed(to, text):
                self._transport_failed(to, text, now_ms)
            case RefuseNewCalls(retry_after_s):
                self._retry_after_s = retry_after_s
            case Place():
                self._place(happening, now_ms)
            case _:
                self._command(happening, now_ms)
        return self._take_outputs()

    def wake(self, now_ms: int) -> list[EndpointOutput]:
        """Let timers that are due fire; harmless when none is."""
        for sleeper in self._queue.due(now_ms):
            if isinstance(sleeper, ServerTransaction):
                self._perform(sleeper, sleeper.wake(now_ms), now_ms)
            elif isinstance(sleeper, ClientTransaction):
                self._client.woken(sleeper, now_ms)
            elif isinstance(sleeper, InviteUsage):
                sleeper.wake(now_ms)
        return self._take_outputs()

    # Questions

    @property
    def load(self) -> Load:
        """How much is held."""
        return Load(
            len(self._usages), len(self._transactions), len(self._queue), self._client.waiting
        )

    def flow_of(self, ref: SipCallRef) -> Flow | None:
        """Return what the messages of this call's far end come by, once one came."""
        call = self._calls.get(ref)
        return call.dialog.flow if call is not None and call.dialog is not None else None

    def sip_call_id(self, ref: SipCallRef) -> str:
        """Return the Call-ID of a live call, "" for one that is over."""
        call = self._calls.get(ref)
        return call.call_id if call is not None else ""

    # Core: what calls ask for

    def report(self, report: Report) -> None:
        """Tell the product."""
        self._outputs.append(report)

    def answer(self, transaction: ServerTransaction, response: Response, now_ms: int) -> bytes:
        """Answer a request; the bytes are what went out."""
        data = encode(response)
        outputs = transaction.receive(Say(response.status, data), now_ms)
        if response.status >= 200:
            transaction.to_tag = response.to_tag
        self._perform(transaction, outputs, now_ms)
        return data

    def repeat(self, transaction: ServerTransaction, data: bytes) -> None:
        """Send bytes of an answer again, past the transaction."""
        self._put(Send(data, transaction.reply_to))

    def begin(self, exchange: Exchange, now_ms: int) -> None:
        """Send a request."""
        self._client.begin(exchange, now_ms)

    def cancel(self, exchange: Exchange, now_ms: int) -> None:
        """CANCEL an INVITE as soon as that is allowed."""
        self._client.cancel(exchange, now_ms)

    def acknowledge(self, ack: Request, to: Flow | Hop, branch: str) -> None:
        """Send the ACK to a 2xx."""
        self._client.acknowledge(ack, to, branch)

    def branch(self) -> str:
        """Make a Via branch."""
        return self._client.branch()

    def contact(self, to: Flow | Hop) -> str:
        """Return our Contact for a peer there."""
        peer = to.host if isinstance(to, Hop) else to.remote_host
        return contact(to.transport, *self._our_address(to.transport, peer))

    def watch(self, sleeper: Sleeper) -> None:
        """Set a sleeper's alarm after its times have changed."""
        self._queue.watch(sleeper)

    def close(self, usage: Usage) -> None:
        """Forget a call."""
        assert isinstance(usage, InviteUsage)  # there is no other kind yet
        self._queue.forget(usage)
        self._usages.pop((usage.call_id, usage.local_tag), None)
        self._calls.pop(usage.ref, None)

    def random_ms(self, below_ms: int) -> int:
        """Return a random time, in steps of 10 ms."""
        return int(self.tokens.hex(4), 16) % (below_ms // 10) * 10

    # Messages

    def _received(self, data: bytes, flow: Flow, now_ms: int) -> None:
        try:
            message = parse_datagram(data)
        except BadRequestError as error:
            self.counters["bad_requests"] += 1
            refusal = error.response()
            if refusal is not None:
                self._put(Send(encode(refusal), flow))
            return
        except PeerError:
            self.counters["junk"] += 1
            return
        try:
            if isinstance(message, Response):
                if not self._client.heard(message, flow, now_ms):
                    self.counters["stray_responses"] += 1
            else:
                self._requested(message, flow, now_ms)
        except PeerError as error:
            self.counters["bad_messages"] += 1
            if isinstance(message, Request) and message.method != "ACK":
                self._refuse(self._screen.response(message, error.status, str(error)), flow)

    def _requested(self, request: Request, flow: Flow, now_ms: int) -> None:
        key = server_key(request)
        known = self._transactions.server(key)
        method = request.method
        if known is not None and method not in ("CANCEL", "ACK"):
            self._perform(known, known.receive(request, now_ms), now_ms)
            return
        if method == "ACK":
            self._acknowledged(request, known, flow, now_ms)
            return
        via = request.top_via
        request.replace_top_via(via.seen_from(flow.remote_host, flow.remote_port))
        if method == "CANCEL":
            self._cancelled(request, known, flow, now_ms)
        elif request.to_tag:
            self._inside(request, key, flow, now_ms)
        else:
            self._outside(request, key, flow, now_ms)

    def _acknowledged(
        self, ack: Request, known: ServerTransaction | None, flow: Flow, now_ms: int
    ) -> None:
        tag = ack.to_tag
        if known is not None and known.state is not ServerState.ACCEPTED:
            if not known.to_tag or known.to_tag == tag or known.key[0] != "rfc2543":
                self._perform(known, known.receive(ack, now_ms), now_ms)
            return
        usage = self._usages.get((ack.call_id, tag))
        if usage is not None:
            usage.acknowledged(ack, flow, now_ms)
        else:
            self.counters["stray_acks"] += 1

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

    def _inside(self, request: Request, key: tuple[str, ...], flow: Flow, now_ms: int) -> None:
        usage = self._usages.get((request.call_id, request.to_tag))
        if usage is None:
            self.counters["unknown_dialogs"] += 1
            self._refuse(self._screen.response(request, 481), flow)
            return
        refusal = self._screen.extension_refusal(request)
        if refusal is not None:
            self._refuse(refusal, flow)
            return
        transaction = self._transactions.open_server(request, key, flow, now_ms)
        transaction.reply_to = reply_flow(request, flow)
        usage.requested(transaction, request, flow, now_ms)

    def _outside(self, request: Request, key: tuple[str, ...], flow: Flow, now_ms: int) -> None:
        is_merged = self._transactions.is_merged(request, key)
        refusal = self._screen.refusal(request, is_merged=is_merged)
        if refusal is None:
            refusal = self._too_much(request, flow) or self._screen.challenge(request, flow, now_ms)
        if refusal is not None:
            self.counters[f"refused_{refusal.status}"] += 1
            self._refuse(refusal, flow)
            return
        self._invited(request, key, flow, now_ms)

    def _too_much(self, request: Request, flow: Flow) -> Response | None:
        if self._retry_after_s is not None:
            return self._screen.busy(request, self._retry_after_s)
        if len(self._calls) >= self.settings.calls or not self._transactions.has_room(
            flow.remote_host
        ):
            return self._screen.busy(request, self.settings.retry_after_s)
        return None

    def _invited(self, request: Request, key: tuple[str, ...], flow: Flow, now_ms: int) -> None:
        transaction = ServerTransaction(request, key, flow, self.settings.timers, now_ms)
        ref = SipCallRef(self.tokens.hex(16))
        try:
            call = IncomingCall(ref, self, transaction, flow, self.tokens.hex(8))
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
        self._transactions.add_server(transaction)
        transaction.reply_to = reply_flow(request, flow)
        transaction.owner = call
        self._keep(call)
        self.counters["calls_in"] += 1
        call.start(now_ms)

    def _refuse(self, response: Response, flow: Flow) -> None:
        self._put(Send(encode(response), reply_flow(response, flow)))

    # Commands

    def _place(self, command: Place, now_ms: int) -> None:
        host = self._our_address("udp", "")[0]
        try:
            call = OutgoingCall(command.ref, self, command.dial, f"{self.tokens.hex(12)}@{host}")
        except AgentStreamError as error:
            self.report(Ended(command.ref, "local", 400, 0, str(error)))
            return
        self._keep(call)
        self.counters["calls_out"] += 1
        call.start(now_ms)

    def _command(self, command: CallCommand, now_ms: int) -> None:
        call = self._calls.get(command.ref)
        if call is None or call.is_ended:
            return
        match command:
            case HangUp():
                call.hang_up(command, now_ms)
            case UpdateMedia():
                call.modify.update(command, now_ms)
            case RefuseMedia():
                call.modify.refuse(command, now_ms)
            case SendInfo():
                call.send_info(command, now_ms)
            case AnswerMedia():
                if not (isinstance(call, OutgoingCall) and call.answer_offer(command, now_ms)):
                    call.modify.answer(command, now_ms)
            case Ring() | Answer() | Reject() if isinstance(call, IncomingCall):
                self._answer_command(call, command, now_ms)
            case Reject():
                call.hang_up(HangUp(command.ref, 0, command.text, command.headers), now_ms)
            case _:
                self.counters["senseless_commands"] += 1

    def _answer_command(
        self, call: IncomingCall, command: Ring | Answer | Reject, now_ms: int
    ) -> None:
        match command:
            case Ring():
                call.ring(command, now_ms)
            case Answer():
                call.answer(command, now_ms)
            case Reject():
                call.reject(command, now_ms)

    # Parts

    def _keep(self, call: IncomingCall | OutgoingCall) -> None:
        self._calls[call.ref] = call
        self._usages[call.call_id, call.local_tag] = call

    def _perform(
        self, transaction: ServerTransaction, outputs: list[ServerOutput], now_ms: int
    ) -> None:
        owner = transaction.owner
        for output in outputs:
            if isinstance(output, Repeat):
                self._put(Send(output.data, transaction.reply_to))
        self._transactions.settle(transaction)
        if isinstance(owner, InviteUsage) and any(
            not isinstance(output, Repeat) for output in outputs
        ):
            owner.unacknowledged(transaction, now_ms)

    def _transport_failed(self, to: Flow | Hop, text: str, now_ms: int) -> None:
        self.counters["transport_failures"] += 1
        self._client.transport_failed(to, text, now_ms)

    def _put(self, output: EndpointOutput) -> None:
        self._outputs.append(output)

    def _take_outputs(self) -> list[EndpointOutput]:
        outputs, self._outputs = self._outputs, []
        return outputs


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
    host = via.host.strip("[]")
    if is_private(host) and not is_private(flow.remote_host):
        return flow
    port = via.port or 5060
    if port == flow.remote_port:
        return flow
    return Flow("udp", flow.local_host, flow.local_port, flow.remote_host, port)
