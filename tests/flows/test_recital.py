"""Prompts and silences in a row: each to its end, repeated, given up, stopped."""

import pytest

from agentstream.base.ids import PromptId
from agentstream.calls.commands import Play, Speech, StopPlaying
from agentstream.calls.events import PromptFinished
from agentstream.flows.applet import AppletInput, CommandRefused, Step
from agentstream.flows.prompt import PREPARE_MS
from agentstream.flows.recital import LONGEST_MS, Recital, Silence, Verse
from agentstream.testing.applets import new_context, played
from agentstream.testing.calls import CALL, LEG
from agentstream.testing.script import Script

ONE, TWO = Speech("one"), Speech("two")


def recite(*verses: Verse, max_ms: int = LONGEST_MS) -> tuple[Script[AppletInput, Step], Recital]:
    recital = Recital(new_context(), verses, max_ms)
    script: Script[AppletInput, Step] = Script(recital)
    script.keep(recital.begin(0))
    return script, recital


def test_each_is_heard_to_its_end_before_the_next() -> None:
    script, recital = recite(Verse((ONE,), 3), Verse(()), Verse((TWO,)))
    first = script.take(Play)
    assert (first.leg_sid, first.prompt, first.loops, first.max_ms) == (LEG, ONE, 3, LONGEST_MS)
    script.feed(PromptFinished(CALL, LEG, PromptId("another"), completed=True, error=""))
    script.expect_nothing()
    script.feed(played(first))
    second = script.take(Play)
    assert not recital.is_over
    script.feed(played(second))
    assert (second.prompt, recital.is_over, recital.error, recital.wake_at_ms) == (
        *(TWO, True, ""),
        None,
    )


def test_of_nothing_nothing_is_heard() -> None:
    script, recital = recite(Verse(()))
    script.expect_nothing()
    assert recital.is_over


def test_a_silence_takes_its_time_and_is_repeated_with_the_rest() -> None:
    script, recital = recite(Verse((ONE, Silence(700)), 2))
    for _ in range(2):
        script.feed(played(script.take(Play)))
        assert not recital.is_over
        script.wait(699)
        script.expect_nothing()
        script.wait(1)
    script.expect_nothing()
    assert recital.is_over


@pytest.mark.parametrize("pieces", [(ONE, TWO), (Silence(100),)])
def test_an_endless_verse_goes_on_until_it_is_stopped(pieces: tuple[Speech | Silence, ...]) -> None:
    script, recital = recite(Verse(pieces, 0))
    for _ in range(50):
        for piece in pieces:
            if isinstance(piece, Silence):
                script.wait(piece.ms)
            else:
                script.feed(played(script.take(Play)))
    assert not recital.is_over
    last = script.take_all()
    assert recital.stop() == [StopPlaying(play.prompt_id) for play in last if type(play) is Play]
    assert recital.is_over
    assert recital.wake(10**9) == []


def test_the_player_repeats_a_single_prompt_without_an_end() -> None:
    script, _ = recite(Verse((ONE,), 0), max_ms=0)
    play = script.take(Play)
    assert (play.loops, play.max_ms) == (0, 0)
    script.wait(86_400_000)
    script.expect_nothing()


def test_what_cannot_be_played_breaks_it_off() -> None:
    for is_refused in (True, False):
        script, recital = recite(Verse((ONE,)), Verse((TWO,)))
        play = script.take(Play)
        script.feed(CommandRefused(play, "gone") if is_refused else played(play, "gone"))
        script.expect_nothing()
        assert (recital.is_over, recital.error) == (True, "gone")


def test_a_prompt_that_never_ends_is_given_up() -> None:
    script, recital = recite(Verse((ONE,)), max_ms=5_000)
    play = script.take(Play)
    script.wait(5_000 + PREPARE_MS)
    script.expect(StopPlaying(play.prompt_id))
    assert recital.error == "it did not end in time"
