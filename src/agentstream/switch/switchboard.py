"""The register of live calls: lets calls in, places them, finds the call that a wish is meant for.

A call is refused here when it cannot become one: no such number, no road, no port, no common codec,
too many calls, draining. Everything later is the call's own business.
"""

import asyncio
from contextlib import suppress
from functools import partial

import structlog

from agentstream import _media
from agentstream.base.errors import BusyError, CommandError, PeerError
from agentstream.base.ids import AccountSid, CallSid, LegSid, TrunkSid
from agentstream.base.values import replace
from agentstream.calls import commands, events, reports
from agentstream.calls.causes import Cause, Party
from agentstream.calls.record import CallSetup
from agentstream.flows.document import FlowDocument
from agentstream.flows.journey import Redirect
from agentstream.flows.legs.verbs import Acknowledged, Act
from agentstream.media.plan import FileLegPlan
from agentstream.sip import reports as sip
from agentstream.sip.signaling import Dial
from agentstream.store.directory import Route
from agentstream.store.protocols import StoreError
from agentstream.switch import feed
from agentstream.switch.admit import (
    PassageWay,
    Way,
    called_number,
    caller_number,
    setup_of_route,
)
from agentstream.switch.call_lines import Exchange
from agentstream.switch.call_task import CallerLeaves, CallTask
from agentstream.switch.calls_by_ref import CallsByRef
from agentstream.switch.dialling import Dialler
from agentstream.switch.lines import DialledLine, FileLine, Line
from agentstream.switch.making import CallMaker, Course, course_of, course_of_order
from agentstream.switch.media_pump import MediaPump
from agentstream.switch.placing import CallOrder, refusal, setup_of, spec_of
from agentstream.switch.refusing import RETRY_AFTER_S, Refuser
from agentstream.switch.replacing import take_place
from agentstream.switch.routing import NoRoadError
from agentstream.switch.trunk_calls import NoWay, find_way
from agentstream.switch.trunk_load import Ceilings, TrunkLoad
from agentstream.switch.wiring import SwitchCounts, SwitchLimits, Wiring

log = structlog.get_logger()


