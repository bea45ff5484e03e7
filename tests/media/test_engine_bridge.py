"""Two legs that hear each other: byte by byte, beside prompts and bots, until one of them ends."""

import asyncio
import struct
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agentstream import _media
from agentstream.media.plan import CodecPlan, FileLegPlan, PromptPlan, RecordPlan
from agentstream.testing.sound import as_ulaw, kept

PCMU, PCMA, G722 = CodecPlan(0, "PCMU"), CodecPlan(8, "PCMA"), CodecPlan(9, "G722")
FRAME = 160
LEAD, TAIL = b"\xff" * FRAME * 15, b"\xff" * FRAME * 3
MOST = 0.85
# On one thread a leg says what the other has heard at once, on two at its own beat.
both_ways = pytest.mark.parametrize("rig", [1, 2], indirect=True)


async def side(rig: Any, sid: str, codec: CodecPlan = PCMU, **remote: Any) -> tuple[Any, Any]:
    """A telephone and its leg."""
    phone = await rig.phone(codec.payload_type, ssrc=hash(sid) & 0xFFFF)
    leg = rig.leg(leg_sid=sid)
    settings = {"codecs": (codec,), "dtmf_payload_type": 101} | remote
    leg.connect(rig.remote(phone, **settings))
    return phone, leg


async def two_sides(rig: Any, codec: CodecPlan = PCMU) -> tuple[Any, Any, Any, Any]:
    """Two bridged telephones and their legs."""
    a, leg_a = await side(rig, "a", codec)
    b, leg_b = await side(rig, "b", codec)
    leg_a.bridge(leg_b)
    return a, leg_a, b, leg_b


async def talk(*speakers: tuple[Any, Any, bytes]) -> None:
    """All speak at once; first some silence, so that the legs' beats follow the telephones."""
    await asyncio.gather(
        *(phone.speak(LEAD + said + TAIL, leg.rtp_port) for phone, leg, said in speakers)
    )


async def settle(*speakers: tuple[Any, Any]) -> None:
    """Say nothing for a while."""
    await talk(*((phone, leg, b"") for phone, leg in speakers))


async def stats_of(rig: Any, leg: Any) -> _media.LegStats:
    """End the leg and return what it counted."""
    leg.close()
    closed: _media.LegClosed = await rig.until(
        _media.LegClosed, lambda event: event.leg_sid == leg.leg_sid
    )
    assert closed.fault == ""
    return closed.stats


def loud(level: int) -> bytes:
    """One µ-law byte of about this level."""
    return as_ulaw(np.array([level], np.float64))


def level_of(rig: Any, byte: bytes) -> int:
    """The level that the byte really has."""
    return int(struct.unpack("<h", rig.pcm_of(byte))[0])


def noise(seed: int, frames: int = 40) -> bytes:
    """Every byte there is, among them µ-law's negative zero, which no encoder makes."""
    return np.random.default_rng(seed).integers(0, 256, frames * FRAME, np.uint8).tobytes()


def tone(hz: float, rate_hz: int, seconds: float) -> NDArray[np.int16]:
    angles = np.arange(int(rate_hz * seconds)) * (2 * np.pi * hz / rate_hz)
    return np.asarray(np.sin(angles) * 8000, np.int16)


def purity_db(pcm: NDArray[Any], hz: float, rate_hz: int) -> float:
    """How far the tone stands above all else."""
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm)))) ** 2
    place = round(hz * len(pcm) / rate_hz)
    inside = spectrum[place - 4 : place + 5].sum()
    return float(10 * np.log10(inside / (spectrum.sum() - inside)))


def read_stereo(path: Path) -> tuple[int, NDArray[np.int16]]:
    with wave.open(str(path), "rb") as file:
        frames = file.readframes(file.getnframes())
        return file.getframerate(), np.frombuffer(frames, np.int16).reshape(-1, 2)


