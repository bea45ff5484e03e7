"""IVR menu: one script for each way through it (AP-20, AP-21)."""

import pytest
from pydantic import ValidationError

from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import Play, Prompt, Speech, StopPlaying
from agentstream.flows.applet import CommandRefused, Leave
from agentstream.flows.applets.ivr_menu import RETRIES_LIMIT, IvrMenuSettings
from agentstream.flows.prompt import PromptSettings
from agentstream.testing.applets import new_context, played, press, visit

ASK = PromptSettings(text="For sales press 1")
KEYS = {"1": "sales", "*": "back", "#": "end"}


def menu(**fields: object) -> IvrMenuSettings:
    given = {"prompt": ASK, "keys": KEYS, **fields}
    return IvrMenuSettings.model_validate(given)


@pytest.mark.parametrize("key", KEYS)
def test_each_key_has_its_output_ap_20(key: str) -> None:
    settings = menu(on_invalid="a", on_timeout="b", on_failure="c")
    assert settings.exits() == {**KEYS, "on_invalid": "a", "on_timeout": "b", "on_failure": "c"}
    script, context = visit(settings)
    script.feed(played(script.take(Play)), *press(key))
    script.expect(Leave(key))
    assert context.digits == key


def test_the_line_of_a_key_is_known() -> None:
    assert menu().exit_path("1") == ("keys", "1")
    assert menu().exit_path("on_timeout") == ("on_timeout",)


def test_a_key_cuts_the_prompt_short_unless_that_is_not_wanted() -> None:
    script, _ = visit(menu())
    play = script.take(Play)
    script.feed(*press("1"))
    script.expect(StopPlaying(play.prompt_id), Leave("1"))
    script, _ = visit(menu(interruptible=False))
    play = script.take(Play)
    script.feed(*press("1"))
    script.expect_nothing()


def test_a_key_from_an_interrupted_greeting_chooses_without_a_prompt_ap_13() -> None:
    context = new_context()
    context.type_ahead("1")
    script, _ = visit(menu(), context)
    script.expect(Leave("1"))


def test_a_wrong_key_is_asked_again_twice_ap_20() -> None:
    script, _ = visit(menu(invalid_prompt=PromptSettings(text="Once more")))
    heard: list[Prompt] = []
    for _ in range(3):
        play = script.take(Play)
        heard.append(play.prompt)
        script.feed(played(play), *press("7"))
    assert heard == [Speech("For sales press 1"), Speech("Once more"), Speech("Once more")]
    script.expect(Leave("on_invalid", reason="key 7 leads nowhere"))


def test_no_key_is_asked_again_twice_ap_20() -> None:
    script, _ = visit(menu(timeout_prompt=PromptSettings(text="Are you there?")))
    script.feed(played(script.take(Play)))
    script.wait(5_000)
    again = script.take(Play)
    assert again.prompt == Speech("Are you there?")
    script.feed(played(again))
    script.wait(5_000)
    script.feed(played(script.take(Play)))
    script.wait(4_999)
    script.expect_nothing()
    script.wait(1)
    script.expect(Leave("on_timeout", reason="the caller pressed no key"))


def test_the_last_trouble_chooses_the_output() -> None:
    script, _ = visit(menu(retries=1, input_timeout=2))
    script.feed(played(script.take(Play)))
    script.wait(2_000)
    again = script.take(Play)
    assert again.prompt == Speech("For sales press 1")
    script.feed(played(again), *press("A"))
    assert script.take(Leave).exit == "on_invalid"


def test_endless_is_twenty_times_ap_21() -> None:
    script, _ = visit(menu(retries=0))
    for _ in range(RETRIES_LIMIT + 1):
        script.feed(played(script.take(Play)), *press("7"))
    assert RETRIES_LIMIT == 20
    assert script.take(Leave).exit == "on_invalid"


def test_many_digits_go_to_the_next_applet_ap_20() -> None:
    settings = IvrMenuSettings(prompt=ASK, many_digits=True, max_digits=6, next="a")
    assert settings.exits() == {"next": "a"}
    script, context = visit(settings)
    script.feed(played(script.take(Play)), *press("123#"))
    script.expect(Leave())
    assert context.digits == "123"
    script, context = visit(settings)
    script.feed(played(script.take(Play)), *press("123456"))
    script.expect(Leave())


def test_a_prompt_that_cannot_be_played_is_a_failure_ap_7() -> None:
    script, _ = visit(menu())
    script.feed(played(script.take(Play), "no such file"))
    left = script.take(Leave)
    assert (left.exit, left.cause, left.party) == ("on_failure", Cause.FLOW_ERROR, Party.SYSTEM)
    assert left.reason == "the menu failed: the prompt could not be played: no such file"
    script, _ = visit(menu())
    script.feed(CommandRefused(script.take(Play), "gone"))
    assert script.take(Leave).exit == "on_failure"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"keys": {}}, "give 'keys', or 'many_digits: true'"),
        ({"many_digits": True}, "with 'many_digits' the way is 'next'"),
        ({"keys": {"A": "x"}}, "Input should be '0', '1'"),
        ({"keys": {"12": "x"}}, "Input should be '0', '1'"),
        ({"retries": 21}, "less than or equal to 20"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        menu(**fields)
