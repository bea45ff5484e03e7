"""The Nth thing that a call asks of the world fails: the call ends, once, and leaks nothing."""

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pytest

from agentstream import _media
from agentstream.base.errors import AgentStreamError, BusyError, CommandError
from agentstream.base.ids import CallSid, LegSid
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import Bridge, Command, Dial, DialSpec, HangUp, Unbridge
from agentstream.calls.events import CallEnded
from agentstream.calls.record import CallLimits, CallRecord
from agentstream.hooks.call_records import CallRecords
from agentstream.media.negotiate import LocalMedia, make_offer
from agentstream.sip.reports import SipCallRef
from agentstream.store.call_writer import CallWriter
from agentstream.store.directory import Route
from agentstream.store.protocols import StoreError
from agentstream.switch.wiring import SwitchLimits, Wiring
from agentstream.testing.board import NUMBER, Board, Page, open_board
from agentstream.testing.fake_media import FakeLeg
from agentstream.testing.waiting import until

OFFER = make_offer(LocalMedia(address="192.0.2.1", port=40_000))
ANSWER = make_offer(LocalMedia(address="192.0.2.7", port=41_000))
AGENT = LegSid("agent")
FLOW = """
name: whole
start: hello
applets:
  hello: {type: greeting, text: "Hello", next: talk}
  talk: {type: voicebot, url: "https://who.example/bot", record: true, next: bye}
  bye: {type: hangup}
"""
LIMITS = SwitchLimits(call=CallLimits(setup_ms=2_000, closing_ms=150, stream_close_ms=80))
# What the call asks of each of its neighbours; everything else of them is for the test.
OPERATIONS = {
    "signaling": ("local_host", "answer", "hang_up", "reject", "place", "sip_call_id"),
    "media": ("open_rtp_leg",),
    "leg": (
        *("connect", "play", "stop_play", "open_stream", "send_text", "drain_stream"),
        *("close_stream", "drop_stream", "record", "stop_recording", "close"),
        *("bridge", "unbridge"),
    ),
    "web": ("get", "pin", "send"),
    "speech": ("render",),
    "calls": ("write",),
}
REFUSALS: dict[str, Callable[[str], Exception]] = {
    "open_rtp_leg": _media.PortsExhausted,
    "write": StoreError,
    "get": AgentStreamError,
    "pin": AgentStreamError,
    "render": AgentStreamError,
}
Ending = Literal["caller", "bot", "operator"]
Kind = Literal["bug", "refusal"]


@dataclass
class Fault:
    """Counts what is asked; what is asked for the `at`-th time (from 0) fails."""

    at: int | None = None
    kind: Kind = "bug"
    asked: list[str] = field(default_factory=list)

    def step(self, name: str) -> None:
        self.asked.append(name)
        if len(self.asked) - 1 == self.at:
            make = REFUSALS.get(name, RuntimeError) if self.kind == "refusal" else RuntimeError
            raise make(f"{name} was made to fail")


class Failing:
    """A neighbour whose operations pass a Fault first."""

    def __init__(self, inner: Any, kind: str, fault: Fault) -> None:
        self._inner, self._kind, self._fault = inner, kind, fault

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if name not in OPERATIONS[self._kind]:
            return value
        if inspect.iscoroutinefunction(value):

            async def wait(*values: Any, **named: Any) -> Any:
                self._fault.step(name)
                return await value(*values, **named)

            return wait

        def act(*values: Any, **named: Any) -> Any:
            self._fault.step(name)
            done = value(*values, **named)
            return Failing(done, "leg", self._fault) if isinstance(done, FakeLeg) else done

        return act


