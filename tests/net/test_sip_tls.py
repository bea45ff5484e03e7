"""TLS under SIP: who is believed, with which certificate, again after a loss, and for how long."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import cast

import pytest

from agentstream.net.sip_connection import StreamLimits
from agentstream.net.sip_tcp import StreamOptions, StreamTransport, open_tcp
from agentstream.net.tls import Certificate, ClientCheck, Tls, TlsFiles, TlsProfile
from agentstream.sip.flow import Flow
from agentstream.testing.certificates import Authority, serving
from agentstream.testing.manual_clock import ManualClock
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration
HOST = "127.0.0.1"
MESSAGE = b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 4\r\n\r\nbody"
REPLY = b"SIP/2.0 200 OK\r\nl: 0\r\n\r\n"


@dataclass
class Shell:
    """A transport and what it reported."""

    inbox: asyncio.Queue[tuple[bytes, Flow]] = field(default_factory=asyncio.Queue)
    failures: asyncio.Queue[tuple[Flow, str]] = field(default_factory=asyncio.Queue)
    transport: StreamTransport = field(init=False)

    def send_to(self, other: "Shell", tls_name: str = "", tls_profile: str = "") -> None:
        host, port = other.transport.local_address
        flow = Flow("tls", "", 0, host, port, 0, tls_name, tls_profile)
        self.transport.send(MESSAGE, flow)


@contextlib.asynccontextmanager
async def opened(
    tls: TlsFiles, options: StreamOptions | None = None, host: str = HOST
) -> AsyncIterator[Shell]:
    shell = Shell()
    shell.transport = await open_tcp(
        host,
        0,
        lambda data, flow: shell.inbox.put_nowait((data, flow)),
        failed=lambda flow, text: shell.failures.put_nowait((flow, text)),
        tls=Tls(tls),
        options=options,
    )
    try:
        async with asyncio.timeout(5):
            yield shell
    finally:
        await shell.transport.close()


@pytest.mark.parametrize(
    ("names", "asked", "is_right"),
    [
        (("a.example",), "A.example", True),
        (("*.carrier.example",), "edge.carrier.example", True),
        (("*.carrier.example",), "carrier.example", False),
        (("sip:carrier.example", "edge7.example"), "carrier.example", True),
        (("sip:carrier.example", "edge7.example"), "edge7.example", False),
        ((HOST,), "", True),
        (("a.example",), "", False),
    ],
)
async def test_the_peer_must_be_whom_we_called(
    names: tuple[str, ...], asked: str, is_right: bool, authority: Authority
) -> None:
    """SIP-5: RFC 5922 section 7."""
    theirs = TlsFiles((authority.issue(*names, file_name="theirs"),))
    ours = TlsFiles((authority.issue("b.example"),), authority.ca_file)
    async with opened(theirs) as server, opened(ours) as client:
        client.send_to(server, asked)
        if is_right:
            assert (await server.inbox.get())[0] == MESSAGE
        else:
            wanted = asked or HOST
            assert f"the certificate is not for {wanted} but" in (await client.failures.get())[1]
            assert client.transport.counters.wrong_names == 1
            assert server.inbox.empty()


async def test_each_profile_has_its_own_connection_certificate_and_authority(
    authority: Authority, new_authority: Callable[[str], Authority]
) -> None:
    """PN-50."""
    other = new_authority("other")
    issued = authority.issue("a.customer.example")
    theirs = TlsFiles((authority.issue("s.example"),), client_check=ClientCheck(authority.ca_file))
    profiles = {
        "a": TlsProfile(Certificate(issued.chain_file, issued.key_file), authority.ca_file),
        "b": TlsProfile(authority.issue("b.customer.example"), authority.ca_file),
        "blind": TlsProfile(authority.issue("c.customer.example"), verify=False),
    }
    ours = TlsFiles((other.issue("node.example"),), other.ca_file, profiles=profiles)
    async with opened(theirs) as server, opened(ours) as client:
        for profile, name in (("a", "s.example"), ("b", "s.example"), ("blind", "x.example")):
            client.send_to(server, name, profile)
            _, flow = await server.inbox.get()
            whose = "c" if profile == "blind" else profile
            assert flow.peer_names == (f"{whose}.customer.example",)
        assert client.transport.connections == 3
        client.send_to(server, "s.example")
        assert "CERTIFICATE_VERIFY_FAILED" in (await client.failures.get())[1]


async def test_a_refused_certificate_is_told_at_once_even_in_tls_1_3(
    authority: Authority, new_authority: Callable[[str], Authority]
) -> None:
    """RFC 8446 section 4.4.2.4: the server says no when the client is done already."""
    stranger = new_authority("stranger")
    check = ClientCheck(authority.ca_file)
    theirs = TlsFiles((authority.issue("s.example"),), client_check=check, minimum="1.3")
    ours = TlsFiles((stranger.issue("node.example"),), authority.ca_file)
    async with opened(theirs) as server, opened(ours) as client:
        client.send_to(server, "s.example")
        flow, _ = await client.failures.get()
        assert (flow.tls_name, flow.remote_port) == ("s.example", server.transport.local_address[1])
        assert server.inbox.empty()


async def test_a_lost_connection_is_made_again_with_the_same_name_and_session(
    authority: Authority,
) -> None:
    """SIP-6; RFC 5922 section 4: the name of the first is the name of the second."""
    theirs = TlsFiles((authority.issue("s.example"),))
    ours = TlsFiles((authority.issue("node.example"),), authority.ca_file)
    async with opened(theirs) as server, opened(ours) as client:
        client.send_to(server, "s.example")
        _, flow = await server.inbox.get()
        server.transport.send(REPLY, flow)
        _, back = await client.inbox.get()
        assert (back.tls_name, back.peer_names) == ("s.example", ("s.example",))
        await client.transport.drop(back)
        client.transport.send(MESSAGE, back)
        _, second = await server.inbox.get()
        assert second.id != flow.id
        assert client.transport.counters.tls_resumed == 1


async def test_a_renewal_leaves_live_connections_alone(authority: Authority) -> None:
    tls = Tls(TlsFiles((authority.issue("s.example", file_name="live"),), authority.ca_file))
    inbox: asyncio.Queue[tuple[bytes, Flow]] = asyncio.Queue()
    shell = await open_tcp(HOST, 0, lambda data, flow: inbox.put_nowait((data, flow)), tls=tls)
    ours = TlsFiles((authority.issue("node.example"),), authority.ca_file)
    async with opened(ours) as client:
        address = shell.local_address
        client.transport.send(MESSAGE, Flow("tls", "", 0, *address, tls_name="s.example"))
        _, flow = await inbox.get()
        authority.issue("new.example", file_name="live")
        assert tls.reload(force=True)
        shell.send(REPLY, flow)
        assert (await client.inbox.get())[0] == REPLY
        client.transport.send(MESSAGE, Flow("tls", "", 0, *address, tls_name="new.example"))
        _, second = await inbox.get()
        assert second.id != flow.id
    await shell.close()


async def test_ipv6_is_spoken_and_its_address_proven(authority: Authority) -> None:
    files = TlsFiles((authority.issue("::1", file_name="six"),), authority.ca_file)
    async with opened(files, host="::1") as server, opened(files, host="::1") as client:
        client.send_to(server)
        assert (await server.inbox.get())[0] == MESSAGE


async def test_a_server_that_never_shakes_hands_is_given_up(authority: Authority) -> None:
    async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    files = TlsFiles((authority.issue("a.example"),), authority.ca_file)
    options = StreamOptions(limits=StreamLimits(connect_ms=50))
    async with await asyncio.start_server(ignore, HOST, 0) as mute, opened(files, options) as us:
        port = mute.sockets[0].getsockname()[1]
        us.transport.send(MESSAGE, Flow("tls", "", 0, HOST, port))
        assert (await us.failures.get())[1] == "cannot connect: no answer in time"
        assert us.transport.counters.connects_timed_out == 1
        await until(lambda: not us.transport.connections)


async def test_a_peer_that_does_not_say_goodbye_does_not_hold_its_connection(
    authority: Authority,
) -> None:
    held: list[asyncio.StreamWriter] = []

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        await reader.readuntil(b"body")
        cast("asyncio.Transport", writer.transport).pause_reading()
        writer.write(REPLY)

    certificate = authority.issue("s.example")
    clock = ManualClock()
    options = StreamOptions(clock=clock)
    files = TlsFiles((authority.issue("a.example"),), authority.ca_file)
    async with (
        await asyncio.start_server(hold, HOST, 0, ssl=serving(certificate)) as mute,
        opened(files, options) as us,
    ):
        port = mute.sockets[0].getsockname()[1]
        us.transport.send(MESSAGE, Flow("tls", "", 0, HOST, port, 0, "s.example"))
        _, flow = await us.inbox.get()
        (connection,) = us.transport._connections.values()
        connection.close()
        us.transport.check(clock.now_ms() + 5_000)
        us.transport.check(clock.now_ms() + 5_001)
        await connection.ended
        assert us.transport.connections == 0
        assert flow.id == connection.number
        held[0].transport.abort()
        await asyncio.sleep(0)


async def test_a_peer_whose_kernel_is_silent_is_given_up_by_ours(authority: Authority) -> None:
    """RFC 5482: nothing else would end a half-open connection before an hour has passed."""
    seen: list[int] = []
    files = TlsFiles((authority.issue("s.example"),), authority.ca_file)
    options = StreamOptions(limits=StreamLimits(unacknowledged_ms=12_000))
    async with opened(files, options) as server, opened(files, options) as client:
        client.send_to(server, "s.example")
        await server.inbox.get()
        for shell in (server, client):
            (connection,) = shell.transport._connections.values()
            assert connection._socket is not None
            raw = connection._socket.get_extra_info("socket")
            seen.append(raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))
    assert seen == [12_000, 12_000]
