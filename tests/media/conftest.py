"""Doubles around the native engine: a telephone that speaks RTP, and bots that speak WebSocket."""

import asyncio
import base64
import functools
import json
import random
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve

from agentstream import _media
from agentstream.media.plan import (
    CHUNK,
    MARK_NAME,
    PAYLOAD,
    PLAYED_MS,
    SEQ,
    TIMESTAMP_MS,
    CodecPlan,
    EnginePlan,
    RemotePlan,
    RtpLegPlan,
    StreamPlan,
)

PATIENCE_S = 15.0
EVENTS = 101
STALL_S = 0.01  # half a packet: later than this, sound in real time is not what was meant
MEDIA = (
    f'{{"event":"media","sequence_number":"{SEQ}","stream_sid":"s1","media":'
    f'{{"chunk":"{CHUNK}","timestamp":"{TIMESTAMP_MS}","payload":"{PAYLOAD}"}}}}'
)
MARK = (
    f'{{"event":"mark","sequence_number":"{SEQ}","stream_sid":"s1",'
    f'"mark":{{"name":"{MARK_NAME}","played":"{PLAYED_MS}"}}}}'
)
OPENING = ('{"event":"connected"}', f'{{"event":"start","sequence_number":"{SEQ}"}}')

T = TypeVar("T")


@dataclass
class Phone(asyncio.DatagramProtocol):
    """The far end of an RTP leg: sends packets of its codec every 20 ms, keeps what comes back."""

    payload_type: int = 0
    heard: list[bytes] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list)  # RFC 4733, under number 101
    heard_at: list[float] = field(default_factory=list)
    transport: asyncio.DatagramTransport | None = None
    sequence: int = 100
    ssrc: int = 7

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data[1] & 0x7F == self.payload_type:
            self.heard.append(data)
            self.heard_at.append(asyncio.get_running_loop().time())
        elif data[1] & 0x7F == EVENTS:
            self.events.append(data)

    @property
    def port(self) -> int:
        assert self.transport is not None
        return int(self.transport.get_extra_info("sockname")[1])

    @property
    def payload(self) -> bytes:
        """All sound that came, in order of arrival."""
        return b"".join(packet[12:] for packet in self.heard)

    def send(self, payload: bytes, port: int, payload_type: int | None = None) -> None:
        number = self.payload_type if payload_type is None else payload_type
        self._send(payload, port, number, self.sequence * 160)

    async def press(self, code: int, port: int) -> None:
        """A key of 60 ms, as event packets of 20 ms; its end three times (RFC 4733)."""
        begun = self.sequence * 160
        for ticks, end in ((160, 0), (320, 0), (480, 0x80), (480, 0x80), (480, 0x80)):
            payload = struct.pack("!BBH", code, end | 10, ticks)
            self._send(payload, port, EVENTS, begun)
            await asyncio.sleep(0.02 if not end else 0)

    def _send(self, payload: bytes, port: int, payload_type: int, ticks: int) -> None:
        assert self.transport is not None
        header = struct.pack("!BBHII", 0x80, payload_type, self.sequence & 0xFFFF, ticks, self.ssrc)
        self.transport.sendto(header + payload, ("127.0.0.1", port))
        self.sequence += 1

    async def speak(self, sound: bytes, port: int) -> None:
        """Real time: 160 bytes every 20 ms."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        for index in range(0, len(sound), 160):
            self.send(sound[index : index + 160], port)
            await asyncio.sleep(max(0.0, start + (index / 160 + 1) * 0.02 - loop.time()))

    async def delays_to(self, other: "Phone", port: int, other_port: int) -> list[float]:
        """Speak for a second while the other is quiet; return how many seconds packets took."""
        loop = asyncio.get_running_loop()
        sent: dict[bytes, float] = {}
        start = loop.time()
        for number in range(50):
            payload = bytes([number]) * 160
            sent[payload] = loop.time()
            self.send(payload, port)
            other.send(b"\xff" * 160, other_port)
            await asyncio.sleep(max(0.0, start + (number + 1) * 0.02 - loop.time()))
        heard = zip(other.heard, other.heard_at, strict=True)
        return [at - sent[packet[12:]] for packet, at in heard if packet[12:] in sent]


@dataclass
class Bot:
    """A WebSocket server; `talk` is what it does with each connection."""

    server: Server
    heard: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(next(iter(self.server.sockets)).getsockname()[1])

    def said(self, event: str) -> list[dict[str, Any]]:
        return [message for message in self.heard if message["event"] == event]


RawTalk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Talk = Callable[[ServerConnection, Bot], Awaitable[None]]


async def echo(socket: ServerConnection, bot: Bot) -> None:
    """Return all sound, as the usual echo bot does."""
    async for text in socket:
        message = json.loads(text)
        bot.heard.append(message)
        if message["event"] == "media":
            payload = message["media"]["payload"]
            await socket.send(json.dumps({"event": "media", "media": {"payload": payload}}))


async def listen(socket: ServerConnection, bot: Bot) -> None:
    """Say nothing."""
    async for text in socket:
        bot.heard.append(json.loads(text))


def mulaw_noise(length: int, seed: int = 1) -> bytes:
    """µ-law bytes that survive decoding and encoding: 0x7F is a second zero (G.711)."""
    chance = random.Random(seed)
    return bytes(
        chance.choice([byte for byte in range(256) if byte != 0x7F]) for _ in range(length)
    )


def pcm_of(mulaw: bytes) -> bytes:
    """The samples that G.711 gives these bytes; encoding them gives the bytes again."""
    return b"".join(struct.pack("<h", _sample(byte)) for byte in mulaw)


def _sample(byte: int) -> int:
    bits = ~byte & 0xFF
    size = ((((bits & 0x0F) << 3) + 0x84) << ((bits >> 4) & 7)) - 0x84
    return -size if bits & 0x80 else size


def media(pcm: bytes) -> str:
    """A bot's media message."""
    return json.dumps({"event": "media", "media": {"payload": base64.b64encode(pcm).decode()}})


