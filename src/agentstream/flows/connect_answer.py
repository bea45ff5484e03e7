"""What a customer's server answers when it is asked whom to dial, plain or as JSON (AP-40, AP-41).

plain          +919000000001, +919000000002
programmable   {"destination": {"numbers": ["+919000000001"]}, "record": true, ...}
"""

import re
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from agentstream.base.errors import PeerError
from agentstream.base.values import replace
from agentstream.calls.commands import DEFAULT_TONE, AudioFile, RecordingSpec, Speech
from agentstream.flows.custom_params import CustomParamsError, headers_of
from agentstream.flows.dial_plan import (
    OPERATOR_TONE,
    RING_LIMIT_S,
    TALK_LIMIT_S,
    TARGETS_LIMIT,
    DialPlan,
    Target,
    Whisper,
    caller_id_of,
    recording_of,
    targets_of,
)

PARALLEL_ANSWER_LIMIT: Final = 5  # AP-43

_URL: Final = re.compile(r"https?://\S{1,2040}")
OptionalUrl = Annotated[str, Field(pattern=r"^(https?://\S+)?$", max_length=2048)]


class AnswerError(PeerError):
    """The answer says nobody that could be dialled; the text names the rule that it breaks."""


class _Part(BaseModel):
    # A server may add what it likes, and write numbers and switches as texts.
    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)


class _Contact(_Part):
    contact_uri: str = Field(default="", max_length=256)


class _Destination(_Part):
    numbers: list[str] | None = None
    trunk: str = Field(default="", pattern=r"^[A-Za-z0-9_.-]*$", max_length=64)
    custom_params: str | None = None
    contacts: list[_Contact] | None = Field(default=None, max_length=TARGETS_LIMIT)

    @field_validator("numbers", mode="before")
    @classmethod
    def _may_be_one_text(cls, value: object) -> object:
        return [value] if isinstance(value, str | int) else value


class _Music(_Part):
    type: Literal["operator_tone", "default_tone", "custom_tone"] = "operator_tone"
    value: str = ""


class _Playback(_Part):
    playback_to: Literal["both", "callee"] = "callee"
    type: Literal["text", "audio_url"] = "text"
    value: str = Field(default="", max_length=4000)


class _Parallel(_Part):
    activate: bool = False
    max_parallel_attempts: int = Field(default=PARALLEL_ANSWER_LIMIT, ge=1, le=5)


class _Answer(_Part):
    fetch_after_attempt: bool | None = None
    destination: _Destination
    custom_params: str | None = None
    outgoing_phone_number: str | None = None
    record: bool | None = None
    recording_channels: Literal["single", "dual"] | None = None
    max_ringing_duration: int | None = Field(default=None, ge=1, le=RING_LIMIT_S)
    max_conversation_duration: int | None = Field(default=None, ge=1, le=TALK_LIMIT_S)
    music_on_hold: _Music | None = None
    start_call_playback: _Playback | None = None
    parallel_ringing: _Parallel | None = None
    dial_passthru_event_url: OptionalUrl | None = None

    @field_validator("destination", mode="before")
    @classmethod
    def _may_be_a_list(cls, value: object) -> object:
        """Take the contact centre's form, a list of objects (AP-49)."""
        return {"contacts": value} if isinstance(value, list) else value


def plain(body: bytes, base: DialPlan, to_number: str) -> DialPlan:
    """Return the plan with the numbers of a text/plain answer; raises AnswerError."""
    text = _text(body)
    if text.startswith(("{", "[")):
        raise AnswerError("the answer is JSON; set 'mode: programmable' for it")
    targets, reason = targets_of([text], to_number)
    return replace(base, targets=targets, reason=reason)


