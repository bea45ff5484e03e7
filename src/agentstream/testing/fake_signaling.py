"""A SignalingEngine without SIP: a test feeds reports and expects commands.

    engine = FakeSignaling()
    ref = engine.invite("+918000000042", offer=OFFER)      # a call comes in
    answer = await engine.wait_for(Answer)                 # the product answers it
    engine.confirm(ref)                                    # the ACK
    engine.end(ref)                                        # the caller hangs up
    engine.expect_nothing()

Like a real engine it reports `Ended` by itself after `reject` and `hang_up`, exactly once for each
call, and ignores commands for a call that is over.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from agentstream.sip.bindings import Binding
from agentstream.sip.commands import (
    Answer,
    AnswerMedia,
    AnswerRefer,
    CallCommand,
    HangUp,
    OutsideCommand,
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
from agentstream.sip.reports import (
    Accepted,
    Confirmed,
    Ended,
    Header,
    Invited,
    OutsideRef,
    OutsideReport,
    Probed,
    Progressed,
    Report,
    SipCallRef,
    Unregistered,
)
from agentstream.sip.signaling import Dial, ProbePlan, RegistrationPlan

C = TypeVar("C", bound=CallCommand)


@dataclass
class FakeSignaling:
    """Implements `SignalingEngine`; one per test."""

    host: str = "192.0.2.10"  # what local_host answers
    ends_by_itself: bool = True  # False: the test gives Ended after reject and hang_up
    started: bool = False
    retry_after_s: int | None = None  # set by refuse_new_calls
    commands: deque[CallCommand] = field(default_factory=deque)  # not yet expected
    dials: dict[SipCallRef, Dial] = field(default_factory=dict)  # every call placed
    outside: deque[OutsideCommand] = field(default_factory=deque)  # not yet looked at
    registrations: dict[OutsideRef, RegistrationPlan] = field(default_factory=dict)  # that stand
    probes: dict[OutsideRef, ProbePlan] = field(default_factory=dict)  # without an answer yet
    phones: dict[str, tuple[Binding, ...]] = field(default_factory=dict)  # registered, by key
    _receive: Callable[[Report], None] | None = None
    _receive_outside: Callable[[OutsideReport], None] | None = None
    _live: set[SipCallRef] = field(default_factory=set)
    _count: int = 0
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    # What the test does

    def invite(
        self,
        to: str = "+918000000042",
        offer: str | None = None,
        caller: str = "+912240000017",
        headers: tuple[Header, ...] = (),
        source: str = "udp:192.0.2.1:5060",
        **others: str | int,
    ) -> SipCallRef:
        """Let a call come in; `offer` None is a delayed offer, `others` are more of `Invited`."""
        ref = self._new_ref("in")
        self.feed(
            Invited(
                ref=ref,
                sip_call_id=f"{ref}@192.0.2.1",
                request_uri=f"sip:{to}@{self.host}",
                from_uri=f"sip:{caller}@192.0.2.1",
                from_display="",
                to_uri=f"sip:{to}@{self.host}",
                source=source,
                offer=offer,
                headers=headers,
                **others,  # type: ignore[arg-type]  # each has its field's kind
            )
        )
        return ref

    def progress(self, ref: SipCallRef, status: int = 180, sdp: str | None = None) -> None:
        """Let a call that the product placed ring."""
        self.feed(Progressed(ref, status, sdp))

    def accept(self, ref: SipCallRef, sdp: str | None = None) -> None:
        """Let a call that the product placed be answered."""
        self.feed(Accepted(ref, sdp))

    def confirm(self, ref: SipCallRef, answer: str | None = None) -> None:
        """Acknowledge the product's answer."""
        self.feed(Confirmed(ref, answer))

    def end(
        self,
        ref: SipCallRef,
        by: Literal["remote", "local", "network"] = "remote",
        status: int = 0,
        q850: int = 16,
        headers: tuple[Header, ...] = (),
    ) -> None:
        """End the call; by the far end, if nothing else is said."""
        self.feed(Ended(ref, by, status, q850, headers=headers))

    def feed(self, report: Report) -> None:
        """Give any report to the product. For a call that is over it is the test's mistake."""
        assert report.ref in self._live, f"{report.ref} is over or was never there"
        assert self._receive is not None, "the product has not called on_report"
        if isinstance(report, Ended):
            self._live.discard(report.ref)
        self._receive(report)

    def tell(self, report: OutsideReport) -> None:
        """Report of a registration or probe; one that is over is the test's mistake."""
        assert self._receive_outside is not None, "the product has not called on_outside"
        if isinstance(report, Probed):
            del self.probes[report.ref]
        else:
            assert report.ref in self.registrations, f"{report.ref} is over"
        if isinstance(report, Unregistered):
            del self.registrations[report.ref]
        self._receive_outside(report)

    def is_live(self, ref: SipCallRef) -> bool:
        """Tell whether the call has not been reported as ended."""
        return ref in self._live

    @property
    def live_calls(self) -> int:
        """How many calls have not been reported as ended."""
        return len(self._live)

    # What the test expects

    def expect(self, command: CallCommand) -> None:
        """Take the oldest command; it must be this one."""
        assert self.commands, f"expected {command}, but there is no command"
        taken = self.commands.popleft()
        assert taken == command, f"expected {command}, got {taken}"

    def take(self, kind: type[C]) -> C:
        """Take the oldest command; it must be of this kind."""
        assert self.commands, f"expected {kind.__name__}, but there is no command"
        taken = self.commands.popleft()
        assert isinstance(taken, kind), f"expected {kind.__name__}, got {taken}"
        return taken

    def expect_nothing(self) -> None:
        """Check that no command is left."""
        assert not self.commands, f"unexpected: {list(self.commands)}"

    async def wait_for(self, kind: type[C], timeout_ms: int = 2000) -> C:
        """Wait for the first command of this kind and take it; the others stay in order."""
        async with asyncio.timeout(timeout_ms / 1000):
            while True:
                for command in self.commands:
                    if isinstance(command, kind):
                        self.commands.remove(command)
                        return command
                self._arrived.clear()
                await self._arrived.wait()

    # SignalingEngine

    def on_report(self, receive: Callable[[Report], None]) -> None:
        """Set who receives reports."""
        self._receive = receive

    async def start(self) -> None:
        """Be started."""
        self.started = True

    async def stop(self, timeout_ms: int) -> None:
        """Be stopped."""
        self.started = False

    def refuse_new_calls(self, retry_after_s: int) -> None:
        """Keep the number of seconds for the test to see."""
        self.retry_after_s = retry_after_s

    def local_host(self, ref: SipCallRef) -> str:
        """Return `host`."""
        return self.host

    def host_towards(self, host: str) -> str:
        """Return `host`, whatever is asked."""
        return self.host

    def sip_call_id(self, ref: SipCallRef) -> str:
        """Make one up."""
        return f"{ref}@{self.host}"

    def place(self, dial: Dial) -> SipCallRef:
        """Keep the dial; the test then feeds what becomes of it."""
        ref = self._new_ref("out")
        self.dials[ref] = dial
        self._keep(Place(ref, dial))
        return ref

    def ring(self, ref: SipCallRef, status: int = 180, sdp: str | None = None) -> None:
        """Keep the command."""
        self._keep(Ring(ref, status, sdp))

    def answer(self, ref: SipCallRef, sdp: str, headers: tuple[Header, ...] = ()) -> None:
        """Keep the command."""
        self._keep(Answer(ref, sdp, headers))

    def reject(
        self, ref: SipCallRef, status: int, text: str = "", headers: tuple[Header, ...] = ()
    ) -> None:
        """Keep the command; the call is over."""
        self._keep(Reject(ref, status, text, headers))
        self._end_soon(Ended(ref, "local", status, 0, text))

    def hang_up(
        self, ref: SipCallRef, q850: int = 16, text: str = "", headers: tuple[Header, ...] = ()
    ) -> None:
        """Keep the command; the call is over."""
        self._keep(HangUp(ref, q850, text, headers))
        self._end_soon(Ended(ref, "local", 0, q850, text))

    def update_media(self, ref: SipCallRef, offer: str) -> None:
        """Keep the command."""
        self._keep(UpdateMedia(ref, offer))

    def answer_media(self, ref: SipCallRef, sdp: str) -> None:
        """Keep the command."""
        self._keep(AnswerMedia(ref, sdp))

    def refuse_media(self, ref: SipCallRef, status: int = 488) -> None:
        """Keep the command."""
        self._keep(RefuseMedia(ref, status))

    def send_info(self, ref: SipCallRef, content_type: str, body: str) -> None:
        """Keep the command."""
        self._keep(SendInfo(ref, content_type, body))

    def refer(
        self,
        ref: SipCallRef,
        target: str,
        replaces: str = "",
        headers: tuple[Header, ...] = (),
    ) -> None:
        """Keep the command."""
        self._keep(Refer(ref, target, replaces, headers))

    def answer_refer(self, ref: SipCallRef, status: int = 202, reason: str = "") -> None:
        """Keep the command."""
        self._keep(AnswerRefer(ref, status, reason))

    def report_transfer(
        self, ref: SipCallRef, status: int, reason: str = "", *, final: bool = False
    ) -> None:
        """Keep the command."""
        self._keep(ReportTransfer(ref, status, reason, final))

    def on_outside(self, receive: Callable[[OutsideReport], None]) -> None:
        """Set who is told of registrations and probes."""
        self._receive_outside = receive

    def register(self, plan: RegistrationPlan) -> OutsideRef:
        """Keep the plan; the test then tells what becomes of it."""
        ref = self._new_outside("registration")
        self.registrations[ref] = plan
        self.outside.append(Register(ref, plan))
        return ref

    def refresh(self, ref: OutsideRef) -> None:
        """Keep the command."""
        self.outside.append(Refresh(ref))

    def unregister(self, ref: OutsideRef) -> None:
        """Keep the command."""
        self.outside.append(Unregister(ref))

    def probe(self, plan: ProbePlan) -> OutsideRef:
        """Keep the plan; the test then tells the answer."""
        ref = self._new_outside("probe")
        self.probes[ref] = plan
        self.outside.append(Probe(ref, plan))
        return ref

    def bindings(self, key: str) -> tuple[Binding, ...]:
        """Return what the test has put into `phones`."""
        return self.phones.get(key, ())

    def _new_outside(self, kind: str) -> OutsideRef:
        self._count += 1
        return OutsideRef(f"{kind}-{self._count}")

    def _new_ref(self, direction: str) -> SipCallRef:
        self._count += 1
        ref = SipCallRef(f"{direction}-{self._count}")
        self._live.add(ref)
        return ref

    def _keep(self, command: CallCommand) -> None:
        if command.ref in self._live:
            self.commands.append(command)
            self._arrived.set()

    def _end_soon(self, ended: Ended) -> None:
        if not self.ends_by_itself:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # a test without a loop: at once
            self._end_if_live(ended)
        else:
            loop.call_soon(self._end_if_live, ended)

    def _end_if_live(self, ended: Ended) -> None:
        if ended.ref in self._live:
            self.feed(ended)
