"""Bad SIP sent to a live node while a call talks: the call does not notice, and new ones work."""

import asyncio
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from agentstream.calls.causes import Party
from agentstream.server.caller import PlacedCall
from agentstream.switch.feed import LegCounted, StreamCounted
from agentstream.testing.node import ANY_FLOW
from agentstream.testing.ports import HOST
from agentstream.testing.scene import Scene, scene
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance
WIRE = sorted((Path(__file__).parents[1] / "wire" / "sip").glob("*.sip"))
STRANGER = "127.0.0.2"  # its own address: admission counts by source
PROBE = (
    "OPTIONS sip:1000@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:{port};branch=z9hG4bK{n}\r\n"
    "From: <sip:a@127.0.0.2>;tag=1\r\nTo: <sip:b@127.0.0.1>\r\nCall-ID: {n}\r\nCSeq: 1 OPTIONS\r\n"
    "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


@contextmanager
def stranger() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((STRANGER, 0))
        udp.setblocking(False)
        yield udp


def sip_port(night: Scene, transport: str = "udp") -> int:
    """The node's port."""
    return int(night.node.address(transport).rpartition(":")[2])


async def only_number_1000(night: Scene) -> None:
    """Refuse what the bad messages call: an answer would be repeated for half a minute."""
    parts = night.node.house.parts
    account = (await parts.store.accounts.list())[0]
    flow = await parts.store.flows.apply(account.sid, "any", ANY_FLOW % night.bot.url, publish=True)
    await parts.store.numbers.assign("1000", account.sid, flow.sid)
    await parts.store.numbers.release("*")
    await parts.directory.refresh()


async def is_undisturbed(night: Scene, call: PlacedCall) -> None:
    """Check that the talk goes on, then end it and look at its counters."""
    before = len(night.bot.said("media"))
    await until(lambda: len(night.bot.said("media")) > before + 3)
    await call.hang_up()
    record = await night.record()
    assert (record.status, record.ended_by) == ("completed", Party.CALLER)
    leg, stream = night.node.saw("LegCounted")[-1], night.node.saw("StreamCounted")[-1]
    assert isinstance(leg, LegCounted)
    assert isinstance(stream, StreamCounted)
    theirs = await call.closed
    assert (leg.stats.packets_lost, theirs.packets_lost) == (0, 0)
    assert leg.stats.packets_foreign == 0
    assert stream.stats.media_dropped_out == 0
    chunks = [int(message["media"]["chunk"]) for message in night.bot.said("media")]
    assert chunks == list(range(1, len(chunks) + 1))


async def test_all_torture_messages_during_a_call(tmp_path: Path) -> None:
    """RFC 4475 and RFC 5118, and whatever else is in the collection; then noise."""
    assert len(WIRE) >= 49
    chance = random.Random(5118)
    async with scene(tmp_path) as night:
        await only_number_1000(night)
        call = await night.talk()
        bugs = night.node.house.parts.signaling.counters.get("bugs", 0)
        with stranger() as udp:
            there = (HOST, sip_port(night))
            for file in WIRE:
                udp.sendto(file.read_bytes(), there)
                await asyncio.sleep(0)
            for _ in range(100):
                udp.sendto(chance.randbytes(chance.randrange(1, 2_000)), there)
            udp.sendto(PROBE.format(port=udp.getsockname()[1], n="last").encode(), there)
            await until(lambda: answers(udp, b"Call-ID: last"))
        counters = night.node.house.parts.signaling.counters
        assert counters.get("bugs", 0) == bugs
        assert night.node.house.parts.switchboard.live_calls == 1
        await is_undisturbed(night, call)


def answers(udp: socket.socket, text: bytes) -> bool:
    """Whether an answer with this text is among those that have come."""
    while True:
        try:
            if text in udp.recv(65_535):
                return True
        except BlockingIOError:
            return False


async def test_a_flood_from_one_address_is_cut_and_a_call_from_another_is_not(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as night:
        call = await night.talk()
        signaling = night.node.house.parts.signaling
        with stranger() as udp:
            port = udp.getsockname()[1]
            for number in range(3_000):
                text = PROBE.format(port=port, n=number)
                udp.sendto(text.encode(), (HOST, sip_port(night)))
                if number % 50 == 0:
                    await asyncio.sleep(0)
            await until(lambda: signaling.counters["messages_too_fast"] > 1_000)
        await is_undisturbed(night, call)


async def test_garbage_on_a_tcp_connection_closes_that_connection_only(tmp_path: Path) -> None:
    async with scene(tmp_path) as night:
        call = await night.talk()
        for junk in (
            b"\x16\x03\x01" + bytes(500) + b"\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"A" * 200_000,
        ):
            reader, writer = await asyncio.open_connection(HOST, sip_port(night, "tcp"))
            async with asyncio.timeout(15):
                writer.write(junk)
                with suppress(ConnectionError):
                    await reader.read()
            writer.close()
        await is_undisturbed(night, call)