@both_ways
@pytest.mark.parametrize("codec", [PCMU, PCMA, G722], ids=lambda codec: codec.encoding)
async def test_packets_pass_byte_by_byte_when_the_codecs_match(rig: Any, codec: CodecPlan) -> None:
    """No decoding, no encoding: what one telephone sends is what the other gets."""
    a, leg_a, b, leg_b = await two_sides(rig, codec)
    said_a, said_b = noise(1), noise(2)
    await talk((a, leg_a, said_a), (b, leg_b, said_b))
    assert min(kept(said_a, b.payload), kept(said_b, a.payload)) > MOST
    stats = await stats_of(rig, leg_a)
    assert stats.bridge_passed >= 40
    assert stats.bridge_frames >= stats.bridge_passed


@both_ways
async def test_sound_is_changed_in_rate_between_different_codecs(rig: Any, tmp_path: Path) -> None:
    """G.711 to G.722 and back: a tone stays one tone, without steps between the frames."""
    a, leg_a = await side(rig, "a", PCMU)
    b, leg_b = await side(rig, "b", G722)
    leg_a.bridge(leg_b)
    leg_b.record(RecordPlan("r1", str(tmp_path / "b.wav"), "stereo"))
    said = as_ulaw(tone(1000, 8000, 1.2).astype(np.float64))
    await a.speak(said, leg_a.rtp_port)
    leg_b.stop_recording("r1")
    await rig.until(_media.RecordingReady)
    rate_hz, pcm = read_stereo(tmp_path / "b.wav")
    heard = pcm[-8000 - 1600 : -1600, 1]
    assert rate_hz == 16_000
    assert purity_db(heard, 1000, 16_000) > 35, "µ-law's own noise lies 38 dB below"
    # What B was sent, said by B, comes back to A.
    wideband = b"".join(packet[12:] for packet in b.heard[-45:])
    a.heard.clear()
    await b.speak(wideband, leg_b.rtp_port)
    await rig.until_true(lambda: len(a.heard) >= 46)
    back = np.frombuffer(rig.pcm_of(a.payload), np.int16)[FRAME * 20 : FRAME * 40]
    assert purity_db(back, 1000, 8000) > 25


@both_ways
async def test_early_media_is_heard_in_one_direction(rig: Any) -> None:
    """A dialled leg whose far end plays before the answer hears nothing yet."""
    a, leg_a = await side(rig, "a")
    b, leg_b = await side(rig, "b", sends=False)
    leg_a.bridge(leg_b)
    early = noise(3)
    await talk((a, leg_a, noise(4)), (b, leg_b, early))
    assert kept(early, a.payload) > MOST
    assert b.heard == []
    leg_b.connect(rig.remote(b, codecs=(PCMU,), dtmf_payload_type=101))
    answer = noise(5)
    await talk((a, leg_a, answer))
    assert kept(answer, b.payload) > MOST


@both_ways
async def test_a_leg_that_is_not_connected_yet_says_nothing(rig: Any) -> None:
    a, leg_a = await side(rig, "a")
    dialled = rig.leg(leg_sid="b")
    leg_a.bridge(dialled)
    await settle((a, leg_a))
    assert set(a.payload) == {0xFF}
    assert (await stats_of(rig, dialled)).bridge_frames > 0


@both_ways
async def test_a_prompt_is_heard_beside_the_other_party(rig: Any, tmp_path: Path) -> None:
    """Both are added; afterwards packets pass as they are again."""
    a, leg_a, b, leg_b = await two_sides(rig)
    path = tmp_path / "p.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(struct.pack("<h", 1000) * 8000)
    await settle((b, leg_b))
    leg_a.play(PromptPlan("p1", str(path)))
    said = loud(2000)
    await b.speak(said * FRAME * 70, leg_b.rtp_port)
    mixed = loud(level_of(rig, said) + 1000)
    assert a.payload.count(mixed * FRAME) >= 40
    after = noise(6)
    await talk((b, leg_b, after))
    assert kept(after, a.payload) > MOST


