"""`agentstream up`: the node, its HTTP interface, and an orderly end.

SIGTERM, Ctrl-C ─▶ not ready, 503 to new calls ─▶ live calls finish, or the deadline ─▶ the end
a second signal ─▶ the deadline is now
SIGHUP ─▶ TLS certificates are read again
"""

import asyncio
import gc
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI

from agentstream.api.app import create_app
from agentstream.api.doors import Doors, RecordingDoor, Telephony
from agentstream.api.idempotency import Once
from agentstream.api.live import LiveHub
from agentstream.api.rate_limit import RateLimiter
from agentstream.api.v2.bridge_doors import BridgeDoor
from agentstream.api.v2.json_body import BODY_LIMIT
from agentstream.api.v2.leg_doors import LegDoor
from agentstream.base.clock import SystemClock
from agentstream.base.errors import ConfigError
from agentstream.base.ids import AccountSid
from agentstream.flows.document import FlowDocument
from agentstream.hooks.call_events import CallEvents
from agentstream.hooks.call_log import CallLog
from agentstream.hooks.call_records import CallRecords
from agentstream.hooks.metrics import Facts, Metrics
from agentstream.server.config import Config, HttpConfig
from agentstream.server.house import House
from agentstream.server.trunk_door import open_trunks
from agentstream.store.directory import Directory, Route

log = structlog.get_logger("server")

# When the collector looks for garbage in rings: a call leaves next to none, but what it keeps (its
# transactions stay for 32 s, RFC 3261) is looked at each time. Python's own 700 is for little ones.
_GARBAGE = (10_000, 10, 10)


def run(config: Config) -> None:
    """Serve until told to stop; raises ConfigError for what the operator must change."""
    uvloop.run(serve(config))


async def serve(config: Config, *, started: asyncio.Event | None = None) -> None:
    """Serve on the running loop; `started` is set once calls and requests are taken."""
    stop, hurry = asyncio.Event(), asyncio.Event()
    async with House(config) as house:
        parts = house.parts
        hub = LiveHub(parts.feed, config.http.live_subscribers)
        limiter = RateLimiter(
            replace(
                config.api.rate_limits(),
                legs=config.legs.requests_per_minute,
                trunks=config.trunk.requests_per_minute,
            )
        )
        once = Once(parts.store.first_results, SystemClock())
        metrics = Metrics(lambda: _facts(house, hub, limiter, once))
        parts.feed.subscribe(CallLog().hear, () if config.log.level == "debug" else CallLog.KINDS)
        parts.feed.subscribe(metrics.hear, Metrics.KINDS)
        records = CallRecords(parts.writer.write, parts.webhooks.callbacks.ended)
        parts.feed.subscribe(records.hear, CallRecords.KINDS)
        doors = replace(_doors(house, hub, metrics), limiter=limiter, once=once)
        if config.events.store:
            kept = CallEvents(parts.stories.write, mask_digits=config.events.mask_digits)
            parts.feed.subscribe(kept.hear)
            doors = replace(doors, stories=kept.live)
        server = _http(create_app(doors), config.http)
        with _signals(stop, hurry, parts.signaling.reload_certificates):
            serving = asyncio.create_task(server.serve(), name="http")
            await server.ready(serving)
            # What was built so far stays: later collections need not look at it, which takes the
            # long pauses (a tenth of a second) out of a busy node's signalling.
            gc.collect()
            gc.freeze()
            gc.set_threshold(*_GARBAGE)
            log.info("up", http=f"{config.http.host}:{config.http.port}")
            if started is not None:
                started.set()
            await stop.wait()
            await _drain(house, hurry, config.limits.drain_seconds)
            hub.close()
            server.should_exit = True
            await serving
    log.info("down")


async def _drain(house: House, hurry: asyncio.Event, seconds: int) -> None:
    switchboard = house.parts.switchboard
    switchboard.start_drain()
    log.info("draining", live_calls=switchboard.live_calls, deadline_s=seconds)
    draining = asyncio.create_task(house.drain(seconds * 1_000), name="drain")
    hurrying = asyncio.create_task(hurry.wait(), name="hurry")
    await asyncio.wait([draining, hurrying], return_when=asyncio.FIRST_COMPLETED)
    hurrying.cancel()
    if not draining.done():
        draining.cancel()
        await house.drain(0)


