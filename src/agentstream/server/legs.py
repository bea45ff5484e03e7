"""Everything of steered legs that a node runs: views, timers, events, their delivery, history.

feed ─▶ LegViews ─▶ LegTimers ─▶ RecordingUploads ─▶ LegEvents ─▶ LegWriter ─▶ rows
           └─▶ Bridges ─▶ BridgeEvents ─┴────▶ LegDelivery ─▶ endpoints
"""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Final

import structlog

from agentstream.base.clock import Clock
from agentstream.base.errors import CommandError
from agentstream.base.ids import CallSid, LegSid, RandomTokens
from agentstream.calls.commands import HangUpLeg
from agentstream.calls.record import CallSetup
from agentstream.flows.document import FlowDocument
from agentstream.flows.legs.verbs import Acknowledged, Act
from agentstream.hooks.bridge_events import BridgeEvents
from agentstream.hooks.leg_delivery import LegDelivery
from agentstream.hooks.leg_events import LegEvents
from agentstream.hooks.lost_legs import LostLegs
from agentstream.hooks.recording_uploads import RecordingUploads
from agentstream.net.http_client import HttpClient
from agentstream.server.config import Config
from agentstream.server.event_ways import EventWays
from agentstream.store.bridges import BridgeRow
from agentstream.store.directory import Directory, LegRoute
from agentstream.store.forgetting import forget_old
from agentstream.store.legs import LegEventRow, LegRow, Legs, LegWriter, LegWritten
from agentstream.store.placed_calls import LostCall
from agentstream.store.protocols import StoreError
from agentstream.store.recording_shelf import RecordingShelf
from agentstream.switch.bridges import Bridges
from agentstream.switch.feed import Fact, Feed
from agentstream.switch.leg_timers import LegTimers
from agentstream.switch.leg_view import LegTerms, LegView, LegViews, row_of
from agentstream.switch.switchboard import Switchboard

YOUNG: Final = timedelta(seconds=60)  # what a crash left untold is told again while it is so young
LEFT_LIMIT: Final = 10_000
STOP_MS: Final = 5_000
FLUSH_MS: Final = 2_000
_log = structlog.get_logger("legs")


