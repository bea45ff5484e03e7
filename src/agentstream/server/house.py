"""Builds everything from the configuration, starts it in order, and stops it in reverse.

ports ─▶ store ─▶ directory ─▶ switchboard ─▶ SIP listeners        start
SIP refuses ─▶ calls finish ─▶ rows are written ─▶ ports close     stop
"""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from agentstream import _media
from agentstream.base.clock import Clock, SystemClock
from agentstream.base.errors import ConfigError
from agentstream.base.ids import RandomTokens
from agentstream.calls.record import CallLimits
from agentstream.flows.document import FlowDocument, parse
from agentstream.hooks.recording_facts import RecordingFacts
from agentstream.media.negotiate import LocalMedia
from agentstream.net.dns import Resolver
from agentstream.net.egress import Egress, EgressPolicy
from agentstream.net.http_client import HttpClient
from agentstream.net.mailer import Mailer, NoMailer
from agentstream.net.sip_connection import StreamLimits as ConnectionLimits
from agentstream.net.sip_engine import Listener, SipConfig, SipEngine, TlsFiles
from agentstream.net.tls import Certificate
from agentstream.server.config import Config
from agentstream.server.config import SipConfig as SipSection
from agentstream.server.config_roads import trunk_hosts
from agentstream.server.recordings import RECORDINGS_FOLDER, Recordings
from agentstream.sip.settings import SipSettings
from agentstream.sip.wire import Limits as MessageLimits
from agentstream.store.call_events import StoryWriter, forget_old
from agentstream.store.call_writer import CallWriter
from agentstream.store.directory import Directory
from agentstream.store.prompt_files import PromptFiles
from agentstream.store.speech import EspeakSpeech, NoSpeech, Speech
from agentstream.store.sql_store import SqlStore, open_store
from agentstream.switch.call_view import CallViews
from agentstream.switch.courier import Courier
from agentstream.switch.feed import Feed
from agentstream.switch.limits import StreamLimits
from agentstream.switch.perform import Means
from agentstream.switch.switchboard import Switchboard
from agentstream.switch.wiring import SwitchLimits, Wiring

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
    stream_limits: StreamLimits
    switchboard: Switchboard
    feed: Feed
    speech: Speech
    recordings: Recordings
    courier: Courier
    views: CallViews


class House:
    """One running node, as an asynchronous context; `parts` are there inside it."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._clock: Clock = SystemClock()
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._parts: Parts | None = None

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
            await parts.signaling.start()
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
        writer = CallWriter(store.calls, config.limits.unwritten_rows)
        stories = self._open_stories(store)
        self._tasks.append(asyncio.create_task(directory.run(), name="directory"))
        self._tasks.append(asyncio.create_task(writer.run(), name="call writer"))
        stack.push_async_callback(self._end_tasks)
        stack.push_async_callback(writer.stop)
        recordings = Recordings(config, store, self._clock, writer.write)
        self._tasks.append(asyncio.create_task(recordings.keeper.run(), name="recordings"))
        stack.push_async_callback(recordings.stop)
        stack.push_async_callback(stories.stop)
        files = PromptFiles(config.data_dir / "prompts", config.speech.cache_mb * 1_048_576)
        speech = self._open_speech(files)
        web = self._open_web()
        courier = self._open_courier(web)
        signaling = SipEngine(_sip_config(config), clock=self._clock)
        stack.push_async_callback(signaling.stop, 2_000)
        feed, limits = Feed(), StreamLimits()
        views = CallViews(self._clock)
        feed.subscribe(views.hear, views.KINDS)
        feed.subscribe(RecordingFacts(recordings.shelf).hear, RecordingFacts.KINDS)
        means = Means(web, speech, files, config.profile(), limits, recordings.shelf, courier)
        host = config.rtp.public_host or config.sip.public_host
        wiring = Wiring(
            signaling=signaling,
            media=media,
            directory=directory,
            means=means,
            feed=feed,
            clock=self._clock,
            tokens=RandomTokens(),
            local=LocalMedia(host, 0, codecs=config.rtp.codecs),
            country_code=config.country_code,
            roads=config.roads(),
            numbers=config.numbers(),
            two_leg_status=config.dial.two_leg_status,
        )
        switchboard = Switchboard(wiring, _switch_limits(config))
        return Parts(
            store,
            directory,
            writer,
            stories,
            media,
            signaling,
            limits,
            switchboard,
            feed,
            speech,
            recordings,
            courier,
            views,
        )

    def _open_stories(self, store: SqlStore) -> StoryWriter:
        wanted = self.config.events
        stories = StoryWriter(store.call_events, wanted.unwritten)
        self._tasks.append(asyncio.create_task(stories.run(), name="story writer"))
        if wanted.keep_days:
            job = forget_old(store.call_events, wanted.keep_days, self._clock)
            self._tasks.append(asyncio.create_task(job, name="forget events"))
        return stories

    def _open_speech(self, files: PromptFiles) -> Speech:
        wanted = self.config.speech
        if wanted.engine == "none":
            return NoSpeech()
        speech = EspeakSpeech(files, wanted.timeout_ms, wanted.waiting)
        self._stack.push_async_callback(speech.close)
        return speech

    def _open_web(self) -> HttpClient:
        wanted = self.config.egress
        resolver = Resolver()
        self._stack.callback(resolver.close)
        web = HttpClient(
            Egress(wanted.policy(), resolver, self._clock),
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


def _sip_config(config: Config) -> SipConfig:
    wanted = config.sip
    return SipConfig(
        listeners=tuple(
            Listener(listener.transport, listener.host, listener.port)
            for listener in wanted.listeners
        ),
        public_host=wanted.public_host,
        allow=wanted.allow,
        deny=wanted.deny,
        admission=wanted.admission(),
        settings=SipSettings(transactions=wanted.max_transactions),
        streams=ConnectionLimits(
            connections=wanted.max_connections,
            message=MessageLimits(message_bytes=wanted.max_message_bytes),
        ),
        tls=_tls_files(wanted),
        egress=_sip_egress(config),
        trusted=frozenset(trunk_hosts(config.trunks)),
    )


def _sip_egress(config: Config) -> EgressPolicy:
    """Return where names of SIP may lead; which of them may be dialled at all is [dial]'s."""
    allow = (*config.egress.allow, *config.dial.sip_hosts)
    return EgressPolicy("open", allow, config.egress.deny)


def _tls_files(wanted: SipSection) -> TlsFiles:
    if wanted.tls_certificate is None or wanted.tls_key is None:
        return TlsFiles()
    certificate = Certificate(str(wanted.tls_certificate), str(wanted.tls_key))
    return TlsFiles((certificate,), ca_file=str(wanted.tls_ca_file or ""))


def _switch_limits(config: Config) -> SwitchLimits:
    return SwitchLimits(
        calls=config.limits.calls,
        call=CallLimits(call_ms=config.limits.call_seconds * 1_000),
        first_packet_timeout_ms=config.rtp.first_packet_timeout_ms,
        packet_timeout_ms=config.rtp.packet_timeout_ms,
        jitter_max_ms=config.rtp.jitter_max_ms,
        inband_dtmf=config.rtp.inband_dtmf,
        answering=config.machine_detection.criteria(),
    )
