"""Legs that hear others one way, sample by sample: bridges of many, listening, whispers."""

import asyncio
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agentstream import _media
from agentstream.media.plan import FileLegPlan, PromptPlan, RecordPlan
from agentstream.testing.sound import strength, write_wav

FRAME = 160
LONG = 200  # frames of a voice
TALK = 90  # of these, the most that a talk here needs
MOST = 0.85  # of the frames; a busy machine makes a leg invent or leave out some
LINK_LIMIT = 16
both_ways = pytest.mark.parametrize("rig", [1, 2], indirect=True)

Samples = NDArray[np.int16]


@dataclass
class Party:
    """A leg between files: what it says, and where what it hears is written."""

    leg: _media.Leg
    said: Samples
    path: Path
    rate_hz: int

    @property
    def heard(self) -> Samples:
        with wave.open(str(self.path), "rb") as file:
            return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def noise(seed: int, level: int = 8000) -> Samples:
    """No frame of it is like another, nor like a sum of others."""
    return np.random.default_rng(seed).integers(-level, level, LONG * FRAME, np.int16)


def tone(hz: float, rate_hz: int = 8000, level: float = 8000) -> Samples:
    angles = np.arange(rate_hz * 4) * (2 * np.pi * hz / rate_hz)
    return np.asarray(np.cos(angles) * level, np.int16)


def party(rig: Any, tmp_path: Path, sid: str, said: Samples, rate_hz: int = 8000) -> Party:
    source = write_wav(tmp_path / f"{sid}-in.wav", said.astype(np.float64), rate_hz)
    path = tmp_path / f"{sid}-out.wav"
    plan = FileLegPlan(sid, str(source), str(path), rate_hz)
    return Party(rig.engine.open_file_leg(plan), said, path, rate_hz)


def three(rig: Any, tmp_path: Path) -> tuple[Party, Party, Party]:
    a, b, c = (party(rig, tmp_path, sid, noise(seed)) for seed, sid in enumerate("abc"))
    return a, b, c


def hear_each_other(*parties: Party) -> None:
    for one in parties:
        for other in parties:
            if one is not other:
                one.leg.hear(other.leg)


def start(*parties: Party) -> None:
    for one in parties:
        one.leg.start()


async def close(rig: Any, *parties: Party) -> list[_media.LegStats]:
    """End these legs; what they counted, once their files are whole."""
    for one in parties:
        one.leg.close()
    return [await stats_of(rig, one) for one in parties]


async def stats_of(rig: Any, one: Party) -> _media.LegStats:
    closed: _media.LegClosed = await rig.until(
        _media.LegClosed, lambda event: event.leg_sid == one.leg.leg_sid
    )
    assert closed.fault == ""
    return closed.stats


