"""Answered calls to try the detection of answering machines on, made of synthetic speech.

Every call is made of its number alone, so that a set can be made again: the texts are spoken by
espeak-ng (bundled) and, where its program is installed, by flite, in several voices and speeds,
over lines of several levels and noises, and go through µ-law. Needs numpy and scipy.
"""

import shutil
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter, resample_poly

from agentstream.testing.sound import Samples, as_ulaw

RATE_HZ: Final = 8_000
FULL_SCALE: Final = 32_768.0
SPEAK_S: Final = 20
SPEED_STEPS: Final = (90, 95, 100, 105, 112)  # percent; the pitch goes with it

HUMANS: Final = (
    "Hello?",
    "Hello.",
    "Yes?",
    "Haan ji, boliye.",
    "Hello, Priya speaking.",
    "Haan, kaun?",
    "Namaste, boliye.",
    "Hi, this is Ravi.",
    "Ji?",
    "Good morning, Anil here.",
    "Hello, hello?",
    "Hello, who is this?",
    "Ravi Kumar.",
    "Sharma Electronics, good afternoon.",
    "Yes, tell me.",
    "Sales department, Meena speaking, how can I help you?",
)
MACHINES: Final = (
    "You have reached the voice mail of Priya Sharma. Please leave a message after the tone.",
    "Hi, this is Ravi. I cannot take your call right now. Please leave your name and number after"
    " the beep and I will call you back.",
    "The person you are calling is not available. Please record your message after the tone.",
    "Thank you for calling Sharma Electronics. Our office is closed. Please leave a message.",
    "Welcome to Greenleaf Bank. For English press 1. For Hindi press 2. To repeat press star.",
    "Hello. You have reached the Kumar family. We are out. Leave a message after the beep.",
    "The number you have dialled is switched off or out of coverage area. Please try again later.",
    "Namaste. Aap jis vyakti se sampark karna chahte hain, vah abhi uplabdh nahin hain.",
    "Hi, you have reached Anil. Leave a message.",
    "This is an automated answering service. Your call is important to us. Please hold the line.",
    "Your call has been forwarded to an automatic voice message system. 9 8 7 6 5 0 0 0 0 1 is not"
    " available. At the tone, please record your message.",
    "Good morning, and thank you for calling the Sunrise Clinic. If this is an emergency, hang up"
    " and dial 1 0 8. For appointments press 1.",
)
ESPEAK_VOICES: Final = ("en-us", "en", "en-us+f3", "en-us+m4", "en+f2", "en+m7")
FLITE_VOICES: Final = ("slt", "rms", "awb", "kal16")
NOBODY_HZ: Final = ((400, 425), (425,), (440, 480), (480, 620), (400, 450), (400,))
NOISES_DB: Final = (None, None, 30, 20, 15, 10)  # below the speech; None: 60

Who = Literal["human", "machine", "nobody"]


@dataclass(frozen=True, slots=True)
class AnsweredCall:
    """What the far end says from the answer on, 8 kHz, as it comes out of µ-law."""

    name: str
    who: Who
    noise: str  # of the line: "none", "white", "brown", "babble"
    sound: NDArray[np.int16]
    beep_ms: int | None = None  # when a machine's beep ends


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    noise: str
    sound: NDArray[np.int16]


def humans(count: int, first: int = 0) -> Iterator[AnsweredCall]:
    """Yield people: they say a few words after a while, wait, and perhaps say them again."""
    for number in range(first, first + count):
        chance = np.random.default_rng([1, number])
        text = HUMANS[number % len(HUMANS)]
        delay_ms = int(chance.integers(150, 2_000))
        parts = [_quiet(delay_ms), spoken(text, chance)]
        if chance.random() < 0.3:
            parts += [_quiet(int(chance.integers(1_200, 2_000))), spoken("Hello?", chance)]
        parts.append(_quiet(4_500))
        line = _line(np.concatenate(parts), chance)
        name = f"{text} [{delay_ms} ms, {line.name}]"
        yield AnsweredCall(name, "human", line.noise, line.sound)


def machines(count: int, first: int = 0) -> Iterator[AnsweredCall]:
    """Yield machines: they speak long, some after music, and most of them beep."""
    for number in range(first, first + count):
        chance = np.random.default_rng([2, number])
        text = MACHINES[number % len(MACHINES)]
        delay_ms = int(chance.integers(100, 1_500))
        parts = [_quiet(delay_ms)]
        if chance.random() < 0.2:
            parts += [_music(int(chance.integers(800, 2_500)), chance), _quiet(200)]
        parts.append(spoken(text, chance))
        beep_ms = None
        if chance.random() < 0.7:
            hz = int(chance.choice([480, 620, 700, 850, 1_000, 1_400, 1_800]))
            parts += [_quiet(int(chance.integers(200, 1_200))), _beep(hz, chance)]
            beep_ms = sum(map(len, parts)) * 1_000 // RATE_HZ
        parts.append(_quiet(2_000))
        line = _line(np.concatenate(parts), chance)
        name = f"{text[:40]} [{delay_ms} ms, {line.name}]"
        yield AnsweredCall(name, "machine", line.noise, line.sound, beep_ms)


