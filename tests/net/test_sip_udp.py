"""The UDP shell on loopback."""

import asyncio

import pytest

from agentstream.base.errors import ConfigError
from agentstream.net.admission import Admission
from agentstream.net.sip_udp import UdpTransport, open_udp
from agentstream.sip.flow import Flow

pytestmark = pytest.mark.integration

Arrived = tuple[bytes, Flow]


def to(shell: UdpTransport) -> Flow:
    return Flow("udp", "", 0, *shell.local_address)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_datagram_arrives_whole_with_the_flow_to_answer_it(host: str) -> None:
    inbox: asyncio.Queue[Arrived] = asyncio.Queue()
    replies: asyncio.Queue[Arrived] = asyncio.Queue()
    server = await open_udp(host, 0, lambda data, flow: inbox.put_nowait((data, flow)))
    client = await open_udp(host, 0, lambda data, flow: replies.put_nowait((data, flow)))
    async with asyncio.timeout(5):
        client.send(b"OPTIONS", to(server))
        data, flow = await inbox.get()
        assert (data, flow) == (
            b"OPTIONS",
            Flow("udp", *server.local_address, *client.local_address),
        )
        server.send(b"200", flow)
        assert await replies.get() == (
            b"200",
            Flow("udp", *client.local_address, *server.local_address),
        )
        await client.close()
        await server.close()


async def test_the_receive_buffer_is_large() -> None:
    server = await open_udp("127.0.0.1", 0, lambda _data, _flow: None)
    assert server.receive_buffer_bytes >= 200_000
    await server.close()


async def test_a_source_that_is_not_admitted_is_not_heard_and_keep_alives_are_dropped() -> None:
    inbox: asyncio.Queue[Arrived] = asyncio.Queue()
    admission = Admission(deny=["127.0.0.2"])
    server = await open_udp(
        "127.0.0.1", 0, lambda data, flow: inbox.put_nowait((data, flow)), admission=admission
    )
    denied = await open_udp("127.0.0.2", 0, lambda _data, _flow: None)
    welcome = await open_udp("127.0.0.1", 0, lambda _data, _flow: None)
    to_server = to(server)
    async with asyncio.timeout(5):
        denied.send(b"INVITE", to_server)
        welcome.send(b"\r\n\r\n", to_server)
        welcome.send(b"OPTIONS", to_server)
        assert (await inbox.get())[0] == b"OPTIONS"
        assert inbox.empty()
        assert admission.counters.denied == 1
        for shell in (server, denied, welcome):
            await shell.close()


async def test_what_cannot_be_sent_is_reported_with_its_flow() -> None:
    failures: list[tuple[Flow, str]] = []
    shell = await open_udp(
        "127.0.0.1",
        0,
        lambda _data, _flow: None,
        failed=lambda flow, text: failures.append((flow, text)),
    )
    nowhere = Flow("udp", "", 0, "255.255.255.255", 5060)
    shell.send(b"x", nowhere)
    await shell.close()
    shell.send(b"x", Flow("udp", "", 0, "127.0.0.1", 9))
    assert [flow.remote_host for flow, _ in failures] == ["255.255.255.255", "127.0.0.1"]
    assert "closed" in failures[1][1]


@pytest.mark.parametrize("host", ["localhost", "203.0.113.254"])
async def test_an_address_that_cannot_be_bound_is_named(host: str) -> None:
    with pytest.raises(ConfigError, match=host):
        await open_udp(host, 0, lambda _data, _flow: None)
