"""Flows made on the fly: two numbers (CC-20, CC-40), and a bot alone (CC-22, CC-63)."""

from dataclasses import replace
from typing import Any, Literal

import pytest

from agentstream.base.errors import CommandError
from agentstream.calls import effects
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import AudioFile
from agentstream.calls.events import AppletEntered, CallHungUp, LegsBridged
from agentstream.calls.reports import StreamOutcome
from agentstream.flows.dial_plan import OPERATOR_TONE
from agentstream.flows.direct import DirectBot, TwoNumbers, bot, two_numbers
from agentstream.flows.document import FlowDocument
from agentstream.testing.calls import LEG, make_setup
from agentstream.testing.journeys import World

SECOND = "+919876500002"
SHOWN = "+918040000002"
WAIT, WHISPER = "https://media.example/wait.wav", "https://media.example/whisper.wav"
NOTES = "wss://notes.example/ws"


def up(document: FlowDocument) -> World:
    """Return a call of two numbers whose first party has answered."""
    setup = make_setup("outbound")
    world = World(
        document,
        setup=replace(setup, to_number=SECOND, phone_number=SHOWN, status_leg="second"),
    )
    world.ring()
    world.answer()
    return world


def of_kind(world: World, kind: type[Any]) -> list[Any]:
    return [each for each in world.story if isinstance(each, kind)]


def streams(world: World) -> list[effects.StartStream]:
    return [each for each in world.story if isinstance(each, effects.StartStream)]


def test_the_second_number_is_dialled_when_the_first_is_up_cc_20() -> None:
    world = up(two_numbers(TwoNumbers(second=SECOND, trunk="carrier", ring_seconds=20)))
    (dial,) = of_kind(world, effects.DialLeg)
    assert dial.spec.destination == SECOND
    assert (dial.spec.caller_id, dial.spec.trunk, dial.spec.ring_ms) == (SHOWN, "carrier", 20_000)
    (music,) = of_kind(world, effects.PlayPrompt)
    assert (music.leg_sid, music.prompt, music.loops) == (LEG, AudioFile(OPERATOR_TONE), 0)
    world.answer_callee()
    assert of_kind(world, LegsBridged)
    world.end_callee()
    (hung_up,) = of_kind(world, CallHungUp)
    assert (hung_up.cause, hung_up.party) == (Cause.NORMAL, Party.CALLEE)
    world.obey()
    record = world.record_of_end.record
    assert (record.status, len(record.legs)) == ("completed", 2)


@pytest.mark.parametrize(
    ("cause", "status"), [(Cause.BUSY, "busy"), (Cause.NO_ANSWER, "no-answer")]
)
def test_a_second_number_that_is_not_reached_is_dialled_once_and_ends_the_call_cc_60(
    cause: Cause, status: str
) -> None:
    world = up(two_numbers(TwoNumbers(second=SECOND)))
    world.end_callee(cause)
    world.obey()
    record = world.record_of_end.record
    assert (record.status, record.cause) == (status, cause)
    assert len(of_kind(world, effects.DialLeg)) == 1


def test_the_first_hears_what_was_wished_while_the_second_rings() -> None:
    world = up(two_numbers(TwoNumbers(second=SECOND, wait_url=WAIT)))
    (music,) = of_kind(world, effects.PlayPrompt)
    assert music.prompt == AudioFile(WAIT)


@pytest.mark.parametrize("whom", ["callee", "both"])
def test_a_sound_is_played_before_the_two_are_connected(whom: Literal["callee", "both"]) -> None:
    world = up(two_numbers(TwoNumbers(second=SECOND, whisper_url=WHISPER, whisper_to=whom)))
    world.answer_callee()
    heard = [one for one in of_kind(world, effects.PlayPrompt) if one.prompt == AudioFile(WHISPER)]
    assert len(heard) == (1 if whom == "callee" else 2)
    assert heard[0].leg_sid != LEG
    assert not of_kind(world, LegsBridged)
    world.end_prompt()
    assert of_kind(world, LegsBridged)