def nobody(count: int, first: int = 0) -> Iterator[AnsweredCall]:
    """Yield lines on which nobody speaks: ringing, busy tones, silence, hiss."""
    for number in range(first, first + count):
        chance = np.random.default_rng([3, number])
        tones_hz = (*NOBODY_HZ, ())[number % (len(NOBODY_HZ) + 1)]
        on_ms, off_ms = ((400, 200), (750, 750), (1_000, 3_000))[number % 3]
        burst = np.concatenate([_tone(tones_hz, on_ms), _quiet(off_ms)])
        sound = np.tile(burst, 6_000 // (on_ms + off_ms) + 1)
        line = _line(sound, chance, NOISES_DB[:4])  # tones of exchanges are clean
        name = f"{tones_hz} Hz, {on_ms}/{off_ms} ms [{line.name}]"
        yield AnsweredCall(name, "nobody", line.noise, line.sound)


def spoken(text: str, chance: np.random.Generator) -> Samples:
    """Return a text in a voice of chance, peaks at full scale, without silence around it."""
    voices = [("espeak", voice) for voice in ESPEAK_VOICES]
    if shutil.which("flite"):
        voices += [("flite", voice) for voice in FLITE_VOICES]
    engine, voice = voices[int(chance.integers(len(voices)))]
    said = _espeak(text, voice) if engine == "espeak" else _flite(text, voice)
    said = np.asarray(resample_poly(said, 100, int(chance.choice(SPEED_STEPS))), np.float64)
    said /= float(np.abs(said).max())
    loud = np.flatnonzero(np.abs(said) > 0.02)
    return said[loud[0] : loud[-1] + 1]


@cache
def _espeak(text: str, voice: str) -> Samples:
    # A process for each, as in the product: the library does not bear to be loaded twice.
    return _made_by([sys.executable, "-m", "agentstream.store.espeak", voice], text)


@cache
def _flite(text: str, voice: str) -> Samples:
    return _made_by(["flite", "-voice", voice, "-t", text, "-o"], "")


def _made_by(command: list[str], text: str) -> Samples:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        subprocess.run(  # noqa: S603  (our own words)
            [*command, str(path)], input=text.encode(), check=True, timeout=SPEAK_S
        )
        with wave.open(str(path), "rb") as file:
            pcm, rate_hz = file.readframes(file.getnframes()), file.getframerate()
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    return np.asarray(resample_poly(samples, RATE_HZ, rate_hz), np.float64)


def _line(
    sound: Samples, chance: np.random.Generator, noises_db: tuple[int | None, ...] = NOISES_DB
) -> _Line:
    """Return a line of chance, and the sound that comes out of it."""
    loud = np.abs(sound) > 0.05
    level = float(np.sqrt(np.mean(sound[loud] ** 2))) if loud.any() else 1.0
    speech_dbov = int(chance.integers(-30, -17))
    gain = FULL_SCALE * 10 ** (speech_dbov / 20) / level
    snr_db = noises_db[int(chance.integers(len(noises_db)))]
    kind = ("white", "brown", "babble")[int(chance.integers(3))]
    noise = _noise(kind, len(sound), chance)
    noise_dbov = speech_dbov - (60 if snr_db is None else snr_db)
    heard = sound * gain + noise * FULL_SCALE * 10 ** (noise_dbov / 20)
    name = f"{speech_dbov} dBov" + (f", {kind} noise {snr_db} dB below" if snr_db else "")
    sound_out = _from_ulaw(as_ulaw(np.clip(heard, -32_000, 32_000)))
    return _Line(name, kind if snr_db else "none", sound_out)


def _noise(kind: str, length: int, chance: np.random.Generator) -> Samples:
    """Return noise of power one: hiss, a rumbling street, or many voices far away."""
    noise = chance.normal(0, 1, length)
    if kind == "brown":
        noise = np.asarray(lfilter([1], [1, -0.9], noise))
    elif kind == "babble":
        voices = [_espeak(text, "en-us") for text in MACHINES[:6]]
        mixed = sum(
            np.resize(np.roll(one, int(chance.integers(len(one)))), length) for one in voices
        )
        noise = np.asarray(mixed, np.float64)
    return np.asarray(noise / np.sqrt(np.mean(noise**2)), np.float64)


def _quiet(ms: int) -> Samples:
    return np.zeros(RATE_HZ * ms // 1_000)


def _tone(tones_hz: tuple[int, ...], ms: int) -> Samples:
    time_s = np.arange(RATE_HZ * ms // 1_000) / RATE_HZ
    parts = [np.sin(2 * np.pi * hz * time_s) for hz in tones_hz]
    return np.asarray(sum(parts, np.zeros(len(time_s)))) / max(1, len(parts))


def _beep(hz: int, chance: np.random.Generator) -> Samples:
    return 0.5 * _tone((hz,), int(chance.integers(180, 900)))


def _music(ms: int, chance: np.random.Generator) -> Samples:
    """Return chords of four notes, each with harmonics that fade."""
    notes = []
    for _ in range(-(-ms // 300)):
        root_hz = 220 * 2 ** (int(chance.integers(0, 12)) / 12)
        time_s = np.arange(RATE_HZ * 300 // 1_000) / RATE_HZ
        chord = sum(
            np.sin(2 * np.pi * root_hz * step * harmonic * time_s) / harmonic
            for step in (1, 1.26, 1.5)
            for harmonic in (1, 2, 3)
        )
        notes.append(np.asarray(chord) * np.exp(-2 * time_s))
    music = np.concatenate(notes)[: RATE_HZ * ms // 1_000]
    return np.asarray(0.5 * music / np.abs(music).max(), np.float64)


def _from_ulaw(sound: bytes) -> NDArray[np.int16]:
    """Return what the far end of a line hears (ITU-T G.711)."""
    byte = ~np.frombuffer(sound, np.uint8)
    magnitude = ((((byte & 0x0F).astype(np.int32) << 3) + 0x84) << ((byte & 0x70) >> 4)) - 0x84
    return np.where(byte & 0x80, -magnitude, magnitude).astype(np.int16)