class World:
    """The far ends of one scripted call: they answer whatever the product asks, until it ends."""

    def __init__(self, board: Board, ending: Ending) -> None:
        self._board, self._ending = board, ending
        self._calls_before = len(board.saw("CallEnded"))
        self._legs_before = len(board.media.legs)
        self._opened: set[str] = set()
        self._closed: set[str] = set()
        self._drained = 0
        self._said = self._ended = False
        self._facts_before = len(board.facts)
        self._ref = self._begin()

    def _begin(self) -> SipCallRef:
        return self._board.signaling.invite(NUMBER, offer=OFFER)

    @property
    def leg(self) -> FakeLeg | None:
        """The caller's."""
        legs = self._board.media.legs[self._legs_before :]
        return legs[0] if legs else None

    async def run(self) -> CallRecord:
        async with asyncio.timeout(10):
            while len(self._board.saw("CallEnded")) == self._calls_before:
                await asyncio.sleep(0)
                if self.leg is not None and not self.leg.is_closed:
                    await self._turn(self.leg)
        await until(lambda: self._board.switchboard.live_calls == 0)
        ended = self._board.saw("CallEnded")[-1]
        assert isinstance(ended, CallEnded)
        return ended.record

    async def _turn(self, leg: FakeLeg) -> None:
        feed, sids = self._board.media.feed, [plan.stream_sid for plan in leg.streams]
        if leg.prompts and leg._playing is not None:
            leg.finish_prompt()
        for sid in sids:
            if sid not in self._opened:
                self._opened.add(sid)
                feed(_media.StreamOpen(leg.leg_sid, 0, sid, 1, 0, 2))
        for sid, code, _ in leg.closed_streams:
            self._close(leg, sid, code, "us", 0)
        if len(leg.drains) > self._drained:
            self._drained = len(leg.drains)
            feed(_media.StreamDrained(leg.leg_sid, 0, leg.drains[-1]))
        if self._opened and leg.recordings and not self._said:
            self._said = True
            feed(_media.Digit(leg.leg_sid, 0, "5", 120, "rfc4733"))
        if leg.texts and not self._ended:
            self._ended = True
            await self._end(leg, sids[-1])

    async def _end(self, leg: FakeLeg, sid: str) -> None:
        if self._ending == "bot":
            self._close(leg, sid, 1000, "bot", 300)
        elif self._ending == "caller":
            self._board.signaling.end(self._ref)
        else:
            call_sid = CallSid(next(iter(self._board.switchboard._calls)))
            # Refused only when the call broke off meanwhile.
            with contextlib.suppress(CommandError):
                await self._board.switchboard.ask(call_sid, HangUp(Cause.NORMAL, Party.OPERATOR))

    def _close(
        self, leg: FakeLeg, sid: str, code: int, who: Literal["bot", "us"], queued_ms: int
    ) -> None:
        if sid not in self._closed:
            self._closed.add(sid)
            stats = _media.StreamStats()
            self._board.media.feed(
                _media.StreamClosed(leg.leg_sid, 0, sid, code, "", who, queued_ms, stats)
            )


class Exchange(World):
    """Somebody else is dialled, and hears the caller, before the end."""

    async def _end(self, leg: FakeLeg, sid: str) -> None:
        caller, board = LegSid(leg.leg_sid), self._board
        placed = len(board.signaling.dials)
        await self._ask(Dial(AGENT, DialSpec("+918040000009")))
        await until(lambda: len(board.signaling.dials) > placed or self._is_gone())
        for ref in list(board.signaling.dials)[placed:]:
            if board.signaling.is_live(ref):
                board.signaling.accept(ref, ANSWER)
                await until(lambda: self._saw("LegUp") or self._is_gone())
        await self._ask(Bridge(caller, AGENT))
        await self._ask(Unbridge(caller))
        if not self._saw("CallEnded"):
            await super()._end(leg, sid)

    async def _ask(self, wish: Command) -> None:
        with contextlib.suppress(CommandError):
            await self._board.ask(wish)

    def _saw(self, name: str) -> bool:
        return any(type(fact).__name__ == name for fact in self._board.facts[self._facts_before :])

    def _is_gone(self) -> bool:
        return self._saw("LegGone") or self._saw("CallEnded")


class Placing(World):
    """The call is placed, and its party answers."""

    def _begin(self) -> SipCallRef:
        return SipCallRef("")

    async def run(self) -> CallRecord:
        board = self._board
        found = board.directory.find(NUMBER)
        assert isinstance(found, Route)
        await board.switchboard.place(await board.order(follow=found.flow))
        self._ref = list(board.signaling.dials)[-1]
        board.signaling.accept(self._ref, ANSWER)
        return await super().run()


@dataclass
class Night:
    """A board with a fault in it, and the rows of its calls."""

    board: Board
    fault: Fault
    writer: CallWriter

    async def rows(self, count: int) -> None:
        """Wait for the rows of this many calls; there are no more."""
        calls = self.board.store.calls
        await until(lambda: self.writer.waiting == 0)
        assert sum("CallRecord" in type(row).__name__ for row in calls.rows.values()) == count

    async def reached(self, at: int) -> None:
        """Wait until the fault has struck."""
        await until(lambda: len(self.fault.asked) > at)

    async def nothing_is_left(self) -> None:
        board = self.board
        await until(lambda: board.signaling.live_calls == 0)
        assert board.switchboard.live_calls == 0
        assert board.limits.total == 0
        assert all(leg.is_closed for leg in board.media.legs)
        await until(lambda: not switch_tasks())


