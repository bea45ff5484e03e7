"""WebSockets that we open go to checked addresses only, in time, and say why when they do not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import uvloop
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from agentstream.base.errors import PeerError
from agentstream.net.egress import Egress, EgressError, EgressPolicy
from agentstream.net.socket_dialler import DialError, Dialler
from agentstream.net.tls import web_context
from agentstream.testing.certificates import Authority, serving
from agentstream.testing.socket_receiver import HOST, socket_receiver

pytestmark = pytest.mark.integration


class Names:
    """A resolver that knows every name."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    async def lookup(self, _: str) -> tuple[str, ...]:
        return self.addresses


def dialler(*addresses: str, mode: Any = "open", ca_file: str | None = None) -> Dialler:
    egress = Egress(EgressPolicy(mode), Names(*(addresses or (HOST,))))
    return Dialler(egress, web_context(True, ca_file))


async def test_the_name_stays_the_names_and_the_address_is_the_checked_one(tmp_path: Path) -> None:
    authority = Authority.found(tmp_path / "ca")
    tls = serving(authority.issue("events.example.test"))
    async with socket_receiver(tls) as receiver:
        url = receiver.url("/legs?k=v", "wss", "events.example.test")
        socket = await dialler(ca_file=authority.ca_file).open(url, timeout_ms=5_000)
        await socket.close()
        with pytest.raises(DialError, match="certificate verify failed"):
            await dialler().open(url, timeout_ms=5_000)
        other = url.replace("events.", "other.")
        with pytest.raises(DialError, match="mismatch"):
            await dialler(ca_file=authority.ca_file).open(other, timeout_ms=5_000)
    request = receiver.connections[0].request
    assert request is not None
    assert (request.path, request.headers["Host"]) == (
        "/legs?k=v",
        f"events.example.test:{receiver.port}",
    )
    assert "Sec-WebSocket-Extensions" not in request.headers


async def test_one_address_after_the_other_is_tried() -> None:
    async with socket_receiver() as receiver:
        socket = await dialler("127.0.0.9", HOST).open(receiver.url(), timeout_ms=5_000)
        await socket.close()
        with pytest.raises(DialError, match=r"127.0.0.9:\d+: Connection refused; 127.0.0.8"):
            await dialler("127.0.0.9", "127.0.0.8").open(receiver.url(), timeout_ms=5_000)


async def test_it_comes_from_the_address_of_the_setting_as_36() -> None:
    async with socket_receiver() as receiver:
        from_there = replace(dialler(), local_address="127.0.0.7")
        socket = await from_there.open(receiver.url(), timeout_ms=5_000)
        await socket.close()
    assert receiver.connections[0].remote_address[0] == "127.0.0.7"


async def test_a_refusal_is_told_by_its_status_and_a_redirect_is_none_ev_36() -> None:
    def refuse(connection: ServerConnection, request: Request) -> Response:
        status = HTTPStatus.FORBIDDEN if request.path == "/no" else HTTPStatus.FOUND
        response = connection.respond(status, "")
        response.headers["Location"] = "/there"
        return response

    async with socket_receiver(process_request=refuse) as receiver:
        with pytest.raises(DialError, match="it answered 403"):
            await dialler().open(receiver.url("/no"), timeout_ms=5_000)
        with pytest.raises(DialError, match="it answered with a redirect"):
            await dialler().open(receiver.url("/moved"), timeout_ms=5_000)


@asynccontextmanager
async def a_server_that_says(answer: bytes | None) -> AsyncIterator[str]:
    held: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        if answer is not None:
            writer.write(answer)
            writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    yield f"ws://user:secret@{HOST}:{server.sockets[0].getsockname()[1]}/"
    for writer in held:
        writer.close()
    server.close()


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
async def test_what_is_no_websocket_server_is_an_error_of_the_peers(answer: bytes) -> None:
    async with a_server_that_says(answer) as url:
        with pytest.raises(DialError) as caught:
            await dialler().open(url, timeout_ms=5_000)
    assert "secret" not in str(caught.value)


async def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    async with a_server_that_says(None) as url:
        with pytest.raises(DialError, match="it did not open in 50 ms"):
            await dialler().open(url, timeout_ms=50)


def test_it_runs_on_the_loop_of_the_server() -> None:
    async def there_and_back() -> None:
        async with socket_receiver() as receiver:
            socket = await dialler().open(receiver.url(), timeout_ms=5_000)
            await socket.send('{"event": {"event_sid": "ev1"}}')
            assert "ev1" in str(await socket.recv())
            await socket.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(there_and_back(), 20))


async def test_the_policy_decides_and_other_schemes_are_none() -> None:
    closed = dialler(mode="closed")
    with pytest.raises(EgressError, match="the egress policy does not allow it"):
        await closed.open("ws://events.example.test:9001/", timeout_ms=1_000)
    with pytest.raises(PeerError, match="must begin with ws:// or wss://"):
        await closed.open("https://events.example.test/", timeout_ms=1_000)
