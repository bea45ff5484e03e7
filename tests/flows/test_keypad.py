"""Taking keys: prompts, barge-in, typed ahead, time (AP-20, AP-26, AP-27)."""

import pytest

from agentstream.base.ids import LegSid, PromptId
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import Play, Speech, StopPlaying
from agentstream.calls.events import CallHungUp, DigitReceived, PromptFinished
from agentstream.flows.applet import CommandRefused, Leave, Step
from agentstream.flows.context import Context
from agentstream.flows.keypad import Keypad, Keys
from agentstream.flows.prompt import PREPARE_MS
from agentstream.flows.recital import LONGEST_MS
from agentstream.testing.applets import Visit, new_context, played, press
from agentstream.testing.calls import CALL, LEG
from agentstream.testing.script import Script

ASKED = Speech("Key in the code")


def enough(digits: str, now_ms: int) -> list[Step]:
    return [Leave("enough", reason=digits)]


def broken(why: str, now_ms: int) -> list[Step]:
    return [Leave("broken", reason=why)]


def ask(keys: Keys, ahead: str = "") -> tuple[Visit, Context]:
    context = new_context()
    for digit in ahead:
        context.type_ahead(digit)
    keypad = Keypad(context, keys)
    script: Visit = Script(keypad)
    script.keep(keypad.ask(ASKED, 0, enough, broken))
    return script, context


def test_a_prompt_is_played_and_then_keys_are_waited_for() -> None:
    script, context = ask(Keys(timeout_ms=3_000))
    play = script.take(Play)
    assert (play.leg_sid, play.prompt, play.max_ms) == (LEG, ASKED, LONGEST_MS)
    script.wait(10_000)  # a long prompt
    script.feed(played(play))
    script.wait(2_999)
    script.feed(*press("1"))
    script.wait(2_999)  # the time is between keys
    script.feed(*press("2"))
    script.expect_nothing()
    script.wait(3_000)
    script.expect(Leave("enough", reason="12"))
    assert context.digits == "12"


def test_the_finishing_key_ends_the_input_and_is_no_digit() -> None:
    script, context = ask(Keys())
    script.feed(played(script.take(Play)), *press("12#3"))
    script.expect(Leave("enough", reason="12"))
    script.expect_nothing()  # what comes afterwards is for others
    assert context.digits == "12"


def test_without_a_finishing_key_every_key_is_a_digit() -> None:
    script, _ = ask(Keys(most=3, finish=""))
    script.feed(played(script.take(Play)), *press("1#*"))
    script.expect(Leave("enough", reason="1#*"))


def test_so_many_keys_are_enough() -> None:
    script, _ = ask(Keys(most=2))
    script.feed(played(script.take(Play)), *press("12"))
    script.expect(Leave("enough", reason="12"))


def test_no_key_at_all_is_nothing() -> None:
    script, context = ask(Keys())
    context.digits = "of an applet before"
    script.feed(played(script.take(Play)))
    script.wait(5_000)
    script.expect(Leave("enough"))
    assert context.digits == ""
    assert script.machine.wake(60_000) == []


def test_a_key_ends_the_prompt() -> None:
    script, _ = ask(Keys())
    play = script.take(Play)
    script.feed(*press("1"))
    script.expect(StopPlaying(play.prompt_id))
    script.feed(played(play, "stopped"))  # of its end nobody makes anything any more
    script.wait(4_999)
    script.expect_nothing()
    script.wait(1)
    script.expect(Leave("enough", reason="1"))


def test_a_key_that_is_enough_ends_the_prompt_first() -> None:
    script, _ = ask(Keys(most=1))
    play = script.take(Play)
    script.feed(*press("1"))
    script.expect(StopPlaying(play.prompt_id), Leave("enough", reason="1"))


def test_a_prompt_that_may_not_be_interrupted_is_heard_to_its_end() -> None:
    script, _ = ask(Keys(most=1, interruptible=False))
    play = script.take(Play)
    script.feed(*press("1"))
    script.expect_nothing()
    script.feed(played(play), *press("2"))
    script.expect(Leave("enough", reason="2"))


def test_keys_typed_ahead_need_no_prompt_and_the_rest_is_put_back() -> None:
    script, context = ask(Keys(), ahead="12#34")
    script.expect(Leave("enough", reason="12"))
    assert context.digits == "12"
    assert context.take_ahead() == "34"


def test_too_few_keys_typed_ahead_are_waited_for_without_a_prompt() -> None:
    script, context = ask(Keys(most=3), ahead="1")
    script.expect_nothing()
    script.feed(*press("23"))
    script.expect(Leave("enough", reason="123"))
    assert context.take_ahead() == ""


@pytest.mark.parametrize("is_refused", [True, False])
def test_a_prompt_that_cannot_be_played_is_a_failure(is_refused: bool) -> None:
    script, _ = ask(Keys())
    play = script.take(Play)
    script.feed(CommandRefused(play, "gone") if is_refused else played(play, "gone"))
    script.expect(Leave("broken", reason="the prompt could not be played: gone"))
    script.feed(*press("1"))
    script.expect_nothing()


def test_a_prompt_that_never_ends_is_given_up() -> None:
    script, _ = ask(Keys())
    play = script.take(Play)
    script.wait(LONGEST_MS + PREPARE_MS - 1)
    script.expect_nothing()
    script.wait(1)
    why = "the prompt could not be played: it did not end in time"
    script.expect(StopPlaying(play.prompt_id), Leave("broken", reason=why))


def test_what_others_do_is_ignored() -> None:
    script, _ = ask(Keys(most=1))
    play = script.take(Play)
    script.feed(DigitReceived(CALL, LegSid("other"), "1", 80))
    script.feed(PromptFinished(CALL, LEG, PromptId("other"), completed=True, error=""))
    script.feed(CallHungUp(CALL, Cause.NORMAL, Party.CALLER, ""))
    script.feed(CommandRefused(StopPlaying(play.prompt_id), "it has ended"))
    script.expect_nothing()
    assert script.machine.wake(5) == []