def switch_tasks() -> list[str]:
    """The tasks that belong to calls."""
    coros = [task.get_coro() for task in asyncio.all_tasks()]
    codes = [coro.cr_code for coro in coros if inspect.iscoroutine(coro)]
    return [code.co_qualname for code in codes if "agentstream/switch/" in code.co_filename]


@asynccontextmanager
async def night(folder: Path, fault: Fault) -> AsyncIterator[Night]:
    def wrap(wiring: Wiring) -> Wiring:
        means = replace(
            wiring.means,
            web=Failing(wiring.means.web, "web", fault),
            speech=Failing(wiring.means.speech, "speech", fault),
        )
        signaling: Any = Failing(wiring.signaling, "signaling", fault)
        media: Any = Failing(wiring.media, "media", fault)
        return replace(wiring, signaling=signaling, media=media, means=means)

    async with open_board(folder, LIMITS, wrap) as board, asyncio.TaskGroup() as tasks:
        await board.flow(FLOW)
        board.web.page = Page(
            200, {"content-type": "application/json"}, b'{"url":"ws://b.example/x"}'
        )
        calls: Any = Failing(board.store.calls, "calls", fault)
        writer = CallWriter(calls, batch_ms=0)
        board.feed.subscribe(CallRecords(writer.write).hear)
        tasks.create_task(writer.run())
        yield Night(board, fault, writer)
        await writer.stop(1_000)


async def operations(folder: Path, world: type[World], ending: Ending) -> list[str]:
    """What a call without any fault asks, in order."""
    async with night(folder, Fault()) as good:
        record = await world(good.board, ending).run()
        assert record.cause is Cause.NORMAL
        await good.rows(1)
        await good.nothing_is_left()
        return good.fault.asked


@pytest.mark.parametrize("kind", ["bug", "refusal"])
@pytest.mark.parametrize("ending", ["caller", "bot", "operator"])
@pytest.mark.parametrize("world", [World, Exchange])
async def test_whatever_fails_the_call_ends_once_and_leaves_nothing(
    tmp_path: Path, world: type[World], ending: Ending, kind: Kind
) -> None:
    asked = await operations(tmp_path, world, ending)
    assert ("unbridge" in asked) is (world is Exchange)
    assert len(asked) > 12
    for at, name in enumerate(asked):
        async with night(tmp_path, Fault(at, kind)) as bad:
            note = f"operation {at} ({name}) as a {kind}, then the {ending} ends"
            try:
                record = await world(bad.board, ending).run()
                assert len(bad.board.saw("CallEnded")) == 1
                assert record.text.endswith((".", ")"))
                await bad.reached(at)
                await bad.nothing_is_left()
                again = await world(bad.board, ending).run()
                assert again.cause is Cause.NORMAL
                await bad.nothing_is_left()
                await bad.rows(2)
            except BaseException as error:
                error.add_note(note)
                raise


@pytest.mark.parametrize("kind", ["bug", "refusal"])
@pytest.mark.parametrize("ending", ["caller", "bot", "operator"])
async def test_whatever_fails_a_placed_call_is_refused_or_ends_once_and_leaves_nothing(
    tmp_path: Path, ending: Ending, kind: Kind
) -> None:
    asked = await operations(tmp_path, Placing, ending)
    assert {"place", "sip_call_id", "open_rtp_leg"} <= set(asked)
    refused = 0
    for at, name in enumerate(asked):
        async with night(tmp_path, Fault(at, kind)) as bad:
            try:
                record = await Placing(bad.board, ending).run()
            except (BusyError, RuntimeError):
                refused += 1
                assert not bad.board.saw("CallStarted"), name
            else:
                assert len(bad.board.saw("CallEnded")) == 1, name
                assert record.text.endswith((".", ")"))
            await bad.reached(at)
            await bad.nothing_is_left()
            again = await Placing(bad.board, ending).run()
            assert again.cause is Cause.NORMAL
            await bad.nothing_is_left()
    assert refused == 3, "a port, an INVITE, its Call-ID"