@pytest.mark.parametrize(("channels", "spec"), [("mono", "mono"), ("stereo", "mirrored")])
def test_the_conversation_is_recorded_in_one_channel_or_two(
    channels: Literal["mono", "stereo"], spec: str
) -> None:
    wanted = TwoNumbers(second=SECOND, record=True, recording_channels=channels)
    world = up(two_numbers(wanted))
    assert not of_kind(world, effects.RecordLeg)
    world.answer_callee()
    (recording,) = of_kind(world, effects.RecordLeg)
    assert recording.spec.channels == spec


def test_a_bot_listens_from_the_first_answer_on_cc_40_as_183() -> None:
    world = up(two_numbers(TwoNumbers(second=SECOND, stream_url=NOTES, stream_name="notes")))
    (fork,) = streams(world)
    assert (fork.leg_sid, fork.spec.url, fork.spec.name) == (LEG, NOTES, "notes")
    assert (fork.spec.two_way, fork.spec.track) == (False, "mixed")
    assert [one.applet for one in of_kind(world, AppletEntered)] == ["fork", "connect"]
    assert of_kind(world, effects.DialLeg)


def test_a_bot_listens_from_the_second_answer_on_cc_40_as_183() -> None:
    wanted = TwoNumbers(second=SECOND, stream_url=NOTES, stream_name="notes", stream_begin="second")
    world = up(two_numbers(wanted))
    assert not streams(world)
    world.answer_callee()
    (fork,) = streams(world)
    assert (fork.leg_sid, fork.spec.url, fork.spec.name) == (LEG, NOTES, "notes")
    assert (fork.spec.two_way, fork.spec.track) == (False, "mixed")
    world.end_stream(StreamOutcome("failed", error="3009 refused"))
    assert not of_kind(world, CallHungUp), "a fork that fails disturbs nobody"


def test_the_end_of_the_bots_socket_ends_the_call_cc_63_as_169() -> None:
    world = World(bot(DirectBot(url=NOTES, name="ann")), setup=make_setup("outbound"))
    world.ring()
    assert not streams(world)
    world.answer()
    (stream,) = streams(world)
    assert (stream.spec.two_way, stream.spec.name) == (True, "ann")
    world.open_stream()
    world.end_stream(StreamOutcome("completed", "bot"))
    (hung_up,) = of_kind(world, CallHungUp)
    assert (hung_up.cause, hung_up.party) == (Cause.NORMAL, Party.BOT)
    world.obey()
    assert world.record_of_end.record.status == "completed"


def test_a_bot_may_be_reached_while_the_party_rings_op_6() -> None:
    world = World(bot(DirectBot(url=NOTES, preconnects=True)), setup=make_setup("outbound"))
    world.ring()
    (stream,) = streams(world)
    assert stream.is_early


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"second": "nobody!"}, "field 'numbers'"),
        ({"ring_seconds": 0}, "field 'ring_seconds': .*greater than or equal to 1"),
        ({"wait_url": "/etc/passwd"}, "field 'wait_url': must begin with https"),
        ({"whisper_url": "file:///etc/passwd"}, "field 'whisper_url': must begin with https"),
        ({"stream_url": "ftp://a.example"}, "field 'url': must begin with wss"),
        ({"stream_url": "ftp://a.example", "stream_begin": "second"}, "field 'stream_url'"),
        ({"stream_url": NOTES, "stream_name": "n" * 33}, "field 'name': .* at most 32"),
        ({"wait_url": "https://a.example/{Nothing}"}, "'{Nothing}' is no variable"),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(CommandError, match=why):
        two_numbers(TwoNumbers(**{"second": SECOND, **wrong}))


def test_a_bot_without_an_address_is_refused() -> None:
    with pytest.raises(CommandError, match="field 'url'"):
        bot(DirectBot(url="bot.example"))
