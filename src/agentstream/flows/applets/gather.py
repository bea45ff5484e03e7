"""Gather: collects keys; what is said and waited for may come from a server (AP-25 to AP-29).

static   enter ──────────────────▶ collecting ──one key or more──▶ on_digits
dynamic  enter ──▶ asking ──JSON──▶    │ ▲ └────none, at last────▶ on_nothing
                      │                └─┘ none: once more, `repeat_menu` times
                      └──no usable answer──▶ on_failure            without it the call is hung up
"""

from collections.abc import Mapping
from functools import partial
from typing import ClassVar, Final, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from agentstream.base.values import dataclass
from agentstream.calls.commands import AudioFile, Prompt, Speech
from agentstream.calls.events import DigitReceived
from agentstream.flows.answer import Answer, fitted
from agentstream.flows.applet import Applet, AppletInput, Leave, Settings, Step, wired
from agentstream.flows.asking import (
    TIMEOUT_S,
    VERSION_HEADER,
    FallbackUrl,
    HttpUrl,
    Question,
    TimeoutSeconds,
    check_fallback,
    failure,
    get,
)
from agentstream.flows.context import DIGITS_LIMIT, Context
from agentstream.flows.keypad import FinishKey, Keypad, Keys
from agentstream.flows.prompt import AUDIO_CHARS, LANGUAGE, TEXT_CHARS, WEB, PromptSettings

REPEATS_LIMIT: Final = 20
LONGEST_INPUT_S: Final = 60  # AP-28
PURPOSE: Final = "gather"
WANTED: Final = 'JSON such as {"gather_prompt": {"text": "Key in the code"}}'


class GatherSettings(Settings):
    """Collect keys that the caller presses."""

    kind: ClassVar[str] = "gather"

    gather_prompt: PromptSettings | None = Field(
        default=None, description="What is asked; either this or `url`."
    )
    repeat_gather_prompt: PromptSettings | None = Field(
        default=None, description="What is asked again; without it the same."
    )
    url: HttpUrl | None = Field(
        default=None,
        description=(
            "A server that answers with JSON: `gather_prompt` and, if they differ from what stands"
            " here, `max_input_digits`, `finish_on_key`, `input_timeout`, `repeat_menu` and"
            " `repeat_gather_prompt`."
        ),
    )
    fallback_url: FallbackUrl = None
    timeout_seconds: TimeoutSeconds = TIMEOUT_S
    language: str = Field(
        default=LANGUAGE, min_length=2, max_length=35, description="The language of its texts."
    )
    voice: str = Field(
        default="", max_length=64, description="Their voice; empty is the language's default."
    )
    max_input_digits: int = Field(
        default=DIGITS_LIMIT, ge=1, le=DIGITS_LIMIT, description="So many keys are enough."
    )
    finish_on_key: FinishKey = Field(
        default="#", description="The key that ends the input; empty: none does."
    )
    input_timeout: int = Field(
        default=5,
        ge=1,
        le=LONGEST_INPUT_S,
        description="Seconds that are waited for the first key after the prompt, and between keys.",
    )
    repeat_menu: int = Field(
        default=0, ge=0, le=REPEATS_LIMIT, description="How often to ask again when no key came."
    )
    interruptible: bool = Field(
        default=True, description="A key ends the prompt; otherwise keys count only after it."
    )
    on_digits: str | None = Field(
        default=None, description="The applet that follows one key or more."
    )
    on_nothing: str | None = Field(default=None, description="The applet that follows no key.")
    on_failure: str | None = Field(
        default=None,
        description="The applet that follows when no server answered well, or nothing can play.",
    )

    @model_validator(mode="after")
    def _is_static_or_dynamic(self) -> Self:
        if (self.gather_prompt is None) == (self.url is None):
            raise ValueError("give either 'gather_prompt' or 'url'")
        check_fallback(self.url, self.fallback_url)
        return self

    def exits(self) -> Mapping[str, str]:
        """Return the exits that are wired."""
        return wired(
            on_digits=self.on_digits, on_nothing=self.on_nothing, on_failure=self.on_failure
        )

    def applet(self, context: Context) -> Applet:
        """Return a machine for one visit."""
        return Gather(self, context)


class AnsweredPrompt(BaseModel):
    """What a server wants to be said; more keys than these are allowed."""

    text: str | None = Field(default=None, min_length=1, max_length=TEXT_CHARS)
    audio_url: str | None = Field(default=None, min_length=1, max_length=AUDIO_CHARS)

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.text is None) == (self.audio_url is None):
            raise ValueError("give either 'text' or 'audio_url'")
        if self.audio_url is not None and not self.audio_url.startswith(WEB):
            raise ValueError("'audio_url' must begin with https:// or http://")
        return self

    def prompt(self, language: str, voice: str) -> Prompt:
        """Return what is to be played; a server's text is taken as it is."""
        if self.text is not None:
            return Speech(self.text, language, voice)
        assert self.audio_url is not None  # by _has_one_source
        return AudioFile(self.audio_url)