def _doors(house: House, hub: LiveHub, metrics: Metrics) -> Doors:
    parts = house.parts
    return Doors(
        accounts=parts.store.accounts,
        live=hub,
        why_not_ready=lambda: _why_not_ready(house),
        metrics=metrics.render,
        active_streams=parts.stream_limits.count,
        operator_token=parts.store.operator_token,
        recordings=RecordingDoor(
            parts.recordings.shelf, parts.store.recordings, parts.recordings.keeper.delete
        ),
        calls=parts.switchboard,
        telephony=Telephony(
            parts.store.calls,
            parts.store.numbers,
            _Flows(parts.directory),
            parts.switchboard,
            parts.views,
        ),
        legs=LegDoor(
            views=parts.legs.views,
            history=parts.legs,
            steering=parts.legs,
            events=parts.legs.source,
            settings=parts.legs.settings,
            bridges=BridgeDoor(parts.legs.bridges, parts.legs),
            masks_digits=house.config.events.mask_digits,
        ),
        trunks=open_trunks(house.config, parts.store, house.resolver, parts.trunk_watch),
        settings=house.config.api.settings(house.config.numbers()),
        audit=parts.changes.write,
        signals=parts.signals,
        captures=parts.captures,
        outbox=parts.store.outbox,
    )


class _Flows:
    """The published flows; one that is not known may have been published a moment ago."""

    def __init__(self, directory: Directory[FlowDocument]) -> None:
        self._directory = directory

    async def published(
        self, account_sid: AccountSid, sid_or_name: str
    ) -> Route[FlowDocument] | None:
        """Return a published flow of an account; see `api.doors.PublishedFlows`."""
        found = self._directory.flow_of(account_sid, sid_or_name)
        if found is None and await self._directory.refresh():
            found = self._directory.flow_of(account_sid, sid_or_name)
        return found


def _why_not_ready(house: House) -> str:
    parts = house.parts
    if parts.switchboard.is_draining:
        return "draining: live calls finish, no new call is taken"
    if parts.media.free_ports() == 0:
        return "every RTP port is in use"
    return ""


def _facts(house: House, hub: LiveHub, limiter: RateLimiter, once: Once) -> Facts:
    parts = house.parts
    board = parts.switchboard
    writers = (parts.writer, parts.stories, parts.changes, parts.legs.writer)
    return Facts(
        calls=board.live_calls,
        streams=parts.stream_limits.total,
        is_draining=board.is_draining,
        invites={"admitted": board.counts.admitted, **board.counts.refused},
        orders={"placed": board.counts.placed, **board.counts.not_placed},
        streams_throttled=parts.stream_limits.refused,
        rtp_ports_free=parts.media.free_ports(),
        engine=parts.media.stats().as_dict(),
        rows_waiting=sum(writer.waiting for writer in writers),
        rows_written=sum(writer.counts.written for writer in writers),
        rows_refused=sum(writer.counts.refused for writer in writers),
        rows_lost=sum(writer.counts.lost for writer in writers),
        watchers=hub.watchers,
        recordings=parts.recordings.counts(),
        legs_dialled=board.counts.dialled,
        trunk_calls=board.dialler.trunk_calls,
        requests_refused=dict(limiter.refused),
        keyed_requests=dict(once.counts),
        leg_events=parts.legs.counts(),
        uploads=parts.legs.upload_counts(),
        bridges=parts.legs.bridge_counts(),
        leg_event_ways=parts.legs.ways.counts(),
        errands_waiting=parts.courier.waiting,
        errands=asdict(parts.courier.counts),
        webhooks=parts.webhooks.counts(),
        trunks_up={name: int(parts.roads.is_up(name)) for name in house.config.trunks},
        trunks_registered={
            one.trunk: int(one.is_registered) for one in parts.roads.registrations()
        },
        roads=parts.roads.counts(),
        sip=parts.sip_counters,
        certificates=parts.signaling.certificates(),
    )


def _http(app: FastAPI, wanted: HttpConfig) -> "_Http":
    return _Http(
        uvicorn.Config(
            app,
            host=wanted.host,
            port=wanted.port,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=5,
            limit_concurrency=1_000,
            ws_max_size=4 * BODY_LIMIT,  # bytes; characters are counted by whoever reads them
        )
    )


class _Http(uvicorn.Server):
    """uvicorn on our loop; signals are ours, and a taken port is a ConfigError."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

    async def ready(self, serving: "asyncio.Task[None]") -> None:
        """Wait until requests are taken."""
        while not self.started:
            if serving.done():
                raise ConfigError(f"http: port {self.config.port} cannot be bound")
            await asyncio.sleep(0.01)


@contextmanager
def _signals(
    stop: asyncio.Event, hurry: asyncio.Event, renew: Callable[[], None]
) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def told() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told)
    loop.add_signal_handler(signal.SIGHUP, renew)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)
