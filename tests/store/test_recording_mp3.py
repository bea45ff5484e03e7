"""Recordings as MP3: played back by the native player, they sound like the recording."""

import asyncio
import os
import threading
import wave
from pathlib import Path

import numpy as np
import pytest

from agentstream import _media
from agentstream.media.plan import EnginePlan, FileLegPlan, PromptPlan
from agentstream.store.protocols import StoreError
from agentstream.store.recording_mp3 import Mp3Folder, encoded
from agentstream.store.recording_seal import SealedSource, SealKey, seal
from agentstream.store.recording_source import FileSource, pieces
from agentstream.testing import sound
from agentstream.testing.ports import HOST, media_range
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration
KEY = SealKey(b"k" * 32)


def write_stereo(path: Path, left: sound.Samples, right: sound.Samples, rate_hz: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.column_stack([left, right]).astype("<i2").tobytes())
    return path


def encode(wav: Path, mp3: Path, kbps: int = 32) -> Path:
    source = FileSource(wav)
    mp3.write_bytes(b"".join(encoded(source, kbps)))
    source.close()
    return mp3


async def played(mp3: Path, rate_hz: int, timeout_ms: int = 20_000) -> sound.Samples:
    """Let the native player play a file to a leg that writes down what it hears."""
    low, high = media_range(1)
    engine = _media.Engine(EnginePlan(HOST, low, high, workers=1, port_rest_ms=0))
    heard = mp3.with_suffix(".heard.wav")
    events: list[_media.Event] = []

    def saw(kind: type) -> bool:
        events.extend(engine.events())
        return any(isinstance(event, kind) for event in events)

    try:
        leg = engine.open_file_leg(FileLegPlan("leg", None, str(heard), rate_hz, ()))
        leg.start()
        leg.play(PromptPlan("p", str(mp3)))
        await until(lambda: saw(_media.PlayFinished), timeout_ms)
        finished = next(each for each in events if isinstance(each, _media.PlayFinished))
        assert (finished.completed, finished.error) == (True, "")
        leg.close()
        await until(lambda: saw(_media.LegClosed), timeout_ms)
    finally:
        await asyncio.to_thread(engine.close)
    return sound.read_wav(heard)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
async def test_a_recording_sounds_the_same_as_mp3(tmp_path: Path, rate_hz: int) -> None:
    """AP-66: the link is an MP3; 32 kbit/s hold a telephone's voice."""
    voice = await asyncio.to_thread(sound.speech, rate_hz)
    wav = sound.write_wav(tmp_path / "r.wav", voice, rate_hz)
    mp3 = encode(wav, tmp_path / "r.mp3")
    assert mp3.stat().st_size == pytest.approx(voice.size / rate_hz * 32_000 / 8, rel=0.1)
    likeness = sound.likeness(voice, await played(mp3, rate_hz), rate_hz)
    assert likeness.windows > 5
    assert likeness.snr_db > 10, likeness


async def test_both_channels_are_kept(tmp_path: Path) -> None:
    """RC-2: dual is stereo; played to one ear both are heard."""
    seconds = np.arange(16_000) / 8_000
    low, high = (8_000 * np.sin(2 * np.pi * hertz * seconds) for hertz in (400, 900))
    mp3 = encode(write_stereo(tmp_path / "r.wav", low, high, 8_000), tmp_path / "r.mp3")
    assert mp3.stat().st_size == pytest.approx(2 * 64_000 / 8, rel=0.1)
    heard = await played(mp3, 8_000)
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(heard.size)))
    loudest = np.flatnonzero(spectrum > spectrum.max() / 4) * 8_000 / heard.size
    assert {round(float(hertz) / 10) * 10 for hertz in loudest} == {400, 900}


async def test_a_recording_of_nothing_is_a_moment_of_silence(tmp_path: Path) -> None:
    wav = sound.write_wav(tmp_path / "r.wav", np.zeros(0), 8_000)
    heard = await played(encode(wav, tmp_path / "r.mp3"), 8_000)
    assert not np.abs(heard).max(initial=0) > 1


