"""One live call: its machines, its line, its streams, and the one task that touches them.

    signalling ─┐                ┌─▶ line (answer, hang up)
    audio path ─┼─▶ inbox ─▶ Call ◀─▶ Flow
    commands   ─┘                └─▶ prompts, streams, recordings

Everyone else posts, or asks and awaits. A happening is worked off completely, machine by machine,
before the next one is taken.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import cast, get_args

import structlog

from agentstream import _media
from agentstream.base.errors import CommandError
from agentstream.base.ids import LegSid, StreamSid
from agentstream.base.machine import earliest
from agentstream.base.values import dataclass
from agentstream.calls import commands, effects, events, reports
from agentstream.calls.call import Call
from agentstream.calls.causes import Cause, Party
from agentstream.flows.engine import Flow
from agentstream.flows.journey import STEERING, Journey, Redirect
from agentstream.flows.legs.control import LegControl
from agentstream.flows.legs.told import Steering
from agentstream.flows.legs.verbs import Acknowledged, Act
from agentstream.flows.passage import Passage
from agentstream.media.engine import MediaLeg
from agentstream.sip import reports as sip
from agentstream.switch import feed
from agentstream.switch.call_lines import CallLines
from agentstream.switch.lines import FileLine
from agentstream.switch.perform import Performer
from agentstream.switch.streams import ForStream
from agentstream.switch.translate import leg_report

log = structlog.get_logger()

INBOX_LIMIT = 4096  # full: the call ends, loudly; one stuck call must not eat the house
BEGIN_S = 1
LINGER_MS = 10_000  # how long an ended call waits for its audio to close


Wish = commands.Command | Redirect | Act | Acknowledged  # what may be asked of a call


@dataclass(frozen=True, slots=True)
class Asked:
    """A command whose asker waits for the refusal, if any."""

    command: Wish
    answer: asyncio.Future[None]


@dataclass(frozen=True, slots=True)
class CallerLeaves:
    """The caller of a file line hangs up."""


Word = reports.Report | commands.Command | Steering  # what a call understands as it is
# Every packet of signalling and event of audio is one of many kinds: looked up, not tried in turn.
WORDS = frozenset((*get_args(reports.Report), *get_args(commands.Command))) | STEERING
SIP_REPORTS = frozenset(get_args(sip.Report))
EVENTS = frozenset(get_args(events.Event))
Happening = sip.Report | _media.Event | Word | Asked | ForStream | CallerLeaves


class CallTask:
    """Runs one call to its end."""

    def __init__(
        self,
        call: Call,
        flow: Flow | LegControl | Passage | None,
        performer: Performer,
        tell: Callable[[events.Event | feed.Note], None],
        now_ms: Callable[[], int],
    ) -> None:
        self.call = call
        self._journey = Journey(call, flow)
        self._performer = performer
        self._tell = tell
        self._now_ms = now_ms
        self._zero_ms = now_ms()
        self._inbox: deque[Happening] = deque()
        self._loop = asyncio.get_running_loop()
        # A callback of the loop works happenings off and `run` only waits for the end: cheaper than
        # a task that is resumed for each of them.
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._is_running = False
        self._is_called = False  # the loop will call `_live`
        self._has_begun = asyncio.Event()  # what was posted before it ran is worked off
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms = 0
        self._is_overrun = False
        self._last: events.CallEnded | None = None
        self._is_told = False
        self._linger_until_ms: int | None = None

    def post(self, happening: Happening) -> None:
        """Hand in what happened; it is worked off in order."""
        if len(self._inbox) >= INBOX_LIMIT:
            self._is_overrun = True
        else:
            self._inbox.append(happening)
        self._call()

    @property
    def lines(self) -> CallLines:
        """The lines of its legs."""
        return self._performer.lines

    def media(self, leg_sid: LegSid) -> MediaLeg | None:
        """Return a leg's audio; None for one that has none any more."""
        return self._performer.lines.media(leg_sid)

    async def begun(self) -> None:
        """Wait until the call has started and its start was told; a second at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(BEGIN_S):
                await self._has_begun.wait()

    async def ask(self, command: Wish) -> None:
        """Want something of the call; raises CommandError when it cannot be done now."""
        if self.call.has_ended:
            raise CommandError("the call has ended")
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.post(Asked(command, answer))
        await answer

    async def run(self) -> None:
        """Live until nothing of the call is left; its end is told whatever happens."""
        try:
            async with asyncio.TaskGroup() as group:
                self._performer.jobs.begin(group, self.post)
                self._is_running = True
                self._call()
                await self._over
                self._performer.jobs.cancel()
        except BaseException as error:
            # The top of a task: a bug of ours, or being cancelled, ends its own call only.
            if self._is_told:
                raise
            self._break_off(error)
            if not isinstance(error, Exception):
                raise
        finally:
            self._refuse_askers()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._performer.free()

    def _call(self) -> None:
        if self._is_running and not self._is_called:
            self._is_called = True
            self._loop.call_soon(self._live)

    def _live(self) -> None:
        """Work off what has happened; a callback of the loop, so every error goes to `run`."""
        self._is_called = False
        if self._over.done():
            return
        try:
            self._work()
            if self._last is not None and self._is_quiet(self._now_ms()):
                self._tell_end(self._last)
                self._over.set_result(None)
        except Exception as error:  # the top of what the loop calls
            self._over.set_exception(error)

    def _work(self) -> None:
        if self._is_overrun:
            self._end_overrun()
        while self._inbox:
            self._work_off(self._inbox.popleft())
        self._has_begun.set()
        if self._timer is None:  # it has rung; until then nothing is due
            self._wake()
        if self._last is not None and self._linger_until_ms is None:
            self._linger_until_ms = self._now_ms() + LINGER_MS
        self._set_timer()

    def _tell_end(self, ended: events.CallEnded) -> None:
        self._is_told = True
        self._tell(ended)

    def _is_quiet(self, now_ms: int) -> bool:
        return self._performer.lines.are_quiet or now_ms >= (self._linger_until_ms or 0)

    # Working off

    def _work_off(self, happening: Happening) -> None:
        now_ms = self._now_ms()
        match happening:
            case Asked(command=command, answer=answer):
                self._obey(command, answer, now_ms)
            case ForStream(stream_sid=sid, happening=stream_input):
                self._hear(self._performer.tell_stream(sid, stream_input, now_ms), now_ms)
            case CallerLeaves():
                line = self._performer.lines.first
                if isinstance(line, FileLine):
                    self._hear(line.caller_hangs_up(), now_ms)
            case _:
                self._hear(self._translate(happening, now_ms), now_ms)

    def _translate(
        self,
        happening: sip.Report | _media.Event | Word,
        now_ms: int,
    ) -> list[Word]:
        kind = type(happening)
        if kind in WORDS:
            return [cast("Word", happening)]
        if kind in SIP_REPORTS:
            return [*self._performer.lines.take(cast("sip.Report", happening))]
        return [*self._take_event(cast("_media.Event", happening), now_ms)]

    def _take_event(self, event: _media.Event, now_ms: int) -> list[reports.Report]:
        if isinstance(event, _media.LegClosed):
            self._performer.leg_closed(event)
            return []
        if isinstance(event, _media.SourceChanged):
            self._tell(feed.SourceLearnt(event.leg_sid, event.address))
            return []
        if isinstance(event, _media.SrtpRefused):
            rejected, replayed = event.rejected, event.replayed
            self._tell(feed.SrtpRefused(event.leg_sid, rejected, replayed, event.ever_accepted))
            return []
        if isinstance(event, _media.RecordingReady | _media.RecordingFailed):
            return [self._performer.recordings.report(event)]
        if isinstance(event, _media.Silence):
            leg_sid, silent_ms = LegSid(event.leg_sid), event.silent_ms
            told = self._performer.leg_silent(leg_sid, silent_ms, now_ms)
            return [*told, reports.WentSilent(leg_sid, silent_ms)]
        if hasattr(event, "stream_sid"):
            sid = StreamSid(event.stream_sid)
            return self._performer.stream_event(sid, event, now_ms)
        if isinstance(event, _media.MediaStarted):
            self._performer.lines.media_began(event, now_ms - self._zero_ms)
        report = leg_report(event)
        if isinstance(report, reports.DigitPressed):
            report = self._performer.key_heard(report)
        return [] if report is None else [report]

    def _obey(self, command: Wish, answer: asyncio.Future[None], now_ms: int) -> None:
        try:
            outputs = self._journey.receive(command, now_ms)
        except CommandError as error:
            if not answer.done():
                answer.set_exception(error)
            return
        if not answer.done():
            answer.set_result(None)
        self._follow(outputs, now_ms)

    def _hear(
        self,
        happenings: list[reports.Report] | list[Word],
        now_ms: int,
    ) -> None:
        for happening in happenings:
            try:
                outputs = self._journey.receive(happening, now_ms)
            except CommandError as error:
                # A command that nobody waits for came too late: the call is ending anyway.
                log.info("too_late", call_sid=self.call.setup.call_sid, error=str(error))
            else:
                self._follow(outputs, now_ms)

    def _follow(self, outputs: list[events.Event | effects.Effect], now_ms: int) -> None:
        """Perform effects and tell events until nothing more follows."""
        waiting = deque(outputs)
        while waiting:
            output = waiting.popleft()
            if isinstance(output, events.CallEnded):
                self._last = output  # told when the audio has closed: its counters come before
            elif type(output) in EVENTS:
                self._tell(cast("events.Event", output))
            else:
                for report in self._performer.perform(cast("effects.Effect", output), now_ms):
                    waiting.extend(self._journey.receive(report, now_ms))

    # Time

    def _wake(self) -> None:
        now_ms = self._now_ms()
        if _is_due(self._journey.wake_at_ms, now_ms):
            self._follow(self._journey.wake(now_ms), now_ms)
        if _is_due(self._performer.wake_at_ms, now_ms):
            self._hear(self._performer.wake(now_ms), now_ms)

    def _set_timer(self) -> None:
        wake_ms = earliest(
            self._journey.wake_at_ms,
            self._performer.wake_at_ms,
            self._linger_until_ms,
        )
        if wake_ms is None:
            return
        if self._timer is not None:
            if self._timer_ms <= wake_ms:
                return  # rings early at worst, which is harmless
            self._timer.cancel()
        self._timer_ms = wake_ms
        delay_s = max(0, wake_ms - self._now_ms()) / 1000
        self._timer = self._loop.call_later(delay_s, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._call()

    # Trouble

    def _end_overrun(self) -> None:
        self._is_overrun = False
        self._inbox.clear()
        log.error("inbox_full", call_sid=self.call.setup.call_sid, limit=INBOX_LIMIT)
        text = f"more than {INBOX_LIMIT} happenings waited"
        self._inbox.append(commands.HangUp(Cause.INTERNAL, Party.SYSTEM, text))

    def _break_off(self, error: BaseException) -> None:
        """End a call that cannot go on: hang up, and tell what its record says."""
        call_sid = self.call.setup.call_sid
        log.error("call_broke_off", call_sid=call_sid, error=repr(error), exc_info=error)
        self._performer.lines.hang_up_all(Cause.INTERNAL, "internal error")
        for event in self.call.break_off(self._now_ms()):
            if isinstance(event, events.CallEnded):
                self._tell_end(event)
            else:
                self._tell(event)

    def _refuse_askers(self) -> None:
        for happening in self._inbox:
            if isinstance(happening, Asked) and not happening.answer.done():
                happening.answer.set_exception(CommandError("the call has ended"))


def _is_due(time_ms: int | None, now_ms: int) -> bool:
    return time_ms is not None and time_ms <= now_ms
