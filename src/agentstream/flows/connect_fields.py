"""What a document says of a Connect: whom to dial and how, and what follows (AP-40, AP-46, AP-47).

The applet itself is `applets/connect.py`.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from agentstream.base.values import replace
from agentstream.calls.commands import DEFAULT_TONE, AudioFile, Speech, StreamSpec
from agentstream.flows.applet import NEXT, Onward, wired
from agentstream.flows.context import Context
from agentstream.flows.custom_params import CustomParamsError, headers_of
from agentstream.flows.dial_plan import (
    OPERATOR_TONE,
    PARALLEL_LIMIT,
    RETRIES_LIMIT,
    RING_LIMIT_S,
    TALK_LIMIT_S,
    TARGETS_LIMIT,
    DialPlan,
    Whisper,
    caller_id_of,
    is_dialable,
    recording_of,
    targets_of,
)
from agentstream.flows.template import Template

BUILTIN: Final = {"operator_tone": OPERATOR_TONE, "default_tone": DEFAULT_TONE}
RETRIES: Final = 1  # AP-47: of a fixed list; a server that is asked decides for itself
AGENTS_LIMIT: Final = 200

Url = Annotated[Template, Field(pattern=r"^https?://", max_length=2048)]
StreamUrl = Annotated[Template, Field(pattern=r"^(wss?|https?)://", max_length=2048)]
Number = Annotated[Template, Field(min_length=2, max_length=512)]


class ConnectFields(Onward):
    """The fields of a Connect."""

    numbers: list[Number] | None = Field(
        default=None,
        min_length=1,
        max_length=TARGETS_LIMIT,
        description=(
            "Whom to dial, in this order: numbers, `sip:` addresses, or `sip:TRUNK` for the called"
            " number at a trunk; either this or `url`."
        ),
    )
    url: Url | None = Field(default=None, description="A server that is asked whom to dial.")
    fallback_url: Url | None = Field(
        default=None, description="A server that is asked when `url` gives no usable answer."
    )
    mode: Literal["plain", "programmable"] = Field(
        default="plain",
        description="What the server answers: numbers with commas between, or a JSON object.",
    )
    fetch_after_attempt: bool = Field(
        default=False, description="Ask the server again after each attempt that failed."
    )
    caller_id: Template = Field(
        default="",
        max_length=128,
        description="The number that the callee is shown; empty is the number that was called.",
    )
    trunk: str = Field(
        default="", max_length=64, description="The trunk for numbers; empty is the default one."
    )
    custom_params: Template = Field(
        default="",
        max_length=512,
        description=(
            "Up to three `X-` headers of the INVITE to a `sip:TRUNK`, as `name=value&name=value`."
        ),
    )
    refer: bool = Field(
        default=False,
        description=(
            "Where the caller's trunk takes transfers, ask its own side to call there (SIP REFER),"
            " and dial only if it will not. One number or `sip:` address, and nothing to record."
        ),
    )
    ring_seconds: int = Field(
        default=30, ge=1, le=RING_LIMIT_S, description="How long a party rings."
    )
    max_conversation_seconds: int = Field(
        default=TALK_LIMIT_S, ge=1, le=TALK_LIMIT_S, description="How long the two may talk."
    )
    parallel: int = Field(
        default=1, ge=1, le=PARALLEL_LIMIT, description="How many parties ring at once."
    )
    retries: int | None = Field(
        default=None,
        ge=0,
        le=RETRIES_LIMIT,
        description=(
            "How often those who were busy or did not answer are tried again; without it 1 for"
            " `numbers` and 0 for `url`."
        ),
    )
    record: bool = Field(default=False, description="Record the conversation.")
    recording_channels: Literal["mono", "stereo"] = Field(
        default="mono", description="One mixed channel, or the callee left and the caller right."
    )
    music_on_hold: Template = Field(
        default="operator_tone",
        min_length=1,
        max_length=2048,
        description=(
            "What the caller hears while it rings: `operator_tone`, `default_tone` (music), or a"
            " sound file: a path on the server, or an http(s) URL."
        ),
    )
    whisper_text: Template | None = Field(
        default=None,
        min_length=1,
        max_length=4000,
        description="A text that is spoken after the answer, before the two hear each other.",
    )
    whisper_audio: Template | None = Field(
        default=None,
        min_length=1,
        max_length=2048,
        description="A sound file instead of `whisper_text`: a path on the server, or a URL.",
    )
    whisper_to: Literal["callee", "both"] = Field(
        default="callee", description="Who hears it; the other one goes on hearing the ringing."
    )
    language: str = Field(
        default="en-IN", min_length=2, max_length=35, description="The text's BCP 47 language tag."
    )
    voice: str = Field(
        default="", max_length=64, description="A voice; empty is the language's default."
    )
    stream_url: StreamUrl | None = Field(
        default=None,
        description=(
            "A bot that listens to both from when they are connected on: its ws(s) address, or the"
            " http(s) address of a resolver that answers with one."
        ),
    )
    stream_name: str = Field(default="", max_length=32, description="A label for its stream.")
    popup_url: Url | None = Field(
        default=None,
        description="Told of each dialled party, `busy` when it rings and `free` when it is done.",
    )
    agent_emails: dict[str, str] = Field(
        default_factory=dict,
        max_length=AGENTS_LIMIT,
        description="Whose numbers these are, number to e-mail address; `popup_url` is told.",
    )
    on_conversation_ended: str | None = Field(
        default=None, description="The applet that follows a conversation; without one, `next`."
    )
    on_nobody_answered: str | None = Field(
        default=None,
        description="The applet that follows when nobody answered; without one, `next`.",
    )
    on_nobody_dialled: str | None = Field(
        default=None,
        description="The applet that follows when there was nobody to dial; without one, `next`.",
    )
    on_busy: str | None = Field(
        default=None,
        description="When the last party was busy; without one, `on_nobody_answered`.",
    )
    on_no_answer: str | None = Field(
        default=None,
        description="When the last party did not answer; without one, `on_nobody_answered`.",
    )
    on_failed: str | None = Field(
        default=None,
        description="When the last party refused or failed; without one, `on_nobody_answered`.",
    )

    @field_validator("numbers")
    @classmethod
    def _can_be_dialled(cls, numbers: list[str] | None) -> list[str] | None:
        for number in numbers or ():
            if "{" not in number and not is_dialable(number):
                raise ValueError(f"'{number}' is neither a number nor a sip address")
        return numbers

    @field_validator("custom_params")
    @classmethod
    def _can_be_headers(cls, parameters: str) -> str:
        try:  # with templates in it the values are looked at when the call comes
            headers_of(parameters, lambda value: "" if "{" in value else value)
        except CustomParamsError as error:
            raise ValueError(str(error)) from error
        return parameters

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.numbers is None) == (self.url is None):
            raise ValueError("give either 'numbers' or 'url'")
        if self.url is None and self.fallback_url is not None:
            raise ValueError("'fallback_url' needs 'url'")
        if self.url is None and self.fetch_after_attempt:
            raise ValueError("'fetch_after_attempt' needs 'url'")
        if self.stream_url is None and self.stream_name:
            raise ValueError("'stream_name' needs 'stream_url'")
        if self.whisper_text is not None and self.whisper_audio is not None:
            raise ValueError("give either 'whisper_text' or 'whisper_audio'")
        return self

    def may_be_open(self, exit_name: str) -> bool:
        """Tell that each outcome takes a coarser exit, and `next` in the end."""
        return self.next is not None or exit_name in ("on_busy", "on_no_answer", "on_failed", NEXT)

    def exits(self) -> Mapping[str, str]:
        """Return the exits that are wired."""
        return wired(
            next=self.next,
            on_conversation_ended=self.on_conversation_ended,
            on_nobody_answered=self.on_nobody_answered,
            on_nobody_dialled=self.on_nobody_dialled,
            on_busy=self.on_busy,
            on_no_answer=self.on_no_answer,
            on_failed=self.on_failed,
        )

    def urls(self) -> tuple[str, ...]:
        """Return who is asked, in this order (AP-4)."""
        return tuple(url for url in (self.url, self.fallback_url) if url is not None)

    def plan(self, context: Context, now_ms: int) -> DialPlan:
        """Return what these fields say; an answer of the URL may change any of it."""
        texts = [context.text(number, now_ms) for number in self.numbers or ()]
        targets, reason = targets_of(texts, context.setup.account_number)
        try:
            headers = headers_of(self.custom_params, lambda text: context.text(text, now_ms))
        except CustomParamsError as error:
            targets, reason, headers = (), str(error), ()
        if headers:  # of those that are a trunk
            targets = tuple(
                replace(one, headers=headers if one.to_number else ()) for one in targets
            )
        default_retries = 0 if self.numbers is None else RETRIES
        caller_id = caller_id_of(context.text(self.caller_id, now_ms))
        return DialPlan(
            targets=targets,
            caller_id=caller_id or context.setup.account_number,  # AP-47
            trunk=self.trunk,
            ring_ms=self.ring_seconds * 1000,
            talk_ms=self.max_conversation_seconds * 1000,
            parallel=self.parallel,
            retries=default_retries if self.retries is None else self.retries,
            asks_again=self.fetch_after_attempt,
            recording=recording_of(self.recording_channels == "stereo") if self.record else None,
            fork=self._fork(context, now_ms),
            music=self._music(context, now_ms),
            whisper=self._whisper(context, now_ms),
            language=self.language,
            voice=self.voice,
            event_url=self.popup_url or "",
            reason=reason,
        )

    def _fork(self, context: Context, now_ms: int) -> StreamSpec | None:
        if self.stream_url is None:
            return None
        url = context.url(self.stream_url, now_ms)
        # Only a resolver is told of the call (AS-14).
        told = context.parameters(now_ms) if url.startswith("http") else ()
        return StreamSpec(url, two_way=False, name=self.stream_name, parameters=told, track="mixed")

    def _music(self, context: Context, now_ms: int) -> str:
        builtin = BUILTIN.get(self.music_on_hold)
        return builtin or sound_of(self.music_on_hold, context, now_ms).source

    def _whisper(self, context: Context, now_ms: int) -> Whisper | None:
        is_for_both = self.whisper_to == "both"
        if self.whisper_text is not None:
            text = context.text(self.whisper_text, now_ms)
            return Whisper(Speech(text, self.language, self.voice), is_for_both)
        if self.whisper_audio is not None:
            return Whisper(sound_of(self.whisper_audio, context, now_ms), is_for_both)
        return None


def sound_of(template: str, context: Context, now_ms: int) -> AudioFile:
    """Return the sound file that a template names, by path or by URL."""
    fill = context.url if template.startswith(("http://", "https://")) else context.path
    return AudioFile(fill(template, now_ms))
