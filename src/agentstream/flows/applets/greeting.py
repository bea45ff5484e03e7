"""Greeting: plays a sound file or speaks a text, then goes on (AP-10, AP-13)."""

from collections.abc import Mapping
from typing import ClassVar, Final, Self

from pydantic import Field, model_validator

from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import AudioFile, Play, Prompt, Speech, StopPlaying
from agentstream.calls.events import DigitReceived, PromptFinished
from agentstream.flows.applet import (
    ON_FAILURE,
    Applet,
    AppletInput,
    CommandRefused,
    Leave,
    Onward,
    Step,
    wired,
)
from agentstream.flows.context import Context
from agentstream.flows.template import Template

PREPARE_MS: Final = 15_000  # to fetch the file or speak the text, before anything is heard


class GreetingSettings(Onward):
    """Play a sound file, or speak a text."""

    kind: ClassVar[str] = "greeting"

    text: Template | None = Field(
        default=None, min_length=1, max_length=4000, description="A text to speak."
    )
    audio: Template | None = Field(
        default=None,
        min_length=1,
        max_length=2048,
        description="A sound file: a path on the server, or an http(s) URL; WAV, MP3 or OGG.",
    )
    language: str = Field(
        default="en-IN", min_length=2, max_length=35, description="The text's BCP 47 language tag."
    )
    voice: str = Field(
        default="", max_length=64, description="A voice; empty is the language's default."
    )
    loops: int = Field(default=1, ge=0, le=100, description="How often to play it; 0 is endless.")
    max_seconds: int = Field(
        default=120, ge=1, le=3600, description="Stop after this time, whatever `loops` says."
    )
    skip_on_key: bool = Field(default=False, description="Any key ends the greeting.")
    interruptible: bool = Field(
        default=False, description="Any key ends the greeting and counts for the next applet."
    )
    on_failure: str | None = Field(
        default=None,
        description="The applet that follows when it cannot be played; without one, `next`.",
    )

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.text is None) == (self.audio is None):
            raise ValueError("give either 'text' or 'audio'")
        return self

    def exits(self) -> Mapping[str, str]:
        """Return the exits that are wired."""
        return wired(next=self.next, on_failure=self.on_failure)

    def applet(self, context: Context) -> Applet:
        """Return a machine for one visit."""
        return Greeting(self, context)


class Greeting:
    """One greeting, from its first word to its last or to a key."""

    def __init__(self, settings: GreetingSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._prompt_id = context.new_prompt_id()
        self.wake_at_ms: int | None = None

    def enter(self, now_ms: int) -> list[Step]:
        """Begin to play."""
        settings = self._settings
        max_ms = settings.max_seconds * 1000
        # The player keeps to max_ms itself; this is for a prompt that never even begins.
        self.wake_at_ms = now_ms + max_ms + PREPARE_MS
        leg_sid = self._context.leg_sid
        return [Play(leg_sid, self._prompt_id, self._prompt(now_ms), settings.loops, max_ms)]

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Leave when it is over, was skipped, or cannot be played."""
        match happening:
            case PromptFinished(prompt_id=self._prompt_id, error=error):
                return [failed(error) if error else Leave()]
            case DigitReceived(leg_sid=leg_sid, digit=digit) if leg_sid == self._context.leg_sid:
                return self._pressed(digit)
            case CommandRefused(text=text):
                return [failed(text)]
            case _:
                return []

    def wake(self, now_ms: int) -> list[Step]:
        """Give up a prompt that does not come to its end."""
        return [StopPlaying(self._prompt_id), failed("it did not end in time")]

    def _pressed(self, digit: str) -> list[Step]:
        if self._settings.interruptible:
            self._context.type_ahead(digit)
        elif not self._settings.skip_on_key:
            return []
        return [StopPlaying(self._prompt_id), Leave(reason=f"skipped with key {digit}")]

    def _prompt(self, now_ms: int) -> Prompt:
        settings = self._settings
        if settings.text is not None:
            text = self._context.text(settings.text, now_ms)
            return Speech(text, settings.language, settings.voice)
        assert settings.audio is not None  # by _has_one_source
        is_url = settings.audio.startswith(("http://", "https://"))
        fill = self._context.url if is_url else self._context.path
        return AudioFile(fill(settings.audio, now_ms))


def failed(why: str) -> Leave:
    """Return the way out of a greeting that nobody heard."""
    return Leave(ON_FAILURE, Cause.FLOW_ERROR, Party.SYSTEM, f"the greeting failed: {why}")