class SteeredLegs:
    """One for a node; `run_tasks` are its owner's to run and to cancel."""

    def __init__(
        self,
        config: Config,
        rows: Legs,
        web: HttpClient,
        directory: Directory[FlowDocument],
        clock: Clock,
    ) -> None:
        wanted = config.legs
        self.settings = wanted.settings()
        self._keep_days = wanted.keep_days
        self._rows = rows
        self._directory = directory
        self._clock = clock
        self._board: Switchboard | None = None
        self._asking: set[asyncio.Task[None]] = set()
        self._has_told_left = asyncio.Event()
        self.views = LegViews(self._inbound)
        self.writer = LegWriter(rows, wanted.unwritten)
        self.ways = EventWays(config, web, directory.egress_allow, clock)
        self.delivery = LegDelivery(
            self.ways, self._keep, clock, wanted.rules(), fallback_of=wanted.fallback
        )
        self.source = LegEvents(
            self.views.find, self._keep, self.delivery.tell, RandomTokens(), self.settings
        )
        self.bridges = Bridges(
            self.views.find,
            lambda fact: self.bridge_source.hear(fact),
            clock,
            RandomTokens(),
            config.bridges.settings(),
            config.bridges.limits(),
        )
        self.bridge_source = BridgeEvents(
            self.views.find,
            self.bridges,
            self._keep,
            self.source,
            RandomTokens(),
            self.settings,
        )
        self.uploads = RecordingUploads(
            web, self._told, directory.egress_allow, clock, wanted.storage.rules()
        )
        self._lost = LostLegs(rows, self._keep, self.delivery.tell, self.settings)
        self._timers = LegTimers(self.views.find, self._hang_up, asyncio.get_running_loop())

    def subscribe(self, feed: Feed) -> None:
        """Hear what happens, in the order in which the parts need each other."""
        feed.subscribe(self.views.hear, LegViews.KINDS)
        feed.subscribe(self._timers.hear, LegTimers.KINDS)
        feed.subscribe(self.uploads.hear, RecordingUploads.KINDS)
        feed.subscribe(self.bridges.hear, Bridges.KINDS)

    def attach(self, board: Switchboard, shelf: RecordingShelf) -> None:
        """Say which calls can be steered, and where their recordings are read."""
        self._board = board
        self.bridges.attach(board)
        self.uploads.attach(shelf)

    def run_tasks(self) -> list[asyncio.Task[None]]:
        """Begin what runs as long as the node."""
        jobs = {"leg writer": self.writer.run(), "left leg events": self._tell_left()}
        if self._keep_days:
            jobs["forget legs"] = forget_old(self._rows, "legs", self._keep_days, self._clock)
        return [asyncio.create_task(job, name=name) for name, job in jobs.items()]

    async def stop(self) -> None:
        """Send, tell and write what waits, within the time."""
        await self.uploads.stop(STOP_MS)
        await self.delivery.stop(STOP_MS)
        await self.writer.stop()

    async def end_lost(self, call: LostCall, at: datetime) -> None:
        """Tell the end of the legs of a call that a crash took; raises StoreError."""
        await self._has_told_left.wait()  # what they were told before comes first
        await self._lost.ended(call, at)

    # What the API asks for

    async def act(self, act: Act) -> None:
        """Let a leg do something; raises CommandError."""
        if self._board is None:
            raise CommandError("legs cannot be steered here")
        await self._board.act(act)

    def change(self, leg_sid: LegSid, terms: LegTerms, at: datetime) -> LegView | None:
        """Let a live leg have other terms (LG-61); None when it has ended."""
        view = self.views.change(leg_sid, terms, at)
        if view is not None:
            self.writer.write(row_of(view))
            self._timers.change_limit(view)
        return view

    def counts(self) -> dict[str, int]:
        """Return the figures for metrics; see `hooks.metrics.Facts`."""
        counts = self.delivery.counts
        return {
            "waiting": self.delivery.waiting,
            "delivered": counts.delivered,
            "failed_attempts": counts.failed_attempts,
            "dropped": counts.dropped,
            "slow": counts.slow,
            "fell_back": counts.fell_back,
        }

    def bridge_counts(self) -> dict[str, int]:
        """Return the figures of bridges for metrics."""
        return {"live": self.bridges.live, **asdict(self.bridges.counts)}

    def upload_counts(self) -> dict[str, int]:
        """Return the figures of recordings that go to customers' storage."""
        return {"waiting": self.uploads.waiting, **asdict(self.uploads.counts)}

    async def find(self, sid: LegSid) -> LegRow | None:
        """Return one leg, as it was written."""
        return await self._rows.find(sid)

    async def find_bridge(self, sid: str) -> BridgeRow | None:
        """Return one bridge, as it was written."""
        return await self._rows.find_bridge(sid)

    async def events(
        self, leg_sid: LegSid, name: str = "", after: int = 0
    ) -> Sequence[LegEventRow]:
        """Return events of a leg, also those of this moment."""
        await self._flush()
        return await self._rows.events(leg_sid, name, after)

    async def bridge_events(
        self, bridge_sid: str, name: str = "", after: int = 0
    ) -> Sequence[LegEventRow]:
        """Return the same of a bridge."""
        await self._flush()
        return await self._rows.bridge_events(bridge_sid, name, after)

    # What the parts ask for

    async def _flush(self) -> None:
        try:
            async with asyncio.timeout(FLUSH_MS / 1000):
                await self.writer.flush()
        except TimeoutError:
            _log.warning("leg_history_late", waiting=self.writer.waiting)

    def _inbound(self, setup: CallSetup) -> LegTerms | None:
        """Return what a number says of the legs that ring there (LG-113, LG-114)."""
        attached = self._directory.find(setup.to_number)
        if not isinstance(attached, LegRoute) or setup.flow_sid is not None:
            return None
        return LegTerms(
            account_sid=attached.account.sid,
            contact_uri=setup.from_number,
            exophone=setup.to_number,
            event_endpoint=attached.event_endpoint,
            time_limit_s=self.settings.time_limit_s,
        )

    def _keep(self, row: LegWritten) -> None:
        self.writer.write(row)
        match row:
            case LegEventRow(name="leg_ringing", state="delivered") if self._board is not None:
                self._soon(self._board.act(Acknowledged(row.leg_sid)))  # LG-112
            case _:
                pass

    def _told(self, fact: Fact) -> None:
        """Take what a leg tells, at its time."""
        self.source.hear(fact)
        self.bridge_source.copy(fact)

    def _hang_up(self, call_sid: CallSid, order: HangUpLeg) -> None:
        assert self._board is not None, "no call has begun before the switchboard"
        self._soon(self._board.ask(call_sid, order))

    def _soon(self, wish: Coroutine[None, None, None]) -> None:
        async def ask() -> None:
            with suppress(CommandError):  # it has ended by itself meanwhile
                await wish

        task = asyncio.create_task(ask(), name="leg wish")
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _tell_left(self) -> None:
        """Tell again what an earlier process did not finish to tell."""
        left: Sequence[LegEventRow]
        try:
            left = await self._rows.untold(self._clock.wall() - YOUNG, LEFT_LIMIT)
        except StoreError as error:
            _log.warning("left_leg_events_not_read", error=str(error))
            left = ()
        for row in left:
            self.delivery.tell(row)
        self._has_told_left.set()
        if left:
            _log.info("left_leg_events", count=len(left))
