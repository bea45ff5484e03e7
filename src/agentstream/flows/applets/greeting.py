"""Greeting: plays a sound file, speaks a text, or what a server says; then goes on (AP-10, AP-13).

static   enter ──────────────▶ playing ──its end, or a key──▶ next
dynamic  enter ──▶ asking ──▶    │
                      └──────────┴──cannot be had, or played──▶ on_failure
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Final, Self

from pydantic import Field, model_validator

from agentstream.base.errors import PeerError
from agentstream.base.ids import RecordingSid
from agentstream.calls.commands import (
    AudioFile,
    Play,
    Prompt,
    Speech,
    StartRecording,
    StopPlaying,
    StopRecording,
)
from agentstream.calls.events import DigitReceived, PromptFinished
from agentstream.flows.answer import Answer
from agentstream.flows.applet import Applet, AppletInput, CommandRefused, Leave, Onward, Step, wired
from agentstream.flows.asking import (
    TIMEOUT_S,
    FallbackUrl,
    HttpUrl,
    Question,
    TimeoutSeconds,
    check_fallback,
    failure,
    get,
)
from agentstream.flows.context import Context
from agentstream.flows.prompt import (
    AUDIO_CHARS,
    LANGUAGE,
    PREPARE_MS,
    TEXT_CHARS,
    WEB,
    PromptSettings,
)
from agentstream.flows.template import Template

PURPOSE: Final = "greeting"
WANTED: Final = 'a text, the URL of a sound, or JSON {"greeting_url": "https://..."}'


class GreetingSettings(Onward):
    """Play a sound file, speak a text, or what a server says."""

    kind: ClassVar[str] = "greeting"

    text: Template | None = Field(
        default=None, min_length=1, max_length=TEXT_CHARS, description="A text to speak."
    )
    audio: Template | None = Field(
        default=None,
        min_length=1,
        max_length=AUDIO_CHARS,
        description="A sound file: a path on the server, or an http(s) URL; WAV, MP3 or OGG.",
    )
    url: HttpUrl | None = Field(
        default=None,
        description=(
            "A server that answers with a text to speak, with the URL of a sound, or with JSON"
            ' {"greeting_url": "https://..."}.'
        ),
    )
    fallback_url: FallbackUrl = None
    head_first: bool = Field(
        default=False, description="Ask by HEAD before each GET; its answer means nothing."
    )
    timeout_seconds: TimeoutSeconds = TIMEOUT_S
    language: str = Field(
        default=LANGUAGE, min_length=2, max_length=35, description="The text's BCP 47 language tag."
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
    record: bool = Field(
        default=False, description="Record the call while it plays; a Passthru tells the address."
    )
    on_failure: str | None = Field(
        default=None,
        description="The applet that follows when it cannot be played; without one, `next`.",
    )

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if len([one for one in (self.text, self.audio, self.url) if one is not None]) != 1:
            raise ValueError("give either 'text', 'audio' or 'url'")
        check_fallback(self.url, self.fallback_url)
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
        self._question: Question[Prompt] | None = None  # while a server is asked
        self._recording_sid: RecordingSid | None = None
        self._give_up_ms: int | None = None  # once it plays

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""
        return self._question.wake_at_ms if self._question else self._give_up_ms

    def enter(self, now_ms: int) -> list[Step]:
        """Begin to play, or ask first what."""
        settings, context = self._settings, self._context
        if settings.url is None:
            said = PromptSettings(
                text=settings.text,
                audio=settings.audio,
                language=settings.language,
                voice=settings.voice,
            )
            return self._play(said.prompt(context, now_ms), now_ms)
        urls = [url for url in (settings.url, settings.fallback_url) if url is not None]
        requests = [get(context, url, now_ms, settings.timeout_seconds) for url in urls]
        if settings.head_first:  # AP-12
            requests = [each for get in requests for each in (replace(get, method="HEAD"), get)]
        self._question = Question(context, PURPOSE, requests, self._read)
        return self._question.ask(now_ms, self._play, self._fail)

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Leave when it is over, was skipped, or cannot be played."""
        match happening:
            case DigitReceived(leg_sid=leg_sid, digit=digit) if leg_sid == self._context.leg_sid:
                return self._pressed(digit)
            case CommandRefused(command=StartRecording()):
                self._recording_sid = None  # it is heard all the same
                return []
            case _ if self._question is not None:
                return self._question.receive(happening, now_ms)
            case PromptFinished(prompt_id=self._prompt_id, error=""):
                return self._leave(Leave())
            case PromptFinished(prompt_id=self._prompt_id, error=error):
                return self._fail(error, now_ms)
            case CommandRefused(command=Play(), text=text):
                return self._fail(text, now_ms)
            case _:
                return []

    def wake(self, now_ms: int) -> list[Step]:
        """Give up a server, or a prompt that does not come to its end."""
        if self._question is not None:
            return self._question.wake(now_ms)
        return [StopPlaying(self._prompt_id), *self._fail("it did not end in time", now_ms)]

    def _play(self, prompt: Prompt, now_ms: int) -> list[Step]:
        settings, leg_sid = self._settings, self._context.leg_sid
        self._question = None
        max_ms = settings.max_seconds * 1000
        # The player keeps to max_ms itself; this is for a prompt that never even begins.
        self._give_up_ms = now_ms + max_ms + PREPARE_MS
        play = Play(leg_sid, self._prompt_id, prompt, settings.loops, max_ms)
        if not settings.record:
            return [play]
        self._recording_sid = self._context.new_recording_sid()
        return [StartRecording(leg_sid, self._recording_sid), play]

    def _read(self, answer: Answer) -> Prompt:
        text = answer.body().strip()
        if answer.content_type.startswith("audio/"):
            raise PeerError("the answer is a sound itself; give its URL as 'audio'")
        if text.startswith(("{", "[", "<")):
            url = answer.mapping(WANTED).get("greeting_url")
            if not isinstance(url, str) or not url.startswith(WEB):
                raise PeerError(f"the answer has no 'greeting_url', wanted is {WANTED}")
            return AudioFile(url)
        if not 1 <= len(text) <= TEXT_CHARS:
            raise PeerError(f"the answer has {len(text)} characters, not 1 to {TEXT_CHARS}")
        if text.startswith(WEB) and len(text.split()) == 1:
            return AudioFile(text)
        return Speech(text, self._settings.language, self._settings.voice)

    def _pressed(self, digit: str) -> list[Step]:
        if self._settings.interruptible:
            self._context.type_ahead(digit)
        elif not self._settings.skip_on_key:
            return []
        if self._question is not None:  # nothing to skip yet
            return []
        leave = Leave(reason=f"skipped with key {digit}")
        return [StopPlaying(self._prompt_id), *self._leave(leave)]

    def _fail(self, why: str, now_ms: int) -> list[Step]:
        return self._leave(failure("the greeting", why))

    def _leave(self, leave: Leave) -> list[Step]:
        sid = self._recording_sid
        return [leave] if sid is None else [StopRecording(sid), leave]
