"""The SIP endpoint: messages, commands and time in; messages, DNS questions and reports out.

Received --parse--> transaction --> call (by Call-ID and our tag) --> reports
commands --> call --> exchange --> transaction --> Send
"""

from collections import Counter

from agentstream.base.errors import AgentStreamError, PeerError
from agentstream.base.ids import Tokens
from agentstream.base.values import dataclass
from agentstream.sip.bindings import Binding
from agentstream.sip.call_table import CallTable
from agentstream.sip.client_side import ClientSide, contact
from agentstream.sip.client_transaction import ClientTransaction
from agentstream.sip.commands import (
    Answer,
    AnswerMedia,
    AnswerRefer,
    CallCommand,
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
from agentstream.sip.core import Exchange, Usage
from agentstream.sip.flow import Flow, Hop
from agentstream.sip.gate import OPEN, Gate
from agentstream.sip.invite import InviteUsage
from agentstream.sip.invite_client import OutgoingCall
from agentstream.sip.invite_server import IncomingCall
from agentstream.sip.message import BadRequestError, Request, Response
from agentstream.sip.outside import KeptRegistration, Outside
from agentstream.sip.refer_headers import Replaces
from agentstream.sip.reports import Ended, Report, SipCallRef
from agentstream.sip.server_side import ServerSide
from agentstream.sip.server_transaction import (
    Say,
    ServerTransaction,
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
    registrations: int = 0


class Endpoint:
    """A Machine[EndpointInput, EndpointOutput] for all calls of one node."""

    def __init__(
        self,
        settings: SipSettings,
        tokens: Tokens,
        our_address: OurAddress,
        gate: Gate = OPEN,
    ) -> None:
        self.settings = settings
        self.tokens = tokens
        self.counters: Counter[str] = Counter()
        self._our_address = our_address
        self._queue = WakeQueue()
        self._transactions = Transactions(settings, self._queue)
        self._outputs: list[EndpointOutput] = []
        self._client = ClientSide(settings, tokens, our_address, self._transactions, self._put)
        self._calls = CallTable()
        self._outside = Outside(self, lambda: our_address("udp", "")[0], self._put)
        self._server = ServerSide(
            self, self._transactions, self._calls, self.counters, self._put, gate
        )

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
                self._server.retry_after_s = retry_after_s
            case Place():
                self._place(happening, now_ms)
            case Register() | Refresh() | Unregister() | Probe():
                self._outside.receive(happening, now_ms)
            case _:
                self._command(happening, now_ms)
        return self._take_outputs()

    def wake(self, now_ms: int) -> list[EndpointOutput]:
        """Let timers that are due fire; harmless when none is."""
        for sleeper in self._queue.due(now_ms):
            if isinstance(sleeper, ServerTransaction):
                self._server.perform(sleeper, sleeper.wake(now_ms))
            elif isinstance(sleeper, ClientTransaction):
                self._client.woken(sleeper, now_ms)
            elif isinstance(sleeper, InviteUsage | KeptRegistration):
                sleeper.wake(now_ms)
        return self._take_outputs()

    # Questions

    @property
    def load(self) -> Load:
        """How much is held."""
        return Load(
            len(self._calls),
            len(self._transactions),
            len(self._queue),
            self._client.waiting,
            self._outside.registrations,
        )

    def flow_of(self, ref: SipCallRef) -> Flow | None:
        """Return what the messages of this call's far end come by, once one came."""
        call = self._calls.get(ref)
        return call.dialog.flow if call is not None and call.dialog is not None else None

    def sip_call_id(self, ref: SipCallRef) -> str:
        """Return the Call-ID of a live call, "" for one that is over."""
        call = self._calls.get(ref)
        return call.call_id if call is not None else ""

    def bindings(self, key: str, now_ms: int) -> tuple[Binding, ...]:
        """Return where the phones are that registered with us under this key."""
        registrar = self._server.registrar
        return () if registrar is None else registrar.bindings(key, now_ms)

    # Core: what calls ask for

    def replaced(self, replaces: Replaces) -> SipCallRef | int:
        """Return the call that this dialog is, or the status that refuses to replace it."""
        return self._calls.replaced(replaces)

    def report(self, report: Report) -> None:
        """Tell the product."""
        self._outputs.append(report)

    def answer(self, transaction: ServerTransaction, response: Response, now_ms: int) -> bytes:
        """Answer a request; the bytes are what went out."""
        data = encode(response)
        outputs = transaction.receive(Say(response.status, data), now_ms)
        if response.status >= 200 and transaction.key[0] == "rfc2543":
            transaction.to_tag = response.to_tag  # its ACK must carry it
        self._server.perform(transaction, outputs)
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

    def pass_over(self, exchange: Exchange, now_ms: int) -> bool:
        """Go on to the next server of the same name."""
        return self._client.pass_over(exchange, now_ms)

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
        self._queue.forget(usage)
        self._calls.drop(usage.ref)

    def random_ms(self, below_ms: int) -> int:
        """Return a random time, in steps of 10 ms."""
        return int(self.tokens.hex(4), 16) % (below_ms // 10) * 10

    # Parts

    def _received(self, data: bytes, flow: Flow, now_ms: int) -> None:
        try:
            message = parse_datagram(data)
            if isinstance(message, Request):
                self._server.requested(message, flow, now_ms)
            elif not self._client.heard(message, flow, now_ms):
                self.counters["stray_responses"] += 1
        except BadRequestError as error:
            self.counters["bad_requests"] += 1
            self._server.refuse_broken(error, flow)
        except PeerError:
            self.counters["junk"] += 1

    def _place(self, command: Place, now_ms: int) -> None:
        host = self._our_address("udp", "")[0]
        try:
            call = OutgoingCall(command.ref, self, command.dial, f"{self.tokens.hex(12)}@{host}")
        except AgentStreamError as error:
            self.report(Ended(command.ref, "local", 400, 0, str(error)))
            return
        self._calls.keep(call)
        self.counters["calls_out"] += 1
        call.start(now_ms)

    def _command(self, command: CallCommand, now_ms: int) -> None:
        call = self._calls.get(command.ref)
        if call is None or call.is_ended:
            return
        match command:
            case HangUp():
                call.hang_up(command, now_ms)
            case UpdateMedia() | RefuseMedia():
                call.modify.obey(command, now_ms)
            case SendInfo():
                call.send_info(command, now_ms)
            case Refer() | AnswerRefer() | ReportTransfer():
                call.referrals.obey(command, now_ms)
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

    def _transport_failed(self, to: Flow | Hop, text: str, now_ms: int) -> None:
        self.counters["transport_failures"] += 1
        self._client.transport_failed(to, text, now_ms)
        if isinstance(to, Flow):
            self._server.transport_failed(to, now_ms)

    def _put(self, output: EndpointOutput) -> None:
        self._outputs.append(output)

    def _take_outputs(self) -> list[EndpointOutput]:
        outputs, self._outputs = self._outputs, []
        return outputs
