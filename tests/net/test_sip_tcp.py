"""The TCP and TLS shell on loopback."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Protocol

import pytest

from agentstream.base.errors import ConfigError
from agentstream.net.admission import Admission
from agentstream.net.sip_connection import StreamLimits
from agentstream.net.sip_tcp import StreamOptions, StreamTransport, open_tcp
from agentstream.net.tls import Certificate, ClientCheck, Tls, TlsFiles
from agentstream.sip.flow import Flow
from agentstream.testing.manual_clock import ManualClock
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration

MESSAGE = b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 4\r\n\r\nbody"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
REPLY = b"SIP/2.0 200 OK\r\nl: 0\r\n\r\n"


class Authority(Protocol):
    """What the fixture of that name gives."""

    @property
    def ca_file(self) -> str: ...

    def issue(self, *names: str, file_name: str = "") -> Certificate: ...


@dataclass
class Shell:
    """A transport and what it reported."""

    inbox: asyncio.Queue[tuple[bytes, Flow]] = field(default_factory=asyncio.Queue)
    failures: asyncio.Queue[tuple[Flow, str]] = field(default_factory=asyncio.Queue)
    transport: StreamTransport = field(init=False)

    @property
    def address(self) -> tuple[str, int]:
        return self.transport.local_address

    def flow_to(self, other: "Shell", tls_name: str = "", tls_profile: str = "") -> Flow:
        host, port = other.address
        return Flow(self.transport.transport, "", 0, host, port, 0, tls_name, tls_profile)


@contextlib.asynccontextmanager
async def opened(
    host: str = "127.0.0.1", tls: Tls | None = None, options: StreamOptions | None = None
) -> AsyncIterator[Shell]:
    shell = Shell()
    shell.transport = await open_tcp(
        host,
        0,
        lambda data, flow: shell.inbox.put_nowait((data, flow)),
        failed=lambda flow, text: shell.failures.put_nowait((flow, text)),
        tls=tls,
        options=options,
    )
    try:
        async with asyncio.timeout(5):
            yield shell
    finally:
        await shell.transport.close()


@contextlib.asynccontextmanager
async def raw_client(shell: Shell) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection(*shell.address)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_message_connects_and_its_reply_comes_back_on_the_same_connection(
    host: str,
) -> None:
    async with opened(host) as server, opened(host) as client:
        client.transport.send(MESSAGE, client.flow_to(server))
        data, flow = await server.inbox.get()
        assert data == MESSAGE
        assert (flow.transport, flow.local_host, flow.local_port) == ("tcp", *server.address)
        server.transport.send(REPLY, flow)
        data, back = await client.inbox.get()
        assert data == REPLY
        assert (back.remote_host, back.remote_port) == server.address
        assert server.transport.connections == client.transport.connections == 1


async def test_a_second_message_and_those_that_waited_use_the_first_connection() -> None:
    async with opened() as server, opened() as client:
        for _ in range(3):
            client.transport.send(MESSAGE, client.flow_to(server))
        ids = {(await server.inbox.get())[1].id for _ in range(3)}
        client.transport.send(MESSAGE, client.flow_to(server))
        ids.add((await server.inbox.get())[1].id)
        assert len(ids) == 1
        assert client.transport.counters.connected == 1


async def test_a_stream_is_cut_into_messages_wherever_the_segments_end() -> None:
    async with opened() as server, raw_client(server) as (_reader, writer):
        for byte in b"\r\n\r\n" + MESSAGE + b"\r\n" + REPLY:
            writer.write(bytes((byte,)))
            await writer.drain()
        assert (await server.inbox.get())[0] == MESSAGE
        assert (await server.inbox.get())[0] == REPLY


async def test_a_ping_is_answered_with_a_pong() -> None:
    async with opened() as server, raw_client(server) as (reader, writer):
        writer.write(b"\r\n\r\n")
        assert await reader.readexactly(2) == b"\r\n"


async def test_a_broken_stream_is_closed() -> None:
    async with opened() as server, raw_client(server) as (reader, writer):
        writer.write(b"OPTIONS sip:a@b SIP/2.0\r\nVia: no length\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        assert server.transport.counters.broken == 1


async def test_a_quiet_connection_is_pinged_every_25_s_sip_7() -> None:
    clock = ManualClock()
    async with (
        opened(options=StreamOptions(clock=clock)) as server,
        raw_client(server) as (reader, writer),
    ):
        writer.write(MESSAGE)
        await server.inbox.get()
        server.transport.check(clock.now_ms() + 24_999)
        clock.advance(25_000)
        server.transport.check(clock.now_ms())
        assert await reader.readexactly(4) == b"\r\n\r\n"
        server.transport.check(clock.now_ms())
        assert server.transport.connections == 1


@pytest.mark.parametrize(
    ("said", "after_ms"),
    [(b"", 10_001), (MESSAGE + b"OPT", 10_001), (MESSAGE, 3_600_001)],
    ids=["silent from the start", "stops inside a message", "idle for an hour"],
)
async def test_a_connection_that_keeps_us_waiting_is_ended(said: bytes, after_ms: int) -> None:
    clock = ManualClock()
    async with (
        opened(options=StreamOptions(clock=clock)) as server,
        raw_client(server) as (reader, writer),
    ):
        writer.write(b"\r\n\r\n" + said)
        await reader.readexactly(2)
        if said:
            await server.inbox.get()
        server.transport.check(clock.now_ms() + after_ms - 1)
        assert server.transport.counters.timed_out == 0
        server.transport.check(clock.now_ms() + after_ms)
        assert server.transport.counters.timed_out == 1
        with contextlib.suppress(ConnectionResetError):
            await reader.read()


async def test_a_source_may_hold_only_so_many_connections_and_gets_room_back() -> None:
    options = StreamOptions(limits=StreamLimits(per_source=1))
    async with opened(options=options) as server:
        async with raw_client(server) as (_reader, writer):
            writer.write(MESSAGE)
            await server.inbox.get()
            async with raw_client(server) as (second, _writer):
                assert await second.read() == b""
                assert server.transport.counters.refused == 1
        await until(lambda: not server.transport.connections)
        async with raw_client(server) as (_reader, writer):
            writer.write(MESSAGE)
            await server.inbox.get()


async def test_all_sources_together_may_hold_only_so_many_connections() -> None:
    options = StreamOptions(limits=StreamLimits(connections=0))
    async with opened(options=options) as server, opened() as other:
        async with raw_client(server) as (reader, _writer):
            assert await reader.read() == b""
        server.transport.send(MESSAGE, server.flow_to(other))
        assert "too many" in (await server.failures.get())[1]


async def test_admission_is_asked_before_a_connection_and_for_each_message() -> None:
    denied = StreamOptions(admission=Admission(deny=["127.0.0.0/8"]))
    async with opened(options=denied) as server, raw_client(server) as (reader, _writer):
        assert await reader.read() == b""
        assert server.inbox.empty()


async def test_a_peer_that_does_not_read_loses_its_connection() -> None:
    options = StreamOptions(limits=StreamLimits(unsent_bytes=1_000))
    async with opened(options=options) as server, raw_client(server) as (_reader, writer):
        writer.write(MESSAGE)
        _, flow = await server.inbox.get()
        server.transport.send(bytes(1_001), flow)
        failed, text = await server.failures.get()
        assert failed == flow
        assert "does not read" in text
        assert server.transport.counters.slow_readers == 1


async def test_too_much_waiting_for_one_connection_is_refused() -> None:
    options = StreamOptions(limits=StreamLimits(unsent_bytes=1_000))
    async with opened() as server, opened(options=options) as client:
        client.transport.send(MESSAGE, client.flow_to(server))
        client.transport.send(bytes(1_000), client.flow_to(server))
        assert "waiting" in (await client.failures.get())[1]
        assert (await server.inbox.get())[0] == MESSAGE


async def test_a_refused_connection_is_told_for_each_message_that_waited() -> None:
    async with opened() as client:
        async with opened() as gone:
            nowhere = client.flow_to(gone)
        client.transport.send(MESSAGE, nowhere)
        client.transport.send(MESSAGE, nowhere)
        for _ in range(2):
            flow, text = await client.failures.get()
            assert flow == nowhere
            assert text.startswith("cannot connect: ")
        assert client.transport.connections == 0


async def test_what_is_sent_after_closing_fails() -> None:
    async with opened() as shell:
        flow = shell.flow_to(shell)
        await shell.transport.close()
        shell.transport.send(MESSAGE, flow)
        assert "closed" in (await shell.failures.get())[1]


async def test_a_lost_connection_is_replaced_by_a_new_one() -> None:
    async with opened() as server, opened() as client:
        client.transport.send(MESSAGE, client.flow_to(server))
        _, flow = await server.inbox.get()
        server.transport.send(REPLY, flow)
        _, dead = await client.inbox.get()
        await client.transport.drop(dead)
        client.transport.send(MESSAGE, dead)
        _, second = await server.inbox.get()
        assert second.id != flow.id


async def test_an_address_in_use_is_named() -> None:
    async with opened() as shell:
        with pytest.raises(ConfigError, match=str(shell.address[1])):
            await open_tcp(*shell.address, lambda _data, _flow: None)


def tls_of(authority: Authority, certificate: Certificate, check: ClientCheck | None = None) -> Tls:
    return Tls(TlsFiles((certificate,), authority.ca_file, check))


async def test_tls_carries_messages_both_ways_when_the_name_is_right(authority: Authority) -> None:
    tls = tls_of(authority, authority.issue("sip.carrier.example", "127.0.0.1"))
    async with opened(tls=tls) as server, opened(tls=tls) as client:
        client.transport.send(MESSAGE, client.flow_to(server, "sip.carrier.example"))
        data, flow = await server.inbox.get()
        assert (data, flow.transport) == (MESSAGE, "tls")
        server.transport.send(REPLY, flow)
        assert (await client.inbox.get())[0] == REPLY
        assert flow.peer_names == ()


async def test_tls_is_refused_when_the_certificate_names_another_host(
    authority: Authority,
) -> None:
    tls = tls_of(authority, authority.issue("sip.carrier.example"))
    async with opened(tls=tls) as server, opened(tls=tls) as client:
        client.transport.send(MESSAGE, client.flow_to(server, "sip.other.example"))
        _, text = await client.failures.get()
        assert "sip.other.example" in text
        assert server.inbox.empty()


async def test_tls_1_1_is_refused(authority: Authority) -> None:
    tls = tls_of(authority, authority.issue("sip.carrier.example", "127.0.0.1"))
    assert tls.server.minimum_version == tls.client().minimum_version == ssl.TLSVersion.TLSv1_2


async def test_a_certificate_of_another_authority_is_refused(
    authority: Authority, new_authority: Callable[[str], Authority]
) -> None:
    stranger = new_authority("stranger")
    theirs = tls_of(stranger, stranger.issue("127.0.0.1"))
    ours = tls_of(authority, authority.issue("127.0.0.1"))
    async with opened(tls=theirs) as server, opened(tls=ours) as client:
        client.transport.send(MESSAGE, client.flow_to(server))
        assert "CERTIFICATE_VERIFY_FAILED" in (await client.failures.get())[1]


async def test_mutual_tls_proves_the_client_and_refuses_a_stranger_sip_36(
    authority: Authority, new_authority: Callable[[str], Authority]
) -> None:
    certificate = authority.issue("pbx.customer.example", "127.0.0.1")
    check = ClientCheck(authority.ca_file)
    mutual = tls_of(authority, certificate, check)
    stranger = new_authority("stranger")
    unknown = tls_of(authority, stranger.issue("pbx.customer.example"))
    async with opened(tls=mutual) as server:
        async with opened(tls=mutual) as client:
            client.transport.send(MESSAGE, client.flow_to(server))
            _, flow = await server.inbox.get()
            assert flow.peer_names == ("pbx.customer.example", "127.0.0.1")
        async with opened(tls=unknown) as client:
            client.transport.send(MESSAGE, client.flow_to(server))
            await until(lambda: server.transport.counters.failed)
        assert server.inbox.empty()


async def test_a_connection_that_never_shakes_hands_is_given_up(authority: Authority) -> None:
    tls = tls_of(authority, authority.issue("127.0.0.1"))
    options = StreamOptions(limits=StreamLimits(handshake_ms=50))
    async with (
        opened(tls=tls, options=options) as server,
        raw_client(server) as (reader, _writer),
    ):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        await until(lambda: not server.transport.connections)
        assert server.transport.counters.failed == 1
