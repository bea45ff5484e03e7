"""A voice platform's SIP edge for tests: raw messages over UDP, TCP or TLS, each said by the test.

    async with partner("tcp") as livekit:
        invite = await livekit.request("INVITE")
        livekit.answer(invite, 180)
        livekit.answer(invite, 200, sdp=livekit.sdp())
        await livekit.request("ACK")

Platforms differ from each other in what no SIP stack lets one do: they repeat, leave out, refuse.
So nothing here has a state or a timer; a retransmission over UDP alone is taken once.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, Literal, cast

from agentstream.base.errors import PeerError
from agentstream.sip.message import Headers, Request, Response, respond
from agentstream.sip.wire import StreamParser, encode, parse_datagram
from agentstream.testing.ports import HOST
from agentstream.testing.rtp_phone import RtpPhone, rtp_phone
from agentstream.testing.waiting import until

Way = Literal["udp", "tcp", "tls"]
Pairs = Iterable[tuple[str, str]]
LOUD: Final = bytes([0x00, 0x80] * 4_000)  # µ-law at full scale
WAIT_MS: Final = 8_000
LIVEKIT_FORMATS: Final = ("9 G722/8000", "0 PCMU/8000", "8 PCMA/8000")  # PN-7


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of the node, and how to say something back on its way."""

    message: Request | Response
    send: Callable[[bytes], None] = field(repr=False)

    def header(self, name: str) -> str:
        """Return the first header of this name, "" when there is none."""
        return self.message.headers.get(name) or ""

    @property
    def sdp(self) -> str:
        """Return the body."""
        return self.message.body.decode()


