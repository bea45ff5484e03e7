"""`agentstream demo`, as a user starts it: every step is seen, and the WAV holds both voices."""

import os
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

import agentstream


@pytest.mark.acceptance
@pytest.mark.timeout(180)
def test_the_demo_sees_every_step_and_keeps_both_voices(tmp_path: Path) -> None:
    saved = tmp_path / "demo.wav"
    command = "import sys; from agentstream.server.cli import app; app(sys.argv[1:])"
    path = str(Path(agentstream.__file__).resolve().parents[1])  # the one under test
    shown = subprocess.run(
        [sys.executable, "-c", command, "demo", "--save", str(saved)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "Every step was seen." in shown.stdout
    assert "✗" not in shown.stdout
    with wave.open(str(saved)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8_000)
        audio = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    for side in (0, 1):
        assert np.abs(audio[:, side]).max() > 3_000
        assert (np.abs(audio[:, side]) > 500).sum() > 8_000