class GatherAnswer(BaseModel):
    """A server's answer (AP-25, AP-26); numbers may be texts, more keys than these are allowed."""

    gather_prompt: AnsweredPrompt
    repeat_gather_prompt: AnsweredPrompt | None = None
    max_input_digits: int = Field(ge=1, le=DIGITS_LIMIT)
    finish_on_key: FinishKey
    input_timeout: int = Field(ge=1, le=LONGEST_INPUT_S)
    repeat_menu: int = Field(ge=0, le=REPEATS_LIMIT)

    @field_validator("finish_on_key", mode="before")
    @classmethod
    def _may_be_a_number(cls, key: object) -> object:
        return str(key) if isinstance(key, int) else key


@dataclass(frozen=True, slots=True)
class Plan:
    """What one visit does, wherever that was written."""

    first: Prompt
    again: Prompt
    keys: Keys
    repeats: int


class Gather:
    """One collection of keys."""

    def __init__(self, settings: GatherSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._question: Question[Plan] | None = None
        self._keypad: Keypad | None = None

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""
        now = self._keypad or self._question
        return now.wake_at_ms if now else None

    def enter(self, now_ms: int) -> list[Step]:
        """Ask the caller, or first the server what to ask."""
        settings, context = self._settings, self._context
        if settings.gather_prompt is not None:
            first = settings.gather_prompt.prompt(context, now_ms)
            repeat = settings.repeat_gather_prompt
            again = first if repeat is None else repeat.prompt(context, now_ms)
            return self._begin(
                Plan(first, again, self._keys(settings), settings.repeat_menu), now_ms
            )
        urls = [url for url in (settings.url, settings.fallback_url) if url is not None]
        seconds = settings.timeout_seconds
        requests = [get(context, url, now_ms, seconds, (VERSION_HEADER,)) for url in urls]
        self._question = Question(context, PURPOSE, requests, self._read)
        return self._question.ask(now_ms, self._begin, self._fail)

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Take keys; before there is a prompt they are kept for it."""
        if self._keypad is not None:
            return self._keypad.receive(happening, now_ms)
        match happening:
            case DigitReceived(leg_sid=leg_sid, digit=digit) if leg_sid == self._context.leg_sid:
                self._context.type_ahead(digit)
                return []
            case _:
                return self._question.receive(happening, now_ms) if self._question else []

    def wake(self, now_ms: int) -> list[Step]:
        """Let the timer of the server or of the caller fire."""
        now = self._keypad or self._question
        return now.wake(now_ms) if now else []

    def _read(self, answer: Answer) -> Plan:
        settings = self._settings
        defaults = {
            "max_input_digits": settings.max_input_digits,
            "finish_on_key": settings.finish_on_key,
            "input_timeout": settings.input_timeout,
            "repeat_menu": settings.repeat_menu,
        }
        said = {name: one for name, one in answer.mapping(WANTED).items() if one is not None}
        wish = fitted(GatherAnswer, defaults | said)
        prompt = partial(AnsweredPrompt.prompt, language=settings.language, voice=settings.voice)
        first = prompt(wish.gather_prompt)
        again = first if wish.repeat_gather_prompt is None else prompt(wish.repeat_gather_prompt)
        return Plan(first, again, self._keys(wish), wish.repeat_menu)

    def _keys(self, wish: GatherSettings | GatherAnswer) -> Keys:
        timeout_ms = wish.input_timeout * 1000
        interruptible = self._settings.interruptible
        return Keys(wish.max_input_digits, wish.finish_on_key, timeout_ms, interruptible)

    def _begin(self, plan: Plan, now_ms: int) -> list[Step]:
        self._keypad = Keypad(self._context, plan.keys)
        then = partial(self._collected, plan, plan.repeats)
        return self._keypad.ask(plan.first, now_ms, then, self._fail)

    def _collected(self, plan: Plan, repeats: int, digits: str, now_ms: int) -> list[Step]:
        if digits:
            return [Leave("on_digits")]
        if repeats == 0:
            return [Leave("on_nothing", reason="the caller pressed no key")]
        assert self._keypad is not None
        then = partial(self._collected, plan, repeats - 1)
        return self._keypad.ask(plan.again, now_ms, then, self._fail)

    def _fail(self, why: str, now_ms: int) -> list[Step]:
        return [failure("the gather", why)]
