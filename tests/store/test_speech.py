import asyncio
import os
import sys
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from agentstream.base.errors import BusyError
from agentstream.store import espeak
from agentstream.store.prompt_files import PromptFiles
from agentstream.store.speech import EspeakSpeech, NoSpeech, SpeechError, voice_name

pytestmark = pytest.mark.integration


@pytest.fixture
async def speech(tmp_path: Path) -> AsyncIterator[EspeakSpeech]:
    made = EspeakSpeech(PromptFiles(tmp_path / "prompts", 10_000_000))
    yield made
    await made.close()


def script(folder: Path, line: str) -> str:
    file = folder / "script"
    file.write_text(f"#!/bin/sh\n{line}\n")
    file.chmod(0o755)
    return str(file)


def seconds(path: Path) -> float:
    with wave.open(str(path)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth()) == (1, 2)
        duration: float = sound.getnframes() / sound.getframerate()
        return duration


async def test_a_text_becomes_a_sound_and_is_spoken_only_once(speech: EspeakSpeech) -> None:
    first = await speech.render("Welcome to Green Leaf.", "en-IN", "")
    made_ns = first.stat().st_mtime_ns
    again = await speech.render("Welcome to Green Leaf.", "en-IN", "")
    assert 0.5 < seconds(first) < 5
    assert first == again
    assert first.stat().st_mtime_ns >= made_ns
    assert [entry.name for entry in first.parent.iterdir()] == [first.name]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en-US", "Hello"),
        ("hi-IN", "नमस्ते"),
        ("ta", "வணக்கம்"),
        ("te", "నమస్కారం"),
        ("kn", "ನಮಸ್ಕಾರ"),
        ("ml", "നമസ്കാരം"),
        ("bn", "নমস্কার"),
    ],
)
def test_every_listed_language_is_spoken(language: str, text: str) -> None:
    # In this process; espeak-ng may be begun again and again.
    rate_hz, pcm = espeak.speak(text, voice_name(language, ""))  # AP-15
    assert rate_hz == 22_050
    assert len(pcm) > rate_hz // 5


async def test_voices_differ(speech: EspeakSpeech) -> None:
    paths = {await speech.render("Hello", "en", voice) for voice in ("", "female", "male", "en-gb")}
    assert len(paths) == 4


async def test_askers_for_the_same_words_share_one_process(speech: EspeakSpeech) -> None:
    asking = [asyncio.create_task(speech.render("Same words", "en", "")) for _ in range(5)]
    await asyncio.sleep(0)
    asking[0].cancel()
    paths = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(paths[0], asyncio.CancelledError)
    assert len(set(paths[1:])) == 1


async def test_a_voice_that_is_not_there_is_said(speech: EspeakSpeech) -> None:
    with capture_logs() as logs, pytest.raises(SpeechError, match="there is no voice xx"):
        await speech.render("Hello", "xx", "")
    await asyncio.sleep(0)
    assert [log["event"] for log in logs] == ["speech_failed"]


@pytest.mark.parametrize(
    ("language", "voice", "names"),
    [
        ("en-IN", "", "en"),
        ("en_US", "female", "en-us+f3"),
        ("en-AU", "", "en-au,en-us"),
        ("fr-FR", "male", "fr-fr+m3,fr+m3"),
        ("hi", "en-GB", "en"),
        ("hi", "de", "de"),
    ],
)
def test_a_language_finds_its_voices(language: str, voice: str, names: str) -> None:
    assert voice_name(language, voice) == names


@pytest.mark.parametrize("voice", ["../../etc/passwd", "-x", "/etc/passwd", "a b", "é"])
def test_a_voice_cannot_name_a_file_elsewhere(voice: str) -> None:
    with pytest.raises(SpeechError, match="no voice"):
        voice_name("en", voice)


async def test_texts_that_wait_have_a_bound(tmp_path: Path) -> None:
    speech = EspeakSpeech(PromptFiles(tmp_path, 1_000_000), waiting=1)
    first = asyncio.create_task(speech.render("one", "en", ""))
    await asyncio.sleep(0)
    with pytest.raises(BusyError):
        await speech.render("two", "en", "")
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await speech.close()
    assert os.listdir(tmp_path) == []  # nothing half-made is left


async def test_an_engine_that_hangs_is_stopped_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", script(tmp_path, "exec sleep 60"))
    speech = EspeakSpeech(PromptFiles(tmp_path / "prompts", 1_000_000), timeout_ms=50)
    with capture_logs(), pytest.raises(SpeechError, match="not spoken in 50 ms"):
        await speech.render("Hello", "en", "")
    await asyncio.sleep(0)


async def test_an_engine_that_breaks_ends_one_prompt_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speech = EspeakSpeech(PromptFiles(tmp_path / "prompts", 1_000_000))
    with monkeypatch.context() as patch, capture_logs():
        patch.setattr(sys, "executable", script(tmp_path, "kill -SEGV $$"))
        with pytest.raises(SpeechError, match=r"broke off \(exit -11\)"):
            await speech.render("Hello", "en", "")
        await asyncio.sleep(0)
    assert seconds(await speech.render("Hello", "en", "")) > 0.2


async def test_a_text_has_a_bound_and_no_engine_says_so(speech: EspeakSpeech) -> None:
    with pytest.raises(SpeechError, match="at most"):
        await speech.render("x" * 70_000, "en", "")
    with pytest.raises(SpeechError, match="engine is none"):
        await NoSpeech().render("Hello", "en", "")


async def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    speech = EspeakSpeech(PromptFiles(tmp_path / "file" / "prompts", 1_000_000))
    with capture_logs(), pytest.raises(SpeechError, match="prompt folder"):
        await speech.render("Hello", "en", "")
    await asyncio.sleep(0)
