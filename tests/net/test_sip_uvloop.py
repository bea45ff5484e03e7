"""The shells under uvloop, which the server runs on: the same bytes, the same failures."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Protocol

import pytest
import uvloop

from agentstream.net.sip_connection import StreamLimits
from agentstream.net.sip_tcp import StreamOptions, StreamTransport, open_tcp
from agentstream.net.sip_udp import UdpTransport, open_udp
from agentstream.net.tls import Certificate, Tls, TlsFiles
from agentstream.net.transport import Failed, Receive
from agentstream.sip.flow import Flow
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration

MESSAGE = b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 4\r\n\r\nbody"
REPLY = b"SIP/2.0 200 OK\r\nl: 0\r\n\r\n"


class Authority(Protocol):
    """What the fixture of that name gives."""

    @property
    def ca_file(self) -> str: ...

    def issue(self, *names: str, file_name: str = "") -> Certificate: ...


Shell = UdpTransport | StreamTransport
Opener = Callable[[Receive, Failed], Coroutine[None, None, Shell]]


def on_uvloop(work: Coroutine[None, None, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(work, 10))


async def there_and_back(open_shell: Opener) -> None:
    inbox: asyncio.Queue[tuple[bytes, Flow]] = asyncio.Queue()
    replies: asyncio.Queue[tuple[bytes, Flow]] = asyncio.Queue()
    failures: list[str] = []
    server = await open_shell(lambda data, flow: inbox.put_nowait((data, flow)), _ignore)
    client = await open_shell(
        lambda data, flow: replies.put_nowait((data, flow)),
        lambda _flow, text: failures.append(text),
    )
    client.send(MESSAGE, Flow(client.transport, "", 0, *server.local_address))
    data, flow = await inbox.get()
    assert data == MESSAGE
    server.send(REPLY, flow)
    assert (await replies.get())[0] == REPLY
    await server.close()
    if isinstance(client, StreamTransport):
        await until(lambda: not client.connections)
        client.send(MESSAGE, Flow(client.transport, "", 0, *server.local_address))
        await until(lambda: failures)
    await client.close()


def _ignore(_flow: Flow, _text: str) -> None:
    pass


def test_udp() -> None:
    on_uvloop(
        there_and_back(lambda receive, failed: open_udp("127.0.0.1", 0, receive, failed=failed))
    )


def test_tcp() -> None:
    on_uvloop(
        there_and_back(lambda receive, failed: open_tcp("127.0.0.1", 0, receive, failed=failed))
    )


def test_tls(authority: Authority) -> None:
    certificate = authority.issue("127.0.0.1")
    tls = Tls(TlsFiles((certificate,), authority.ca_file))
    on_uvloop(
        there_and_back(
            lambda receive, failed: open_tcp("127.0.0.1", 0, receive, failed=failed, tls=tls)
        )
    )


@pytest.mark.parametrize("is_secure", [False, True])
def test_websocket(is_secure: bool, authority: Authority) -> None:
    files = TlsFiles((authority.issue("127.0.0.1"),), authority.ca_file)
    tls = Tls(files) if is_secure else None
    options = StreamOptions(is_websocket=True)
    on_uvloop(
        there_and_back(
            lambda receive, failed: open_tcp(
                "127.0.0.1", 0, receive, failed=failed, tls=tls, options=options
            )
        )
    )


def test_a_session_is_resumed_and_a_wrong_name_refused(authority: Authority) -> None:
    """RFC 5922 section 4: what is resumed is checked again."""
    tls = Tls(TlsFiles((authority.issue("s.example"),), authority.ca_file))

    async def connect_twice() -> None:
        inbox: asyncio.Queue[tuple[bytes, Flow]] = asyncio.Queue()
        failures: list[str] = []
        server = await open_tcp(
            "127.0.0.1", 0, lambda d, flow: inbox.put_nowait((d, flow)), tls=tls
        )
        client = await open_tcp(
            "127.0.0.1",
            0,
            lambda data, flow: inbox.put_nowait((data, flow)),
            failed=lambda _flow, text: failures.append(text),
            tls=tls,
        )
        for resumed in (0, 1):
            client.send(MESSAGE, Flow("tls", "", 0, *server.local_address, tls_name="s.example"))
            _, flow = await inbox.get()
            server.send(REPLY, flow)
            _, back = await inbox.get()
            assert back.peer_names == ("s.example",)
            assert client.counters.tls_resumed == resumed
            await client.drop(back)
        client.send(MESSAGE, Flow("tls", "", 0, *server.local_address, tls_name="x.example"))
        await until(lambda: failures)
        assert "not for x.example but for s.example" in failures[0]
        await client.close()
        await server.close()

    on_uvloop(connect_twice())


def test_a_handshake_that_never_comes_is_given_up(authority: Authority) -> None:
    tls = Tls(TlsFiles((authority.issue("127.0.0.1"),), authority.ca_file))

    async def knock_and_wait() -> None:
        options = StreamOptions(limits=StreamLimits(handshake_ms=50))
        server = await open_tcp("127.0.0.1", 0, lambda _data, _flow: None, tls=tls, options=options)
        reader, writer = await asyncio.open_connection(*server.local_address)
        assert await reader.read() == b""
        await until(lambda: not server.connections)
        assert server.counters.failed == 1
        writer.close()
        await server.close()

    on_uvloop(knock_and_wait())
