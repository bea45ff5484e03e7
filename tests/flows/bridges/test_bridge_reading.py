"""What a bridge is told to do, in both shapes (BR-6, EX-28)."""

from typing import Any

import pytest

from agentstream.calls.commands import AudioFile, Speech
from agentstream.flows.bridges.reading import read_bridge_action, read_bridge_exoml
from agentstream.flows.bridges.values import Refer
from agentstream.flows.given import BadActionError
from agentstream.flows.legs.verbs import StartPlay, StartRecording, StartSay, StopPlay, StopSay

SONG = "https://sounds.example/song.mp3"
HOOK = "https://hooks.example/bridges"


@pytest.mark.parametrize(
    ("action", "body", "exoml", "verb"),
    [
        ("start_say", {"text": "Hi"}, "<StartSay>Hi</StartSay>", StartSay(Speech("Hi"))),
        ("stop_say", {}, "<StopSay/>", StopSay()),
        ("start_play", {"url": SONG}, f"<StartPlay>{SONG}</StartPlay>", StartPlay(AudioFile(SONG))),
        ("stop_play", {}, "<StopPlay/>", StopPlay()),
        ("start_recording", {}, "<StartRecording/>", StartRecording()),
        (
            "refer",
            {"bridge_event_endpoint": HOOK},
            f'<Refer bridgeEventEndpoint="{HOOK}"/>',
            Refer(HOOK),
        ),
    ],
)
def test_both_shapes_mean_the_same_br_6(
    action: str, body: dict[str, str], exoml: str, verb: Any
) -> None:
    assert read_bridge_action(action, body) == verb
    assert read_bridge_exoml(f"<Flow>{exoml}</Flow>") == (verb,)


def test_verbs_come_in_their_order() -> None:
    document = f"<Flow><StopPlay/><Say>Hi</Say><Refer>{HOOK}</Refer></Flow>"
    verbs = read_bridge_exoml(document)
    assert verbs == (StopPlay(), StartSay(Speech("Hi"), is_awaited=True), Refer(HOOK))
    [endless] = read_bridge_exoml("<Flow><StartSay>Hi</StartSay></Flow>", "endless")
    assert endless == StartSay(Speech("Hi"), loops=0)


def test_what_is_for_legs_or_not_there_is_refused_in_words() -> None:
    with pytest.raises(BadActionError, match="<Dial>: Dial is for legs; a bridge can be told"):
        read_bridge_exoml('<Flow><Dial contactUri="1" exophone="2"/></Flow>')
    with pytest.raises(BadActionError, match="there is no action 'dial'; there are refer"):
        read_bridge_action("dial", {})
    with pytest.raises(BadActionError, match="bridgeEventEndpoint is missing") as missing:
        read_bridge_action("refer", {})
    assert missing.value.code == 1001
    with pytest.raises(BadActionError, match="a key or a time is for legs"):  # EX-22
        read_bridge_exoml('<Flow><StartRecording silenceInSec="5"/></Flow>')