class Rig:
    """An engine and what stands around it."""

    echo = staticmethod(echo)
    listen = staticmethod(listen)
    media = staticmethod(media)
    mulaw_noise = staticmethod(mulaw_noise)
    pcm_of = staticmethod(pcm_of)

    def __init__(self, engine: _media.Engine, stack: AsyncExitStack, workers: int = 1) -> None:
        self.engine = engine
        self.workers = workers
        self.events: list[_media.Event] = []
        self._stack = stack
        self._arrived = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(engine.fd, self._drain)
        stack.callback(loop.remove_reader, engine.fd)
        self.stall_s = 0.0  # the longest that the machine let this process wait
        self._clock = loop.call_later(STALL_S, self._tick, loop.time() + STALL_S)
        stack.callback(lambda: self._clock.cancel())

    def _tick(self, due: float) -> None:
        loop = asyncio.get_running_loop()
        self.stall_s = max(self.stall_s, loop.time() - due)
        self._clock = loop.call_later(STALL_S, self._tick, loop.time() + STALL_S)

    def _drain(self) -> None:
        self.events += self.engine.events()
        self._arrived.set()

    async def until(self, kind: type[T], accept: Callable[[T], bool] = lambda _event: True) -> T:
        """Wait for an event; earlier ones count."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for event in self.events:
                    if isinstance(event, kind) and accept(event):
                        return event
                self._arrived.clear()
                await self._arrived.wait()

    async def until_true(self, condition: Callable[[], bool]) -> None:
        """Wait for something that no event tells, looking every few milliseconds."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 - many sources, none tells
                await asyncio.sleep(0.005)

    async def raw_bot(self, talk: RawTalk) -> int:
        """A TCP server that is no WebSocket server, or one that forgets the rules; its port."""
        tasks: set[asyncio.Task[None]] = set()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            with suppress(asyncio.CancelledError, ConnectionError):
                await talk(reader, writer)
            writer.transport.abort()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)

        async def stop() -> None:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0)  # the transports' last callbacks

        self._stack.push_async_callback(stop)
        return int(server.sockets[0].getsockname()[1])

    def all(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]

    async def phone(self, payload_type: int = 0, ssrc: int = 7) -> Phone:
        loop = asyncio.get_running_loop()
        transport, phone = await loop.create_datagram_endpoint(
            lambda: Phone(payload_type, ssrc=ssrc), local_addr=("127.0.0.1", 0)
        )
        self._stack.callback(transport.close)
        return phone

    async def bot(self, talk: Talk = echo, **options: Any) -> Bot:
        async def handle(socket: ServerConnection) -> None:
            request = socket.request
            assert request is not None
            bot.requests.append((request.path, dict(request.headers.raw_items())))
            await talk(socket, bot)

        server = await serve(handle, "127.0.0.1", 0, compression=None, **options)
        bot = Bot(server)

        async def stop() -> None:
            server.close()
            async with asyncio.timeout(PATIENCE_S):
                await server.wait_closed()

        self._stack.push_async_callback(stop)
        return bot

    def leg(self, **settings: Any) -> _media.Leg:
        return self.engine.open_rtp_leg(RtpLegPlan(**({"leg_sid": "l1"} | settings)))

    def remote(self, phone: Phone, **settings: Any) -> RemotePlan:
        codecs = (CodecPlan(0, "PCMU"),)
        plan: dict[str, Any] = {"address": "127.0.0.1", "port": phone.port, "codecs": codecs}
        return RemotePlan(**(plan | settings))

    def stream(self, port: int, **settings: Any) -> StreamPlan:
        plan: dict[str, Any] = {
            "stream_sid": "s1",
            "addresses": (f"127.0.0.1:{port}",),
            "secure": False,
            "server_name": "127.0.0.1",
            "host_header": f"127.0.0.1:{port}",
            "target": "/",
            "opening": OPENING,
            "media_template": MEDIA,
            "mark_template": MARK,
            "frame_ms": 20,
        }
        return StreamPlan(**(plan | settings))

    async def call(self, talk: Talk, **settings: Any) -> tuple[Phone, _media.Leg, Bot]:
        """A leg with a telephone and an open stream to a bot that does `talk`."""
        phone, bot, leg = await self.phone(), await self.bot(talk), self.leg()
        leg.connect(self.remote(phone))
        leg.open_stream(self.stream(bot.port, **settings))
        await self.until(_media.StreamOpen)
        return phone, leg, bot


