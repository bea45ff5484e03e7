"""Voicemail: one script for each way through it (AP-56)."""

import pytest
from pydantic import ValidationError

from agentstream.base.ids import LegSid, PromptId, RecordingSid
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import (
    AudioFile,
    Fetch,
    HttpRequest,
    Mail,
    Play,
    RecordingSpec,
    SendMail,
    Speech,
    StartRecording,
    StopPlaying,
    StopRecording,
    WatchSilence,
)
from agentstream.calls.events import DigitReceived, SilenceHeard
from agentstream.flows.applet import Leave
from agentstream.flows.applets.voicemail import INVITATION, PROMPT_MS, VoicemailSettings
from agentstream.flows.message import BEEP_MS, WRITING_MS
from agentstream.flows.prompt import PREPARE_MS
from agentstream.testing.calls import CALL, LEG
from agentstream.testing.visits import Visit


def key(digit: str, leg_sid: LegSid = LEG) -> DigitReceived:
    return DigitReceived(CALL, leg_sid, digit, 80)


def speaking(**fields: object) -> tuple[Visit, RecordingSid]:
    """Enter a voicemail whose caller has heard the beep."""
    visit = Visit(VoicemailSettings.model_validate(fields))
    visit.played(visit.take(Play).prompt_id)
    visit.played(visit.take(Play).prompt_id)
    recording_sid = visit.take(StartRecording).recording_sid
    if fields.get("silence_seconds") != 0:
        visit.take(WatchSilence)
    return visit, recording_sid


def test_a_prompt_a_beep_and_a_recording_with_the_defaults_of_ap_56() -> None:
    visit = Visit(VoicemailSettings())
    prompt = visit.take(Play)
    assert (prompt.leg_sid, prompt.prompt) == (LEG, Speech(INVITATION))
    visit.played(prompt.prompt_id)
    beep = visit.take(Play)
    assert beep.prompt == AudioFile("builtin:beep")
    visit.played(beep.prompt_id)
    recording = visit.take(StartRecording)
    assert (recording.leg_sid, recording.spec) == (LEG, RecordingSpec(max_ms=120_000))
    visit.expect(WatchSilence(LEG, 5000))
    visit.expect_nothing()


@pytest.mark.parametrize(
    ("fields", "prompt"),
    [
        (
            {"text": "Hello {From}", "language": "en-US", "voice": "f1"},
            Speech("Hello +919876500001", "en-US", "f1"),
        ),
        ({"audio": "sounds/{To}.wav"}, AudioFile("sounds/+918040000002.wav")),
    ],
)
def test_the_prompt_is_a_text_or_a_sound(
    fields: dict[str, object], prompt: Speech | AudioFile
) -> None:
    assert Visit(VoicemailSettings.model_validate(fields)).take(Play).prompt == prompt


def test_a_message_ends_with_silence_and_is_told_by_webhook_and_letter() -> None:
    hook = "https://crm.example/voicemail?key=k1"
    visit, recording_sid = speaking(
        webhook_url=hook, email=["a@crm.example", "b@crm.example"], next="bye"
    )
    visit.feed(SilenceHeard(CALL, LegSid("another"), 5000))
    visit.expect_nothing()
    visit.feed(SilenceHeard(CALL, LEG, 5000))
    visit.expect(WatchSilence(LEG, 0), StopRecording(recording_sid))
    visit.recorded(recording_sid, 9400)
    fetch = visit.take(Fetch)
    assert fetch.in_background
    assert fetch.request == HttpRequest(
        hook,
        method="POST",
        body=f"CallSid={CALL}&From=%2B919876500001&RecordingUrl=%2Frecordings%2Fr1.mp3&Duration=9",
        content_type="application/x-www-form-urlencoded",
        timeout_ms=15_000,
        retries=2,
    )
    mail = visit.take(SendMail).mail
    assert mail == Mail(
        ("a@crm.example", "b@crm.example"),
        "Voicemail from +919876500001",
        "+919876500001 left a message of 9 seconds at +918040000002.\n\n/recordings/r1.mp3\n\n"
        f"Call {CALL}\n",
    )
    assert visit.left("next").reason == "the caller was silent"
    parameters = dict(visit.context.parameters(0))
    assert parameters["CallType"] == "voicemail"  # PT-10
    assert parameters["RecordingUrl"] == "/recordings/r1.mp3"


def test_a_message_ends_with_the_end_key_of_the_caller_only() -> None:
    visit, recording_sid = speaking()
    visit.feed(key("5"), key("#", LegSid("another")))
    visit.expect_nothing()
    visit.feed(key("#"))
    visit.expect(WatchSilence(LEG, 0), StopRecording(recording_sid))
    visit.feed(key("#"))
    visit.recorded(recording_sid)
    assert visit.left("next").reason == "ended with key #"


def test_a_message_has_a_longest_time() -> None:
    visit, recording_sid = speaking(max_seconds=60, silence_seconds=0, end_key="")
    visit.feed(key("#"))
    visit.wait(59_999)
    visit.expect_nothing()
    visit.wait(1)
    visit.expect(StopRecording(recording_sid))
    visit.recorded(recording_sid, 60_000)
    assert visit.left("next").reason == "it was as long as it may be"


def test_a_recorder_that_ends_by_itself_ends_the_message() -> None:
    visit, recording_sid = speaking()
    visit.recorded(recording_sid, 120_000)
    visit.expect(WatchSilence(LEG, 0))
    visit.left("next")
    assert visit.context.call_type == "voicemail"