class Partner(asyncio.DatagramProtocol):
    """One platform on loopback."""

    def __init__(
        self, way: Way, phone: RtpPhone, tls: ssl.SSLContext | None = None, host: str = HOST
    ) -> None:
        self.way = way
        self.host = host
        self.phone = phone
        self.heard: list[Heard] = []  # not yet taken
        self.everything: list[Heard] = []
        self.port = 0
        self._tls = tls
        self._seen: set[tuple[str, str, str, str]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self._readers: set[asyncio.Task[None]] = set()
        self._udp: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen."""
        if self.way == "udp":
            loop = asyncio.get_running_loop()
            udp, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(self.host, 0))
            self._udp = udp
            self.port = int(udp.get_extra_info("sockname")[1])
            return
        self._server = await asyncio.start_server(self._read, self.host, 0, ssl=self._tls)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Say and hear no more."""
        if self._udp is not None:
            self._udp.close()
        for writer in self._writers:
            writer.close()
        for task in self._readers:
            task.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        if self._server is not None:
            self._server.close()

    # What is heard

    async def request(self, method: str, timeout_ms: int = WAIT_MS) -> Heard:
        """Take the oldest request of this method that nobody has taken."""
        return await self._take(
            lambda one: isinstance(one, Request) and one.method == method, method, timeout_ms
        )

    async def response(self, status: int, method: str = "", timeout_ms: int = WAIT_MS) -> Heard:
        """Take the oldest response with this status that nobody has taken."""
        return await self._take(
            lambda one: (
                isinstance(one, Response)
                and one.status == status
                and method in ("", one.cseq.method)
            ),
            str(status),
            timeout_ms,
        )

    def count(self, method: str) -> int:
        """Return how many requests of this method have come."""
        all_of_them = (one.message for one in self.everything)
        return sum(isinstance(one, Request) and one.method == method for one in all_of_them)

    async def _take(
        self, fits: Callable[[Request | Response], bool], what: str, timeout_ms: int
    ) -> Heard:
        try:
            await until(lambda: any(fits(one.message) for one in self.heard), timeout_ms)
        except TimeoutError:
            came = [_first_line(one.message) for one in self.everything]
            raise AssertionError(f"no {what} came, but {came}") from None
        found = next(one for one in self.heard if fits(one.message))
        self.heard.remove(found)
        return found

    # What is said

    def answer(
        self,
        heard: Heard,
        status: int,
        *,
        sdp: str = "",
        headers: Pairs = (),
        contact: str = "",
        tag: str = "partner",
    ) -> None:
        """Answer a request; it may be done again, or never."""
        request = heard.message
        assert isinstance(request, Request)
        is_in_dialog = 100 < status < 300 and request.method == "INVITE"
        answer = respond(
            request, status, to_tag=tag if status > 100 else "", with_route=is_in_dialog
        )
        items = Headers(answer.headers.items())
        if is_in_dialog:
            items.add("Contact", contact or f"<{self.uri()}>")
        heard.send(_with_body(Response(status, answer.reason, items), headers, sdp))

    async def send(
        self,
        request: Request,
        to: tuple[str, int],
        sdp: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Send a request of one's own, by a connection of one's own if there is none yet."""
        way = await self._way_to(to, tls)
        way(_with_body(request, (), sdp))

    def uri(self, user: str = "") -> str:
        """Return where it is reached, with host and port."""
        return f"sip:{user}{'@' if user else ''}{self.host}:{self.port};transport={self.way}"

    def sdp(
        self,
        formats: Iterable[str] = ("0 PCMU/8000",),
        *,
        profile: str = "RTP/AVP",
        version: int = 1,
        more: Iterable[str] = (),
    ) -> str:
        """Return what it says of its audio; telephone events are 101 and go to 16 (PN-7)."""
        maps = [*formats, "101 telephone-event/8000"]
        numbers = " ".join(one.split()[0] for one in maps)
        lines = (
            "v=0",
            f"o=- 7 {version} IN IP4 {self.host}",
            "s=platform",
            f"c=IN IP4 {self.host}",
            "t=0 0",
            f"m=audio {self.phone.port} {profile} {numbers}",
            *(f"a=rtpmap:{one}" for one in maps),
            "a=fmtp:101 0-16",
            "a=ptime:20",
            *more,
            "a=sendrecv",
        )
        return "".join(f"{line}\r\n" for line in lines)

    async def _way_to(
        self, to: tuple[str, int], tls: ssl.SSLContext | None
    ) -> Callable[[bytes], None]:
        if self._udp is not None:
            udp = self._udp
            return lambda data: udp.sendto(data, to)
        for writer in self._writers:
            if writer.get_extra_info("peername")[1] == to[1] and not writer.is_closing():
                return writer.write
        reader, writer = await asyncio.open_connection(*to, ssl=tls, local_addr=(self.host, 0))
        self._readers.add(asyncio.create_task(self._read(reader, writer)))
        self._writers.append(writer)
        return writer.write

    # The wire

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to listen to UDP."""

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Hear a message over UDP."""
        if data.strip():
            udp = cast(asyncio.DatagramTransport, self._udp)
            self._hear(data, lambda said: udp.sendto(said, addr))

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if writer not in self._writers:
            self._writers.append(writer)
        parser = StreamParser()
        with suppress(ConnectionError, ssl.SSLError):
            while data := await reader.read(65_536):
                for part in parser.feed(data):
                    if isinstance(part, bytes):
                        self._hear(part, writer.write)

    def _hear(self, data: bytes, send: Callable[[bytes], None]) -> None:
        try:
            message = parse_datagram(data)
        except PeerError as error:
            raise AssertionError(f"the node sent what is no SIP: {data!r}") from error
        mark = (
            _first_line(message),
            message.top_via.branch,
            message.to_tag,
            message.call_id + str(message.cseq.number),
        )
        if self.way == "udp" and mark in self._seen:
            return
        self._seen.add(mark)
        heard = Heard(message, send)
        self.heard.append(heard)
        self.everything.append(heard)


def _first_line(message: Request | Response) -> str:
    if isinstance(message, Request):
        return message.method
    return f"{message.status} {message.cseq.method}"


def _with_body(message: Request | Response, headers: Pairs, sdp: str) -> bytes:
    items = Headers(message.headers.items())
    for name, value in headers:
        items.add(name, value)
    if sdp and "Content-Type" not in items:
        items.add("Content-Type", "application/sdp")
    body = sdp.encode()
    if isinstance(message, Request):
        return encode(Request(message.method, message.uri, items, body))
    return encode(Response(message.status, message.reason, items, body))


@asynccontextmanager
async def partner(
    way: Way = "tcp", tls: ssl.SSLContext | None = None, host: str = HOST
) -> AsyncIterator[Partner]:
    """Run a platform while the block runs; it speaks loudly once it hears audio."""
    async with rtp_phone(LOUD, host) as phone:
        there = Partner(way, phone, tls, host)
        await there.start()
        try:
            yield there
        finally:
            await there.stop()