def make_engine(**settings: Any) -> _media.Engine:
    """An engine on some free ports of the loopback interface."""
    for _ in range(50):
        low = random.randrange(20_000, 32_000, 2)
        plan: dict[str, Any] = {
            "rtp_host": "127.0.0.1",
            "rtp_port_low": low,
            "rtp_port_high": low + 7,
        }
        try:
            return _media.Engine(
                EnginePlan(**({"workers": 1, "port_rest_ms": 0} | plan | settings))
            )
        except _media.MediaError:
            continue
    raise AssertionError("no free ports on the loopback interface")


@asynccontextmanager
async def open_rig(workers: int = 1) -> AsyncIterator[Rig]:
    engine = make_engine(workers=workers)
    async with AsyncExitStack() as stack:
        stack.callback(engine.close)
        yield Rig(engine, stack, workers)


@pytest.fixture
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """One media thread, or as many as the test's parameter says."""
    async with open_rig(getattr(request, "param", 1)) as opened:
        yield opened


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let a scene in real time be played once more if the machine stalled while it failed."""
    if isinstance(item, pytest.Function) and "rig" in item.fixturenames:
        item.obj = once_more_after_a_stall(item.obj)


def once_more_after_a_stall(scene: Callable[..., Awaitable[None]]) -> Callable[..., Any]:
    """Packets that the test itself sent late, or not at all for a while, prove nothing."""

    @functools.wraps(scene)
    async def play(rig: Rig, **others: Any) -> None:
        try:
            await scene(rig=rig, **others)
        except (AssertionError, TimeoutError):
            if rig.stall_s < STALL_S:
                raise
        else:
            return
        async with open_rig(rig.workers) as another:
            await scene(rig=another, **others)

    return play
