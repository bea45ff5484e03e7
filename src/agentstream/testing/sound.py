"""Sound for tests: a voice as WAV, and how much of it arrived elsewhere. Needs numpy and scipy."""

import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import correlate, resample_poly

from agentstream.store.espeak import speak

Samples = NDArray[np.float64]
WINDOW_MS = 200
SEARCH_MS = 60
ROWS_HZ, COLUMNS_HZ = (697, 770, 852, 941), (1_209, 1_336, 1_477, 1_633)  # ITU-T Q.23
KEYS = ("123A", "456B", "789C", "*0#D")
SENTENCE = "Please connect me to the sales department. My number is four two one nine."


@dataclass(frozen=True, slots=True)
class Likeness:
    """How well a recording holds a source, window by window of 200 ms in which it is loud."""

    lag_ms: int  # of the recording
    snr_db: float  # the median over the windows, so that one late packet does not decide
    good_share: float  # of the windows: above 20 dB
    windows: int


def speech(rate_hz: int) -> Samples:
    """Return a spoken sentence, peaks at half scale. It is never quite the same twice."""
    spoken_hz, pcm = speak(SENTENCE, "en-us")
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    samples = np.asarray(resample_poly(samples, rate_hz, spoken_hz), np.float64)
    return samples * (16_000 / float(np.abs(samples).max()))


