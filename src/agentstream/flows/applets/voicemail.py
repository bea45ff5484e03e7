"""Voicemail: a prompt, a beep, and what the caller leaves (AP-56).

enter ──▶ prompt ──its end, the key──▶ message ──kept, or nothing was said──▶ next
             └── caller gone ──▶ next      └── it cannot be recorded ──▶ on_failure
"""

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal, Self
from urllib.parse import urlencode

from pydantic import Field, model_validator

from agentstream.base.ids import PromptId
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import (
    Fetch,
    HttpRequest,
    Mail,
    Play,
    Prompt,
    SendMail,
    Speech,
    StopPlaying,
)
from agentstream.calls.events import CallHungUp, DigitReceived, PromptFinished, RecordingFinished
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
from agentstream.flows.connect_fields import sound_of
from agentstream.flows.context import Context
from agentstream.flows.message import NOTHING, Kept, Message, Wish
from agentstream.flows.prompt import PREPARE_MS
from agentstream.flows.template import Template

INVITATION: Final = "Please leave a message after the beep."
PROMPT_MS: Final = 120_000  # what is said before the beep
WEBHOOK_TIMEOUT_MS: Final = 15_000
WEBHOOK_RETRIES: Final = 2
CALL_TYPE: Final = "voicemail"  # PT-10

Address = Annotated[str, Field(pattern=r"^[^@\s,;<>]+@[^@\s,;<>]+$", max_length=254)]


class VoicemailSettings(Onward):
    """Let the caller leave a message."""

    kind: ClassVar[str] = "voicemail"
    finishes_after_call: ClassVar[bool] = True
    is_reported: ClassVar[bool] = True

    text: Template | None = Field(
        default=None,
        min_length=1,
        max_length=4000,
        description=f'A text to speak first; without it and `audio`: "{INVITATION}"',
    )
    audio: Template | None = Field(
        default=None,
        min_length=1,
        max_length=2048,
        description="A sound file instead: a path on the server, or an http(s) URL.",
    )
    language: str = Field(
        default="en-IN", min_length=2, max_length=35, description="The text's BCP 47 language tag."
    )
    voice: str = Field(
        default="", max_length=64, description="A voice; empty is the language's default."
    )
    max_seconds: int = Field(
        default=120, ge=1, le=600, description="How long a message may be; 60 to 120 suits most."
    )
    silence_seconds: int = Field(
        default=5, ge=0, le=60, description="So long a silence ends the message; 0: none does."
    )
    end_key: Literal["", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "#"] = Field(
        default="#", description="The key that ends the message, and the prompt; empty: none."
    )
    webhook_url: Template | None = Field(
        default=None,
        pattern=r"^https?://",
        max_length=2048,
        description="Told of a message by a POST with CallSid, From, RecordingUrl, Duration.",
    )
    email: list[Address] = Field(
        default_factory=list, max_length=10, description="Who gets a letter with the link."
    )
    on_failure: str | None = Field(
        default=None,
        description="The applet that follows when it cannot be recorded; without one, `next`.",
    )

    @model_validator(mode="after")
    def _has_one_prompt(self) -> Self:
        if self.text is not None and self.audio is not None:
            raise ValueError("give either 'text' or 'audio'")
        return self

    def exits(self) -> Mapping[str, str]:
        """Return the exits that are wired."""
        return wired(next=self.next, on_failure=self.on_failure)

    def applet(self, context: Context) -> Applet:
        """Return a machine for one visit."""
        return Voicemail(self, context)


