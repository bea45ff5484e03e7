"""The engine's RTP side: ports, strangers, silence, digits, hold."""

import asyncio
import struct
from typing import Any

import pytest

from agentstream import _media
from agentstream.media.plan import EnginePlan, RtpLegPlan


async def test_packets_are_sent_every_20_ms_from_the_start(rig: Any) -> None:
    """SIP-side rule: send at once, silence when there is nothing to say."""
    phone, leg = await rig.phone(), rig.leg()
    leg.connect(rig.remote(phone))
    await rig.until_true(lambda: len(phone.heard) >= 26)
    assert set(phone.payload) == {0xFF}
    numbers = [struct.unpack("!H", packet[2:4])[0] for packet in phone.heard]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    seconds = phone.heard_at[25] - phone.heard_at[0]
    assert 0.46 < seconds < 0.56


async def test_strangers_are_not_heard(rig: Any) -> None:
    """The rule against rtpbleed: only the far end's packets, once it has spoken."""
    phone, leg, bot = await rig.call(rig.listen)
    stranger = await rig.phone()
    stranger.ssrc = 99
    await phone.speak(b"\xff" * 1600, leg.rtp_port)
    for _ in range(10):
        stranger.send(b"\x10" * 160, leg.rtp_port)
    await phone.speak(b"\xff" * 800, leg.rtp_port)
    leg.close()
    stats = (await rig.until(_media.LegClosed)).stats
    assert stats.packets_foreign == 10
    assert rig.all(_media.SourceChanged) == []
    assert b"\x10" not in phone.payload
    assert {message["media"]["payload"] for message in bot.said("media")} == {"A" * 427 + "="}


async def test_garbage_is_counted(rig: Any) -> None:
    phone, leg, _ = await rig.call(rig.listen)
    await phone.speak(b"\xff" * 480, leg.rtp_port)
    for garbage in [b"", b"x", b"\x80", b"\x00" * 12, b"\xff" * 2000]:
        phone.transport.sendto(garbage, ("127.0.0.1", leg.rtp_port))
    await phone.speak(b"\xff" * 480, leg.rtp_port)
    leg.close()
    closed = await rig.until(_media.LegClosed)
    assert closed.stats.packets_malformed >= 3
    assert closed.fault == ""


async def test_packets_that_stop_are_reported_once_per_silence(rig: Any) -> None:
    """SIP-45: a dead path is noticed."""
    phone = await rig.phone()
    leg = rig.leg(first_packet_timeout_ms=100, packet_timeout_ms=60)
    leg.connect(rig.remote(phone))
    never = await rig.until(_media.RtpTimeout)
    assert (never.ever_received, 100 <= never.silent_ms < 200) == (False, True)
    await phone.speak(b"\xff" * 320, leg.rtp_port)
    stopped = await rig.until(_media.RtpTimeout, lambda event: event.ever_received)
    assert 60 <= stopped.silent_ms < 160
    await asyncio.sleep(0.15)
    assert len(rig.all(_media.RtpTimeout)) == 2


async def test_a_leg_on_hold_is_quiet_and_not_timed_out(rig: Any) -> None:
    phone, leg = await rig.phone(), rig.leg(packet_timeout_ms=60, first_packet_timeout_ms=60)
    leg.connect(rig.remote(phone, sends=False, receives=False))
    await asyncio.sleep(0.15)
    assert (phone.heard, rig.all(_media.RtpTimeout)) == ([], [])
    leg.connect(rig.remote(phone))
    await rig.until_true(lambda: len(phone.heard) > 2)


async def test_a_key_of_the_far_end_is_reported_with_its_length(rig: Any) -> None:
    """AS-90, AS-91: RFC 4733 in."""
    phone, leg = await rig.phone(), rig.leg()
    leg.connect(rig.remote(phone, dtmf_payload_type=101))
    await phone.speak(b"\xff" * 320, leg.rtp_port)
    timestamp = 50_000
    for duration, end in [(160, 0), (320, 0), (800, 0x80), (800, 0x80), (800, 0x80)]:
        header = struct.pack("!BBHII", 0x80, 101, phone.sequence, timestamp, phone.ssrc)
        event = struct.pack("!BBH", 5, end | 10, duration)
        phone.transport.sendto(header + event, ("127.0.0.1", leg.rtp_port))
        phone.sequence += 1
    digit = await rig.until(_media.Digit)
    assert (digit.digit, digit.duration_ms, digit.source) == ("5", 100, "rfc4733")
    await phone.speak(b"\xff" * 320, leg.rtp_port)
    assert len(rig.all(_media.Digit)) == 1