def with_silence(samples: Samples, rate_hz: int, silence_ms: int) -> Samples:
    """Add silence after it."""
    return np.concatenate([samples, np.zeros(rate_hz * silence_ms // 1000)])


def write_wav(path: Path, samples: Samples, rate_hz: int, channels: int = 1) -> Path:
    """Write 16-bit samples, the same in each channel."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(as_pcm(np.repeat(samples, channels)))
    return path


def write_ulaw(path: Path, samples: Samples) -> Path:
    """Write bare µ-law bytes."""
    path.write_bytes(as_ulaw(samples))
    return path


def as_ulaw(samples: Samples) -> bytes:
    """Return µ-law bytes (ITU-T G.711 table 2: 8 chords of 16 steps, all bits inverted)."""
    size = np.minimum(np.abs(np.round(samples)).astype(np.int64), 32_635) + 132
    chord = np.floor(np.log2(size)).astype(np.int64) - 7
    step = (size >> (chord + 3)) & 15
    sign = np.where(samples < 0, 0x80, 0)
    return bytes((~(sign | chord << 4 | step) & 0xFF).astype(np.uint8))


def from_ulaw(sound: bytes) -> Samples:
    """Read µ-law bytes."""
    code = ~np.frombuffer(sound, np.uint8).astype(np.int64) & 0xFF
    size = ((((code & 15) << 3) + 132) << ((code >> 4) & 7)) - 132
    return np.where(code & 0x80, -size, size).astype(np.float64)


def as_alaw(samples: Samples) -> bytes:
    """Return A-law bytes (ITU-T G.711 table 1: even bits inverted)."""
    size = np.minimum(np.abs(np.round(samples)).astype(np.int64), 32_767) >> 3
    chord = np.maximum(np.floor(np.log2(np.maximum(size, 1))).astype(np.int64) - 4, 0)
    step = (size >> np.maximum(chord, 1)) & 15
    sign = np.where(samples < 0, 0, 0x80)
    return bytes(((sign | chord << 4 | step) ^ 0x55).astype(np.uint8))


def from_alaw(sound: bytes) -> Samples:
    """Read A-law bytes."""
    code = np.frombuffer(sound, np.uint8).astype(np.int64) ^ 0x55
    chord, step = (code >> 4) & 7, (code & 15) << 4
    size = np.where(chord > 0, (step + 0x108) << np.maximum(chord - 1, 0), step + 8)
    return np.where(code & 0x80, size, -size).astype(np.float64)


def read_wav(path: Path, channel: int = 0) -> Samples:
    """Read one channel of a 16-bit file."""
    with wave.open(str(path), "rb") as file:
        pcm = file.readframes(file.getnframes())
        return from_pcm(pcm, file.getnchannels(), channel)


def as_pcm(samples: Samples) -> bytes:
    """Return 16-bit little-endian bytes."""
    return np.clip(np.round(samples), -32_768, 32_767).astype("<i2").tobytes()


def from_pcm(pcm: bytes | bytearray, channels: int = 1, channel: int = 0) -> Samples:
    """Read 16-bit little-endian bytes."""
    return np.frombuffer(bytes(pcm), "<i2").reshape(-1, channels)[:, channel].astype(np.float64)


def keys_in(samples: Samples, rate_hz: int) -> str:
    """Return the keys whose tones sound, with something else between two that are alike."""
    size = rate_hz // 40
    heard = [
        _key_in(samples[at : at + size], rate_hz)
        for at in range(0, samples.size - size, rate_hz // 50)
    ]
    return "".join(run[0] for run in "".join(heard).split(" ") if run)


def likeness(source: Samples, heard: Samples, rate_hz: int) -> Likeness:
    """Compare at the lag that fits best; each window may lie up to 60 ms beside it."""
    if heard.size < source.size // 4:
        return Likeness(0, -99.0, 0.0, 0)
    whole = correlate(heard, source, mode="full", method="fft")
    lag = int(np.argmax(np.abs(whole))) - (source.size - 1)
    size, search = rate_hz * WINDOW_MS // 1000, rate_hz * SEARCH_MS // 1000
    loud = np.abs(source).max() / 20
    found = [
        _window_snr_db(source[at : at + size], heard, at + lag, search)
        for at in range(0, source.size - size, size)
        if np.sqrt(np.mean(source[at : at + size] ** 2)) > loud
    ]
    good = sum(snr_db > 20 for snr_db in found) / max(1, len(found))
    median = float(np.median(found)) if found else -99.0
    return Likeness(lag * 1000 // rate_hz, median, good, len(found))


def _key_in(window: Samples, rate_hz: int) -> str:
    """Return the key that has nearly all the energy of a window; a blank for none."""
    power = np.abs(np.fft.rfft(window * np.hanning(window.size), rate_hz)) ** 2

    def around(hz: int) -> float:
        return float(power[hz - 40 : hz + 40].sum())

    row, column = max(ROWS_HZ, key=around), max(COLUMNS_HZ, key=around)
    is_tone = around(row) + around(column) > 0.8 * float(power.sum()) > 1e9
    return KEYS[ROWS_HZ.index(row)][COLUMNS_HZ.index(column)] if is_tone else " "


def _window_snr_db(window: Samples, heard: Samples, at: int, search: int) -> float:
    low = max(0, at - search)
    around = heard[low : max(low, at + window.size + search)]
    if around.size < window.size:
        return -99.0
    best = int(np.argmax(correlate(around, window, mode="valid", method="fft")))
    part = around[best : best + window.size]
    gain = float(window @ part / (window @ window))
    noise = float(np.sum((part - gain * window) ** 2))
    return 10 * float(np.log10(max(gain**2 * float(window @ window), 1e-9) / max(noise, 1e-9)))


def strength(samples: NDArray[Any], hz: float, rate_hz: int = 8_000) -> float:
    """Return the amplitude at one frequency."""
    turns = np.exp(np.arange(len(samples)) * (-2j * np.pi * hz / rate_hz))
    return float(2 * np.abs(np.mean(samples * turns)))


def kept(said: bytes, heard: bytes, frame_bytes: int = 160) -> float:
    """Return the share of the frames that came through byte by byte and in order.

    Chance matches none. A packet that a busy machine sent late is covered up, and so is its
    neighbour.
    """
    at, found = 0, 0
    frames = [said[place : place + frame_bytes] for place in range(0, len(said), frame_bytes)]
    for frame in frames:
        place = heard.find(frame, at)
        if place >= 0:
            at, found = place + frame_bytes, found + 1
    return found / len(frames)
