"""Greeting: one script for each way through it (AP-4, AP-10, AP-12, AP-13, US-14)."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from agentstream.base.ids import CountedTokens, LegSid, PromptId
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import (
    AudioFile,
    Fetch,
    Play,
    Prompt,
    Speech,
    StartRecording,
    StopPlaying,
    StopRecording,
)
from agentstream.calls.events import CallHungUp, DigitReceived, PromptFinished
from agentstream.flows.applet import AppletInput, CommandRefused, Leave, Step
from agentstream.flows.applets.greeting import Greeting, GreetingSettings
from agentstream.flows.context import Context
from agentstream.flows.prompt import PREPARE_MS
from agentstream.testing.applets import answered, played, press, visit
from agentstream.testing.calls import CALL, LEG, make_setup
from agentstream.testing.script import Script

OTHER_PROMPT = PromptId("another")


def greet(settings: GreetingSettings) -> tuple[Script[AppletInput, Step], Context, Play]:
    """Enter a greeting; return it with its memory and what it plays."""
    context = Context(make_setup(), CountedTokens(), 0)
    context.leg_sid = LEG
    greeting = Greeting(settings, context)
    [play] = greeting.enter(0)
    assert isinstance(play, Play)
    return Script(greeting), context, play


def finished(play: Play, *, completed: bool = True, error: str = "") -> PromptFinished:
    return PromptFinished(CALL, LEG, play.prompt_id, completed, error)


@pytest.mark.parametrize(
    ("settings", "prompt"),
    [
        (GreetingSettings(text="Call from {From}."), Speech("Call from +919876500001.")),
        (
            GreetingSettings(text="नमस्ते", language="hi-IN", voice="f1"),
            Speech("नमस्ते", "hi-IN", "f1"),
        ),
        (GreetingSettings(audio="sounds/{To}.wav"), AudioFile("sounds/+918040000002.wav")),
        (
            GreetingSettings(audio="https://cdn.example/{To}.mp3"),
            AudioFile("https://cdn.example/%2B918040000002.mp3"),
        ),
    ],
)
def test_a_greeting_plays_a_text_or_a_file_ap_10(
    settings: GreetingSettings, prompt: Prompt
) -> None:
    script, _, play = greet(settings)
    assert play.prompt == prompt
    assert (play.leg_sid, play.loops, play.max_ms) == (LEG, 1, 120_000)  # AP-13
    script.feed(finished(play))
    script.expect(Leave())


def test_loops_and_longest_time_are_passed_on() -> None:
    _, _, play = greet(GreetingSettings(text="a", loops=0, max_seconds=30))
    assert (play.loops, play.max_ms) == (0, 30_000)


def test_a_key_does_nothing_by_default_ap_13() -> None:
    script, context, _ = greet(GreetingSettings(text="a"))
    script.feed(DigitReceived(CALL, LEG, "1", 80))
    script.expect_nothing()
    assert context.digits == ""


def test_a_key_skips_and_is_forgotten_when_that_is_wanted() -> None:
    script, context, play = greet(GreetingSettings(text="a", skip_on_key=True))
    script.feed(DigitReceived(CALL, LegSid("other"), "1", 80))
    script.expect_nothing()
    script.feed(DigitReceived(CALL, LEG, "1", 80))
    script.expect(StopPlaying(play.prompt_id), Leave(reason="skipped with key 1"))
    assert context.digits == ""


def test_a_key_interrupts_and_counts_for_the_next_applet() -> None:
    script, context, play = greet(GreetingSettings(text="a", interruptible=True))
    script.feed(DigitReceived(CALL, LEG, "4", 80))
    script.expect(StopPlaying(play.prompt_id), Leave(reason="skipped with key 4"))
    assert context.digits == "4"


def test_a_greeting_that_cannot_be_played_leaves_by_its_failure_exit_ap_7() -> None:
    settings = GreetingSettings(audio="gone.wav", next="a", on_failure="b")
    assert settings.exits() == {"next": "a", "on_failure": "b"}
    script, _, play = greet(settings)
    script.feed(finished(play, completed=False, error="no such file"))
    reason = "the greeting failed: no such file"
    script.expect(Leave("on_failure", Cause.FLOW_ERROR, Party.SYSTEM, reason))


def test_a_greeting_that_the_call_refuses_to_play_fails() -> None:
    script, _, play = greet(GreetingSettings(text="a"))
    script.feed(CommandRefused(play, "the leg is ending, not talking"))
    assert script.take(Leave).exit == "on_failure"


def test_a_greeting_that_never_ends_is_given_up() -> None:
    script, _, play = greet(GreetingSettings(text="a", max_seconds=10))
    script.wait(10_000 + PREPARE_MS - 1)
    script.expect_nothing()
    steps = script.machine.wake(script.now_ms + 1)
    assert steps[0] == StopPlaying(play.prompt_id)
    assert isinstance(steps[1], Leave)


def test_what_does_not_concern_a_greeting_is_ignored() -> None:
    script, _, _ = greet(GreetingSettings(text="a"))
    script.feed(CallHungUp(CALL, Cause.NORMAL, Party.CALLER, ""))
    script.feed(PromptFinished(CALL, LEG, OTHER_PROMPT, completed=True, error=""))
    script.expect_nothing()


DYNAMIC = GreetingSettings(url="https://crm.example/hello?key=1", language="hi-IN", on_failure="a")


@pytest.mark.parametrize(
    ("body", "prompt"),
    [
        ("Hello {From}\n", Speech("Hello {From}", "hi-IN")),  # no template of ours
        ("https://cdn.example/hello.wav", AudioFile("https://cdn.example/hello.wav")),
        ('{"greeting_url": "http://cdn.example/a.mp3"}', AudioFile("http://cdn.example/a.mp3")),
        ("https://cdn.example is our site", Speech("https://cdn.example is our site", "hi-IN")),
    ],
)
def test_a_server_may_say_what_is_played_ap_12(body: str, prompt: Prompt) -> None:
    script, context = visit(DYNAMIC)
    fetch = script.take(Fetch)
    assert fetch.request.url == "https://crm.example/hello?key=1"
    assert fetch.request.query == context.parameters(0)
    assert (fetch.request.method, fetch.request.headers) == ("GET", ())  # AP-2
    assert (fetch.request.timeout_ms, fetch.purpose) == (5_000, "greeting")
    script.feed(answered(fetch, body=body))
    play = script.take(Play)
    assert (play.prompt, play.loops, play.max_ms) == (prompt, 1, 120_000)
    script.feed(played(play))
    script.expect(Leave())


@pytest.mark.parametrize(
    ("body", "content_type", "why"),
    [
        ("<Response><Say>Hi</Say></Response>", "text/xml", "the answer is XML or HTML, wanted is"),
        ('{"gather_prompt": {"text": "a"}}', "text/plain", "the answer has no 'greeting_url'"),
        ('{"greeting_url": "a.wav"}', "text/plain", "the answer has no 'greeting_url'"),
        ("[1]", "text/plain", "the answer is no JSON object"),
        ("", "text/plain", "the answer has 0 characters, not 1 to 4000"),
        ("x" * 4001, "text/plain", "the answer has 4001 characters, not 1 to 4000"),
        ("RIFF", "audio/wav", "the answer is a sound itself; give its URL as 'audio'"),
    ],
)
def test_a_bad_answer_is_explained_us_14_ap_12(body: str, content_type: str, why: str) -> None:
    script, _ = visit(DYNAMIC)
    script.feed(answered(script.take(Fetch), body=body, content_type=content_type))
    left = script.take(Leave)
    assert (left.exit, left.cause) == ("on_failure", Cause.FLOW_ERROR)
    assert left.reason.startswith(f"the greeting failed: {why}")


def test_the_fallback_url_is_asked_when_the_first_fails_ap_4() -> None:
    settings = GreetingSettings(url="https://a.example/", fallback_url="https://b.example/")
    script, _ = visit(settings)
    script.wait(6_000)
    script.take(Fetch)
    second = script.take(Fetch)
    assert second.request.url == "https://b.example/"
    script.feed(answered(second, 500))
    assert "the fallback URL: it was answered with status 500" in script.take(Leave).reason


@pytest.mark.parametrize("head_first", [False, True])
def test_a_head_is_sent_ahead_only_where_it_is_wanted_ap_12(head_first: bool) -> None:
    script, _ = visit(GreetingSettings(url="https://a.example/?k=1", head_first=head_first))
    fetch = script.take(Fetch)
    assert fetch.request.method == ("HEAD" if head_first else "GET")
    if head_first:
        script.feed(answered(fetch, 405))
        get = script.take(Fetch)
        assert get.request == replace(fetch.request, method="GET")
        script.feed(answered(get, body="Hello"))
        assert script.take(Play).prompt == Speech("Hello")


def test_a_key_pressed_before_anything_plays_is_kept_but_skips_nothing() -> None:
    settings = GreetingSettings(url="https://a.example/", interruptible=True)
    script, context = visit(settings)
    fetch = script.take(Fetch)
    script.feed(*press("1"))
    script.expect_nothing()
    script.feed(answered(fetch, body="Hello"))
    assert script.take(Play).prompt == Speech("Hello")
    assert context.take_ahead() == "1"


def test_a_request_that_the_call_refuses_is_a_failure() -> None:
    script, _ = visit(DYNAMIC)
    script.feed(CommandRefused(script.take(Fetch), "no room"))
    assert script.take(Leave).reason == "the greeting failed: no room"


def test_the_call_is_recorded_while_it_plays_when_that_is_wanted_pt_10() -> None:
    script, _ = visit(GreetingSettings(text="Hello", record=True))
    started = script.take(StartRecording)
    assert started.leg_sid == LEG
    play = script.take(Play)
    script.feed(played(play))
    script.expect(StopRecording(started.recording_sid), Leave())


def test_a_recording_that_the_call_refuses_disturbs_nobody() -> None:
    script, _ = visit(GreetingSettings(text="Hello", record=True, skip_on_key=True))
    script.feed(CommandRefused(script.take(StartRecording), "no room"))
    play = script.take(Play)
    script.feed(*press("1"))
    script.expect(StopPlaying(play.prompt_id), Leave(reason="skipped with key 1"))


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "give either 'text', 'audio' or 'url'"),
        ({"text": "a", "url": "https://x/"}, "give either 'text', 'audio' or 'url'"),
        ({"text": "a", "fallback_url": "https://x/"}, "give 'url' too"),
        ({"url": "x.wav"}, "must begin with https:// or http://"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        GreetingSettings.model_validate(fields)