async def test_keys_are_sent_as_events(rig: Any) -> None:
    """RFC 4733 out."""
    phone, leg = await rig.phone(), rig.leg()
    keys: list[int] = []
    phone.datagram_received = lambda data, _addr: (
        keys.append(data[12]) if data[1] & 0x7F == 101 else None
    )
    leg.connect(rig.remote(phone, dtmf_payload_type=101))
    leg.send_digits("1#", 60, 40)
    await rig.until_true(lambda: {1, 11} <= set(keys))


async def test_another_source_is_learnt_once(rig: Any) -> None:
    """A far end behind NAT: its SDP names a port that it does not use."""
    named, real, leg = await rig.phone(), await rig.phone(), rig.leg()
    leg.connect(rig.remote(named))
    await real.speak(b"\xff" * 1600, leg.rtp_port)
    changed = await rig.until(_media.SourceChanged)
    assert changed.address == f"127.0.0.1:{real.port}"
    await rig.until_true(lambda: len(real.heard) > 2)


async def test_ports_run_out_and_come_back(rig: Any) -> None:
    legs = [rig.leg(leg_sid=f"l{number}") for number in range(rig.engine.free_ports())]
    assert len({leg.rtp_port for leg in legs}) == len(legs) == 4
    with pytest.raises(_media.PortsExhausted):
        rig.leg(leg_sid="one too many")
    legs[0].close()
    await rig.until(_media.LegClosed)
    assert rig.leg(leg_sid="again").rtp_port == legs[0].rtp_port


async def test_a_taken_port_is_named(rig: Any) -> None:
    leg = rig.leg()
    plan = EnginePlan("127.0.0.1", leg.rtp_port, leg.rtp_port + 1)
    with pytest.raises(_media.MediaError, match=f"port {leg.rtp_port}"):
        _media.Engine(plan)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (EnginePlan("nowhere", 20_000, 20_001), "rtp_host"),
        (EnginePlan("127.0.0.1", 20_001, 20_001), "rtp_port_low"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_names_its_field(plan: EnginePlan, words: str) -> None:
    with pytest.raises(_media.MediaError, match=words):
        _media.Engine(plan)


async def test_a_closed_engine_ends_its_legs_and_refuses_new_ones(rig: Any) -> None:
    _, _, bot = await rig.call(rig.listen)
    await rig.until_true(lambda: bot.said("media") != [])
    await asyncio.to_thread(rig.engine.close)
    assert (await rig.until(_media.StreamClosed)).who == "us"
    await rig.until(_media.LegClosed)
    with pytest.raises(_media.MediaError, match="closed"):
        rig.engine.open_rtp_leg(RtpLegPlan("late"))
    rig.engine.close()


async def test_figures_of_the_engine_add_up(rig: Any) -> None:
    phone, leg, _ = await rig.call(rig.listen)
    await phone.speak(b"\xff" * 1600, leg.rtp_port)
    stats = rig.engine.stats()
    assert (stats.legs, stats.streams, stats.packets_received) == (1, 1, 10)
    assert stats.packets_sent >= 10
    assert stats.as_dict()["leg_faults"] == 0
    leg.close()
    await rig.until(_media.LegClosed)
    stats = rig.engine.stats()
    assert (stats.legs, stats.streams) == (0, 0)


async def test_unknown_ids_and_late_commands_change_nothing(rig: Any) -> None:
    leg = rig.leg()
    leg.send_text("nobody", "{}")
    leg.drain_stream("nobody")
    leg.drop_stream("nobody")
    leg.close_stream("nobody", 1000, "", None)
    leg.stop_play()
    leg.stop_recording("nobody")
    leg.pause_recording("nobody")
    leg.resume_recording("nobody")
    leg.start()
    leg.close()
    leg.close()
    leg.send_digits("1")
    await rig.until(_media.LegClosed)
    assert [type(event) for event in rig.events] == [_media.LegClosed]