def a_wav(tmp_path: Path, seconds: int = 2) -> FileSource:
    path = tmp_path / "call.wav"
    noise = np.random.default_rng(1).normal(size=8_000 * seconds) * 3_000
    return FileSource(sound.write_wav(path, noise, 8_000))


def test_an_mp3_is_kept_until_others_need_its_space(tmp_path: Path) -> None:
    wav = a_wav(tmp_path)
    folder = Mp3Folder(tmp_path / "mp3", 20_000, 32)  # room for two of 8 KB
    assert folder.open("r1") is None
    for number, sid in enumerate(("r1", "r2")):
        folder.make(sid, wav, lambda: True)
        os.utime(tmp_path / "mp3" / f"{sid}.mp3", (number, number))
    used = folder.open("r1")  # now r2 is the one unused longest
    assert used is not None
    folder.make("r3", wav, lambda: True)
    assert sorted(each.name for each in (tmp_path / "mp3").iterdir()) == ["r1.mp3", "r3.mp3"]
    assert used.read(0, 2)[0] == 0xFF
    used.close()
    folder.delete("r1")
    folder.delete("r1")
    assert folder.open("r1") is None
    wav.close()


def test_each_bit_rate_of_a_recording_is_a_file_and_all_go_with_it_ex_22(tmp_path: Path) -> None:
    wav = a_wav(tmp_path)
    folder = Mp3Folder(tmp_path / "mp3", 1_000_000, 32)
    folder.make("r1", wav, lambda: True)
    folder.make("r1", wav, lambda: True, "8.mp3")
    wav.close()
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "mp3").iterdir()}
    assert set(sizes) == {"r1.mp3", "r1.8.mp3"}
    assert sizes["r1.8.mp3"] == pytest.approx(sizes["r1.mp3"] / 4, rel=0.1)
    folder.delete("r1")
    assert folder.open("r1") is None
    assert folder.open("r1", "8.mp3") is None


def test_an_mp3_of_an_encrypted_recording_is_encrypted_too(tmp_path: Path) -> None:
    wav = a_wav(tmp_path)
    seal(pieces(wav), tmp_path / "call.wav.enc", KEY)
    plain = b"".join(encoded(wav, 32))
    wav.close()
    sealed = SealedSource(FileSource(tmp_path / "call.wav.enc"), (KEY,), "call.wav.enc")
    folder = Mp3Folder(tmp_path / "mp3", 1_000_000, 32, (KEY,))
    folder.make("call", sealed, lambda: True)
    sealed.close()
    assert plain[:200] not in (tmp_path / "mp3" / "call.mp3.enc").read_bytes()
    opened = folder.open("call")
    assert opened is not None
    assert opened.read(0, opened.size) == plain
    opened.close()


def test_an_mp3_that_nobody_wants_any_more_is_given_up(tmp_path: Path) -> None:
    wav = a_wav(tmp_path, 60)
    looks = iter([True, True, False])
    folder = Mp3Folder(tmp_path / "mp3", 1_000_000, 32)
    with pytest.raises(StoreError, match="not wanted"):
        folder.make("r1", wav, lambda: next(looks))
    assert list((tmp_path / "mp3").glob("*.mp3")) == []
    wav.close()


def test_encoding_lets_other_threads_run(tmp_path: Path) -> None:
    """The audio path is native, but signalling is not: it must not wait for LAME."""
    wav = a_wav(tmp_path, 120)
    turns, is_done = [0], threading.Event()

    def others() -> None:
        while not is_done.wait(0.001):
            turns[0] += 1

    watcher = threading.Thread(target=others)
    watcher.start()
    size = sum(len(piece) for piece in encoded(wav, 32))
    is_done.set()
    watcher.join()
    wav.close()
    assert size == pytest.approx(120 * 4_000, rel=0.05)
    assert turns[0] > 5
