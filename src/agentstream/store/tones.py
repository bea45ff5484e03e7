"""Sounds that need no file: what the flows name `builtin:...`, made when they are first wanted.

operator_tone   the ring-back tone of Indian networks: 400 Hz, modulated with 25 Hz, 0.4 s on,
                0.2 s off, 0.4 s on, 2.0 s off (ITU-T E.180 supplement 2)
default_tone    music: four soft broken chords
beep            one second of 1 kHz, after which a voicemail begins
"""

import io
import math
import struct
import wave
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from agentstream.base.errors import PeerError

PREFIX: Final = "builtin:"
RATE_HZ: Final = 8000
_PEAK: Final = 6000  # about -15 dB below full scale; music and beeps must not startle
_FADE_S: Final = 0.005  # no clicks where a tone begins and ends
_NOTE_S: Final = 0.4
_CHORDS_HZ: Final = (
    (261.63, 329.63, 392.00, 523.25),
    (220.00, 261.63, 329.63, 440.00),
    (174.61, 261.63, 349.23, 440.00),
    (196.00, 246.94, 392.00, 493.88),
)


class ToneError(PeerError):
    """No such sound is built in."""


@cache
def builtin_sound(source: str) -> bytes:
    """Return the sound that a name stands for, a WAV file; raises ToneError."""
    make = _SOUNDS.get(source.removeprefix(PREFIX))
    if make is None:
        raise ToneError(f"there is no sound '{source}'; there are {', '.join(_SOUNDS)}")
    return _wav(make())


def _operator_tone() -> Iterator[float]:
    def ring(time_s: float) -> float:
        swell = (1 + math.sin(math.tau * 25 * time_s)) / 2
        return swell * math.sin(math.tau * 400 * time_s)

    for on_s, off_s in ((0.4, 0.2), (0.4, 2.0)):
        yield from _tone(ring, on_s)
        yield from _tone(lambda _: 0.0, off_s)


def _default_tone() -> Iterator[float]:
    for chord in _CHORDS_HZ:
        for note_hz in (*chord, *reversed(chord)):
            yield from _tone(_Pluck(note_hz), _NOTE_S)


def _beep() -> Iterator[float]:
    return _tone(lambda time_s: math.sin(math.tau * 1000 * time_s), 1.0)


class _Pluck:
    """A note that fades like a string's."""

    def __init__(self, note_hz: float) -> None:
        self._turn = math.tau * note_hz

    def __call__(self, time_s: float) -> float:
        turned = self._turn * time_s
        return math.exp(-4 * time_s) * (math.sin(turned) + 0.3 * math.sin(2 * turned)) / 1.3


def _tone(wave_at: Callable[[float], float], length_s: float) -> Iterator[float]:
    for index in range(round(length_s * RATE_HZ)):
        time_s = index / RATE_HZ
        edge = min(time_s, length_s - time_s) / _FADE_S
        yield min(edge, 1.0) * wave_at(time_s)


def _wav(samples: Iterable[float]) -> bytes:
    values = [round(_PEAK * sample) for sample in samples]
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes(struct.pack(f"<{len(values)}h", *values))
    return file.getvalue()


_SOUNDS: Final[Mapping[str, Callable[[], Iterator[float]]]] = MappingProxyType(
    {"operator_tone": _operator_tone, "default_tone": _default_tone, "beep": _beep}
)
