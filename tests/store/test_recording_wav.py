"""A WAV's header, in the forms in which recordings come."""

import struct
import wave
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.store.recording_source import FileSource
from agentstream.store.recording_wav import WavError, WavFacts, read_facts


def facts(tmp_path: Path, content: bytes) -> WavFacts:
    path = tmp_path / "x.wav"
    path.write_bytes(content)
    source = FileSource(path)
    try:
        return read_facts(source)
    finally:
        source.close()


def wav(channels: int = 1, rate_hz: int = 8_000, bits: int = 16, claimed: int = 800) -> bytes:
    layout = struct.pack("<HHIIHH", 1, channels, rate_hz, rate_hz * 2, 2 * channels, bits)
    head = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", 16) + layout
    return head + b"data" + struct.pack("<I", claimed) + bytes(800)


@pytest.mark.parametrize(("channels", "rate_hz"), [(1, 8_000), (2, 8_000), (2, 16_000)])
def test_what_the_standard_library_writes_is_read(
    tmp_path: Path, channels: int, rate_hz: int
) -> None:
    path = tmp_path / "x.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(bytes(2 * channels * rate_hz))
    source = FileSource(path)
    found = read_facts(source)
    source.close()
    assert (found.channels, found.rate_hz, found.duration_ms) == (channels, rate_hz, 1_000)
    assert found.start + found.size == path.stat().st_size


def test_what_is_there_counts_and_not_what_the_header_claims(tmp_path: Path) -> None:
    assert facts(tmp_path, wav(claimed=100_000)).size == 800
    assert facts(tmp_path, wav(claimed=0)).size == 800
    assert facts(tmp_path, wav(claimed=400)).size == 400
    assert facts(tmp_path, wav(channels=2)[:-1]).size == 796  # whole frames


def test_other_parts_stand_between(tmp_path: Path) -> None:
    extra = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    content = wav()
    assert facts(tmp_path, content[:12] + extra + content[12:]).size == 800


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no WAV file"),
        (b"ID3" + bytes(50), "no WAV file"),
        (wav()[:20], "cut off"),
        (wav()[:36], "no samples"),
        (wav(bits=8), "8 bits"),
        (wav(channels=3), "3 channels"),
        (wav(rate_hz=0), "at 0 Hz"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(WavError, match=says):
        facts(tmp_path, content)


class Bytes:
    """A source in memory."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size = len(content)

    def read(self, start: int, length: int) -> bytes:
        return self.content[start : start + length]

    def close(self) -> None:
        pass


@given(content=st.binary(max_size=200))
def test_whatever_the_bytes_are_there_is_an_answer_or_a_wav_error(content: bytes) -> None:
    for each in (content, b"RIFF\0\0\0\0WAVE" + content, wav()[:36] + content):
        with suppress(WavError):
            assert read_facts(Bytes(each)).size <= len(each)