@both_ways
async def test_a_bot_takes_part(rig: Any) -> None:
    """A stream of a bridged leg hears its far end, and is heard by it beside the other party."""

    async def talk(socket: Any, bot: Any) -> None:
        await socket.send(rig.media(struct.pack("<h", 3000) * 8000))
        async for text in socket:
            bot.heard.append(text)

    a, leg_a, b, leg_b = await two_sides(rig)
    bot = await rig.bot(talk)
    leg_a.open_stream(rig.stream(bot.port))
    await rig.until(_media.BotAudioStarted)
    quiet = loud(1000)
    await asyncio.gather(
        b.speak(quiet * FRAME * 40, leg_b.rtp_port), a.speak(b"\x20" * FRAME * 40, leg_a.rtp_port)
    )
    assert a.payload.count(loud(level_of(rig, quiet) + 3000) * FRAME) >= 15
    assert b.payload.count(b"\x20" * FRAME) >= 30
    assert len(bot.heard) > 30


@both_ways
@pytest.mark.parametrize("relays", [True, False])
async def test_keys_are_told_and_reach_the_other_party(rig: Any, relays: bool) -> None:
    """RFC 4733 in, RFC 4733 out: one event with three ends; a property of the bridge."""
    a, leg_a = await side(rig, "a")
    b, leg_b = await side(rig, "b")
    leg_a.bridge(leg_b, relays_digits=relays)
    await settle((a, leg_a), (b, leg_b))
    await a.press(5, leg_a.rtp_port)
    digit = await rig.until(_media.Digit)
    assert (digit.leg_sid, digit.digit, digit.source) == ("a", "5", "rfc4733")
    await a.speak(b"\xff" * FRAME * 15, leg_a.rtp_port)
    codes = [packet[12] for packet in b.events]
    ends = [packet for packet in b.events if packet[13] & 0x80]
    assert (set(codes), len(ends)) == (({5}, 3) if relays else (set(), 0))
    assert len({packet[4:8] for packet in b.events}) == (1 if relays else 0)
    assert (a.events, len(rig.all(_media.Digit))) == ([], 1)


@both_ways
async def test_the_end_of_a_leg_ends_its_bridge(rig: Any) -> None:
    """The other leg goes on, alone; nothing of the bridge is left."""
    a, leg_a, b, leg_b = await two_sides(rig)
    await settle((a, leg_a), (b, leg_b))
    await stats_of(rig, leg_a)
    await b.speak(b"\x20" * FRAME * 10, leg_b.rtp_port)
    heard = len(b.heard)
    await rig.until_true(lambda: len(b.heard) > heard + 5)
    assert b.payload.endswith(b"\xff" * FRAME * 5)
    leg_b.unbridge()
    assert (await stats_of(rig, leg_b)).bridge_frames > 0
    stats = rig.engine.stats()
    assert (stats.legs, stats.leg_faults) == (0, 0)


@both_ways
async def test_either_leg_may_leave_the_bridge(rig: Any) -> None:
    a, leg_a, b, leg_b = await two_sides(rig)
    await settle((a, leg_a), (b, leg_b))
    leg_b.unbridge()
    await asyncio.sleep(0.06)
    a.heard.clear()
    b.heard.clear()
    await asyncio.gather(
        a.speak(b"\x20" * FRAME * 10, leg_a.rtp_port), b.speak(b"\x30" * FRAME * 10, leg_b.rtp_port)
    )
    assert set(a.payload) == set(b.payload) == {0xFF}


@both_ways
async def test_a_leg_is_in_one_bridge_at_a_time(rig: Any) -> None:
    """Bridging again parts from the one before: hold a call, talk to another."""
    a, leg_a, b, leg_b = await two_sides(rig)
    c, leg_c = await side(rig, "c")
    await settle((a, leg_a), (b, leg_b), (c, leg_c))
    leg_a.bridge(leg_c)
    said_a, said_c = noise(7), noise(8)
    await settle((b, leg_b))
    b.heard.clear()
    await talk((a, leg_a, said_a), (c, leg_c, said_c))
    assert min(kept(said_a, c.payload), kept(said_c, a.payload)) > MOST
    assert set(b.payload) <= {0xFF}


