"""Telephones that hear others one way: codecs, keys, bots, recordings, and bridges listened to."""

import asyncio
import base64
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agentstream import _media
from agentstream.media.plan import CHUNK, PAYLOAD, SEQ, TIMESTAMP_MS, TRACK, CodecPlan, RecordPlan
from agentstream.testing.sound import as_ulaw, from_pcm, kept, strength

PCMU, PCMA, G722 = CodecPlan(0, "PCMU"), CodecPlan(8, "PCMA"), CodecPlan(9, "G722")
FRAME = 160
LEAD = b"\xff" * FRAME * 15
MOST = 0.85
MEDIA = (
    f'{{"event":"media","n":"{SEQ}","media":{{"track":"{TRACK}","chunk":"{CHUNK}",'
    f'"timestamp":"{TIMESTAMP_MS}","payload":"{PAYLOAD}"}}}}'
)
both_ways = pytest.mark.parametrize("rig", [1, 2], indirect=True)


async def side(rig: Any, sid: str, codec: CodecPlan = PCMU) -> tuple[Any, Any]:
    """A telephone and its leg."""
    phone = await rig.phone(codec.payload_type, ssrc=ord(sid))
    leg = rig.leg(leg_sid=sid)
    leg.connect(rig.remote(phone, codecs=(codec,), dtmf_payload_type=101))
    return phone, leg


async def talk(*speakers: tuple[Any, Any, bytes]) -> None:
    await asyncio.gather(*(phone.speak(said, leg.rtp_port) for phone, leg, said in speakers))


def tone(hz: float, seconds: float = 1.0) -> bytes:
    angles = np.arange(int(8000 * seconds)) * (2 * np.pi * hz / 8000)
    return as_ulaw(np.sin(angles) * 6000)


def told(rig: Any, phone: Any, frames: int = 25) -> NDArray[np.float64]:
    """What a telephone of µ-law was sent last."""
    return from_pcm(rig.pcm_of(b"".join(packet[12:] for packet in phone.heard[-frames:])))