def test_what_was_recorded_is_kept_when_the_caller_hangs_up() -> None:
    assert VoicemailSettings.finishes_after_call
    visit, recording_sid = speaking(webhook_url="https://crm.example/", email=["a@crm.example"])
    visit.hangs_up()
    visit.expect_nothing()  # the call has ended the recording
    visit.recorded(recording_sid)
    visit.take(Fetch)
    visit.take(SendMail)
    assert visit.left("next").reason == "the caller hung up"


@pytest.mark.parametrize("has_heard_the_prompt", [False, True])
def test_a_caller_who_hangs_up_before_the_beep_has_left_nothing(has_heard_the_prompt: bool) -> None:
    visit = Visit(VoicemailSettings(email=["a@crm.example"]))
    prompt = visit.take(Play)
    if has_heard_the_prompt:
        visit.played(prompt.prompt_id)
        visit.take(Play)
    visit.hangs_up()
    assert visit.left("next").reason == "nothing was said"
    assert visit.context.call_type == "call-attempt"


def test_an_empty_recording_is_no_message() -> None:
    visit, recording_sid = speaking(email=["a@crm.example"])
    visit.hangs_up()
    visit.recorded(recording_sid, 0)
    assert visit.left("next").reason == "nothing was said"


def test_the_end_key_skips_the_prompt_but_not_the_beep() -> None:
    visit = Visit(VoicemailSettings())
    prompt = visit.take(Play)
    visit.feed(key("1"), SilenceHeard(CALL, LEG, 5000))
    visit.expect_nothing()
    visit.feed(key("#"))
    visit.expect(StopPlaying(prompt.prompt_id))
    beep = visit.take(Play)
    visit.played(prompt.prompt_id)  # the end of what was skipped
    visit.feed(key("#"))
    visit.expect_nothing()
    visit.played(beep.prompt_id)
    visit.take(StartRecording)


def test_a_message_is_taken_without_a_prompt_that_cannot_be_played() -> None:
    visit = Visit(VoicemailSettings(audio="gone.wav"))
    prompt = visit.take(Play)
    visit.played(PromptId("another"))
    visit.expect_nothing()
    visit.played(prompt.prompt_id, error="no such file")
    visit.refused(visit.take(Play), "too many prompts")
    visit.take(StartRecording)


def test_prompts_that_never_end_are_given_up() -> None:
    visit = Visit(VoicemailSettings())
    prompt = visit.take(Play)
    visit.wait(PREPARE_MS + PROMPT_MS)
    visit.expect(StopPlaying(prompt.prompt_id))
    beep = visit.take(Play)
    visit.wait(PREPARE_MS + BEEP_MS)
    visit.expect(StopPlaying(beep.prompt_id))
    visit.take(StartRecording)


def why(visit: Visit) -> str:
    """Return why a voicemail failed, which must be how it left."""
    left = visit.left("on_failure")
    assert (left.cause, left.party) == (Cause.FLOW_ERROR, Party.SYSTEM)
    return left.reason


def test_a_recording_that_the_call_refuses_is_a_failure() -> None:
    settings = VoicemailSettings(next="a", on_failure="b")
    assert settings.exits() == {"next": "a", "on_failure": "b"}
    visit = Visit(settings)
    visit.played(visit.take(Play).prompt_id)
    visit.played(visit.take(Play).prompt_id)
    recording = visit.take(StartRecording)
    visit.refused(visit.take(WatchSilence))
    visit.expect_nothing()
    visit.refused(recording, "too many recordings")
    visit.expect(WatchSilence(LEG, 0))
    assert why(visit) == "the voicemail failed: too many recordings"


def test_a_recording_that_breaks_off_is_a_failure_and_told_to_nobody() -> None:
    visit, recording_sid = speaking(email=["a@crm.example"])
    visit.recorded(recording_sid, error="disk full")
    visit.take(WatchSilence)
    assert why(visit) == "the voicemail failed: disk full"


def test_a_recording_that_is_never_written_is_a_failure() -> None:
    visit, recording_sid = speaking()
    visit.feed(key("#"))
    visit.take(WatchSilence)
    visit.refused(visit.take(StopRecording))
    visit.recorded(RecordingSid("another"))
    visit.wait(WRITING_MS)
    assert why(visit) == "the voicemail failed: it was not written in time"
    assert recording_sid


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"text": "a", "audio": "b.wav"}, "give either 'text' or 'audio'"),
        ({"max_seconds": 601}, "less than or equal to 600"),
        ({"silence_seconds": 61}, "less than or equal to 60"),
        ({"end_key": "##"}, "Input should be ''"),
        ({"webhook_url": "crm.example"}, "match pattern"),
        ({"email": ["anna"]}, "match pattern"),
        ({"email": ["a@b\nBcc: c@d"]}, "match pattern"),
        ({"email": ["a@b.example"] * 11}, "at most 10 items"),
    ],
)
def test_a_wrong_setting_is_named_with_its_limit(fields: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        VoicemailSettings.model_validate(fields)


def test_a_voicemail_without_an_exit_ends_the_call_as_usual() -> None:
    visit, recording_sid = speaking()
    visit.recorded(recording_sid)
    visit.take(WatchSilence)
    visit.expect(Leave())
