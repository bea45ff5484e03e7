"""Captures of legs: every packet both ways, byte for byte, also of what passes from leg to leg."""

import asyncio
import struct
from pathlib import Path
from typing import Any

from agentstream import _media
from agentstream.media.plan import CapturePlan, CodecPlan
from agentstream.net.pcap import Packet, read_packets

PCMU = CodecPlan(0, "PCMU")
SOUND = bytes(range(160)) * 60  # packets that pass from leg to leg on the short way as well


async def side(rig: Any, sid: str, path: Path, **bounds: int) -> tuple[Any, Any]:
    """Return a telephone and its leg, which is captured."""
    phone = await rig.phone(0, ssrc=hash(sid) & 0xFFFF)
    leg = rig.leg(leg_sid=sid)
    leg.capture(CapturePlan(str(path), "127.0.0.1", **bounds))
    leg.connect(rig.remote(phone, codecs=(PCMU,), dtmf_payload_type=101))
    return phone, leg


async def stats_of(rig: Any, leg: Any) -> _media.LegStats:
    """End the leg and return what it counted."""
    leg.close()
    closed = await rig.until(_media.LegClosed, lambda event: event.leg_sid == leg.leg_sid)
    stats: _media.LegStats = closed.stats
    return stats


def rtp(packets: list[Packet]) -> list[tuple[int, int, bytes]]:
    """Return the ports and payloads of the RTP packets among them."""
    found = []
    for packet in packets:
        source, target = struct.unpack_from("!HH", packet.data, 20)
        payload = packet.data[28:]
        if not 200 <= payload[1] <= 207:  # RFC 5761 section 4
            found.append((source, target, payload))
    return found


async def test_bridged_legs_are_captured_packet_for_packet(rig: Any, tmp_path: Path) -> None:
    first, leg_a = await side(rig, "a", tmp_path / "a.pcap")
    second, leg_b = await side(rig, "b", tmp_path / "b.pcap")
    leg_a.bridge(leg_b)
    await asyncio.gather(first.speak(SOUND, leg_a.rtp_port), second.speak(SOUND, leg_b.rtp_port))
    counted = {"a": await stats_of(rig, leg_a), "b": await stats_of(rig, leg_b)}
    rig.engine.close()  # what waits for the disk is written
    for name, leg in (("a", leg_a), ("b", leg_b)):
        packets = [*read_packets((tmp_path / f"{name}.pcap").read_bytes())]
        found = rtp(packets)
        came = [payload for _, target, payload in found if target == leg.rtp_port]
        went = [payload for source, _, payload in found if source == leg.rtp_port]
        assert len(came) == counted[name].packets_received
        assert len(went) == counted[name].packets_sent
        assert b"".join(payload[12:] for payload in came) == SOUND
        assert len(packets) > len(found)  # RTCP


async def test_a_capture_ends_when_it_is_told_to(rig: Any, tmp_path: Path) -> None:
    phone, leg = await side(rig, "a", tmp_path / "a.pcap")
    await phone.speak(SOUND[: 160 * 10], leg.rtp_port)
    leg.stop_capture()
    await phone.speak(SOUND, leg.rtp_port)
    stats = await stats_of(rig, leg)
    rig.engine.close()
    found = rtp([*read_packets((tmp_path / "a.pcap").read_bytes())])
    assert 0 < len(found) < stats.packets_received


async def test_a_file_that_cannot_be_made_hinders_no_sound(rig: Any, tmp_path: Path) -> None:
    phone, leg = await side(rig, "a", tmp_path / "nowhere" / "a.pcap")
    await phone.speak(SOUND, leg.rtp_port)
    stats = await stats_of(rig, leg)
    assert stats.packets_received == 60
