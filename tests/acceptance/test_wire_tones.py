"""A built-in sound is made when a call first wants it, and heard by the caller."""

from pathlib import Path

import numpy as np
import pytest

from agentstream.testing.file_calls import file_calls

pytestmark = pytest.mark.acceptance

FLOW = """
name: beep
start: beep
applets:
  beep: {type: greeting, audio: "builtin:%s", on_failure: bye}
  bye: {type: hangup, cause: failed}
"""


async def test_a_built_in_sound_is_heard(tmp_path: Path) -> None:
    async with file_calls(tmp_path) as house:
        heard = await house.dial(FLOW % "beep").heard()
    sound = np.frombuffer(heard, "<i2").astype(float)
    loud = np.flatnonzero(np.abs(sound) > 1_000)
    part = sound[loud[0] : loud[-1]]
    assert 7_800 < len(part) < 8_200  # one second
    pitch = np.argmax(np.abs(np.fft.rfft(part * np.hanning(len(part))))) * 8_000 / len(part)
    assert pitch == pytest.approx(1_000, abs=5)


async def test_a_sound_that_is_not_built_in_fails_by_its_name(tmp_path: Path) -> None:
    async with file_calls(tmp_path) as house:
        record = await house.dial(FLOW % "gong").record()
    assert record.cause.value == "failed"
