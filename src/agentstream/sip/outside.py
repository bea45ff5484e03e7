"""Requests of ours that belong to no call: registrations that are kept, OPTIONS that are asked.

Each goes the way of every request: DNS, further targets, challenges (`client_side`).
"""

from collections.abc import Callable
from typing import Final

from agentstream.base.errors import AgentStreamError
from agentstream.base.values import replace
from agentstream.sip.commands import OutsideCommand, Probe, Refresh, Register, Unregister
from agentstream.sip.core import Core, Exchange
from agentstream.sip.dialog import first_hop
from agentstream.sip.flow import Flow, Hop
from agentstream.sip.message import Headers, Request, Response
from agentstream.sip.registration import (
    Answered,
    Begin,
    Leave,
    Registration,
    RegistrationOutput,
    SendRegister,
    Unanswered,
)
from agentstream.sip.reports import (
    OutsideRef,
    OutsideReport,
    Probed,
    RegistrationFailed,
    Unregistered,
)
from agentstream.sip.settings import ACCEPT
from agentstream.sip.signaling import ProbePlan
from agentstream.sip.timers import Alarm
from agentstream.sip.uri import parse_uri

REGISTRATIONS_LIMIT: Final = 1_000
PROBES_LIMIT: Final = 1_000  # at once

Tell = Callable[[OutsideReport], None]


class Outside:
    """Owns the registrations and the open probes of an endpoint."""

    def __init__(self, core: Core, our_host: Callable[[], str], tell: Tell) -> None:
        self._core = core
        self._our_host = our_host
        self._tell = tell
        self._registrations: dict[OutsideRef, KeptRegistration] = {}
        self._probes = 0

    @property
    def registrations(self) -> int:
        """How many there are, those that are being taken back included."""
        return len(self._registrations)

    def receive(self, command: OutsideCommand, now_ms: int) -> None:
        """Carry out a command."""
        match command:
            case Register():
                self._register(command, now_ms)
            case Refresh(ref):
                known = self._registrations.get(ref)
                if known is not None:
                    known.begin(now_ms)
            case Unregister(ref):
                kept = self._registrations.get(ref)
                if kept is None:
                    self._tell(Unregistered(ref))
                else:
                    kept.leave(now_ms)
            case Probe():
                self._probe(command, now_ms)

    def _register(self, command: Register, now_ms: int) -> None:
        core, ref = self._core, command.ref
        if len(self._registrations) >= REGISTRATIONS_LIMIT:
            self._tell(RegistrationFailed(ref, 503, "too many registrations", 0, 0))
            self._tell(Unregistered(ref))
            return
        try:
            machine = Registration(
                ref, command.plan, core.tokens, self._our_host(), core.settings.user_agent
            )
        except AgentStreamError as error:
            self._tell(RegistrationFailed(ref, 400, str(error), 0, 0))
            self._tell(Unregistered(ref))
            return
        kept = KeptRegistration(machine, command.plan.patience_ms, core, self._told)
        self._registrations[ref] = kept
        kept.begin(now_ms)

    def _told(self, report: OutsideReport) -> None:
        if isinstance(report, Unregistered):
            self._registrations.pop(report.ref, None)
        self._tell(report)

    def _probe(self, command: Probe, now_ms: int) -> None:
        if self._probes >= PROBES_LIMIT:
            self._tell(Probed(command.ref, 0, "too many probes at once", 0))
            return
        try:
            hop, request = self._options(command.plan)
        except AgentStreamError as error:
            self._tell(Probed(command.ref, 0, str(error), 0))
            return
        self._probes += 1
        asked = _Asked(command.ref, now_ms, self._probed)
        exchange = Exchange(request, hop, asked, asked.next_cseq)
        exchange.patience_ms = command.plan.patience_ms
        self._core.begin(exchange, now_ms)

    def _probed(self, report: Probed) -> None:
        self._probes -= 1
        self._tell(report)

    def _options(self, plan: ProbePlan) -> tuple[Hop, Request]:
        """Make the OPTIONS (RFC 3261 §11.1)."""
        target = parse_uri(plan.target).without("method", headers=True)
        core, host = self._core, self._our_host()
        shown = f"[{host}]" if ":" in host else host
        headers = Headers()
        headers.add("Max-Forwards", "70")
        headers.add("From", f"<sip:{plan.from_user}@{shown}>;tag={core.tokens.hex(8)}")
        headers.add("To", f"<{target.without('transport')}>")
        headers.add("Call-ID", f"{core.tokens.hex(12)}@{host}")
        headers.add("CSeq", "1 OPTIONS")
        hop = first_hop(headers, target, parse_uri(plan.proxy) if plan.proxy else None)
        headers.add("User-Agent", core.settings.user_agent)
        headers.add("Accept", ACCEPT)
        hop = replace(hop, tls_profile=plan.tls_profile)
        return hop, Request("OPTIONS", str(target), headers)


