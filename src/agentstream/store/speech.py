"""Text to speech: any engine behind one small door; espeak-ng is the one that needs no network."""

import asyncio
import re
import sys
from pathlib import Path
from typing import Protocol

import structlog

from agentstream.base.errors import AgentStreamError, BusyError
from agentstream.store.espeak import CANNOT_SPEAK, TEXT_LIMIT_BYTES
from agentstream.store.prompt_files import PromptFiles

_AT_ONCE = 2  # processes; the machine's cores belong to the calls
_ENGINE = "espeak-ng 1"  # part of the cache's key: a new engine speaks anew
_VOICE = re.compile(r"[A-Za-z0-9_+./-]{1,64}")
_log = structlog.get_logger("speech")

# AP-15's languages, and English of other places; espeak-ng has no Indian English of its own.
VOICES = {
    "en": "en-us",
    "en-in": "en",
    "en-us": "en-us",
    "en-gb": "en",  # what espeak-ng calls plain "en" is British
    "hi": "hi",
    "ta": "ta",
    "te": "te",
    "kn": "kn",
    "ml": "ml",
    "bn": "bn",
}
_VARIANTS = {"female": "+f3", "male": "+m3"}


class SpeechError(AgentStreamError):
    """A text that could not be spoken; the words say why."""


class Speech(Protocol):
    """Text to speech."""

    async def render(self, text: str, language: str, voice: str) -> Path:
        """Return a WAV file of the text; raises SpeechError, BusyError or StoreError."""


class NoSpeech:
    """No engine at all: texts in flows fail, with a clear reason."""

    async def render(self, text: str, language: str, voice: str) -> Path:
        """Raise SpeechError."""
        raise SpeechError("speech.engine is none: a text cannot be spoken, use a sound file")


class EspeakSpeech:
    """espeak-ng in processes of its own, and every text only once."""

    def __init__(self, files: PromptFiles, timeout_ms: int = 10_000, waiting: int = 64) -> None:
        self._files = files
        self._timeout_ms = timeout_ms
        self._waiting_limit = waiting
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._running: dict[Path, asyncio.Task[Path]] = {}

    async def render(self, text: str, language: str, voice: str) -> Path:
        """Return a WAV file of the text, at once when it was spoken before.

        `language` is a BCP 47 tag; `voice` is "", "female", "male" or a voice of espeak-ng. Raises
        SpeechError, BusyError when too many texts wait, StoreError when the folder cannot be used.
        """
        name = voice_name(language, voice)
        if len(text.encode()) > TEXT_LIMIT_BYTES:
            raise SpeechError(f"a text to speak has at most {TEXT_LIMIT_BYTES} bytes")
        path = self._files.path(f"{_ENGINE}\n{name}\n{text}", ".wav")
        if self._files.is_there(path):
            return path
        task = self._running.get(path)
        if task is None:
            if len(self._running) >= self._waiting_limit:
                raise BusyError("too many texts are waiting to be spoken")
            task = asyncio.create_task(self._speak(text, name, path))
            self._running[path] = task
            task.add_done_callback(lambda done: self._forget(path, done))
        # A call that goes away takes nothing from others that wait for the same words.
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Stop what is being spoken."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, path: Path, task: asyncio.Task[Path]) -> None:
        self._running.pop(path, None)
        if not task.cancelled() and task.exception() is not None:
            _log.warning("speech_failed", error=str(task.exception()))

    async def _speak(self, text: str, voice: str, path: Path) -> Path:
        async with self._room:
            try:
                fresh = self._files.temporary()
            except OSError as error:
                raise SpeechError(f"prompt folder: {error.strerror}") from error
            try:
                await self._run(text, voice, fresh)
                return await self._files.keep_file(fresh, path)
            finally:
                fresh.unlink(missing_ok=True)

    async def _run(self, text: str, voice: str, file: Path) -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agentstream.store.espeak", voice, str(file)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(self._timeout_ms / 1000):
                _, said = await process.communicate(text.encode("utf-8", "replace"))
        except TimeoutError as error:
            raise SpeechError(f"the text was not spoken in {self._timeout_ms} ms") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode == CANNOT_SPEAK:
            raise SpeechError(said.decode("utf-8", "replace").strip())
        if process.returncode:
            raise SpeechError(f"espeak-ng broke off (exit {process.returncode})")


def voice_name(language: str, voice: str) -> str:
    """Return espeak-ng's names for a language tag and a voice, best first; raises SpeechError."""
    if voice and voice.lower() not in _VARIANTS:
        return _checked(VOICES.get(voice.lower(), voice))
    tag = language.strip().replace("_", "-").lower()
    base = tag.partition("-")[0]
    names = [VOICES[tag]] if tag in VOICES else [tag, VOICES.get(base, base)]
    variant = _VARIANTS.get(voice.lower(), "")
    return ",".join(_checked(name) + variant for name in dict.fromkeys(names))


def _checked(name: str) -> str:
    if not _VOICE.fullmatch(name) or ".." in name or name.startswith(("-", "/")):
        raise SpeechError(f"there is no voice {name!r}")
    return name
