"""The register of live calls: lets calls in, finds the call that an event or a wish is meant for.

A call is refused here when it cannot become one: no such number, no port, no common codec, too many
calls, draining. Everything later is the call's own business.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field, replace

import structlog

from agentstream import _media
from agentstream.base.clock import Clock
from agentstream.base.errors import CommandError, PeerError
from agentstream.base.ids import AccountSid, CallSid, LegSid, Tokens
from agentstream.base.phone import AS_THEY_ARE, NumberStyle
from agentstream.calls import commands, events, reports
from agentstream.calls.call import Call
from agentstream.calls.causes import Cause, Party, sip_status
from agentstream.calls.record import CallLimits, CallSetup
from agentstream.flows.document import FlowDocument
from agentstream.flows.engine import Flow
from agentstream.media.engine import MediaEngine, MediaLeg
from agentstream.media.negotiate import LocalMedia, SdpSession
from agentstream.media.plan import FileLegPlan, RtpLegPlan
from agentstream.sip import reports as sip
from agentstream.sip.signaling import SignalingEngine
from agentstream.store.directory import Directory, Route
from agentstream.switch import feed
from agentstream.switch.admit import (
    called_number,
    caller_number,
    header_variables,
    refused_record,
)
from agentstream.switch.call_lines import CallLines, Exchange
from agentstream.switch.call_task import CallerLeaves, CallTask
from agentstream.switch.dialling import Dialler
from agentstream.switch.lines import DialledLine, FileLine, OurSide, SipLine
from agentstream.switch.media_pump import MediaPump
from agentstream.switch.perform import Means, Performer, Tenant
from agentstream.switch.routing import Roads

log = structlog.get_logger()

RETRY_AFTER_S = 5


@dataclass(frozen=True, slots=True)
class SwitchLimits:
    """Bounds of one switchboard."""

    calls: int = 2_000
    call: CallLimits = field(default_factory=CallLimits)
    first_packet_timeout_ms: int = 30_000
    packet_timeout_ms: int = 60_000
    jitter_max_ms: int = 200
    inband_dtmf: bool = False


@dataclass(frozen=True, slots=True)
class Wiring:
    """Everything that a switchboard connects."""

    signaling: SignalingEngine
    media: MediaEngine
    directory: Directory[FlowDocument]
    means: Means
    feed: feed.Feed
    clock: Clock
    tokens: Tokens
    local: LocalMedia  # our side of every leg; an empty address is what signalling says
    country_code: str = ""
    roads: Roads = field(default_factory=Roads)  # for the legs that calls dial
    numbers: NumberStyle = AS_THEY_ARE  # how customers' servers are shown numbers


@dataclass(slots=True)
class SwitchCounts:
    """What happened to invitations, for metrics."""

    admitted: int = 0
    dialled: int = 0  # legs, of all calls
    refused: Counter[str] = field(default_factory=Counter)  # by cause


class Switchboard:
    """Every live call of this process."""

    def __init__(self, wiring: Wiring, limits: SwitchLimits | None = None) -> None:
        self._signaling = wiring.signaling
        self._media = wiring.media
        self._directory = wiring.directory
        self._means = wiring.means
        self._feed = wiring.feed
        self._clock = wiring.clock
        self._tokens = wiring.tokens
        self._local = wiring.local
        self._country_code = wiring.country_code
        self._numbers = wiring.numbers
        self._limits = limits or SwitchLimits()
        self._calls: dict[CallSid, CallTask] = {}
        self._by_ref: dict[sip.SipCallRef, CallTask] = {}
        self._by_leg: dict[str, CallTask] = {}
        # What is reported of a call while it is being placed: its ref is not known yet.
        self._untold: list[sip.Report] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_draining = False
        self._dialler = Dialler(
            wiring.signaling,
            wiring.media,
            wiring.local,
            wiring.tokens,
            wiring.roads,
            self._leg_plan,
        )
        self._pump = MediaPump(wiring.media, self._take_event)
        self.counts = SwitchCounts()

    # Life

    def start(self) -> None:
        """Begin to take reports and events, on the running loop."""
        self._signaling.on_report(self._take_report)
        self._pump.start()

    @property
    def is_draining(self) -> bool:
        """Whether new calls are refused."""
        return self._is_draining

    @property
    def live_calls(self) -> int:
        """How many calls there are."""
        return len(self._calls)

    def start_drain(self) -> None:
        """Refuse new calls from now on; live ones go on."""
        self._is_draining = True
        self._signaling.refuse_new_calls(RETRY_AFTER_S)

    async def drain(self, timeout_ms: int, grace_ms: int = 5_000) -> None:
        """Wait until the live calls have ended; after the time they are ended, loudly."""
        self.start_drain()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_ms / 1000)
        for call_sid, task in tuple(self._calls.items()):
            log.warning("drain_ends_call", call_sid=call_sid)
            task.post(commands.HangUp(Cause.DRAINING, Party.SYSTEM))
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_ms / 1000)
        for running in self._tasks:
            running.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_ms / 1000)
        self._pump.stop()

    # Wishes

    def owner(self, call_sid: CallSid) -> AccountSid | None:
        """Return whose live call this is; None when there is none."""
        task = self._calls.get(call_sid)
        return None if task is None else task.call.setup.account_sid

    async def ask(self, call_sid: CallSid, command: commands.Command) -> None:
        """Want something of a live call; raises CommandError when it cannot be done now."""
        task = self._calls.get(call_sid)
        if task is None:
            raise CommandError(f"there is no live call {call_sid}")
        await task.ask(command)

    def call_from_file(
        self, plan: FileLegPlan, route: Route[FlowDocument], caller: str, called: str
    ) -> tuple[CallSid, asyncio.Task[None]]:
        """Let a WAV file call; raises MediaError when it cannot be read."""
        leg = self._media.open_file_leg(plan)
        line = FileLine(LegSid(plan.leg_sid), leg)
        setup = self._setup(route, caller, called, ())
        _, running = self._begin(setup, route, line, remote=f"file:{plan.input_path or 'silence'}")
        return setup.call_sid, running

    def hang_up_file(self, call_sid: CallSid) -> None:
        """Let the caller of a file hang up."""
        task = self._calls.get(call_sid)
        if task is not None:
            task.post(CallerLeaves())

    # The world

    def _take_report(self, report: sip.Report) -> None:
        if isinstance(report, sip.Invited):
            self._invited(report)
            return
        task = self._by_ref.get(report.ref)
        if task is not None:
            task.post(report)
        elif self._untold is not None:
            self._untold.append(report)

    def _take_event(self, event: _media.Event) -> None:
        task = self._by_leg.get(event.leg_sid)
        if task is not None:
            task.post(event)

    def _invited(self, invited: sip.Invited) -> None:
        called = called_number(invited, self._country_code)
        route = self._directory.find(called)
        if route is None:
            self._refuse(invited, Cause.NOT_FOUND, "this number has no flow that a call can enter")
            return
        caller = caller_number(invited, self._country_code)
        setup = self._setup(route, caller, called, header_variables(invited))
        if self._is_draining:
            self._refuse(invited, Cause.DRAINING, "the server is about to stop", setup)
        elif len(self._calls) >= self._limits.calls:
            self._refuse(invited, Cause.OVERLOADED, f"{self._limits.calls} calls are live", setup)
        else:
            self._admit(invited, route, setup)

    def _admit(self, invited: sip.Invited, route: Route[FlowDocument], setup: CallSetup) -> None:
        try:
            self._open(invited, route, setup)
        except _media.PortsExhausted:
            self._refuse(invited, Cause.NO_PORTS, "no RTP port is free", setup)
        except PeerError as error:
            self._refuse(invited, Cause.NO_COMMON_CODEC, str(error), setup, error.status)
        except Exception:
            # The top of what signalling calls: no caller must ring for ever for a bug of ours.
            log.exception("invite_broke_off", call_sid=setup.call_sid)
            self._refuse(invited, Cause.INTERNAL, "it was not begun", setup)

    def _open(self, invited: sip.Invited, route: Route[FlowDocument], setup: CallSetup) -> None:
        leg_sid = LegSid(self._tokens.hex())
        leg = self._media.open_rtp_leg(self._leg_plan(leg_sid, setup.call_sid))
        try:
            line = SipLine(leg_sid, invited, self._signaling, self._our_side(invited, leg))
            task, _ = self._begin(setup, route, line, remote=invited.source)
        except BaseException:
            leg.close()
            raise
        self._by_ref[invited.ref] = task

    def _our_side(self, invited: sip.Invited, leg: MediaLeg) -> OurSide:
        host = self._local.address or self._signaling.local_host(invited.ref)
        local = replace(self._local, address=host, port=leg.rtp_port)
        return OurSide(leg, local, SdpSession(session_id=int(self._tokens.hex(4), 16)))

    def _leg_plan(self, leg_sid: LegSid, call_sid: CallSid) -> RtpLegPlan:
        limits = self._limits
        return RtpLegPlan(
            leg_sid,
            jitter_max_ms=limits.jitter_max_ms,
            first_packet_timeout_ms=limits.first_packet_timeout_ms,
            packet_timeout_ms=limits.packet_timeout_ms,
            inband_dtmf=limits.inband_dtmf,
            group=call_sid,  # its legs may be bridged, which costs nothing on one thread
        )

    def _refuse(
        self,
        invited: sip.Invited,
        cause: Cause,
        text: str,
        setup: CallSetup | None = None,
        status: int = 0,
    ) -> None:
        """Refuse an invitation; what an account's number missed leaves a call record."""
        self.counts.refused[cause.value] += 1
        status = status or sip_status(cause)
        headers: tuple[sip.Header, ...] = ()
        if status == 503:
            headers = (("Retry-After", str(RETRY_AFTER_S)),)
        log.info(
            "invite_refused", status=status, cause=cause.value, text=text, source=invited.source
        )
        self._signaling.reject(invited.ref, status, "", headers)
        if setup is not None:
            record = refused_record(setup, cause, text)
            self._tell(setup, events.CallEnded(setup.call_sid, record))

    # One call

    def _setup(
        self,
        route: Route[FlowDocument],
        caller: str,
        called: str,
        variables: tuple[tuple[str, str], ...],
    ) -> CallSetup:
        return CallSetup(
            call_sid=CallSid(self._tokens.hex()),
            account_sid=route.account.sid,
            direction="inbound",
            from_number=caller,
            to_number=called,
            started_at=self._clock.wall(),
            flow_sid=route.flow_sid,
            flow_version=route.flow_version,
            variables=variables,
        )

    def _begin(
        self, setup: CallSetup, route: Route[FlowDocument], line: SipLine | FileLine, remote: str
    ) -> tuple[CallTask, asyncio.Task[None]]:
        account = route.account

        def tell(event: events.Event | feed.Note) -> None:
            self._tell(setup, event)

        def open_line(leg_sid: LegSid, spec: commands.DialSpec) -> DialledLine:
            return self._dial(leg_sid, spec, setup)

        def published_flow(sid_or_name: str) -> FlowDocument | None:
            found = self._directory.flow_of(account.sid, sid_or_name)
            return None if found is None else found.flow

        tenant = Tenant(account.sid, account.stream_limit, account.egress_allow)
        lines = CallLines(line, Exchange(open_line, self._forget))
        performer = Performer(setup, tenant, lines, self._means, tell)
        call = Call(setup, self._limits.call, self._clock.now_ms())
        flow = Flow(
            route.flow,
            setup,
            self._tokens,
            self._clock.now_ms(),
            library=published_flow,
            numbers=self._numbers,
        )
        task = CallTask(call, flow, performer, tell, self._clock.now_ms)
        self._calls[setup.call_sid] = task
        self._by_leg[line.leg_sid] = task
        self.counts.admitted += 1
        task.post(reports.LegOffered(line.leg_sid, remote))
        running = asyncio.get_running_loop().create_task(
            self._run(setup.call_sid, line, task), name=f"call {setup.call_sid}"
        )
        self._tasks.add(running)
        running.add_done_callback(self._tasks.discard)
        return task, running

    def _dial(self, leg_sid: LegSid, spec: commands.DialSpec, setup: CallSetup) -> DialledLine:
        """Place a call for one more leg; raises NoRoadError."""
        task = self._calls[setup.call_sid]
        untold: list[sip.Report] = []
        self._untold = untold
        try:
            line = self._dialler.open(leg_sid, spec, setup)
        finally:
            self._untold = None
        self.counts.dialled += 1
        self._by_leg[leg_sid] = self._by_ref[line.ref] = task
        for report in untold:
            self._take_report(report)
        return line

    def _forget(self, line: SipLine | FileLine | DialledLine) -> None:
        """Take a line out of the register."""
        self._by_leg.pop(line.leg_sid, None)
        if not isinstance(line, FileLine):
            self._by_ref.pop(line.ref, None)

    def _tell(self, setup: CallSetup, event: events.Event | feed.Note) -> None:
        if not self._feed.wants(type(event)):
            return
        now_ms, wall = self._clock.now_ms(), self._clock.wall()
        self._feed.publish(feed.Fact(setup.call_sid, setup.account_sid, now_ms, wall, event))

    async def _run(self, call_sid: CallSid, line: SipLine | FileLine, task: CallTask) -> None:
        try:
            await task.run()
        except Exception:
            # The top of a task. The call has been told to end; what failed now is its last step.
            log.exception("call_not_freed", call_sid=call_sid)
        finally:
            del self._calls[call_sid]
            self._forget(line)
