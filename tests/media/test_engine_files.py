"""Prompts, recordings, and the leg whose far end is a pair of files."""

import asyncio
import hashlib
import wave
from pathlib import Path
from typing import Any

import pytest

from agentstream import _media
from agentstream.media.plan import FileLegPlan, PromptPlan, RecordPlan


def write_wav(path: Path, pcm: bytes, rate_hz: int = 8000) -> str:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(pcm)
    return str(path)


def read_wav(path: str) -> tuple[int, int, bytes]:
    with wave.open(path, "rb") as file:
        return file.getnchannels(), file.getframerate(), file.readframes(file.getnframes())


def digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


async def test_a_prompt_is_heard_and_its_end_reported(rig: Any, tmp_path: Path) -> None:
    said = rig.mulaw_noise(1600)
    phone, leg = await rig.phone(), rig.leg()
    leg.connect(rig.remote(phone))
    leg.play(PromptPlan("p1", write_wav(tmp_path / "a.wav", rig.pcm_of(said))))
    finished = await rig.until(_media.PlayFinished)
    assert (finished.prompt_id, finished.completed, finished.error) == ("p1", True, "")
    await rig.until_true(lambda: said in phone.payload)


async def test_a_prompt_that_is_replaced_or_stopped_is_not_completed(
    rig: Any, tmp_path: Path
) -> None:
    path = write_wav(tmp_path / "a.wav", bytes(160_000))
    phone, leg = await rig.phone(), rig.leg()
    leg.connect(rig.remote(phone))
    leg.play(PromptPlan("p1", path, loops=0))
    leg.play(PromptPlan("p2", path))
    leg.stop_play()
    await rig.until(_media.PlayFinished, lambda event: event.prompt_id == "p2")
    finished = [(event.prompt_id, event.completed) for event in rig.all(_media.PlayFinished)]
    assert finished == [("p1", False), ("p2", False)]


async def test_a_prompt_that_cannot_be_played_says_why(rig: Any, tmp_path: Path) -> None:
    leg = rig.leg()
    leg.play(PromptPlan("p1", str(tmp_path / "missing.wav")))
    finished = await rig.until(_media.PlayFinished)
    assert (finished.completed, finished.error) == (False, "missing.wav: no such file")


async def test_a_recording_holds_both_sides(rig: Any, tmp_path: Path) -> None:
    """Left is the far end, right what it hears; the hash is of the whole file."""
    phone, leg, _ = await rig.call(rig.echo)
    path = str(tmp_path / "r.wav")
    leg.record(RecordPlan("r1", path, "stereo"))
    await phone.speak(b"\x20" * 160 * 20, leg.rtp_port)
    leg.stop_recording("r1")
    ready = await rig.until(_media.RecordingReady)
    assert (ready.recording_sid, ready.path) == ("r1", path)
    assert ready.sha256 == digest(path)
    channels, rate_hz, pcm = read_wav(path)
    assert (channels, rate_hz) == (2, 8000)
    assert 360 <= ready.duration_ms == len(pcm) // 4 * 1000 // 8000 <= 480
    sample = rig.pcm_of(b"\x20")
    left = b"".join(pcm[at : at + 2] for at in range(0, len(pcm), 4))
    right = b"".join(pcm[at + 2 : at + 4] for at in range(0, len(pcm), 4))
    assert left.count(sample * 160) >= 15
    assert right.count(sample * 160) >= 12


async def test_a_leg_that_closes_finishes_its_recordings_first(rig: Any, tmp_path: Path) -> None:
    phone, leg = await rig.phone(), rig.leg()
    leg.connect(rig.remote(phone))
    leg.record(RecordPlan("r1", str(tmp_path / "a.wav")))
    leg.record(RecordPlan("r2", str(tmp_path / "b.wav")))
    await rig.until_true(lambda: len(phone.heard) > 3)
    leg.close()
    await rig.until(_media.LegClosed)
    kinds = [type(event) for event in rig.events[-3:]]
    assert kinds == [_media.RecordingReady, _media.RecordingReady, _media.LegClosed]


async def test_a_recording_that_cannot_be_written_is_reported(rig: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    leg = rig.leg()
    leg.record(RecordPlan("r1", str(tmp_path / "file" / "r.wav")))
    failed = await rig.until(_media.RecordingFailed)
    assert failed.recording_sid == "r1"
    assert failed.error
    leg.close()
    await rig.until(_media.LegClosed)


async def test_a_recording_may_be_paused_and_ends_at_its_longest(rig: Any, tmp_path: Path) -> None:
    phone, leg = await rig.phone(), rig.leg()
    leg.connect(rig.remote(phone))
    leg.record(RecordPlan("paused", str(tmp_path / "a.wav")))
    leg.pause_recording("paused")
    leg.record(RecordPlan("short", str(tmp_path / "b.wav"), max_ms=100))
    ready = await rig.until(_media.RecordingReady)
    assert (ready.recording_sid, ready.duration_ms) == ("short", 100)
    leg.stop_recording("paused")
    paused = await rig.until(_media.RecordingReady, lambda event: event.recording_sid == "paused")
    assert paused.duration_ms == 0


async def test_a_file_leg_speaks_hears_and_presses_keys(rig: Any, tmp_path: Path) -> None:
    """The far end is a sound file in and a sound file out, in real time."""
    said = rig.pcm_of(rig.mulaw_noise(3200))
    heard = str(tmp_path / "heard.wav")
    plan = FileLegPlan(
        "l1", write_wav(tmp_path / "in.wav", said), heard, digits=((100, "5"), (140, "#"))
    )
    leg = rig.engine.open_file_leg(plan)
    assert leg.rtp_port == 0
    bot = await rig.bot(rig.echo)
    leg.open_stream(rig.stream(bot.port))
    await rig.until(_media.StreamOpen)
    leg.start()
    started = await rig.until(_media.MediaStarted)
    await rig.until_true(lambda: len(rig.all(_media.Digit)) == 2)
    digit = rig.all(_media.Digit)[0]
    assert (digit.digit, digit.source, digit.duration_ms) == ("5", "file", 100)
    assert 190 <= digit.at_ms - started.at_ms <= 260
    await asyncio.sleep(0.4)
    leg.close()
    closed = await rig.until(_media.LegClosed)
    assert closed.fault == ""
    channels, rate_hz, pcm = read_wav(heard)
    assert (channels, rate_hz) == (1, 8000)
    assert said in pcm


async def test_a_file_leg_hears_keys_as_tones(rig: Any, tmp_path: Path) -> None:
    heard = str(tmp_path / "heard.wav")
    leg = rig.engine.open_file_leg(FileLegPlan("l1", None, heard, rate_hz=16_000))
    leg.start()
    leg.send_digits("5")
    await asyncio.sleep(0.2)
    leg.close()
    await rig.until(_media.LegClosed)
    _, rate_hz, pcm = read_wav(heard)
    assert rate_hz == 16_000
    assert max(abs(value) for value in memoryview(pcm).cast("h")) > 1000


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (FileLegPlan("l1", "/nowhere/in.wav", None), "input_path: in.wav: no such file"),
        (FileLegPlan("l1", None, None, rate_hz=11_025), "rate_hz"),
    ],
)
async def test_a_file_leg_that_cannot_be_says_why(rig: Any, plan: FileLegPlan, words: str) -> None:
    with pytest.raises(_media.MediaError, match=words):
        rig.engine.open_file_leg(plan)
