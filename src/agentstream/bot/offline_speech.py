"""Offline speech for demonstrations and tests: turns by energy, pocketsphinx, espeak-ng or flite.

Nothing here needs a network. It is good enough for a small grammar; a bot for real callers brings a
better recogniser.
"""

import ctypes
import functools
import math
import operator
import shutil
import subprocess
import tempfile
import threading
import wave
from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FRAME_MS: Final = 20
HEARING_HZ: Final = 16_000

Engine = Callable[[str], tuple[int, bytes]]  # a text to a sample rate and 16-bit mono samples


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """The caller has begun to speak."""


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The caller has spoken; `pcm` is all of it, with a little silence around."""

    pcm: bytes


Turn = SpeechBegan | SpeechEnded


class TurnTaking:
    """Finds speech by its energy against the noise of the line."""

    START_FRAMES, END_FRAMES, LEAD_FRAMES, LONGEST_FRAMES = 4, 30, 15, 500

    def __init__(self, rate_hz: int) -> None:
        self._frame_bytes = rate_hz * FRAME_MS // 1000 * 2
        self._rest = b""
        self._noise = 60.0
        self._lead: deque[bytes] = deque(maxlen=self.LEAD_FRAMES)
        self._speech: list[bytes] | None = None
        self._loud = self._quiet = 0

    def hear(self, pcm: bytes) -> list[Turn]:
        """Take any amount of audio; return the turns that it contains."""
        data = self._rest + pcm
        whole = len(data) // self._frame_bytes * self._frame_bytes
        self._rest = data[whole:]
        found = [
            self._frame(data[at : at + self._frame_bytes])
            for at in range(0, whole, self._frame_bytes)
        ]
        return [turn for turn in found if turn is not None]

    def _frame(self, frame: bytes) -> Turn | None:
        is_loud = self._is_loud(frame)
        if self._speech is None:
            self._lead.append(frame)
            self._loud = self._loud + 1 if is_loud else 0
            if self._loud < self.START_FRAMES:
                return None
            self._speech, self._quiet = list(self._lead), 0
            return SpeechBegan()
        self._speech.append(frame)
        self._quiet = 0 if is_loud else self._quiet + 1
        if self._quiet < self.END_FRAMES and len(self._speech) < self.LONGEST_FRAMES:
            return None
        pcm, self._speech, self._loud = b"".join(self._speech), None, 0
        self._lead.clear()
        return SpeechEnded(pcm)

    def _is_loud(self, frame: bytes) -> bool:
        samples = array("h", frame)
        level = math.sqrt(sum(map(operator.mul, samples, samples)) / len(samples))
        if level < 4 * self._noise:
            self._noise = max(30.0, 0.95 * self._noise + 0.05 * level)
        return level > max(250.0, 4 * self._noise)


class Ears:
    """pocketsphinx with a JSGF grammar named `talk`; raises ImportError without it."""

    def __init__(self, grammar: str) -> None:
        from pocketsphinx import Decoder, get_model_path

        model = Path(get_model_path()) / "en-us"
        self._decoder = Decoder(
            hmm=str(model / "en-us"),
            dict=str(model / "cmudict-en-us.dict"),
            samprate=float(HEARING_HZ),
            cmn="batch",  # each utterance by itself, whoever spoke before
            wip=0.05,  # fewer words put in between
            loglevel="FATAL",
        )
        self._decoder.add_jsgf_string("talk", grammar)
        self._decoder.activate_search("talk")
        self._one_at_a_time = threading.Lock()

    def understand(self, pcm: bytes, rate_hz: int) -> str:
        """Return the words that were said, "" when there were none."""
        with self._one_at_a_time:
            self._decoder.start_utt()
            self._decoder.process_raw(
                resample(pcm, rate_hz, HEARING_HZ), no_search=False, full_utt=True
            )
            self._decoder.end_utt()
            found = self._decoder.hyp()
            return str(found.hypstr) if found else ""


class Mouth:
    """espeak-ng from its PyPI wheel, else the programs flite or espeak-ng. Raises RuntimeError."""

    def __init__(
        self, voice: str = "en-us+f2", words_per_minute: int = 155, pitch: int = 50
    ) -> None:
        self._one_at_a_time = threading.Lock()
        self._speak = functools.lru_cache(maxsize=256)(self._render)
        self._engine = find_engine(voice, words_per_minute, pitch)

    def speak(self, text: str, rate_hz: int) -> bytes:
        """Return a sentence as 16-bit mono samples at `rate_hz`, in whole frames of 20 ms."""
        return self._speak(text, rate_hz)

    def _render(self, text: str, rate_hz: int) -> bytes:
        with self._one_at_a_time:
            own_hz, pcm = self._engine(text)
        spoken = resample(pcm, own_hz, rate_hz)
        frame_bytes = rate_hz * FRAME_MS // 1000 * 2
        return spoken + bytes(-len(spoken) % frame_bytes)  # AS-151


def find_engine(voice: str, words_per_minute: int, pitch: int) -> Engine:
    """Return what can speak on this machine; raises RuntimeError when nothing can."""
    try:
        return EspeakLibrary(voice, words_per_minute, pitch).speak
    except (ImportError, OSError, RuntimeError):
        return speech_program(voice, words_per_minute, pitch)


class EspeakLibrary:
    """The C library of the espeakng_loader wheel (speak_lib.h); its state is the process's own."""

    _one_at_a_time = threading.Lock()

    def __init__(self, voice: str, words_per_minute: int, pitch: int) -> None:
        import espeakng_loader

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._voice = voice.encode()
        self._parameters = ((1, words_per_minute), (3, pitch))
        self._pcm = bytearray()
        receiver = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
        self._receive = receiver(self._take)
        folder = str(espeakng_loader.get_data_path()).encode()
        self._rate_hz = self._library.espeak_Initialize(2, 0, folder, 0)
        if self._rate_hz <= 0 or self._library.espeak_SetVoiceByName(self._voice) != 0:
            raise RuntimeError(f"espeak-ng has no voice {voice}")

    def speak(self, text: str) -> tuple[int, bytes]:
        """Return the sample rate and the samples; raises RuntimeError."""
        data = text.encode() + b"\0"
        size = ctypes.c_size_t(len(data))
        with self._one_at_a_time:
            self._pcm.clear()
            self._library.espeak_SetSynthCallback(self._receive)
            self._library.espeak_SetVoiceByName(self._voice)
            for number, value in self._parameters:
                self._library.espeak_SetParameter(number, value, 0)
            if self._library.espeak_Synth(data, size, 0, 1, 0, 1, None, None) != 0:
                raise RuntimeError("espeak-ng could not speak")
            return self._rate_hz, bytes(self._pcm)

    def _take(self, samples: int | None, count: int, _events: int | None) -> int:
        if samples and count > 0:
            self._pcm += ctypes.string_at(samples, count * 2)
        return 0