class KeptRegistration:
    """A registration in the endpoint: it is woken in time, and hears what comes of a REGISTER."""

    def __init__(self, machine: Registration, patience_ms: int, core: Core, tell: Tell) -> None:
        self.alarm: Alarm | None = None
        self._machine = machine
        self._patience_ms = patience_ms
        self._core = core
        self._tell = tell

    @property
    def wake_at_ms(self) -> int | None:
        """When it is refreshed, or tried again."""
        return self._machine.wake_at_ms

    def begin(self, now_ms: int) -> None:
        """Send a REGISTER now, unless one is on its way."""
        self._perform(self._machine.receive(Begin(), now_ms), now_ms)

    def leave(self, now_ms: int) -> None:
        """Take it back."""
        self._perform(self._machine.receive(Leave(), now_ms), now_ms)

    def wake(self, now_ms: int) -> None:
        """Let its time come."""
        self._perform(self._machine.wake(now_ms), now_ms)

    def heard(self, exchange: Exchange, response: Response, flow: Flow, now_ms: int) -> None:
        """Take an answer."""
        del exchange, flow
        if not response.is_provisional:
            self._perform(self._machine.receive(Answered(response), now_ms), now_ms)

    def unheard(self, exchange: Exchange, status: int, text: str, now_ms: int) -> None:
        """Take it that there is none."""
        del exchange
        self._perform(self._machine.receive(Unanswered(status, text), now_ms), now_ms)

    def _perform(self, outputs: list[RegistrationOutput], now_ms: int) -> None:
        machine = self._machine
        self._core.watch(self)
        for output in outputs:
            if isinstance(output, SendRegister):
                to_send = Exchange(
                    output.request, output.to, self, machine.next_cseq, machine.digest
                )
                to_send.contact = machine.contact
                to_send.patience_ms = self._patience_ms
                self._core.begin(to_send, now_ms)
            else:
                self._tell(output)


class _Asked:
    """Waits for the answer to one OPTIONS."""

    def __init__(self, ref: OutsideRef, began_ms: int, tell: Callable[[Probed], None]) -> None:
        self._ref = ref
        self._began_ms = began_ms
        self._tell = tell
        self._cseq = 1

    def next_cseq(self) -> int:
        """Count up."""
        self._cseq += 1
        return self._cseq

    def heard(self, exchange: Exchange, response: Response, flow: Flow, now_ms: int) -> None:
        """Take an answer; any final one shows life (SIP-51)."""
        del exchange, flow
        if not response.is_provisional:
            elapsed_ms = now_ms - self._began_ms
            self._tell(Probed(self._ref, response.status, response.reason, elapsed_ms))

    def unheard(self, exchange: Exchange, status: int, text: str, now_ms: int) -> None:
        """Take it that there is none."""
        del exchange, status
        self._tell(Probed(self._ref, 0, text, now_ms - self._began_ms))
