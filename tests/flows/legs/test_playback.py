"""Plays, says and sequences: one slot, told item by item."""

from agentstream.calls import effects
from agentstream.calls.commands import AudioFile
from agentstream.calls.reports import (
    PromptEnded,
)
from agentstream.flows.legs.verbs import (
    PlaySequence,
    StartPlay,
    StopPlay,
    StopRecording,
    StopSay,
    StopStream,
)
from agentstream.testing.leg_world import BOT, HELLO, SONG, LegWorld


def test_a_say_starts_when_it_is_heard_and_completes_ex_14(world: LegWorld) -> None:
    action_sid = world.act(HELLO, custom="greeting")
    assert world.told() == []
    world.begin_prompt()
    world.end_prompt()
    tales = world.tales()
    assert [tale.name for tale in tales] == ["say_started", "say_completed"]
    assert {(tale.action_sid, tale.custom) for tale in tales} == {(action_sid, "greeting")}


def test_a_play_that_cannot_be_played_says_so_ex_12_ex_42(world: LegWorld) -> None:
    world.act(SONG)
    world.end_prompt(error="the sound's server answered 404")
    (tale,) = world.tales()
    assert tale.name == "play_failed_to_start"
    assert tale.error is not None
    assert tale.error.description == "the sound's server answered 404"


def test_a_new_playback_interrupts_the_old_one_lg_100(world: LegWorld) -> None:
    first = world.act(SONG)
    world.begin_prompt()
    second = world.act(HELLO)
    world.begin_prompt()
    tales = world.tales()
    assert [(tale.name, tale.action_sid) for tale in tales] == [
        ("play_started", first),
        ("play_interrupted", first),
        ("say_started", second),
    ]
    world.end_prompt()
    assert world.told() == ["say_completed"]


def test_stops_stop_their_own_kind_and_otherwise_do_nothing_ex_13_ex_15_lg_104(
    world: LegWorld,
) -> None:
    for stop in (StopPlay(), StopSay(), StopStream(), StopRecording()):
        world.act(stop)
    assert world.told() == []
    world.act(HELLO)
    world.begin_prompt()
    world.act(StopPlay())
    assert world.told() == ["say_started"]
    world.act(StopSay())
    assert world.told() == ["say_interrupted"]
    world.end_prompt()
    assert world.told() == []


def test_a_sequence_plays_one_after_the_other_ex_16(world: LegWorld) -> None:
    world.act(PlaySequence((HELLO, StartPlay(AudioFile("https://sounds.example/a.mp3")))), BOT)
    for _ in range(2):
        world.begin_prompt()
        world.end_prompt()
    assert world.told() == [
        "say_started",
        "say_completed",
        "play_started",
        "play_completed",
        "stream_initiated",
    ]


def test_a_prompt_that_the_call_stops_is_interrupted(world: LegWorld) -> None:
    world.act(HELLO)
    world.begin_prompt()
    (begun,) = world.watch.running.values()
    assert isinstance(begun, effects.PlayPrompt)
    world.ends(begun.prompt_id, PromptEnded(begun.prompt_id, completed=False))
    assert world.told() == ["say_started", "say_interrupted"]


def test_a_prompt_that_cannot_be_decoded_says_so(world: LegWorld) -> None:
    """It was found, so it has begun; what is in the file shows only then."""
    world.act(HELLO)
    world.begin_prompt()
    world.end_prompt(error="the file is no sound")
    assert world.told() == ["say_started", "say_failed_to_start"]


def test_too_many_prompts_at_once_are_refused_in_words(world: LegWorld) -> None:
    for _ in range(9):
        world.act(HELLO)
    tale = world.tales()[-1]
    assert tale.name == "say_failed_to_start"
    assert tale.error is not None
    assert "no more than 8 prompts" in tale.error.description
