"""Say and Play over their lives: loops, breaks, keys towards the caller (XR-10, XR-11)."""

from agentstream.calls.commands import AudioFile, Play, SendDigits, Speech
from agentstream.flows.exoml.hearing import LONGEST_MS
from agentstream.testing.calls import LEG
from agentstream.testing.documents import Ivr


def test_a_play_is_repeated_by_the_player_xr_11_lc_5() -> None:
    ivr = Ivr()
    ivr.document('<Play loop="0">/music.mp3</Play>')
    play = ivr.take(Play)
    assert play == Play(
        LEG, play.prompt_id, AudioFile("https://crm.example/music.mp3"), 0, LONGEST_MS
    )
    ivr.wait(LONGEST_MS - 1)
    ivr.expect_nothing()


def test_a_say_with_a_break_is_repeated_as_a_whole_xr_10() -> None:
    ivr = Ivr()
    ivr.document('<Say loop="2">one<break time="2s"/>two</Say><Hangup/>')
    heard = []
    for _ in range(2):
        first = ivr.take(Play)
        ivr.played(first.prompt_id)
        ivr.wait(1_999)
        ivr.expect_nothing()
        ivr.wait(1)
        second = ivr.take(Play)
        heard += [first.prompt, second.prompt]
        assert (first.loops, second.loops) == (1, 1)
        ivr.played(second.prompt_id)
    assert heard == [Speech("one", "en", "female"), Speech("two", "en", "female")] * 2
    assert ivr.notes[-1] == "line 1: <Hangup>"


def test_a_say_of_no_words_is_over_at_once() -> None:
    ivr = Ivr()
    ivr.document("<Say/>")
    ivr.left("next")


def test_keys_are_pressed_towards_the_caller_and_then_the_sound_is_played_xr_11() -> None:
    ivr = Ivr()
    ivr.document('<Play digits="12ww3">/a.wav</Play>')
    ivr.expect(SendDigits(LEG, "12", 100, 70))
    ivr.wait(2 * 170 + 1_000 - 1)
    ivr.expect_nothing()
    ivr.wait(1)
    ivr.expect(SendDigits(LEG, "3", 100, 70))
    ivr.wait(170)
    ivr.take(Play)


def test_keys_alone_are_a_play_too_xr_11() -> None:
    ivr = Ivr()
    ivr.document('<Play digits="1"/>')
    ivr.take(SendDigits)
    assert ivr.machine.wake(100) == []  # too early
    ivr.wait(170)
    ivr.left("next")


def test_keys_that_cannot_be_pressed_are_noted_and_nothing_is_played() -> None:
    ivr = Ivr()
    ivr.document('<Play digits="1">/a.wav</Play>')
    ivr.refused(ivr.take(SendDigits), "no keys here")
    ivr.left("next")
    assert ivr.trouble == ["line 1: <Play>: not heard: no keys here"]
