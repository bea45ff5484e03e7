"""Builds everything from the configuration, starts it in order, and stops it in reverse.

ports ─▶ store ─▶ directory ─▶ webhooks ─▶ switchboard ─▶ SIP listeners      start
SIP refuses ─▶ calls finish ─▶ rows are written ─▶ servers told ─▶ ports close   stop
"""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from agentstream import _media
from agentstream.base.clock import Clock, SystemClock
from agentstream.base.errors import ConfigError
from agentstream.base.ids import CallSid, RandomTokens, TrunkSid
from agentstream.calls.record import CallLimits
from agentstream.flows.document import FlowDocument, parse
from agentstream.hooks.recording_facts import RecordingFacts
from agentstream.media.negotiate import LocalMedia
from agentstream.net.dns import Resolver
from agentstream.net.egress import Egress
from agentstream.net.http_client import HttpClient
from agentstream.net.mailer import Mailer, NoMailer
from agentstream.net.sip_engine import SipEngine
from agentstream.server.captures import open_captures
from agentstream.server.config import Config
from agentstream.server.config_carriers import registered_users
from agentstream.server.legs import SteeredLegs
from agentstream.server.recordings import RECORDINGS_FOLDER, Recordings
from agentstream.server.signaling import open_signaling
from agentstream.server.trunk_door import watch_trunks
from agentstream.server.webhooks import Webhooks
from agentstream.sip.kept import KeptCall
from agentstream.store.audit import Change
from agentstream.store.call_events import StoryWriter
from agentstream.store.call_writer import BatchWriter, CallWriter
from agentstream.store.directory import Directory
from agentstream.store.first_results import KEPT_DAYS
from agentstream.store.forgetting import Forgetful, forget_old
from agentstream.store.prompt_files import PromptFiles
from agentstream.store.sip_traces import SipTraceWriter, redacted
from agentstream.store.speech import EspeakSpeech, NoSpeech, Speech
from agentstream.store.sql_store import SqlStore, open_store
from agentstream.switch.call_view import CallViews
from agentstream.switch.captures import Captures
from agentstream.switch.courier import Courier
from agentstream.switch.feed import Feed
from agentstream.switch.gatekeeper import Gatekeeper
from agentstream.switch.known_roads import KnownRoads
from agentstream.switch.limits import StreamLimits
from agentstream.switch.perform import Means
from agentstream.switch.road_limits import RoadLimits
from agentstream.switch.sip_recorder import SipRecorder
from agentstream.switch.switchboard import Switchboard
from agentstream.switch.trunk_load import TrunkLoad
from agentstream.switch.trunk_status import TrunkWatch
from agentstream.switch.wiring import SwitchLimits, Wiring, nobody_told

log = structlog.get_logger("server")

ERRANDS_MS = 5_000  # how long requests that nobody waits for may still take at the end


@dataclass(frozen=True, slots=True)
class Parts:
    """What the rest of the server may look at."""

    store: SqlStore
    directory: Directory[FlowDocument]
    writer: CallWriter
    stories: StoryWriter
    media: _media.Engine
    signaling: SipEngine
    roads: KnownRoads
    stream_limits: StreamLimits
    switchboard: Switchboard
    feed: Feed
    speech: Speech
    recordings: Recordings
    courier: Courier
    webhooks: Webhooks
    legs: SteeredLegs
    changes: BatchWriter[Change]
    gate: Gatekeeper
    trunk_load: TrunkLoad
    traces: SipRecorder | None  # None: no message is kept
    captures: Captures
    trunk_watch: TrunkWatch

    @property
    def views(self) -> CallViews:
        """The live calls as they stand."""
        return self.webhooks.views

    @property
    def sip_counters(self) -> dict[str, int]:
        """What signalling, its kept messages and captures count."""
        kept = self.traces.counters if self.traces else {}
        return {**self.signaling.counters, **kept, **self.captures.counts}

    async def signals(self, call_sid: CallSid) -> KeptCall | None:
        """Return the signalling of a call that lives or has ended, redacted."""
        heard = self.traces.of(call_sid) if self.traces else None
        return redacted(heard) if heard else await self.store.sip_traces.of(call_sid)


