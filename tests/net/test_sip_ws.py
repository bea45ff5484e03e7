"""SIP over WebSocket (RFC 7118): our framing alone, and with an independent peer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from agentstream.base.errors import PeerError
from agentstream.net.sip_connection import StreamLimits
from agentstream.net.sip_tcp import StreamOptions, StreamTransport, open_tcp
from agentstream.net.sip_ws import WebSocketFraming
from agentstream.net.tls import Tls, TlsFiles
from agentstream.sip.flow import Flow
from agentstream.sip.wire import Limits
from agentstream.testing.certificates import Authority, serving
from agentstream.testing.manual_clock import ManualClock
from agentstream.testing.waiting import until

HOST = "127.0.0.1"
SIP = Subprotocol("sip")
MESSAGE = "OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 4\r\n\r\nbody"
REPLY = b"SIP/2.0 200 OK\r\nl: 0\r\n\r\n"


def shaken_hands(limits: Limits | None = None) -> tuple[WebSocketFraming, WebSocketFraming]:
    """Return a client and a server between whom messages can go."""
    limits = limits or Limits()
    client = WebSocketFraming.as_client(limits, "sip.example", 80, is_secure=False)
    server = WebSocketFraming.as_server(limits)
    assert server.feed(client.outgoing()) == []
    assert client.feed(server.outgoing()) == []
    assert client.is_ready
    assert server.is_ready
    return client, server


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1), st.data())
def test_messages_arrive_whole_wherever_the_segments_end(
    messages: list[bytes], data: st.DataObject
) -> None:
    client, server = shaken_hands()
    wire = b"".join(client.wrap(message) for message in messages)
    heard: list[bytes | PeerError] = []
    while wire:
        cut = data.draw(st.integers(1, len(wire)))
        heard += server.feed(wire[:cut])
        wire = wire[cut:]
    only_breaks = {b"\r", b"\n", b"\0"}
    kept = [m for m in messages if any(m[i : i + 1] not in only_breaks for i in range(len(m)))]
    assert heard == kept


@given(st.binary(max_size=400))
def test_no_bytes_break_it_before_or_after_the_handshake(junk: bytes) -> None:
    new = WebSocketFraming.as_server(Limits())
    old = shaken_hands()[1]
    for framing in (new, old):
        for found in framing.feed(junk):
            assert isinstance(found, bytes | PeerError)
        framing.outgoing()


def test_a_message_above_the_limit_is_refused_however_it_is_cut() -> None:
    client, server = shaken_hands(Limits(message_bytes=1_000))
    assert isinstance(server.feed(client.wrap(b"x" * 1_001))[-1], PeerError)
    assert server.is_over


def test_pings_without_end_are_not_answered_without_end() -> None:
    client, server = shaken_hands()
    found = server.feed(client.ping() * 9)
    assert isinstance(found[-1], PeerError)


@contextlib.asynccontextmanager
async def listening(
    options: StreamOptions | None = None, tls: Tls | None = None
) -> AsyncIterator[tuple[StreamTransport, asyncio.Queue[tuple[bytes, Flow]], asyncio.Queue[str]]]:
    inbox: asyncio.Queue[tuple[bytes, Flow]] = asyncio.Queue()
    failures: asyncio.Queue[str] = asyncio.Queue()
    shell = await open_tcp(
        HOST,
        0,
        lambda data, flow: inbox.put_nowait((data, flow)),
        failed=lambda _flow, text: failures.put_nowait(text),
        tls=tls,
        options=options or StreamOptions(is_websocket=True),
    )
    try:
        async with asyncio.timeout(5):
            yield shell, inbox, failures
    finally:
        await shell.close()


def url(shell: StreamTransport, scheme: str = "ws") -> str:
    return f"{scheme}://{HOST}:{shell.local_address[1]}/any/path"


@pytest.mark.integration
@pytest.mark.parametrize("as_text", [True, False])
async def test_a_message_comes_in_a_frame_of_either_kind_and_its_answer_goes_back(
    as_text: bool,
) -> None:
    async with listening() as (shell, inbox, _failures):
        async with connect(url(shell), subprotocols=[SIP]) as socket:
            assert socket.subprotocol == "sip"
            await socket.send(MESSAGE if as_text else MESSAGE.encode())
            data, flow = await inbox.get()
            assert (data.decode(), flow.transport) == (MESSAGE, "ws")
            shell.send(REPLY, flow)
            assert await socket.recv() == REPLY.decode()
            await socket.send(["OPTIONS ", "in two frames"])
            assert (await inbox.get())[0] == b"OPTIONS in two frames"
            await socket.send("\r\n\r\n")
            assert await socket.recv() == "\r\n", "RFC 5626's ping, answered"
        await until(lambda: not shell.connections)


@pytest.mark.integration
async def test_a_browser_that_has_gone_is_not_called_back() -> None:
    async with listening() as (shell, inbox, failures):
        async with connect(url(shell), subprotocols=[SIP]) as socket:
            await socket.send(MESSAGE)
            _, flow = await inbox.get()
        await until(lambda: not shell.connections)
        shell.send(REPLY, flow)
        assert await failures.get() == "the connection is gone"


@pytest.mark.integration
async def test_who_does_not_speak_sip_or_is_another_page_is_refused() -> None:
    origins = StreamOptions(is_websocket=True, origins=("https://phone.example",))
    async with listening(origins) as (shell, _inbox, _failures):
        for subprotocols, origin in (([], None), ([Subprotocol("xmpp")], None), ([SIP], "x")):
            from_page = Origin(f"https://{origin}.example") if origin else None
            with pytest.raises(InvalidStatus):
                await connect(url(shell), subprotocols=subprotocols, origin=from_page)
        for known in (None, Origin("https://phone.example")):
            async with connect(url(shell), subprotocols=[SIP], origin=known):
                pass
        await until(lambda: not shell.connections)
        assert shell.counters.failed == 3


@pytest.mark.integration
async def test_who_never_upgrades_is_given_up() -> None:
    options = StreamOptions(is_websocket=True, limits=StreamLimits(handshake_ms=50))
    async with listening(options) as (shell, _inbox, _failures):
        reader, writer = await asyncio.open_connection(*shell.local_address)
        writer.write(b"GET / HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        await until(lambda: not shell.connections)
        assert shell.counters.handshakes_timed_out == 1
        writer.close()


@pytest.mark.integration
async def test_a_message_too_large_ends_the_connection() -> None:
    limits = StreamLimits(message=Limits(message_bytes=1_000))
    options = StreamOptions(is_websocket=True, limits=limits)
    async with listening(options) as (shell, inbox, _failures):
        async with connect(url(shell), subprotocols=[SIP]) as socket:
            await socket.send("x" * 2_000)
            with pytest.raises(ConnectionClosed):
                await socket.recv()
        assert inbox.empty()
        assert shell.counters.broken == 1


@pytest.mark.integration
async def test_one_that_answers_no_ping_is_ended() -> None:
    clock = ManualClock()
    options = StreamOptions(is_websocket=True, clock=clock)
    async with listening(options) as (shell, _inbox, _failures):
        reader, writer = await asyncio.open_connection(*shell.local_address)
        request = WebSocketFraming.as_client(Limits(), HOST, 80, is_secure=False)
        writer.write(request.outgoing())
        await reader.readuntil(b"\r\n\r\n")
        await until(lambda: shell.counters.accepted)
        clock.advance(25_000)
        shell.check(clock.now_ms())
        assert await reader.readexactly(2) == b"\x89\x00", "a ping frame"
        shell.check(clock.now_ms() + 10_000)
        assert shell.counters.timed_out == 0
        shell.check(clock.now_ms() + 10_001)
        assert shell.counters.timed_out == 1
        writer.close()


@pytest.mark.integration
@pytest.mark.parametrize("is_secure", [False, True])
async def test_we_call_a_server_that_names_the_transport(
    is_secure: bool, authority: Authority
) -> None:
    heard: asyncio.Queue[str | bytes] = asyncio.Queue()

    async def answer(socket: ServerConnection) -> None:
        async for message in socket:
            heard.put_nowait(message)
            await socket.send(REPLY.decode())

    certificate = authority.issue("sbc.example")
    tls = Tls(TlsFiles((certificate,), authority.ca_file)) if is_secure else None
    context = serving(certificate) if is_secure else None
    async with (
        serve(answer, HOST, 0, subprotocols=[SIP], ssl=context) as server,
        listening(tls=tls) as (shell, inbox, _failures),
    ):
        port = next(iter(server.sockets)).getsockname()[1]
        name = "sbc.example" if is_secure else ""
        flow = Flow(shell.transport, "", 0, HOST, port, 0, name)
        shell.send(MESSAGE.encode(), flow)
        assert await heard.get() == MESSAGE
        data, back = await inbox.get()
        assert data == REPLY
        assert back.transport == ("wss" if is_secure else "ws")
        shell.send(MESSAGE.encode(), back)
        await inbox.get()
        assert shell.counters.connected == 1


@pytest.mark.integration
async def test_a_server_without_the_subprotocol_is_no_sip_server() -> None:
    async def ignore(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async with serve(ignore, HOST, 0) as server, listening() as (shell, _inbox, failures):
        port = next(iter(server.sockets)).getsockname()[1]
        shell.send(MESSAGE.encode(), Flow("ws", "", 0, HOST, port))
        assert "no SIP over WebSocket" in await failures.get()
        assert shell.connections == 0
