"""What a crash left of recordings, given its final names through the native door."""

import struct
import wave
from pathlib import Path

import pytest

from agentstream import _media


def part_of(folder: Path, samples: int, claimed: int) -> Path:
    """A half-written recording whose header tells less than there is."""
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", claimed * 2 + 36, b"WAVE", b"fmt ", 16, 1, 1, 8_000, 16_000, 2, 16),
        *(b"data", claimed * 2),
    )
    part = folder / "call.wav.part"
    part.write_bytes(header + bytes(samples * 2) + b"\x01")
    return part


def test_a_half_written_recording_is_completed_with_all_its_samples(tmp_path: Path) -> None:
    part = part_of(tmp_path, samples=800, claimed=100)
    (tmp_path / "strange.wav.part").write_text("not ours")
    assert _media.recover_recordings(tmp_path) == [tmp_path / "call.wav"]
    assert not part.exists()
    assert (tmp_path / "strange.wav.part").exists()
    with wave.open(str(tmp_path / "call.wav")) as whole:
        assert whole.getnframes() == 800


def test_a_folder_that_is_not_there_is_an_operating_system_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        _media.recover_recordings(tmp_path / "nowhere")
