"""Gather over its life: several prompts, barge-in, what cannot be heard (XR-12, XR-17)."""

from agentstream.calls.commands import AudioFile, Fetch, Play, StopPlaying
from agentstream.testing.documents import Ivr


def test_prompts_follow_each_other_before_the_keys_are_waited_for_xr_12() -> None:
    ivr = Ivr()
    ivr.document('<Gather action="x" timeout="3"><Say>a</Say><Play>b.wav</Play></Gather>')
    ivr.played(ivr.take(Play).prompt_id)
    second = ivr.take(Play)
    assert second.prompt == AudioFile("https://crm.example/ivr/b.wav")
    ivr.played(second.prompt_id)
    ivr.wait(2_999)
    ivr.press("4")
    ivr.wait(2_999)
    ivr.press("7#")
    assert ivr.told(ivr.take(Fetch))["DigitsPressed"] == "47"


def test_a_key_ends_the_prompts_xr_12() -> None:
    ivr = Ivr()
    ivr.document('<Gather numDigits="1"><Say>a</Say><Say>never</Say></Gather>')
    play = ivr.take(Play)
    ivr.press("1")
    ivr.expect(StopPlaying(play.prompt_id))
    ivr.take(Fetch)
    assert ivr.notes[-1] == "line 1: <Gather>: one key came"


def test_a_key_ends_the_silence_between_the_prompts_too() -> None:
    ivr = Ivr()
    ivr.document('<Gather numDigits="1"><Say>a<break time="5s"/>never</Say></Gather>')
    ivr.played(ivr.take(Play).prompt_id)
    ivr.press("1")
    ivr.take(Fetch)


def test_without_a_finishing_key_every_key_is_a_digit_xr_12() -> None:
    ivr = Ivr()
    ivr.document('<Gather finishOnKey=""/>')
    ivr.press("1#*")
    ivr.wait(5_000)
    assert ivr.told(ivr.take(Fetch))["DigitsPressed"] == "1#*"


def test_a_gather_whose_prompt_cannot_be_heard_is_passed_by() -> None:
    ivr = Ivr()
    ivr.document("<Gather><Say>a</Say></Gather><Hangup/>")
    ivr.played(ivr.take(Play).prompt_id, error="no voice")
    assert ivr.trouble == ["line 1: <Gather>: the prompt could not be played: no voice"]
