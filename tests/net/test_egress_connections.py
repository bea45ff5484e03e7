"""Every connection goes to an address that was checked for it, whatever the name says by then."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from agentstream.base.errors import PeerError
from agentstream.net.egress import Egress, EgressError, EgressPolicy
from agentstream.net.http_client import HttpClient

pytestmark = pytest.mark.integration
GOOD, FORBIDDEN = "127.0.0.1", "127.0.0.2"


@dataclass
class Rebinding:
    """A name server of an attacker's: each question has another answer."""

    answers: list[tuple[str, ...]]
    asked: int = 0

    async def lookup(self, host: str) -> tuple[str, ...]:
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]


@dataclass
class Inside:
    """A server on both addresses that keeps where it was reached."""

    port: int = 0
    reached_at: list[str] = field(default_factory=list)
    location: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reached_at.append(writer.get_extra_info("sockname")[0])
        try:
            await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            writer.close()
            return
        head = f"location: {self.location}\r\n" if self.location else ""
        status = "302 Found" if self.location else "200 OK"
        answer = f"HTTP/1.1 {status}\r\n{head}connection: close\r\ncontent-length: 0\r\n\r\n"
        writer.write(answer.encode())
        await writer.drain()
        writer.close()


@asynccontextmanager
async def inside() -> AsyncIterator[Inside]:
    server = Inside()
    first = await asyncio.start_server(server.serve, GOOD, 0)
    server.port = first.sockets[0].getsockname()[1]
    second = await asyncio.start_server(server.serve, FORBIDDEN, server.port)
    yield server
    for listener in (first, second):
        listener.close()
        await listener.wait_closed()


@asynccontextmanager
async def client(names: Rebinding) -> AsyncIterator[HttpClient]:
    http = HttpClient(Egress(EgressPolicy(deny=(FORBIDDEN,)), names))
    yield http
    await http.close()


async def test_the_second_connection_to_a_name_is_checked_again() -> None:
    names = Rebinding([(GOOD,), (FORBIDDEN,)])
    async with inside() as server, client(names) as http:
        url = f"http://evil.example:{server.port}/"
        assert (await http.get(url, timeout_ms=2_000, max_bytes=100)).status == 200
        with pytest.raises(EgressError, match=FORBIDDEN):
            await http.get(url, timeout_ms=2_000, max_bytes=100)
        assert server.reached_at == [GOOD]


async def test_a_redirect_to_the_same_name_is_checked_again() -> None:
    names = Rebinding([(GOOD,), (FORBIDDEN,)])
    async with inside() as server, client(names) as http:
        server.location = "/again"
        with pytest.raises(EgressError, match=FORBIDDEN):
            await http.get(f"http://evil.example:{server.port}/", timeout_ms=2_000, max_bytes=100)
        assert server.reached_at == [GOOD]


async def test_of_several_addresses_only_the_allowed_are_tried() -> None:
    names = Rebinding([(FORBIDDEN, GOOD)])
    async with inside() as server, client(names) as http:
        await http.get(f"http://evil.example:{server.port}/", timeout_ms=2_000, max_bytes=100)
        assert server.reached_at == [GOOD]


async def test_a_pinned_url_is_reached_where_it_was_checked_and_asked_for_once() -> None:
    names = Rebinding([(GOOD,), (FORBIDDEN,)])
    async with client(names) as http:
        pinned = await http.pin("wss://evil.example/ws")
    assert (pinned.addresses, names.asked) == ((f"{GOOD}:443",), 1)


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433:{port}/",
        "http://0x7f000002:{port}/",
        "http://0177.0.0.2:{port}/",
        "http://127.2:{port}/",
        "http://[::ffff:127.0.0.2]:{port}/",
        "http://[64:ff9b::7f00:2]:{port}/",
        "http://[2002:7f00:2::]:{port}/",
        "http://127.0.0.2.:{port}/",
        "http://good.example@127.0.0.2:{port}/",
    ],
)
async def test_no_spelling_of_a_forbidden_address_reaches_it(url: str) -> None:
    class Plain:
        async def lookup(self, host: str) -> tuple[str, ...]:
            return (host,)

    async with inside() as server:
        http = HttpClient(Egress(EgressPolicy(deny=(FORBIDDEN,)), Plain()))
        with pytest.raises(PeerError):
            await http.get(url.format(port=server.port), timeout_ms=2_000, max_bytes=100)
        await http.close()
        assert server.reached_at == []