async def test_a_leg_cannot_be_bridged_with_itself(rig: Any) -> None:
    leg = rig.leg()
    with pytest.raises(_media.MediaError, match="other: l1 cannot be bridged with itself"):
        leg.bridge(leg)


@both_ways
async def test_a_bridge_to_a_leg_that_has_gone_is_none(rig: Any) -> None:
    a, leg_a = await side(rig, "a")
    gone = rig.leg(leg_sid="gone")
    await stats_of(rig, gone)
    leg_a.bridge(gone)
    await settle((a, leg_a))
    assert set(a.payload) == {0xFF}
    assert rig.engine.stats().leg_faults == 0


@both_ways
async def test_a_recording_is_what_was_said_and_what_was_heard(rig: Any, tmp_path: Path) -> None:
    """Left, what A's far end says; right, sample by sample what A's telephone was sent."""
    said_a, said_b = rig.mulaw_noise(FRAME * 30, 1), rig.mulaw_noise(FRAME * 30, 2)
    a, leg_a, b, leg_b = await two_sides(rig)
    await settle((a, leg_a), (b, leg_b))
    leg_a.record(RecordPlan("r1", str(tmp_path / "a.wav"), "stereo"))
    await talk((a, leg_a, said_a), (b, leg_b, said_b))
    leg_a.stop_recording("r1")
    await rig.until(_media.RecordingReady)
    _, pcm = read_stereo(tmp_path / "a.wav")
    assert kept(rig.pcm_of(said_a), pcm[:, 0].tobytes(), 2 * FRAME) > MOST
    assert kept(rig.pcm_of(said_b), pcm[:, 1].tobytes(), 2 * FRAME) > MOST
    told = rig.pcm_of(a.payload)
    assert kept(pcm[:, 1].tobytes(), told, 2 * FRAME) > MOST
    assert (await stats_of(rig, leg_a)).bridge_passed > 60


@both_ways
async def test_files_and_telephones_may_be_bridged_in_any_mix(rig: Any, tmp_path: Path) -> None:
    said = rig.mulaw_noise(FRAME * 50)
    path, heard = tmp_path / "in.wav", tmp_path / "heard.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(rig.pcm_of(said))
    speaker = rig.engine.open_file_leg(FileLegPlan("in", str(path), None, digits=((0, "7"),)))
    listener = rig.engine.open_file_leg(FileLegPlan("out", None, str(heard)))
    speaker.bridge(listener)
    for leg in (listener, speaker):
        leg.start()
    await asyncio.sleep(1.2)
    for leg in (listener, speaker):
        await stats_of(rig, leg)
    with wave.open(str(heard), "rb") as file:
        pcm = file.readframes(file.getnframes())
    assert kept(rig.pcm_of(said)[FRAME * 2 * 20 :], pcm, 2 * FRAME) > MOST, "after the key"
    again = rig.engine.open_file_leg(FileLegPlan("again", str(path), None))
    a, leg_a = await side(rig, "a")
    again.bridge(leg_a)
    again.start()
    await rig.until_true(lambda: kept(said, a.payload) > MOST)


@both_ways
async def test_sound_arrives_within_a_frame_of_its_own_time(rig: Any) -> None:
    """Phase lock 3.5 ms, a frame for the bridge, and what this process takes to hear."""
    a, leg_a, b, leg_b = await two_sides(rig)
    await settle((a, leg_a), (b, leg_b))
    waits = await a.delays_to(b, leg_a.rtp_port, leg_b.rtp_port)
    assert len(waits) > 40
    assert float(np.median(waits)) < (0.012 if rig.workers == 1 else 0.032)