class House:
    """One running node, as an asynchronous context; `parts` are there inside it."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._clock: Clock = SystemClock()
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._parts: Parts | None = None
        self.resolver = Resolver()
        self._stack.callback(self.resolver.close)

    @property
    def parts(self) -> Parts:
        """Everything that was built."""
        assert self._parts is not None, "the house is not open"
        return self._parts

    async def __aenter__(self) -> Self:
        try:
            self._parts = await self._build()
            parts = self._parts
            parts.switchboard.start()
            parts.roads.listen()
            await parts.signaling.start()
            parts.roads.start()
            self._run(parts.roads.run(), "roads")
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.drain(0)
        await self._close()

    async def drain(self, timeout_ms: int) -> None:
        """Take no new calls; return when the live ones have ended, at the deadline by force."""
        self.parts.roads.leave()
        await self.parts.switchboard.drain(timeout_ms)

    async def _build(self) -> Parts:
        config, stack = self.config, self._stack
        config.data_dir.mkdir(parents=True, exist_ok=True)
        media = _open_media(config)
        stack.callback(media.close)
        _open_recordings(config.data_dir / RECORDINGS_FOLDER)
        store = await open_store(
            config.data_dir, config.database_url, country_code=config.country_code
        )
        stack.push_async_callback(store.close)
        directory = Directory(store, parse, config.country_code)
        await directory.refresh()
        web = self._open_web()
        stories, changes = self._open_stories(store), self._open_audit(store)
        self._run(directory.run(), "directory")
        stack.push_async_callback(self._end_tasks)
        legs = SteeredLegs(config, store.legs, web, directory, self._clock)
        webhooks = self._open_webhooks(store, web, directory, legs)
        writer = webhooks.writer
        recordings = Recordings(config, store, self._clock, writer.write)
        self._run(recordings.keeper.run(), "recordings")
        stack.push_async_callback(recordings.stop)
        stack.push_async_callback(stories.stop)
        stack.push_async_callback(changes.stop)
        files = PromptFiles(config.data_dir / "prompts", config.speech.cache_mb * 1_048_576)
        speech = self._open_speech(files)
        courier = self._open_courier(web)
        self._tasks += legs.run_tasks()
        stack.push_async_callback(legs.stop)
        feed, limits = Feed(), StreamLimits()
        traces = self._open_traces(store, feed)
        heard = traces.hear if traces else None
        signals = open_signaling(config, self._clock, directory, stack, heard)
        signaling = signals.engine
        legs.subscribe(feed)
        feed.subscribe(RecordingFacts(recordings.shelf).hear, RecordingFacts.KINDS)
        webhooks.subscribe_to(feed)
        means = Means(web, speech, files, config.profile(), limits, recordings.shelf, courier)
        wiring = Wiring(
            signaling=signaling,
            media=media,
            directory=directory,
            means=means,
            feed=feed,
            clock=self._clock,
            tokens=RandomTokens(),
            local=_local_media(config),
            country_code=config.country_code,
            roads=config.roads(),
            numbers=config.numbers(),
            two_leg_status=config.dial.two_leg_status,
            legs=config.legs.control(),
            placed=store.placed,
            trunk_load=signals.load,
            rejections=signals.gate.rejections,
            road_limits=_shared_limits(signals.load),
            registered_users=registered_users(config.trunks),
            road_states=signals.roads,
            signalled=traces.belongs if traces else nobody_told,
        )
        switchboard = Switchboard(wiring, _switch_limits(config))
        legs.attach(switchboard, recordings.shelf)
        captures = open_captures(config, switchboard, feed, wiring.local.address)
        self._forget(captures, "captures", config.captures.keep_days)
        return Parts(
            store,
            directory,
            writer,
            stories,
            media,
            signaling,
            signals.roads,
            limits,
            switchboard,
            feed,
            speech,
            recordings,
            courier,
            webhooks,
            legs,
            changes,
            signals.gate,
            signals.load,
            traces,
            captures,
            watch_trunks(config, wiring, signals),
        )

    def _run(self, job: Coroutine[None, None, None], name: str) -> None:
        self._tasks.append(asyncio.create_task(job, name=name))

    def _forget(self, rows: Forgetful, what: str, keep_days: int) -> None:
        if keep_days:
            self._run(forget_old(rows, what, keep_days, self._clock), f"forget {what}")

    def _open_webhooks(
        self,
        store: SqlStore,
        web: HttpClient,
        directory: Directory[FlowDocument],
        legs: SteeredLegs,
    ) -> Webhooks:
        allow_of, tell_lost = directory.egress_allow, legs.end_lost
        webhooks = Webhooks(self.config, store, web, allow_of, self._clock, tell_lost)
        self._run(webhooks.deliverer.run(), "webhooks")
        self._run(webhooks.writer.run(), "call writer")
        self._run(webhooks.lost_calls.run(), "lost calls")
        self._forget(store.outbox, "webhooks", self.config.callbacks.keep_days)
        self._stack.push_async_callback(webhooks.deliverer.stop)
        self._stack.push_async_callback(webhooks.writer.stop)
        return webhooks

    def _open_stories(self, store: SqlStore) -> StoryWriter:
        wanted = self.config.events
        stories = StoryWriter(store.call_events, wanted.unwritten)
        self._run(stories.run(), "story writer")
        self._forget(store.call_events, "events", wanted.keep_days)
        return stories

    def _open_traces(self, store: SqlStore, feed: Feed) -> SipRecorder | None:
        wanted = self.config.sip
        self._forget(store.sip_traces, "SIP messages", wanted.keep_days)
        if not wanted.keep_messages:
            return None
        writer = SipTraceWriter(store.sip_traces)
        traces = SipRecorder(writer.write, self._clock)
        self._run(writer.run(), "SIP message writer")
        self._run(traces.run(), "SIP messages")
        feed.subscribe(traces.ended, traces.KINDS)
        self._stack.push_async_callback(writer.stop)
        self._stack.callback(traces.stop)
        return traces

    def _open_audit(self, store: SqlStore) -> BatchWriter[Change]:
        wanted = self.config.audit
        changes = BatchWriter[Change](store.audit, wanted.unwritten)
        self._run(changes.run(), "audit")
        self._forget(store.audit, "changes", wanted.keep_days)
        self._forget(store.first_results, "first results", KEPT_DAYS)
        return changes

    def _open_speech(self, files: PromptFiles) -> Speech:
        wanted = self.config.speech
        if wanted.engine == "none":
            return NoSpeech()
        speech = EspeakSpeech(files, wanted.timeout_ms, wanted.waiting)
        self._stack.push_async_callback(speech.close)
        return speech

    def _open_web(self) -> HttpClient:
        wanted = self.config.egress
        web = HttpClient(
            Egress(wanted.policy(), self.resolver, self._clock),
            verify_tls=wanted.verify_tls,
            ca_file=str(wanted.ca_file) if wanted.ca_file else None,
            local_address=str(wanted.local_address) if wanted.local_address else None,
            signing_keys=self.config.requests.signing_keys(),
            clock=self._clock,
        )
        self._stack.push_async_callback(web.close)
        return web

    def _open_courier(self, web: HttpClient) -> Courier:
        road = self.config.mail.road()
        courier = Courier(web, Mailer(road) if road else NoMailer(), clock=self._clock)
        self._stack.push_async_callback(courier.drain, ERRANDS_MS)
        return courier

    async def _end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                log.error("task_failed", error=str(ended))

    async def _close(self) -> None:
        await self._stack.aclose()


def _shared_limits(load: TrunkLoad) -> RoadLimits:
    """Let `as_max_calls` bound the calls from a trunk and those to it together."""
    limits = RoadLimits(lambda key: load.calls_of(TrunkSid(key)))
    load.others = limits.live
    return limits


def _open_media(config: Config) -> _media.Engine:
    try:
        return _media.Engine(config.rtp.engine_plan())
    except _media.MediaError as error:
        raise ConfigError(f"rtp: {error}") from error


def _open_recordings(folder: Path) -> None:
    """Make the folder, or save what a crash left in it.

    The media ports are ours by now, so no other server of this configuration records here.
    """
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise ConfigError(f"recordings: {folder}: {error.strerror or error}") from error
    try:
        for path in _media.recover_recordings(folder):
            log.warning("recording_recovered", path=str(path))
    except OSError as error:  # what is left of old recordings must not keep new calls out
        log.error("recordings_not_recovered", folder=str(folder), error=str(error))  # noqa: TRY400


def _local_media(config: Config) -> LocalMedia:
    return LocalMedia(
        address=config.rtp.public_host or config.sip.public_host,
        port=0,
        codecs=config.codecs(),
        srtp=config.rtp.srtp,
        offers_keys=config.sip.allow_sdes_cleartext,
    )


def _switch_limits(config: Config) -> SwitchLimits:
    return SwitchLimits(
        calls=config.limits.calls,
        calls_per_account=config.limits.calls_per_account,
        placed_per_second=config.limits.placed_per_second,
        begun_per_minute=config.sip.account_calls_per_minute,
        call=CallLimits(call_ms=config.limits.call_seconds * 1_000),
        first_packet_timeout_ms=config.rtp.first_packet_timeout_ms,
        packet_timeout_ms=config.rtp.packet_timeout_ms,
        jitter_max_ms=config.rtp.jitter_max_ms,
        inband_dtmf=config.rtp.inband_dtmf,
        answering=config.machine_detection.criteria(),
    )