class Voicemail:
    """One message, from the invitation until it is told of."""

    def __init__(self, settings: VoicemailSettings, context: Context) -> None:
        wish = Wish(
            settings.max_seconds * 1000,
            settings.silence_seconds * 1000,
            frozenset(settings.end_key),  # one or none
        )
        self._settings = settings
        self._context = context
        self._message = Message(context, wish, self._left)
        self._prompt_id: PromptId | None = None  # while the caller is invited
        self._give_up_ms = 0

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""
        return self._give_up_ms if self._prompt_id else self._message.wake_at_ms

    def enter(self, now_ms: int) -> list[Step]:
        """Invite the caller to speak."""
        self._prompt_id = self._context.new_prompt_id()
        self._give_up_ms = now_ms + PREPARE_MS + PROMPT_MS
        invitation = self._invitation(now_ms)
        return [Play(self._context.leg_sid, self._prompt_id, invitation, max_ms=PROMPT_MS)]

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Take a fact of the call."""
        if self._prompt_id is None:
            return self._message.receive(happening, now_ms)
        match happening:
            case PromptFinished(prompt_id=self._prompt_id):
                return self._go_on(now_ms)  # a message without an invitation is better than none
            case CommandRefused(command=Play(prompt_id=self._prompt_id)):
                return self._go_on(now_ms)
            case DigitReceived() if self._is_end_key(happening):
                return self._skip(now_ms)
            case CallHungUp(party=party):
                return [Leave(party=party, reason=NOTHING)]
            case _:
                return []

    def wake(self, now_ms: int) -> list[Step]:
        """Wait no longer: for the prompt, or for what the message waits for."""
        return self._skip(now_ms) if self._prompt_id else self._message.wake(now_ms)

    def _skip(self, now_ms: int) -> list[Step]:
        assert self._prompt_id is not None
        return [StopPlaying(self._prompt_id), *self._go_on(now_ms)]

    def _go_on(self, now_ms: int) -> list[Step]:
        self._prompt_id = None
        return self._message.begin(now_ms)

    def _left(self, kept: Kept, now_ms: int) -> list[Step]:
        if kept.error:
            return [failed(kept.error)]
        if kept.recording is None:
            return [Leave(party=kept.party, reason=kept.why)]
        self._context.call_type = CALL_TYPE
        told = [*self._webhook(kept.recording, now_ms), *self._letter(kept.recording)]
        return [*told, Leave(reason=kept.why)]

    def _webhook(self, event: RecordingFinished, now_ms: int) -> list[Step]:
        settings, context = self._settings, self._context
        if settings.webhook_url is None:
            return []
        fields = {
            "CallSid": context.setup.call_sid,
            "From": context.numbers.show(context.setup.from_number),
            "RecordingUrl": event.url,
            "Duration": str(event.duration_ms // 1000),
        }
        request = HttpRequest(
            context.url(settings.webhook_url, now_ms),
            method="POST",
            body=urlencode(fields),
            content_type="application/x-www-form-urlencoded",
            timeout_ms=WEBHOOK_TIMEOUT_MS,
            retries=WEBHOOK_RETRIES,
        )
        return [Fetch(context.new_request_id(), request, CALL_TYPE, in_background=True)]

    def _letter(self, event: RecordingFinished) -> list[Step]:
        setup, to = self._context.setup, tuple(self._settings.email)
        if not to:
            return []
        caller = re.sub(r"[^\w+*#@.:-]", "", setup.from_number)  # it stands in a header
        text = (
            f"{caller} left a message of {event.duration_ms // 1000} seconds"
            f" at {setup.to_number}.\n\n{event.url}\n\nCall {setup.call_sid}\n"
        )
        mail = Mail(to, f"Voicemail from {caller}", text)
        return [SendMail(self._context.new_request_id(), mail)]

    def _is_end_key(self, event: DigitReceived) -> bool:
        is_callers = event.leg_sid == self._context.leg_sid
        return is_callers and event.digit == self._settings.end_key

    def _invitation(self, now_ms: int) -> Prompt:
        settings, context = self._settings, self._context
        if settings.audio is not None:
            return sound_of(settings.audio, context, now_ms)
        text = context.text(settings.text or INVITATION, now_ms)
        return Speech(text, settings.language, settings.voice)


def failed(why: str) -> Leave:
    """Return the way out of a message that was not kept."""
    return Leave(ON_FAILURE, Cause.FLOW_ERROR, Party.SYSTEM, f"the voicemail failed: {why}")
