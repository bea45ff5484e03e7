"""RTP that is garbage, from strangers, that stops or never comes; and no port for it at all."""

import base64
import random
import socket
import struct
from array import array
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agentstream.base.errors import CommandError
from agentstream.calls.causes import Cause, Party
from agentstream.calls.events import MediaStopped
from agentstream.media.plan import RtpLegPlan
from agentstream.net.sip_engine import Listener, SipConfig, SipEngine
from agentstream.server.caller import PlacedCall, ScriptedCaller
from agentstream.server.config import RtpConfig
from agentstream.switch.feed import LegCounted
from agentstream.testing.fake_media import FakeLeg, FakeMedia
from agentstream.testing.ports import HOST
from agentstream.testing.scene import Scene, scene
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance
STRANGE = 150  # packets in one burst: as many as a socket's buffer holds beside the caller's own


def packet(sequence: int, payload: bytes = b"\xff" * 160, kind: int = 0, ssrc: int = 7) -> bytes:
    """An RTP packet (RFC 3550 section 5.1)."""
    return struct.pack("!BBHII", 0x80, kind, sequence & 0xFFFF, sequence * 160, ssrc) + payload


class SocketMedia(FakeMedia):
    """A media engine whose one leg is a socket of the test."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    def open_rtp_leg(self, plan: RtpLegPlan) -> FakeLeg:
        return self._open(plan.leg_sid, self._port)


@asynccontextmanager
async def raw_phone() -> AsyncIterator[tuple[ScriptedCaller, socket.socket]]:
    """A caller whose RTP is whatever the test sends from the socket."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((HOST, 0))
        signaling = SipEngine(SipConfig(listeners=(Listener("udp", HOST, 0),)))
        media = SocketMedia(udp.getsockname()[1])
        async with ScriptedCaller(signaling, media, HOST) as caller:
            yield caller, udp


def leg_counters(night: Scene) -> LegCounted:
    counted = night.node.saw("LegCounted")[-1]
    assert isinstance(counted, LegCounted)
    return counted


@pytest.mark.parametrize("packets", [0, 5])
async def test_rtp_that_never_comes_or_stops_ends_the_call(tmp_path: Path, packets: int) -> None:
    """SIP-45: an event, a cause, and the caller is hung up on."""
    rtp = RtpConfig(
        host=HOST, workers=1, port_rest_ms=0, first_packet_timeout_ms=700, packet_timeout_ms=800
    )
    async with scene(tmp_path, rtp=rtp) as night, raw_phone() as (phone, udp):
        call = await phone.dial(night.node.target())
        for sequence in range(packets):
            udp.sendto(packet(sequence), (HOST, night.rtp_port(call)))
        assert (await call.wait_ended()).by == "remote"
        record = await night.record()
        (stopped,) = night.node.saw("MediaStopped")
    assert isinstance(stopped, MediaStopped)
    assert stopped.ever_flowed is (packets > 0)
    assert stopped.silent_ms >= (800 if packets else 700)
    assert (record.status, record.cause, record.ended_by) == (
        "completed",
        Cause.NO_MEDIA,
        Party.NETWORK,
    )
    assert record.text == "The network ended the call: no audio arrived from the far end."
    assert record.streams[0].outcome.status == "cancelled"


def garbage() -> list[bytes]:
    """Datagrams that are no RTP, or none that was agreed on."""
    chance = random.Random(4475)
    good = packet(1)
    return [
        b"",
        *(chance.randbytes(chance.randrange(1, 1_400)) for _ in range(100)),
        *(good[:length] for length in range(1, 12)),
        b"\x00" * 172,
        b"\xbf" + good[1:],  # 15 sources, an extension and padding that are not there
        b"\x90" + good[1:12] + b"\x00\x00\xff\xff",  # an extension longer than the packet
        b"\xa0" + good[1:-1] + b"\xff",  # padding longer than the packet
        packet(2, kind=99),
        packet(3, b""),
        packet(4, b"\xff" * 8_000),
        b"\x80\xc8\x00\x01",  # RTCP that is cut off
        b"\x81\xcb\x00\xff" + b"\x00" * 8,
        b"\x80\x65" + struct.pack("!HII", 5, 5, 5) + b"\xff\xff",  # half a telephone-event
        b"OPTIONS sip:1000@127.0.0.1 SIP/2.0\r\n\r\n",
    ]