def speech_program(voice: str, words_per_minute: int, pitch: int) -> Engine:
    """Return a function that speaks by a program on the PATH."""
    if shutil.which("flite"):
        command = ["flite", "-voice", "slt", "-o", "{file}", "-t", "{text}"]
    elif shutil.which("espeak-ng"):
        command = ["espeak-ng", "-v", voice, "-s", str(words_per_minute), "-p", str(pitch)]
        command += ["-w", "{file}", "{text}"]
    else:
        raise RuntimeError("no voice: install espeakng-loader, espeak-ng or flite")

    def speak(text: str) -> tuple[int, bytes]:
        with tempfile.TemporaryDirectory() as folder:
            file = str(Path(folder) / "speech.wav")
            filled = [word.format(file=file, text=text) for word in command]
            subprocess.run(filled, check=True, timeout=10, capture_output=True)  # noqa: S603 - our words
            with wave.open(file) as sound:
                return sound.getframerate(), sound.readframes(sound.getnframes())

    return speak


def resample(pcm: bytes, from_hz: int, to_hz: int) -> bytes:
    """Change the sample rate with a windowed-sinc filter; for whole utterances."""
    if from_hz == to_hz or not pcm:
        return pcm
    common = math.gcd(from_hz, to_hz)
    up, down = to_hz // common, from_hz // common
    reach = 6 * max(1.0, from_hz / to_hz)
    phases = _filter_phases(up, reach, min(1.0, to_hz / from_hz) * 0.95)
    width = len(phases[0])
    padding = array("h", bytes(2 * width))
    samples = padding + array("h", pcm) + padding
    out = array("h")
    for n in range((len(samples) - 2 * width) * up // down):
        whole, phase = divmod(n * down, up)
        at = whole + width // 2 + 1
        value = sum(map(operator.mul, samples[at : at + width], phases[phase]))
        out.append(max(-32768, min(32767, round(value))))
    return out.tobytes()


@functools.lru_cache(maxsize=16)
def _filter_phases(up: int, reach: float, cutoff: float) -> list[list[float]]:
    half = math.ceil(reach)
    phases = []
    for phase in range(up):
        taps = []
        for k in range(-half + 1, half + 1):
            x = k - phase / up
            window = 0.5 + 0.5 * math.cos(math.pi * x / (half + 1))
            sinc = cutoff if x == 0 else math.sin(math.pi * cutoff * x) / (math.pi * x)
            taps.append(sinc * window)
        total = sum(taps)
        phases.append([tap / total for tap in taps])
    return phases