def frames_of(pcm: NDArray[np.int16]) -> NDArray[np.int16]:
    return pcm[: len(pcm) // FRAME * FRAME].reshape(-1, FRAME)


def recorded(path: Path) -> NDArray[np.float64]:
    with wave.open(str(path), "rb") as file:
        return from_pcm(file.readframes(file.getnframes()))


async def stop_recording(rig: Any, leg: Any, sid: str) -> None:
    leg.stop_recording(sid)
    await rig.until(_media.RecordingReady, lambda event: event.recording_sid == sid)


@both_ways
async def test_telephones_of_three_codecs_hear_each_other_ex_26(rig: Any, tmp_path: Path) -> None:
    """A speaks µ-law; B (G.722) and C (A-law) say again what they were told by A."""
    a, leg_a = await side(rig, "a", PCMU)
    b, leg_b = await side(rig, "b", G722)
    c, leg_c = await side(rig, "c", PCMA)
    for leg in (leg_b, leg_c):
        leg.hear(leg_a)
    await talk((a, leg_a, tone(1000)))
    wide = b"".join(packet[12:] for packet in b.heard[-40:])
    await talk((a, leg_a, tone(600)))
    narrow = b"".join(packet[12:] for packet in c.heard[-40:])
    for one, other in ((leg_a, leg_b), (leg_a, leg_c), (leg_b, leg_c), (leg_c, leg_b)):
        one.hear(other)
    for leg in (leg_b, leg_c):
        path = tmp_path / f"{leg.leg_sid}.wav"
        leg.record(RecordPlan(leg.leg_sid, str(path), "said"))
    await talk((b, leg_b, wide), (c, leg_c, narrow))
    for leg in (leg_b, leg_c):
        await stop_recording(rig, leg, leg.leg_sid)
    both = told(rig, a)
    assert min(strength(both, 1000), strength(both, 600)) > 5_000
    heard_by_b = recorded(tmp_path / "b.wav")[-16_000 * 6 // 10 : -1_600]
    assert strength(heard_by_b, 600, 16_000) > 5_000
    assert strength(heard_by_b, 1000, 16_000) < 200
    heard_by_c = recorded(tmp_path / "c.wav")[-8_000 * 6 // 10 : -800]
    assert strength(heard_by_c, 1000) > 5_000
    assert strength(heard_by_c, 600) < 200


@both_ways
async def test_packets_of_a_bridge_pass_byte_by_byte_while_somebody_listens_ex_27(
    rig: Any,
) -> None:
    """Whoever comes to listen and goes again is noticed by neither of the two."""
    a, leg_a = await side(rig, "a")
    b, leg_b = await side(rig, "b")
    c, leg_c = await side(rig, "c")
    leg_a.bridge(leg_b)
    await talk((a, leg_a, LEAD), (b, leg_b, LEAD), (c, leg_c, LEAD))
    said_a, said_b = (
        np.random.default_rng(seed).integers(0, 256, FRAME * 90, np.uint8).tobytes()
        for seed in (1, 2)
    )

    async def listen() -> None:
        await asyncio.sleep(0.4)
        leg_c.hear(leg_a)
        leg_c.hear(leg_b)
        await asyncio.sleep(0.6)
        leg_c.unhear(leg_a)
        leg_c.unhear(leg_b)

    tail = b"\xff" * FRAME * 3
    await asyncio.gather(
        talk((a, leg_a, said_a + tail), (b, leg_b, said_b + tail), (c, leg_c, said_a)), listen()
    )
    assert min(kept(said_a, b.payload), kept(said_b, a.payload)) > MOST
    assert np.abs(told(rig, c, 60)[: FRAME * 8]).mean() > 2_000
    assert not told(rig, c, 10).any()
    leg_c.close()
    closed = await rig.until(_media.LegClosed)
    assert 50 <= closed.stats.bridge_frames <= 70


@both_ways
async def test_keys_are_pressed_at_those_who_hear_and_want_them_ex_45(rig: Any) -> None:
    """RFC 4733 in, RFC 4733 out: one event with three ends, and none without `relays_digits`."""
    a, leg_a = await side(rig, "a")
    b, leg_b = await side(rig, "b")
    c, leg_c = await side(rig, "c")
    leg_b.hear(leg_a, relays_digits=True)
    leg_c.hear(leg_a)
    leg_a.hear(leg_b, relays_digits=True)
    leg_a.mute(heard=True, said=True, prompts=True)  # keys pass all the same
    sides = ((a, leg_a, LEAD), (b, leg_b, LEAD), (c, leg_c, LEAD))
    await talk(*sides)
    await a.press(5, leg_a.rtp_port)
    digit = await rig.until(_media.Digit)
    assert (digit.leg_sid, digit.digit, digit.source) == ("a", "5", "rfc4733")
    await talk(*sides)
    assert {packet[12] for packet in b.events} == {5}
    assert len([packet for packet in b.events if packet[13] & 0x80]) == 3
    assert len({packet[4:8] for packet in b.events}) == 1
    assert (a.events, c.events, len(rig.all(_media.Digit))) == ([], [], 1)


@both_ways
async def test_a_recording_of_a_telephone_in_a_bridge_of_three_is_what_it_was_sent_ex_22(
    rig: Any, tmp_path: Path
) -> None:
    a, leg_a = await side(rig, "a")
    b, leg_b = await side(rig, "b")
    c, leg_c = await side(rig, "c")
    legs = (leg_a, leg_b, leg_c)
    for one in legs:
        for other in legs:
            if one is not other:
                one.hear(other)
    await talk((a, leg_a, LEAD), (b, leg_b, LEAD), (c, leg_c, LEAD))
    leg_a.record(RecordPlan("r1", str(tmp_path / "a.wav"), "stereo"))
    said = [rig.mulaw_noise(FRAME * 40, seed) for seed in (1, 2, 3)]
    tail = b"\xff" * FRAME * 3
    await talk(*((p, leg, s + tail) for p, leg, s in zip((a, b, c), legs, said, strict=True)))
    await stop_recording(rig, leg_a, "r1")
    with wave.open(str(tmp_path / "a.wav"), "rb") as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
    left, right = pcm[:, 0], pcm[:, 1]
    assert kept(said[0], as_ulaw(left.astype(np.float64))) > MOST
    assert kept(as_ulaw(right.astype(np.float64)), a.payload) > MOST
    one, other = (frames_of(np.frombuffer(rig.pcm_of(voice), np.int16)) for voice in said[1:])
    sums = np.clip(one[:, None].astype(np.int32) + other, -32_768, 32_767).astype(np.int16)
    wanted = {frame.tobytes() for frame in sums.reshape(-1, FRAME)}
    found = sum(frame.tobytes() in wanted for frame in frames_of(right))
    assert found > 40 * MOST


async def test_a_bot_is_told_what_its_party_hears_through_links(rig: Any) -> None:
    a, leg_a = await side(rig, "a")
    b, leg_b = await side(rig, "b")
    leg_a.hear(leg_b)
    bot = await rig.bot(rig.listen)
    plan = {"media_template": MEDIA, "two_way": False, "frame_ms": 20, "track": "both"}
    leg_a.open_stream(rig.stream(bot.port, **plan))
    await rig.until(_media.StreamOpen)
    await talk((a, leg_a, tone(500, 0.8)), (b, leg_b, tone(1300, 0.8)))
    await rig.until_true(lambda: len(bot.said("media")) >= 60)
    for track, own, other in (("inbound", 500, 1300), ("outbound", 1300, 500)):
        media = [message["media"] for message in bot.said("media")]
        payloads = [one["payload"] for one in media if one["track"] == track]
        sound = from_pcm(b"".join(base64.b64decode(one) for one in payloads))[2_000:4_800]
        assert strength(sound, own) > 5_000, track
        assert strength(sound, other) < 300, track


@both_ways
async def test_a_voice_is_heard_within_a_frame_of_its_own_time(rig: Any) -> None:
    """Phase lock 3.5 ms, a frame for the lane, and what this process takes to hear."""
    a, leg_a = await side(rig, "a")
    b, leg_b = await side(rig, "b")
    leg_b.hear(leg_a)
    await talk((a, leg_a, LEAD), (b, leg_b, LEAD))
    waits = await a.delays_to(b, leg_a.rtp_port, leg_b.rtp_port)
    assert len(waits) > 40
    assert float(np.median(waits)) < 0.032
