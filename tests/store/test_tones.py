"""The sounds that need no file: their form, and what is heard of them."""

import io
import wave

import numpy as np
import pytest
from numpy.typing import NDArray

from agentstream.store.prompt_files import sound_suffix
from agentstream.store.tones import RATE_HZ, ToneError, builtin_sound

STEP_MS = 20


def samples_of(source: str) -> NDArray[np.float64]:
    with wave.open(io.BytesIO(builtin_sound(source))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE_HZ)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float64)


def loud_steps(samples: NDArray[np.float64]) -> list[bool]:
    """Tell for each 20 ms whether anything is heard."""
    steps = samples.reshape(-1, RATE_HZ * STEP_MS // 1000)
    return [bool(loud) for loud in np.abs(steps).max(axis=1) > 100]


def test_the_operator_tone_has_the_indian_cadence_and_pitch() -> None:
    samples = samples_of("builtin:operator_tone")
    on, off = [True] * 20, [False]
    assert loud_steps(samples) == on + off * 10 + on + off * 100  # 0.4, 0.2, 0.4, 2.0 s
    spectrum = np.abs(np.fft.rfft(samples[: RATE_HZ * 2 // 5]))
    strongest = sorted(int(index) * 5 // 2 for index in np.argsort(spectrum)[-3:])
    assert strongest == [375, 400, 425]  # 400 Hz modulated with 25 Hz


def test_the_beep_is_one_second_of_1_khz() -> None:
    samples = samples_of("builtin:beep")
    assert len(samples) == RATE_HZ
    assert int(np.argmax(np.abs(np.fft.rfft(samples)))) == 1000


def test_the_music_is_soft_and_can_be_looped() -> None:
    samples = samples_of("builtin:default_tone")
    assert 5 * RATE_HZ < len(samples) < 30 * RATE_HZ
    assert 2000 < np.abs(samples).max() < 8000
    assert abs(samples[0]) < 100
    assert abs(samples[-1]) < 100


def test_every_built_in_sound_is_one_that_the_prompt_folder_takes() -> None:
    for name in ("operator_tone", "default_tone", "beep"):
        assert sound_suffix(builtin_sound(f"builtin:{name}")) == ".wav"


def test_a_name_that_is_not_built_in_says_what_is() -> None:
    with pytest.raises(ToneError, match="no sound 'builtin:x'; there are operator_tone, default"):
        builtin_sound("builtin:x")