class Switchboard:
    """Every live call of this process."""

    def __init__(self, wiring: Wiring, limits: SwitchLimits | None = None) -> None:
        self._signaling = wiring.signaling
        self._media = wiring.media
        self._directory = wiring.directory
        self._feed = wiring.feed
        self._clock = wiring.clock
        self._tokens = wiring.tokens
        self._country_code = wiring.country_code
        self._registered_users = wiring.registered_users
        self._two_leg_status = wiring.two_leg_status
        self._placed = wiring.placed
        self._signalled = wiring.signalled
        self._limits = limits or SwitchLimits()
        self._calls: dict[CallSid, CallTask] = {}
        self._room = self._limits.room()
        self._trunk_load = wiring.trunk_load or TrunkLoad(lambda: wiring.clock.wall().date())
        self._by_ref = CallsByRef()
        self._by_leg: dict[str, CallTask] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_draining = False
        self.dialler = Dialler(wiring, self._limits)
        self._maker = CallMaker(wiring)
        self._pump = MediaPump(wiring.media, self._take_event)
        self.counts = SwitchCounts()
        self._refuser = Refuser(wiring, self.counts.refused, self._tell)

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

    async def ask(self, call_sid: CallSid, command: commands.Command | Redirect) -> None:
        """Want something of a live call; raises CommandError when it cannot be done now."""
        task = self._calls.get(call_sid)
        if task is None:
            raise CommandError(f"there is no live call {call_sid}")
        await task.ask(command)

    def call_of(self, leg_sid: LegSid) -> CallSid | None:
        """Return the live call of a leg; None when there is none (any more)."""
        task = self._by_leg.get(leg_sid)
        return None if task is None else task.call.setup.call_sid

    def line_of(self, leg_sid: LegSid) -> CallTask | None:
        """Return the live call of a leg, for whoever links it with others."""
        return self._by_leg.get(leg_sid)

    async def act(self, act: Act | Acknowledged) -> None:
        """Steer a leg; returns once it is begun, and what becomes of it is told by LegTold.

        Raises CommandError with a sentence when it cannot be done now (HTTP 409, code 1020).
        """
        task = self._by_leg.get(act.leg_sid)
        if task is None:
            raise CommandError(f"there is no live leg {act.leg_sid}")
        await task.ask(act)

    async def redirect(self, call_sid: CallSid, document: FlowDocument) -> None:
        """Let a live call go on in another flow (OC-1); raises CommandError, as when it rings."""
        await self.ask(call_sid, Redirect(document))

    async def place(self, order: CallOrder) -> CallSid:
        """Dial somebody; returns once the INVITE is on its way, and the feed was told (CC-38).

        Raises BusyError when a bound of ours is reached, CommandError when the order is impossible.
        """
        setup = setup_of(order, self._tokens, self._clock, self._two_leg_status)
        spec = spec_of(order)
        try:
            self._check_room(order)
        except NoRoadError as error:
            raise self._not_placed(error) from error
        self._room.take(setup.call_sid, setup.account_sid, order.slots)
        try:
            if self._placed is not None:
                await self._placed.begin(setup)
                self._check_open()
            task = self._placed_task(order, setup, spec)
        except BaseException as error:
            self._room.leave(setup.call_sid)
            if self._placed is not None:
                with suppress(StoreError):  # whoever asked is told what went wrong first
                    await self._placed.forget(setup.call_sid)
            if isinstance(error, NoRoadError):
                raise self._not_placed(error) from error
            raise
        await task.begun()
        return setup.call_sid

    def call_from_file(
        self, plan: FileLegPlan, route: Route[FlowDocument], caller: str, called: str
    ) -> tuple[CallSid, asyncio.Task[None]]:
        """Let a WAV file call; raises MediaError when it cannot be read."""
        leg = self._media.open_file_leg(plan)
        line = FileLine(LegSid(plan.leg_sid), leg)
        setup = self._setup(route, caller, called)
        offered = reports.LegOffered(line.leg_sid, f"file:{plan.input_path or 'silence'}")
        _, running = self._begin(setup, course_of(route, self._limits.call), line, offered)
        return setup.call_sid, running

    def hang_up_file(self, call_sid: CallSid) -> None:
        """Let the caller of a file hang up."""
        task = self._calls.get(call_sid)
        if task is not None:
            task.post(CallerLeaves())

    # The world

    def _take_report(self, report: sip.Report) -> None:
        if isinstance(report, sip.Invited):
            self._replaces(report) if report.replaces else self._invited(report)
        else:
            self._by_ref.hear(report)

    def _take_event(self, event: _media.Event) -> None:
        task = self._by_leg.get(event.leg_sid)
        if task is not None:
            task.post(event)

    def _replaces(self, invited: sip.Invited) -> None:
        task = self._by_ref.get(invited.replaces) if invited.replaces else None
        line = 603 if self._is_draining else take_place(invited, task, self.dialler)
        if task is None or isinstance(line, int):
            self._signaling.reject(invited.ref, line if isinstance(line, int) else 603)
        else:
            self._by_leg[line.leg_sid] = self._by_ref[line.ref] = task

    def _invited(self, invited: sip.Invited) -> None:
        called = called_number(invited, self._country_code, self._registered_users)
        caller = caller_number(invited, self._country_code)
        route = find_way(self._directory, invited.trunk_sid, called, caller)
        if isinstance(route, NoWay):
            self._refuser.refuse(invited, route.cause, route.text, status=route.status)
            return
        setup = self._setup(route, caller, called, invited)
        if self._is_draining:
            self._refuser.refuse(invited, Cause.DRAINING, "the server is about to stop", setup)
        elif full := self._room.why_not(setup.account_sid):
            self._refuser.refuse(invited, *full, setup)
        else:
            self._admit(invited, route, setup)

    def _admit(self, invited: sip.Invited, route: Way | PassageWay, setup: CallSetup) -> None:
        try:
            self._open(invited, route, setup)
        except _media.PortsExhausted:
            self._refuser.refuse(invited, Cause.NO_PORTS, "no RTP port is free", setup)
        except PeerError as error:
            self._refuser.refuse(invited, Cause.NO_COMMON_CODEC, str(error), setup, error.status)
        except Exception:
            # The top of what signalling calls: no caller must ring for ever for a bug of ours.
            log.exception("invite_broke_off", call_sid=setup.call_sid)
            self._refuser.refuse(invited, Cause.INTERNAL, "it was not begun", setup)

    def _open(self, invited: sip.Invited, route: Way | PassageWay, setup: CallSetup) -> None:
        line = self.dialler.incoming(invited, setup.call_sid)
        try:
            offered = reports.LegOffered(line.leg_sid, invited.source)
            task, _ = self._begin(setup, course_of(route, self._limits.call), line, offered)
        except BaseException:
            line.release()
            raise
        self._by_ref[invited.ref] = task
        self._signalled(invited.sip_call_id, setup.call_sid, line.leg_sid)

    def _placed_task(self, order: CallOrder, setup: CallSetup, spec: commands.DialSpec) -> CallTask:
        leg_sid = order.leg_sid or LegSid(self._tokens.hex())
        line, untold = self._dial(leg_sid, spec, setup)
        course = course_of_order(order, self._limits)
        try:
            placed = reports.LegPlaced(leg_sid, order.destination)
            task, _ = self._begin(setup, course, line, placed)
        except BaseException:
            line.hang_up(Cause.INTERNAL, "")
            line.release()
            raise
        self.counts.placed += 1
        self._connect(task, line, untold)
        return task

    def _not_placed(self, error: NoRoadError) -> CommandError | BusyError:
        self.counts.not_placed[error.cause.value] += 1
        return refusal(error)

    def _check_open(self) -> None:
        if self._is_draining:
            raise NoRoadError(Cause.DRAINING, "The server is about to stop.")

    def _check_room(self, order: CallOrder) -> None:
        self._check_open()
        now_ms, sid = self._clock.now_ms(), order.account.sid
        self._room.check(sid, order.slots, now_ms)
        ceilings = Ceilings(account_per_minute=self._limits.begun_per_minute)
        if full := self._trunk_load.begin(TrunkSid(""), sid, ceilings, now_ms):
            raise NoRoadError(Cause.OVERLOADED, f"{full[0].upper()}{full[1:]}.")

    # One call

    def _setup(
        self, route: Way | PassageWay, caller: str, called: str, invited: sip.Invited | None = None
    ) -> CallSetup:
        wall, call_sid = self._clock.wall(), CallSid(self._tokens.hex())
        setup = setup_of_route(route, call_sid, caller, called, wall, invited)
        takes_refer = invited is not None and self.dialler.takes_refer(invited)
        return replace(setup, takes_refer=takes_refer) if takes_refer else setup

    def _begin(
        self,
        setup: CallSetup,
        course: Course,
        line: Line,
        began: reports.LegOffered | reports.LegPlaced,
    ) -> tuple[CallTask, asyncio.Task[None]]:
        def tell(event: events.Event | feed.Note) -> None:
            self._tell(setup, event)

        def open_line(leg_sid: LegSid, spec: commands.DialSpec) -> DialledLine:
            line, untold = self._dial(leg_sid, spec, setup)
            self._connect(self._calls[setup.call_sid], line, untold)
            return line

        exchange = Exchange(open_line, self._forget, partial(self.dialler.judge, setup))
        line.note = tell
        task = self._maker.make(setup, course, line, exchange, tell)
        self._calls[setup.call_sid] = task
        self._room.take(setup.call_sid, setup.account_sid)
        self._trunk_load.take(setup.call_sid, TrunkSid(setup.trunk_sid), self._clock.now_ms())
        self._by_leg[line.leg_sid] = task
        if isinstance(began, reports.LegOffered):
            self.counts.admitted += 1
        task.post(began)
        running = asyncio.get_running_loop().create_task(
            self._run(setup.call_sid, line, task), name=f"call {setup.call_sid}"
        )
        self._tasks.add(running)
        running.add_done_callback(self._tasks.discard)
        return task, running

    def _dial(
        self, leg_sid: LegSid, spec: commands.DialSpec, setup: CallSetup
    ) -> tuple[DialledLine, list[sip.Report]]:
        """Send an INVITE; returns its line and what was reported of it at once.

        Raises NoRoadError.
        """
        with self._by_ref.placing() as untold:
            line = self.dialler.open(leg_sid, spec, setup)
        self.counts.dialled += 1
        self._signalled(line.sip_call_id, setup.call_sid, leg_sid)
        return line, untold

    def _connect(self, task: CallTask, line: DialledLine, untold: list[sip.Report]) -> None:
        """Let a call hear what is reported of a leg that it dialled, and of its next attempts."""
        line.place = partial(self._place_again, task, line)
        line.note = partial(self._tell, task.call.setup)
        self._by_leg[line.leg_sid] = task
        self._by_ref.keep(line.ref, task, untold)

    def _place_again(self, task: CallTask, line: DialledLine, order: Dial) -> sip.SipCallRef:
        """Send the INVITE of a leg's next attempt, whose ref takes the place of the last one."""
        with self._by_ref.placing() as untold:
            ref = self._signaling.place(order)
        self._by_ref.pop(line.ref, None)
        self._by_ref.keep(ref, task, untold)
        self._signalled(self._signaling.sip_call_id(ref), task.call.setup.call_sid, line.leg_sid)
        return ref

    def _forget(self, line: Line) -> None:
        """Take a line out of the register."""
        self._by_leg.pop(line.leg_sid, None)
        if not isinstance(line, FileLine):
            self._by_ref.pop(line.ref, None)

    def _tell(self, setup: CallSetup, event: events.Event | feed.Note) -> None:
        if not self._feed.wants(type(event)):
            return
        now_ms, wall = self._clock.now_ms(), self._clock.wall()
        self._feed.publish(feed.Fact(setup.call_sid, setup.account_sid, now_ms, wall, event))

    async def _run(self, call_sid: CallSid, line: Line, task: CallTask) -> None:
        try:
            await task.run()
        except Exception:
            # The top of a task. The call has been told to end; what failed now is its last step.
            log.exception("call_not_freed", call_sid=call_sid)
        finally:
            del self._calls[call_sid]
            self._room.leave(call_sid)
            self._trunk_load.leave(call_sid, self._clock.now_ms())
            self._forget(line)