async def test_garbage_from_the_callers_own_port_is_counted_and_the_talk_goes_on(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as night, raw_phone() as (phone, udp):
        call = await phone.dial(night.node.target())
        there = (HOST, night.rtp_port(call))
        udp.sendto(packet(0), there)
        await until(lambda: night.node.saw("MediaBegan"))
        for junk in garbage():
            udp.sendto(junk, there)
        udp.sendto(packet(1), there)
        await until(lambda: "heard" in night.bot.marks)
        await call.hang_up()
        record = await night.record()
        stats = leg_counters(night).stats
    assert (record.status, record.ended_by, record.cause) == (
        "completed",
        Party.CALLER,
        Cause.NORMAL,
    )
    assert record.digits == 0
    assert stats.packets_malformed > 50


async def test_strangers_are_neither_heard_nor_answered(tmp_path: Path) -> None:
    """Once the caller's own audio flows, nobody else can take its place (rtpbleed)."""
    async with scene(tmp_path) as night:
        call = await night.talk()
        await until(lambda: night.node.saw("MediaBegan"))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind((HOST, 0))
            stranger.setblocking(False)
            for sequence in range(STRANGE):
                stranger.sendto(packet(sequence, b"\x80" * 160), (HOST, night.rtp_port(call)))
            before = len(night.bot.said("media"))
            await until(lambda: len(night.bot.said("media")) > before + 5)
            with pytest.raises(BlockingIOError):
                stranger.recv(2_000)
        await call.hang_up()
        await night.record()
        stats = leg_counters(night).stats
        assert not night.node.saw("SourceLearnt")
        assert loudest(night) < 500
    assert stats.packets_foreign == STRANGE
    assert stats.packets_lost == 0


def loudest(night: Scene) -> int:
    """The loudest sample that the bot heard."""
    payloads = [message["media"]["payload"] for message in night.bot.said("media")]
    samples = array("h", b"".join(base64.b64decode(payload) for payload in payloads))
    return max(abs(sample) for sample in samples)


async def test_without_a_free_port_a_call_is_refused_with_503_and_the_next_one_works(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, pairs=1, limits={"calls": 9}) as night:
        call: PlacedCall = await night.talk()
        with pytest.raises(CommandError, match="503"):
            await night.dial()
        refused = night.records[-1]
        assert (refused.status, refused.cause, refused.ended_by) == (
            "failed",
            Cause.NO_PORTS,
            Party.SYSTEM,
        )
        assert refused.text.startswith("The server refused the call: no media port was free.")
        assert night.node.house.parts.switchboard.counts.refused == {"no-ports": 1}
        await call.hang_up()
        assert (await night.record()).ended_by is Party.CALLER


async def test_beyond_the_limit_of_calls_a_call_is_refused_with_503(tmp_path: Path) -> None:
    async with scene(tmp_path, limits={"calls": 1}) as night:
        call = await night.talk()
        with pytest.raises(CommandError, match="503"):
            await night.dial()
        assert night.records[-1].cause is Cause.OVERLOADED
        await call.hang_up()
        await night.record()


async def test_an_unusable_flow_refuses_its_number_and_leaves_the_others_alone(
    tmp_path: Path, logged: list[MutableMapping[str, Any]]
) -> None:
    """AF-8, AP-60: an applet of an unknown kind, and an exit that leads nowhere."""
    documents = {
        "3001": "name: one\nstart: a\napplets:\n  a: {type: teleport}\n",
        "3002": "name: two\nstart: a\napplets:\n  a: {type: greeting, text: hi, next: nowhere}\n",
    }
    async with scene(tmp_path) as night:
        parts = night.node.house.parts
        account = (await parts.store.accounts.list())[0]
        for number, document in documents.items():
            flow = await parts.store.flows.apply(account.sid, "f" + number, document, publish=True)
            await parts.store.numbers.assign(number, account.sid, flow.sid)
        await parts.directory.refresh()
        for number in documents:
            with pytest.raises(CommandError, match="404"):
                await night.caller.dial(night.node.target(number))
        assert parts.switchboard.counts.refused == {"not-found": 2}
        unusable = {str(line["error"]) for line in logged if line["event"] == "flow_unusable"}
    assert len(unusable) == 2
    assert any("teleport" in text for text in unusable), unusable
    assert any("nowhere" in text for text in unusable), unusable
