"""One text spoken by espeak-ng into one WAV file, in a process of its own.

`python -m agentstream.store.espeak VOICE,VOICE FILE < text`. The library keeps its state in
globals, is not thread-safe, and is C code that reads text from outside: in its own process it can
be stopped in time, and a fault in it ends one prompt and no call. Exit code 3 and one line: it
cannot speak.
"""

import ctypes
import sys
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

CANNOT_SPEAK = 3
TEXT_LIMIT_BYTES = 65_536

# speak_lib.h
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_POS_CHARACTER = 1
_CHARS_UTF8 = 1
_OK = 0
_SynthCallback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class CannotSpeakError(Exception):
    """Why there is no speech."""


def speak(text: str, voice: str) -> tuple[int, bytes]:
    """Return the sample rate and the samples (16-bit mono); the first voice there is speaks."""
    library, rate_hz = _load()
    pcm = bytearray()

    def receive(samples: Any, count: int, _events: Any) -> int:  # noqa: ANN401  (C pointers)
        if samples and count > 0:
            pcm.extend(ctypes.string_at(samples, count * 2))
        return 0

    callback = _SynthCallback(receive)
    library.espeak_SetSynthCallback(callback)
    for name in voice.split(","):
        if library.espeak_SetVoiceByName(name.encode()) == _OK:
            break
    else:
        raise CannotSpeakError(f"there is no voice {voice}")
    data = text.encode("utf-8") + b"\0"
    synth: Callable[..., int] = library.espeak_Synth
    if synth(data, len(data), 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None) != _OK:
        raise CannotSpeakError("espeak-ng could not speak the text")
    library.espeak_Synchronize()
    return rate_hz, bytes(pcm)


def _load() -> tuple[Any, int]:
    try:
        import espeakng_loader  # absent where no wheel fits the machine

        library = ctypes.CDLL(espeakng_loader.get_library_path())
        folder = espeakng_loader.get_data_path()
    except (ImportError, OSError, RuntimeError) as error:
        raise CannotSpeakError(f"espeak-ng is not installed: {error}") from error
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    rate_hz = library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, str(folder).encode(), 0)
    if rate_hz <= 0:
        raise CannotSpeakError(f"espeak-ng does not find its data in {folder}")
    return library, rate_hz


def _main(voice: str, file: str) -> int:
    text = sys.stdin.buffer.read(TEXT_LIMIT_BYTES).decode("utf-8", "replace")
    try:
        rate_hz, pcm = speak(text, voice)
    except CannotSpeakError as error:
        sys.stderr.write(f"{error}\n")
        return CANNOT_SPEAK
    with Path(file).open("wb") as output, wave.open(output, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate_hz)
        sound.writeframes(pcm)
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:3]))
