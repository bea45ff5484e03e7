"""Gather: one script for each way through it (AP-2, AP-4, AP-25 to AP-29, US-14)."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import AudioFile, Fetch, Play, Prompt, Speech
from agentstream.flows.applet import CommandRefused, Leave
from agentstream.flows.applets.gather import REPEATS_LIMIT, GatherSettings
from agentstream.flows.asking import GRACE_MS
from agentstream.flows.prompt import PromptSettings
from agentstream.testing.applets import Visit, answered, new_context, played, press, visit

ASK = PromptSettings(text="Key in the code for {From}")
AGAIN = PromptSettings(audio="again.wav")
STATIC = GatherSettings(gather_prompt=ASK)
DYNAMIC = GatherSettings(url="https://crm.example/ask?key=1", language="hi-IN")
WITH_FALLBACK = GatherSettings(url="https://a.example/", fallback_url="https://b.example/")


def say(script: Visit, **answer: Any) -> None:
    """Let the server answer with this JSON."""
    body = json.dumps({"gather_prompt": {"text": "Key in"}, **answer})
    script.feed(answered(script.take(Fetch), body=body, content_type="application/json"))


def test_a_static_gather_asks_and_collects_ap_27() -> None:
    script, context = visit(STATIC)
    play = script.take(Play)
    assert play.prompt == Speech("Key in the code for +919876500001")
    script.feed(played(play), *press("4711#"))
    script.expect(Leave("on_digits"))
    assert ("digits", '"4711"') in context.parameters(0)  # AP-29


def test_who_enters_nothing_leaves_by_the_other_output_ap_27() -> None:
    script, _ = visit(STATIC)
    script.feed(played(script.take(Play)))
    script.wait(5_000)  # AP-26: the default
    script.expect(Leave("on_nothing", reason="the caller pressed no key"))


def test_the_menu_is_repeated_with_its_own_prompt_ap_26() -> None:
    settings = GatherSettings(gather_prompt=ASK, repeat_gather_prompt=AGAIN, repeat_menu=2)
    script, _ = visit(settings)
    heard: list[Prompt] = []
    for _ in range(3):
        play = script.take(Play)
        heard.append(play.prompt)
        script.feed(played(play))
        script.wait(5_000)
    assert heard[1:] == [AudioFile("again.wav"), AudioFile("again.wav")]
    assert script.take(Leave).exit == "on_nothing"


def test_the_same_prompt_is_repeated_when_there_is_no_other_ap_26() -> None:
    script, _ = visit(GatherSettings(gather_prompt=ASK, repeat_menu=1))
    play = script.take(Play)
    script.feed(played(play))
    script.wait(5_000)
    again = script.take(Play)
    assert again.prompt == play.prompt
    script.feed(*press("1"))
    script.wait(5_000)
    assert script.skip_to(Leave).exit == "on_digits"


def test_the_settings_of_a_static_gather_count() -> None:
    settings = GatherSettings(
        gather_prompt=ASK, max_input_digits=2, input_timeout=60, interruptible=False
    )
    script, _ = visit(settings)
    play = script.take(Play)
    script.feed(*press("9"), played(play), *press("1"))
    script.wait(59_999)
    script.feed(*press("2"))
    script.expect(Leave("on_digits"))
    _, context = visit(settings)
    assert context.digits == ""


def test_a_dynamic_gather_asks_the_server_with_the_header_ap_2_ap_25() -> None:
    script, context = visit(DYNAMIC)
    fetch = script.take(Fetch)
    request = fetch.request
    assert (request.url, request.method) == ("https://crm.example/ask?key=1", "GET")
    assert request.query == context.parameters(0)
    assert request.headers == (("Exotel-Version", "1.0"),)
    assert (request.timeout_ms, fetch.purpose) == (5_000, "gather")


def test_the_answer_decides_what_is_said_and_collected_ap_25() -> None:
    script, _ = visit(DYNAMIC)
    say(
        script,
        gather_prompt={"text": "Key in the {digits} code"},
        repeat_gather_prompt={"audio_url": "https://cdn.example/again.wav"},
        max_input_digits=4,
        finish_on_key="*",
        input_timeout=10,
        repeat_menu=1,
        more="is ignored",
    )
    play = script.take(Play)
    assert play.prompt == Speech("Key in the {digits} code", "hi-IN")  # no template of ours
    script.feed(played(play))
    script.wait(10_000)
    again = script.take(Play)
    assert again.prompt == AudioFile("https://cdn.example/again.wav")
    script.feed(played(again), *press("1#*"))
    script.expect(Leave("on_digits"))


def test_an_answer_needs_no_more_than_its_prompt_ap_26() -> None:
    script, _ = visit(DYNAMIC)
    say(script, gather_prompt={"text": "Hello", "audio_url": None}, repeat_menu=None)
    play = script.take(Play)
    script.feed(played(play), *press("1" * 254))
    script.expect_nothing()
    script.feed(*press("1"))
    script.expect(Leave("on_digits"))


def test_numbers_in_an_answer_may_be_texts() -> None:
    script, _ = visit(DYNAMIC)
    say(script, max_input_digits="2", finish_on_key=5)
    script.feed(played(script.take(Play)), *press("15"))
    script.expect(Leave("on_digits"))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("<Response><Gather/></Response>", "the answer is XML or HTML, wanted is JSON such as"),
        ("", "the answer is not JSON"),
        ('{"greeting_url": "https://x/"}', "the answer: field 'gather_prompt' is missing"),
        ('{"gather_prompt": {}}', "field 'gather_prompt': give either 'text' or 'audio_url'"),
        ('{"gather_prompt": {"audio_url": "x.wav"}}', "'audio_url' must begin with https://"),
        ('{"gather_prompt": "Hello"}', "field 'gather_prompt': "),
    ],
)
def test_a_bad_answer_is_explained_us_14(body: str, why: str) -> None:
    script, _ = visit(DYNAMIC)
    script.feed(answered(script.take(Fetch), body=body, content_type="application/json"))
    left = script.take(Leave)
    assert (left.exit, left.cause, left.party) == ("on_failure", Cause.FLOW_ERROR, Party.SYSTEM)
    assert why in left.reason


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_input_digits", 0),
        ("max_input_digits", 256),
        ("finish_on_key", "##"),
        ("input_timeout", 61),
        ("repeat_menu", REPEATS_LIMIT + 1),
    ],
)
def test_a_number_out_of_range_is_named_ap_28(field: str, value: object) -> None:
    script, _ = visit(DYNAMIC)
    say(script, **{field: value})
    assert f"field '{field}': must be" in script.take(Leave).reason


def test_the_fallback_url_is_asked_first_ap_28() -> None:
    script, _ = visit(WITH_FALLBACK)
    script.feed(answered(script.take(Fetch), 404))
    second = script.take(Fetch)
    assert second.request.url == "https://b.example/"
    assert second.request.headers == (("Exotel-Version", "1.0"),)
    script.feed(answered(second, body='{"gather_prompt": {"text": "Hi"}}'))
    assert script.take(Play).prompt == Speech("Hi")


def test_when_nobody_answers_in_time_the_gather_fails_ap_28() -> None:
    script, _ = visit(WITH_FALLBACK)
    script.wait(2 * (5_000 + GRACE_MS) - 1)
    script.take(Fetch)
    script.take(Fetch)
    script.expect_nothing()
    script.wait(1)
    assert script.take(Leave).exit == "on_failure"


def test_a_gather_that_the_call_refuses_fails() -> None:
    script, _ = visit(STATIC)
    script.feed(CommandRefused(script.take(Play), "the leg is ending"))
    assert script.take(Leave).reason == (
        "the gather failed: the prompt could not be played: the leg is ending"
    )
    script, _ = visit(DYNAMIC)
    script.feed(CommandRefused(script.take(Fetch), "no room"))
    assert script.take(Leave).reason == "the gather failed: no room"


def test_keys_pressed_before_the_prompt_count_for_it() -> None:
    context = new_context()
    context.type_ahead("1")  # in an interruptible greeting before
    script, _ = visit(DYNAMIC, context)
    fetch = script.take(Fetch)
    script.feed(*press("2#"))
    script.expect_nothing()
    script.feed(answered(fetch, body='{"gather_prompt": {"text": "Hi"}}'))
    script.expect(Leave("on_digits"))
    assert context.digits == "12"


def test_a_gather_has_three_exits() -> None:
    settings = GatherSettings(gather_prompt=ASK, on_digits="a", on_nothing="b", on_failure="c")
    assert settings.exits() == {"on_digits": "a", "on_nothing": "b", "on_failure": "c"}


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "give either 'gather_prompt' or 'url'"),
        ({"url": "https://x/", "gather_prompt": {"text": "a"}}, "give either 'gather_prompt'"),
        ({"gather_prompt": {"text": "a"}, "fallback_url": "https://x/"}, "give 'url' too"),
        ({"url": "https://x/", "input_timeout": 61}, "less than or equal to 60"),
        ({"url": "https://x/", "finish_on_key": "A"}, "Input should be '0', '1'"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        GatherSettings.model_validate(fields)