def programmable(body: bytes, base: DialPlan, to_number: str) -> DialPlan:
    """Return the plan with what a JSON answer says; the rest stays. Raises AnswerError."""
    text = _text(body)
    try:
        answer = _Answer.model_validate_json(text)
    except ValidationError as error:
        raise AnswerError(_explained(error, text)) from error
    targets, reason = _targets(answer, to_number)
    plan = replace(base, targets=targets, reason=reason)
    ring_s, talk_s = answer.max_ringing_duration, answer.max_conversation_duration
    again, event_url = answer.fetch_after_attempt, answer.dial_passthru_event_url
    return replace(
        plan,
        caller_id=_caller_id(answer, plan),
        ring_ms=plan.ring_ms if ring_s is None else ring_s * 1000,
        talk_ms=plan.talk_ms if talk_s is None else talk_s * 1000,
        asks_again=plan.asks_again if again is None else again,
        event_url=event_url or plan.event_url,
        parallel=_parallel(answer, plan),
        recording=_recording(answer, plan),
        music=_music(answer, plan),
        whisper=_whisper(answer, plan),
    )


def _text(body: bytes) -> str:
    try:
        text = body.decode().lstrip("\ufeff").strip()
    except UnicodeDecodeError as error:
        raise AnswerError("the answer is not UTF-8 text") from error
    if text.startswith("<"):
        raise AnswerError(f"the answer is XML or HTML, which is not taken: '{text[:60]}'")
    return text


def _explained(error: ValidationError, text: str) -> str:
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        return f"the answer is not JSON: '{text[:60]}'"
    place = ".".join(str(part) for part in first["loc"]) or "the answer"
    return f"'{place}' in the answer: {first['msg'][0].lower()}{first['msg'][1:]}"


def _targets(answer: _Answer, to_number: str) -> tuple[tuple[Target, ...], str]:
    destination = answer.destination
    if destination.trunk:
        try:
            headers = headers_of(destination.custom_params or answer.custom_params or "")
        except CustomParamsError as error:
            raise AnswerError(str(error)) from error
        return (Target(f"sip:{destination.trunk}", to_number, headers),), ""
    if destination.contacts is not None:
        uris = [contact.contact_uri for contact in destination.contacts]
        targets, reason = targets_of(uris, to_number)
        return targets, reason and f"no 'contact_uri' in 'destination' can be dialled: {reason}"
    if destination.numbers is None:
        return (), "'destination' has neither 'numbers' nor 'trunk'"
    return targets_of(destination.numbers, to_number)


def _parallel(answer: _Answer, plan: DialPlan) -> int:
    ringing = answer.parallel_ringing
    if ringing is None:
        return plan.parallel
    return ringing.max_parallel_attempts if ringing.activate else 1


def _recording(answer: _Answer, plan: DialPlan) -> RecordingSpec | None:
    wanted = plan.recording is not None if answer.record is None else answer.record
    if not wanted:
        return None
    if answer.recording_channels is None:
        return plan.recording or RecordingSpec()
    return recording_of(answer.recording_channels == "dual")


def _music(answer: _Answer, plan: DialPlan) -> str:
    music = answer.music_on_hold
    if music is None:
        return plan.music
    if music.type == "custom_tone":
        return _url(music.value, "music_on_hold.value")
    return OPERATOR_TONE if music.type == "operator_tone" else DEFAULT_TONE


def _whisper(answer: _Answer, plan: DialPlan) -> Whisper | None:
    playback = answer.start_call_playback
    if playback is None:
        return plan.whisper
    if not playback.value:
        return None
    if playback.type == "text":
        speech = Speech(playback.value, plan.language, plan.voice)
        return Whisper(speech, playback.playback_to == "both")
    audio = AudioFile(_url(playback.value, "start_call_playback.value"))
    return Whisper(audio, playback.playback_to == "both")


def _caller_id(answer: _Answer, plan: DialPlan) -> str:
    if not answer.outgoing_phone_number:
        return plan.caller_id
    caller_id = caller_id_of(answer.outgoing_phone_number)
    if not caller_id:
        raise AnswerError("'outgoing_phone_number' in the answer is not a number")
    return caller_id


def _url(text: str, place: str) -> str:
    if not _URL.fullmatch(text):
        raise AnswerError(f"'{place}' in the answer is not an http(s) URL")
    return text