def frames_of(sound: Samples) -> NDArray[np.int16]:
    return sound[: len(sound) // FRAME * FRAME].reshape(-1, FRAME)


def share(heard: Samples, *voices: Samples) -> float:
    """The share of the frames that are exactly one of each of these voices, added and clipped."""
    sums = np.zeros((1, FRAME), np.int32)
    for voice in voices:
        frames = frames_of(voice)[:TALK]
        sums = (sums[:, None] + frames[None, :]).reshape(-1, FRAME)
    wanted = {one.tobytes() for one in np.clip(sums, -32768, 32767).astype(np.int16)}
    frames = frames_of(heard)
    return sum(frame.tobytes() in wanted for frame in frames) / len(frames)


def steepest(pcm: Samples) -> int:
    return int(np.abs(np.diff(pcm.astype(np.int32))).max())


@both_ways
async def test_each_of_three_hears_the_sum_of_the_others_and_never_itself_ex_26(
    rig: Any, tmp_path: Path
) -> None:
    parties = a, b, c = three(rig, tmp_path)
    hear_each_other(*parties)
    start(*parties)
    await asyncio.sleep(1.2)
    for stats in await close(rig, *parties):
        assert stats.bridge_frames > 100
        assert stats.bridge_passed == 0
    for one, others in ((a, (b, c)), (b, (a, c)), (c, (a, b))):
        heard = one.heard[FRAME * 5 : -FRAME * 3]
        assert share(heard, *(other.said for other in others)) > MOST


@both_ways
async def test_a_loud_room_is_clipped_once_and_does_not_wrap(rig: Any, tmp_path: Path) -> None:
    a, b, c = (party(rig, tmp_path, sid, noise(ord(sid), 32_000)) for sid in "abc")
    hear_each_other(a, b, c)
    start(a, b, c)
    await asyncio.sleep(0.8)
    await close(rig, a, b, c)
    heard = a.heard[FRAME * 5 : -FRAME * 3]
    assert np.abs(heard.astype(np.int32)).max() >= 32_767
    assert share(heard, b.said, c.said) > MOST


@both_ways
async def test_whoever_listens_hears_both_of_a_bridge_and_neither_hears_him_ex_27(
    rig: Any, tmp_path: Path
) -> None:
    a, b, listener = three(rig, tmp_path)
    a.leg.bridge(b.leg)
    listener.leg.hear(a.leg)
    listener.leg.hear(b.leg)
    start(a, b, listener)
    await asyncio.sleep(1.0)
    await close(rig, listener, a, b)
    assert share(listener.heard[FRAME * 5 : -FRAME], a.said, b.said) > MOST
    assert share(a.heard[FRAME * 5 : -FRAME * 3], b.said) > MOST
    assert share(b.heard[FRAME * 5 : -FRAME * 3], a.said) > MOST


@both_ways
async def test_a_whisper_is_for_one_and_who_barges_in_is_for_both_ex_27(
    rig: Any, tmp_path: Path
) -> None:
    a, b, coach = three(rig, tmp_path)
    a.leg.bridge(b.leg)
    a.leg.hear(coach.leg)
    start(a, b, coach)
    await asyncio.sleep(0.7)
    b.leg.hear(coach.leg)
    await asyncio.sleep(0.7)
    await close(rig, a, b, coach)
    assert share(a.heard[FRAME * 5 : -FRAME * 3], b.said, coach.said) > MOST
    alone, joined = b.heard[FRAME * 5 : FRAME * 30], b.heard[FRAME * 40 : -FRAME * 3]
    assert share(alone, a.said) > MOST
    assert share(joined, a.said, coach.said) > MOST
    assert not coach.heard.any()


@both_ways
async def test_who_joins_and_leaves_makes_neither_a_click_nor_a_gap_for_the_others_ex_26(
    rig: Any, tmp_path: Path
) -> None:
    """Two tones have no steps beyond 4,400; a voice that is cut off makes one of up to 8,000."""
    a, b, c = (
        party(rig, tmp_path, sid, tone(hz)) for sid, hz in (("a", 0), ("b", 300), ("c", 400))
    )
    a.leg.hear(b.leg)
    start(a, b, c)
    for _ in range(12):
        await asyncio.sleep(0.037)
        a.leg.hear(c.leg)
        await asyncio.sleep(0.053)
        a.leg.unhear(c.leg)
    await asyncio.sleep(0.1)
    (stats, *_) = await close(rig, a, b, c)
    heard = a.heard[FRAME * 5 : -FRAME * 3]
    assert steepest(heard) < 5_000
    loudness = np.abs(frames_of(heard).astype(np.int32)).mean(axis=1)
    assert loudness.min() > 2_500, "B is heard in every frame"
    assert loudness.max() > 6_500, "and C was"
    assert stats.bridge_inserted + stats.bridge_dropped <= 12 * 2 + 3


@both_ways
async def test_the_end_of_a_leg_ends_its_links_and_the_others_talk_on_ex_26(
    rig: Any, tmp_path: Path
) -> None:
    a, b, c = three(rig, tmp_path)
    hear_each_other(a, b, c)
    start(a, b, c)
    await asyncio.sleep(0.5)
    await close(rig, c)
    await asyncio.sleep(0.6)
    await close(rig, a, b)
    assert share(a.heard[FRAME * 35 : -FRAME * 3], b.said) > MOST
    assert share(b.heard[FRAME * 35 : -FRAME * 3], a.said) > MOST
    stats = rig.engine.stats()
    assert (stats.legs, stats.leg_faults) == (0, 0)


@both_ways
async def test_a_leg_hears_sixteen_others_and_the_seventeenth_is_refused(
    rig: Any, tmp_path: Path
) -> None:
    """Each says 100 without end; whoever is heard no more, or has gone, makes room."""
    level = np.full(LONG * FRAME, 100, np.int16)
    a = party(rig, tmp_path, "a", level)
    others = [party(rig, tmp_path, f"b{number}", level) for number in range(LINK_LIMIT + 2)]
    for other in others[:LINK_LIMIT]:
        a.leg.hear(other.leg)
    with pytest.raises(_media.MediaError, match="other: a hears 16 legs already"):
        a.leg.hear(others[16].leg)
    a.leg.hear(others[0].leg, relays_digits=True)  # one of them already
    a.leg.unhear(others[16].leg)  # none of them
    start(a, *others)
    await asyncio.sleep(0.4)
    a.leg.unhear(others[0].leg)
    a.leg.hear(others[16].leg)
    await close(rig, others[1])
    a.leg.hear(others[17].leg)
    await asyncio.sleep(0.4)
    await close(rig, a)
    assert int(np.median(a.heard[FRAME * 8 : FRAME * 16])) == 1_600
    assert int(np.median(a.heard[-FRAME * 10 :])) == 1_600


async def test_a_leg_cannot_hear_itself(rig: Any) -> None:
    leg = rig.leg()
    with pytest.raises(_media.MediaError, match="other: l1 cannot hear itself"):
        leg.hear(leg)


@both_ways
async def test_a_leg_that_has_gone_is_not_heard_and_harms_nobody(rig: Any, tmp_path: Path) -> None:
    a, gone, _ = three(rig, tmp_path)
    await close(rig, gone)
    a.leg.hear(gone.leg)
    gone.leg.hear(a.leg)
    start(a)
    await asyncio.sleep(0.3)
    (stats,) = await close(rig, a)
    assert not a.heard.any()
    assert (stats.bridge_frames, rig.engine.stats().leg_faults) == (0, 0)


@both_ways
async def test_hearing_a_leg_again_neither_doubles_nor_interrupts_it(
    rig: Any, tmp_path: Path
) -> None:
    a, b, _ = three(rig, tmp_path)
    a.leg.hear(b.leg)
    start(a, b)
    for _ in range(20):
        await asyncio.sleep(0.03)
        a.leg.hear(b.leg)
    await close(rig, a, b)
    assert share(a.heard[FRAME * 5 : -FRAME * 3], b.said) > MOST


@both_ways
async def test_who_is_muted_is_silence_for_all_who_hear_him_ex_25(rig: Any, tmp_path: Path) -> None:
    a, b, c = three(rig, tmp_path)
    hear_each_other(a, b, c)
    b.leg.mute(heard=True, said=False, prompts=False)
    c.leg.mute(heard=False, said=True, prompts=False)
    start(a, b, c)
    await asyncio.sleep(0.8)
    await close(rig, a, b, c)
    assert share(a.heard[FRAME * 5 : -FRAME * 3], c.said) > MOST, "not the muted one"
    assert share(b.heard[FRAME * 5 : -FRAME * 3], a.said, c.said) > MOST, "who hears all"
    assert not c.heard.any(), "the party that is to hear nothing"


@both_ways
async def test_a_prompt_plays_beside_the_voices(rig: Any, tmp_path: Path) -> None:
    a, b, c = three(rig, tmp_path)
    music = write_wav(tmp_path / "music.wav", np.full(8000, 1000.0), 8000)
    a.leg.hear(b.leg)
    start(a, b, c)
    a.leg.play(PromptPlan("p", str(music), loops=0))
    await asyncio.sleep(0.8)
    await close(rig, a, b, c)
    assert share(a.heard[FRAME * 10 : -FRAME * 3] - 1000, b.said) > MOST


@both_ways
async def test_wide_and_narrow_voices_are_added_at_the_rate_of_who_hears_them(
    rig: Any, tmp_path: Path
) -> None:
    """A hears 8 kHz, B 16 kHz: each has both others' tones at full strength and not its own."""
    a = party(rig, tmp_path, "a", tone(400, 8000), 8000)
    b = party(rig, tmp_path, "b", tone(1000, 16_000), 16_000)
    c = party(rig, tmp_path, "c", tone(1700, 8000), 8000)
    hear_each_other(a, b, c)
    start(a, b, c)
    await asyncio.sleep(1.0)
    await close(rig, a, b, c)
    tones = {"a": 400, "b": 1000, "c": 1700}
    for one in (a, b, c):
        middle = one.heard[one.rate_hz * 3 // 10 : one.rate_hz * 7 // 10]
        for sid, hz in tones.items():
            level = strength(middle, hz, one.rate_hz)
            assert level < 100 if sid == one.leg.leg_sid else 7_500 < level < 8_500, (sid, level)


@both_ways
async def test_a_recording_of_one_of_three_holds_all_it_says_and_hears_ex_22(
    rig: Any, tmp_path: Path
) -> None:
    """Left, what A says; right, sample by sample the sum of the others, which A was told."""
    a, b, c = three(rig, tmp_path)
    hear_each_other(a, b, c)
    start(a, b, c)
    await asyncio.sleep(0.2)
    a.leg.record(RecordPlan("r1", str(tmp_path / "a.wav"), "stereo"))
    await asyncio.sleep(0.8)
    a.leg.stop_recording("r1")
    await rig.until(_media.RecordingReady)
    await close(rig, a, b, c)
    with wave.open(str(tmp_path / "a.wav"), "rb") as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
    left, right = pcm[:, 0], pcm[:, 1]
    assert len(right) >= FRAME * 30
    place = a.heard.tobytes().find(right.tobytes())
    assert place >= 0, "every sample of it was told"
    assert a.said.tobytes().find(left.tobytes()) == place, "at the moment of what A said"
    assert share(right, b.said, c.said) > MOST
