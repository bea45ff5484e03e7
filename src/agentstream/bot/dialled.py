"""A WebSocket to a bot, opened phase by phase so that each can be timed and named."""

import asyncio
import socket as sockets
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from agentstream.base.errors import PeerError
from agentstream.stream.address import BotAddress
from agentstream.stream.messages import SocketPlan

PhaseName = Literal["dns", "tcp", "tls", "upgrade"]

READ_BYTES: Final = 65_536
CLOSE_REPLY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Phase:
    """One step of the way to a bot. `detail` is the address, the HTTP status or an error."""

    name: PhaseName
    took_ms: float
    detail: str = ""


class DialError(PeerError):
    """The bot was not reached; `phase` says where it ended, `http_status` what it answered."""

    def __init__(self, phase: PhaseName, text: str, http_status: int = 0) -> None:
        super().__init__(text)
        self.phase = phase
        self.http_status = http_status


class Dialled:
    """An open WebSocket. `close_code` is set once the far end has closed."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        protocol: ClientProtocol,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._protocol = protocol

    @property
    def is_open(self) -> bool:
        """Tell whether messages can be sent."""
        return self._protocol.state is State.OPEN

    @property
    def close_code(self) -> int | None:
        """The far end's close code; 1006 when it went without one, None while it is there."""
        return self._protocol.close_code if self._protocol.state is State.CLOSED else None

    async def send(self, text: str) -> None:
        """Send one text; nothing happens once the far end has closed."""
        if self.is_open:
            self._protocol.send_text(text.encode())
            await self._flush()

    async def read_all(self, hear: Callable[[str | bytes], None]) -> None:
        """Give every message to `hear` until the far end closes."""
        pieces: list[bytes] = []
        opcode = Opcode.TEXT
        while self.close_code is None:
            for event in self._protocol.events_received():
                if not isinstance(event, Frame) or event.opcode not in _DATA:
                    continue
                if event.opcode is not Opcode.CONT:
                    opcode = event.opcode
                pieces.append(bytes(event.data))
                if event.fin:
                    whole = b"".join(pieces)
                    pieces.clear()
                    hear(whole if opcode is Opcode.BINARY else whole.decode("utf-8", "replace"))
            await self._read()

    async def close(self, code: int = 1000) -> None:
        """Send a close frame, wait a second for the reply, and end the connection."""
        with suppress(OSError, TimeoutError):
            if self.is_open:
                self._protocol.send_close(code)
                await self._flush()
            async with asyncio.timeout(CLOSE_REPLY_S):
                while self.close_code is None:
                    await self._read()
        self._writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_REPLY_S):
                await self._writer.wait_closed()

    async def upgrade(self, headers: tuple[tuple[str, str], ...]) -> int:
        """Make the HTTP upgrade; return the status. Raises InvalidHandshake, OSError."""
        request = self._protocol.connect()
        for name, value in headers:
            with suppress(KeyError):
                del request.headers[name]
            request.headers[name] = value
        self._protocol.send_request(request)
        await self._flush()
        while self._protocol.state is State.CONNECTING and not self._protocol.handshake_exc:
            await self._read()
        if self._protocol.handshake_exc is not None:
            raise self._protocol.handshake_exc
        return 101

    async def _read(self) -> None:
        try:
            data = await self._reader.read(READ_BYTES)
        except OSError:  # reset by the far end: the end of what it had to say
            data = b""
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        with suppress(OSError):
            await self._flush()

    async def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._writer.write(data)
            elif self._writer.can_write_eof():
                self._writer.write_eof()
        await self._writer.drain()


_DATA: Final = {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}


async def dial(bot: BotAddress, plan: SocketPlan, phases: list[Phase]) -> Dialled:
    """Open the socket within `plan.connect_timeout_ms`; `phases` grows as it goes.

    Raises DialError that names the phase.
    """
    watch = _Watch(phases)
    try:
        async with asyncio.timeout(plan.connect_timeout_ms / 1000):
            return await _dial(bot, plan, watch)
    except TimeoutError:
        text = f"no answer within {plan.connect_timeout_ms} ms"
        raise watch.failed(text) from None
    except InvalidStatus as error:
        status = error.response.status_code
        raise watch.failed(f"HTTP {status} instead of 101", status) from None
    except (InvalidHandshake, EOFError) as error:
        raise watch.failed(f"not a WebSocket answer: {error}") from None
    except OSError as error:
        raise watch.failed(error.strerror or str(error)) from None


async def _dial(bot: BotAddress, plan: SocketPlan, watch: "_Watch") -> Dialled:
    loop = asyncio.get_running_loop()
    watch.enter("dns")
    found = await loop.getaddrinfo(bot.host, bot.port, type=sockets.SOCK_STREAM)
    hosts = list(dict.fromkeys(str(where[0]) for _, _, _, _, where in found))
    watch.enter("tcp", ", ".join(hosts))
    reader, writer = await _connect(hosts, bot.port)
    try:
        if plan.secure:
            watch.enter("tls")
            await writer.start_tls(_tls(plan), server_hostname=plan.server_name)
        watch.enter("upgrade")
        scheme = "wss" if plan.secure else "ws"
        uri = parse_uri(f"{scheme}://{plan.host_header}{plan.target}")
        protocol = ClientProtocol(uri, max_size=plan.max_message_bytes)
        dialled = Dialled(reader, writer, protocol)
        await dialled.upgrade(plan.headers)
    except BaseException:
        writer.close()
        raise
    watch.done("101")
    return dialled


async def _connect(
    hosts: list[str], port: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Try one address after the other; raises what the last one said."""
    for host in hosts[:-1]:
        with suppress(OSError):
            return await asyncio.open_connection(host, port)
    return await asyncio.open_connection(hosts[-1], port)


def _tls(plan: SocketPlan) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if plan.ca_file is not None:
        context.load_verify_locations(plan.ca_file)
    if not plan.verify_tls:  # the operator's setting, for a laboratory (AS-38)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class _Watch:
    """Times one phase after the other."""

    def __init__(self, phases: list[Phase]) -> None:
        self._phases = phases
        self._name: PhaseName | None = None
        self._since = time.perf_counter()

    def enter(self, name: PhaseName, detail: str = "") -> None:
        """End the phase before, with its detail, and begin the next."""
        self.done(detail)
        self._name = name

    def done(self, detail: str = "") -> None:
        now = time.perf_counter()
        if self._name is not None:
            took_ms = round((now - self._since) * 1000, 1)
            self._phases.append(Phase(self._name, took_ms, detail))
        self._name, self._since = None, now

    def failed(self, text: str, http_status: int = 0) -> DialError:
        name = self._name or "dns"
        self.done(text)
        return DialError(name, text, http_status)
