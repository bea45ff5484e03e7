"""The soak in short: calls through trunks both ways, each packet and each recording looked at."""

import io
import wave
from pathlib import Path

import numpy as np
import pytest
from benchmarks.kept_sound import FRAME, RATE_HZ, Samples, kept, pcm_of, speech_like, ulaw_of
from benchmarks.soak_table import failures, print_soak
from benchmarks.tools import PROGRAMS
from benchmarks.trunk_soak import soak
from rich.console import Console

pytestmark = pytest.mark.acceptance
DIGIT = 0x80


@pytest.mark.skipif(
    not (PROGRAMS / "answerer").exists(), reason="cargo build --release -p agentstream-bench"
)
def test_twenty_calls_both_ways_lose_nothing_and_are_recorded_as_they_were_said(
    tmp_path: Path,
) -> None:
    """FL-1, FL-3, SIP-30: network → flow → trunk recorded, and trunk with a digest → network."""
    console = Console(file=io.StringIO(), width=110)
    seen = soak(tmp_path / "soak", 20, 10, console)
    print_soak(console, seen, "20 calls, 10 s")
    assert failures(seen, 10) == [], console.file.getvalue()  # type: ignore[attr-defined]
    for half in seen.directions:
        assert half.called["rtp"]["streams"] == 10
        assert half.called["sip"]["ended"] == 10


def said(count: int) -> Samples:
    """Return frames as the callers' tool marks them."""
    frames = ulaw_of(np.resize(speech_like(), count * FRAME)).reshape(count, FRAME)
    for index, frame in enumerate(frames):
        frame[:4] = 0x80, 0x00, 0x80, 0x00
        frame[4:25] = DIGIT
        frame[8:12] = [DIGIT | index >> shift & 63 for shift in (0, 6, 12, 18)]
    return pcm_of(frames.reshape(-1))


def written(path: Path, left: Samples, right: Samples) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(np.stack([left, right], axis=1).astype("<i2").tobytes())
    return path


def test_what_is_missing_or_changed_in_a_recording_is_seen(tmp_path: Path) -> None:
    whole = said(100)
    hurt = whole.copy()
    hurt[50 * FRAME + 80] += 900  # one sample of the frame 50
    hurt[70 * FRAME : 72 * FRAME] = 0  # two frames
    left, right = kept(written(tmp_path / "one.wav", whole, hurt))
    assert (left.length_ms, left.said, left.whole, left.likeness) == (2_000, 100, 100, 1.0)
    assert (right.said, right.whole) == (100, 97)
    nothing, _ = kept(written(tmp_path / "two.wav", np.zeros_like(whole), whole))
    assert (nothing.said, nothing.likeness) == (0, 0.0)
