"""Greeting: one script for each way through it (AP-10, AP-13)."""

import pytest

from agentstream.base.ids import CountedTokens, LegSid, PromptId
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import AudioFile, Play, Prompt, Speech, StopPlaying
from agentstream.calls.events import CallHungUp, DigitReceived, PromptFinished
from agentstream.flows.applet import AppletInput, CommandRefused, Leave, Step
from agentstream.flows.applets.greeting import PREPARE_MS, Greeting, GreetingSettings
from agentstream.flows.context import Context
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
