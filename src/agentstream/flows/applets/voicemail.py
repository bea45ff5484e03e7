"""Voicemail: a prompt, a beep, and what the caller leaves (AP-56).

enter ──▶ PROMPT ──▶ BEEP ──▶ RECORDING ──silence, key, time──▶ WRITING ──▶ next, on_failure
             └─────────┴── caller gone: nothing was left ──▶ next     ▲
                                 └───── caller gone ──────────────────┘
"""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Annotated, ClassVar, Final, Literal, Self
from urllib.parse import urlencode

from pydantic import Field, model_validator

from agentstream.base.ids import PromptId
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import (
    AudioFile,
    Fetch,
    HttpRequest,
    Mail,
    Play,
    Prompt,
    RecordingSpec,
    SendMail,
    Speech,
    StartRecording,
    StopPlaying,
    StopRecording,
    WatchSilence,
)
from agentstream.calls.events import (
    CallHungUp,
    DigitReceived,
    PromptFinished,
    RecordingFinished,
    SilenceHeard,
)
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
from agentstream.flows.dial_plan import BEEP
from agentstream.flows.template import Template

INVITATION: Final = "Please leave a message after the beep."
PROMPT_MS: Final = 120_000  # what is said before the beep, and the beep
PREPARE_MS: Final = 15_000  # to fetch or speak it
WRITING_MS: Final = 10_000
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


class Phase(Enum):
    """Where a voicemail is in its life."""

    PROMPT = "prompt"
    BEEP = "beep"
    RECORDING = "recording"
    WRITING = "writing"


class Voicemail:
    """One message, from the invitation until its recording is written."""

    def __init__(self, settings: VoicemailSettings, context: Context) -> None:
        self.phase = Phase.PROMPT
        self.wake_at_ms: int | None = None
        self._settings = settings
        self._context = context
        self._prompt_id = PromptId("")
        self._recording_sid = context.new_recording_sid()
        self._why = ""

    def enter(self, now_ms: int) -> list[Step]:
        """Invite the caller to speak."""
        return self._play(self._invitation(now_ms), now_ms)

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Take a fact of the call."""
        match self.phase:
            case Phase.PROMPT | Phase.BEEP:
                return self._before(happening, now_ms)
            case Phase.RECORDING:
                return self._recording(happening, now_ms)
            case _:
                return self._writing(happening, now_ms)

    def wake(self, now_ms: int) -> list[Step]:
        """Wait no longer for a prompt, for the caller's last word, or for the file."""
        match self.phase:
            case Phase.PROMPT | Phase.BEEP:
                return [StopPlaying(self._prompt_id), *self._go_on(now_ms)]
            case Phase.RECORDING:
                return self._stop("it was as long as it may be", now_ms)
            case _:
                self.wake_at_ms = None
                return [failed("it was not written in time")]

    def _before(self, happening: AppletInput, now_ms: int) -> list[Step]:
        match happening:
            case PromptFinished(prompt_id=self._prompt_id):
                return self._go_on(now_ms)  # a message without an invitation is better than none
            case CommandRefused(command=Play(prompt_id=self._prompt_id)):
                return self._go_on(now_ms)
            case DigitReceived() if self._is_end_key(happening) and self.phase is Phase.PROMPT:
                return [StopPlaying(self._prompt_id), *self._go_on(now_ms)]
            case CallHungUp(party=party):
                return [Leave(party=party, reason="nothing was said")]
            case _:
                return []

    def _go_on(self, now_ms: int) -> list[Step]:
        if self.phase is Phase.PROMPT:
            self.phase = Phase.BEEP
            return self._play(AudioFile(BEEP), now_ms)
        settings, leg_sid = self._settings, self._context.leg_sid
        max_ms = settings.max_seconds * 1000
        self.phase, self.wake_at_ms = Phase.RECORDING, now_ms + max_ms
        spec = RecordingSpec(max_ms=max_ms)
        steps: list[Step] = [StartRecording(leg_sid, self._recording_sid, spec)]
        if settings.silence_seconds:
            steps.append(WatchSilence(leg_sid, settings.silence_seconds * 1000))
        return steps

    def _recording(self, happening: AppletInput, now_ms: int) -> list[Step]:
        leg_sid = self._context.leg_sid
        match happening:
            case DigitReceived() if self._is_end_key(happening):
                return self._stop(f"ended with key {happening.digit}", now_ms)
            case SilenceHeard(leg_sid=heard_sid) if heard_sid == leg_sid:
                return self._stop("the caller was silent", now_ms)
            case CallHungUp():
                self._stop("the caller hung up", now_ms)  # the call has ended the recording
                return []
            case RecordingFinished(recording_sid=self._recording_sid):
                return [*self._unwatch(), *self._written(happening, now_ms)]
            case CommandRefused(command=StartRecording(), text=text):
                return [*self._unwatch(), failed(text)]
            case _:
                return []

    def _stop(self, why: str, now_ms: int) -> list[Step]:
        self.phase, self.wake_at_ms, self._why = Phase.WRITING, now_ms + WRITING_MS, why
        return [*self._unwatch(), StopRecording(self._recording_sid)]

    def _unwatch(self) -> list[Step]:
        watched = self._settings.silence_seconds
        return [WatchSilence(self._context.leg_sid, 0)] if watched else []

    def _writing(self, happening: AppletInput, now_ms: int) -> list[Step]:
        match happening:
            case RecordingFinished(recording_sid=self._recording_sid):
                return self._written(happening, now_ms)
            case _:  # also a StopRecording that is refused: then the end is on its way
                return []

    def _written(self, event: RecordingFinished, now_ms: int) -> list[Step]:
        if event.error:
            return [failed(event.error)]
        if not event.duration_ms:
            return [Leave(reason="nothing was said")]
        self._context.call_type = CALL_TYPE
        # The engine has noted it too; a letter must not depend on who is told first.
        self._context.recording_url = event.url
        return [*self._webhook(event, now_ms), *self._letter(event), Leave(reason=self._why)]

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

    def _play(self, prompt: Prompt, now_ms: int) -> list[Step]:
        self._prompt_id = self._context.new_prompt_id()
        self.wake_at_ms = now_ms + PREPARE_MS + PROMPT_MS
        return [Play(self._context.leg_sid, self._prompt_id, prompt, max_ms=PROMPT_MS)]

    def _invitation(self, now_ms: int) -> Prompt:
        settings, context = self._settings, self._context
        if settings.audio is not None:
            return sound_of(settings.audio, context, now_ms)
        text = context.text(settings.text or INVITATION, now_ms)
        return Speech(text, settings.language, settings.voice)


def failed(why: str) -> Leave:
    """Return the way out of a message that was not kept."""
    return Leave(ON_FAILURE, Cause.FLOW_ERROR, Party.SYSTEM, f"the voicemail failed: {why}")
