"""Shape A: every action, every spelling of its fields, and what is wrong in words."""

import re
from dataclasses import replace
from typing import Any

import pytest

from agentstream.calls.commands import AudioFile, Speech
from agentstream.calls.storage import CustomerStorage
from agentstream.flows.given import INVALID, MISSING, BadActionError
from agentstream.flows.legs.json_actions import ACTIONS, read_action, read_custom
from agentstream.flows.legs.verbs import (
    MUSIC,
    VERBS,
    Answer,
    Dial,
    Gather,
    Hangup,
    Hold,
    JoinBridge,
    Message,
    Mute,
    PlaySequence,
    SendDigits,
    StartMonitoring,
    StartPlay,
    StartRecording,
    StartSay,
    StartStream,
    StopPlay,
    StopSay,
    StopStream,
    UnHold,
    UnMute,
)

HELLO = StartSay(Speech("hello"))
SONG = StartPlay(AudioFile("https://sounds.example/a.mp3"))
BOT = StartStream("wss://bot.example/ws?a=1")


@pytest.mark.parametrize(
    ("action", "body", "verb"),
    [
        ("answer", {}, Answer()),
        ("hangup", {}, Hangup()),
        ("stop_say", {}, StopSay()),
        ("stop_play", {}, StopPlay()),
        ("stop_stream", {}, StopStream()),
        ("stop_stream", {"stream_sid": "s1"}, StopStream("s1")),  # type: ignore[arg-type]
        ("start_say", {"text": "hello"}, HELLO),
        ("start_say", {"text": "नमस्ते", "language": "hi"}, StartSay(Speech("नमस्ते", "hi"))),
        (
            "start_say",
            {"text": "hello", "preferredTTSEngine": "polly", "pollyVoiceId": "Aditi"},
            HELLO,
        ),
        ("start_say", {"text": "hello", "voice": "male"}, StartSay(Speech("hello", voice="male"))),
        ("start_play", {"url": "https://sounds.example/a.mp3"}, SONG),
        ("start_play", {"url": "sound://https://sounds.example/a.mp3"}, SONG),  # LG-83
        ("start_play", {"url": "sound:default_tone"}, StartPlay(MUSIC)),
        (
            "start_play",
            {"url": "https://sounds.example/a.mp3", "username": "me", "password": "p@/:"},
            StartPlay(AudioFile("https://me:p%40%2F%3A@sounds.example/a.mp3")),
        ),
        (
            "play_sequence",
            {"items": [{"text": "hello"}, {"url": "https://sounds.example/a.mp3"}]},
            PlaySequence((HELLO, SONG)),
        ),
        ("gather", {}, Gather()),  # EX-35
        (
            "gather",
            {
                "num_digits": 4,
                "timeout_in_sec": 7,
                "finish_on_key": "",
                "prompt": {"text": "hello"},
            },
            Gather(4, 7_000, "", HELLO),
        ),
        (
            "gather",
            {"numDigits": "4", "timeoutInSec": "7", "finishOnKey": "*"},
            Gather(4, 7_000, "*"),
        ),
        ("send_digits", {"digits": "12#a"}, SendDigits("12#A")),
        ("send_digits", {"digits": "1", "duration": 200, "between": 80}, SendDigits("1", 200, 80)),
        (
            "dial",
            {"contact_uri": "+919876500002", "exophone": "+918040000002"},
            Dial("+919876500002", "+918040000002"),
        ),
        (
            "dial",
            {
                "contactUri": "sip:ann@pbx.example",
                "exophone": "+918040000002",
                "timeout": 20,
                "customParam": "agent 7",
                "absorbDtmf": True,
            },
            Dial("sip:ann@pbx.example", "+918040000002", "voip", 20_000, "agent 7", True),
        ),
        ("start_recording", {}, StartRecording()),
        (
            "start_recording",
            {"direction": "in", "format": "wav", "bitrate": 32, "channel": "stereo"},
            StartRecording("stereo", "in", kind="wav"),
        ),
        ("start_recording", {"format": "mp3", "bitrate": 8}, StartRecording(kind="8.mp3")),
        ("start_recording", {"bitrate": "32"}, StartRecording(kind="32.mp3")),
        (
            "start_recording",
            {"storage_type": "https", "storage_url": "https://x.example/calls/"},
            StartRecording(storage=CustomerStorage("https", "https://x.example/calls/")),
        ),
        (
            "start_recording",
            {
                "storageURL": "s3://calls",
                "storageURLKey": "AKIA",
                "storageURLToken": "pw",
                "storageRegion": "ap-south-1",
            },
            StartRecording(storage=CustomerStorage("s3", "s3://calls", "AKIA", "pw", "ap-south-1")),
        ),
        ("start_recording", {"finish_on_key": "*"}, StartRecording(message=Message(5_000, "*"))),
        (
            "start_recording",
            {"silenceInSec": 0, "finishOnKey": "", "timeoutInSec": 90, "playBeep": False},
            StartRecording(message=Message(0, "", 90_000, beeps=False)),
        ),
        (
            "start_recording",
            {"direction": "in", "prompt": {"text": "After the beep"}},
            StartRecording("mono", "in", Message(prompt=StartSay(Speech("After the beep")))),
        ),
        ("hold", {}, Hold()),
        (
            "hold",
            {"music": {"url": "https://sounds.example/a.mp3"}},
            Hold(AudioFile("https://sounds.example/a.mp3")),
        ),
        ("hold", {"music": {"text": "hold on"}}, Hold(Speech("hold on"))),
        ("unhold", {}, UnHold()),
        ("mute", {"direction": "IN"}, Mute("in")),
        ("unmute", {}, UnMute()),
        ("join_bridge", {"bridge_sid": "b1"}, JoinBridge("b1")),
        ("start_monitoring", {"bridge_sid": "b1"}, StartMonitoring("b1")),
    ],
)
def test_an_action_is_read_lg_80_to_lg_86(action: str, body: dict[str, Any], verb: Any) -> None:
    assert read_action(action, body) == verb


@pytest.mark.parametrize(
    "body",
    [
        {"url": "wss://bot.example/ws?a=1", "direction": "bidirectional"},
        {"streamUrl": "wss://bot.example/ws?a=1", "streamType": "bidirectional"},
        {"stream_url": "wss://bot.example/ws?a=1", "stream_type": "Bidirectional"},
        {
            "url": "wss://bot.example/ws?a=1",
            "streamUrl": "wss://other.example",
            "direction": "bidirectional",
            "streamType": "unidirectional",
        },
    ],
)
def test_every_spelling_opens_the_same_stream_lg_85_lc_4(body: dict[str, Any]) -> None:
    assert read_action("start_stream", body) == BOT


def test_a_stream_may_come_with_its_greeting() -> None:
    body = {"url": BOT.url, "direction": "bidirectional", "greeting": {"text": "hello"}}
    assert read_action("start_stream", body) == replace(BOT, greeting=HELLO)


def test_there_is_an_action_for_each_verb_lg_85() -> None:
    needs = {
        "text": "hello",
        "url": "wss://bot.example/ws",
        "direction": "both",
        "items": [{"text": "x"}],
        "digits": "1",
        "contact_uri": "1000",
        "exophone": "1000",
        "bridge_sid": "b",
    }
    read = set()
    for action in ACTIONS:
        body: dict[str, Any] = dict(needs)
        if action == "start_stream":
            body["direction"] = "bidirectional"
        if action == "start_play":
            body["url"] = "https://sounds.example/a.mp3"
        if action != "play_sequence":
            del body["items"]
        read.add(type(read_action(action, body)))
    assert read == VERBS


@pytest.mark.parametrize(
    ("loop", "json_loops"), [(None, 1), (0, 1), (1, 1), (3, 3), (10, 10), (-1, 0), ("-1", 0)]
)
def test_loop_in_json_lc_5(loop: Any, json_loops: int) -> None:
    """The JSON third of the truth table: absent and 0 are once, negative is endless."""
    more = {} if loop is None else {"loop": loop}
    for action, body in (("start_say", {"text": "hello"}), ("start_play", {"url": "https://a.b"})):
        verb = read_action(action, {**body, **more})
        assert isinstance(verb, StartSay | StartPlay)
        assert verb.loops == json_loops


@pytest.mark.parametrize(
    ("content_type", "chosen"),
    [
        ("audio/x-mulaw;rate=8000", "audio/x-mulaw;rate=8000"),
        ("audio/mulaw", "audio/x-mulaw;rate=8000"),
        ("audio/PCMU", "audio/x-mulaw;rate=8000"),
        ("audio/x-alaw; rate=8000", "audio/x-alaw;rate=8000"),
        ("audio/pcma", "audio/x-alaw;rate=8000"),
        ("audio/l16;rate=8000", "audio/L16;rate=8000"),
        ("audio/L16;rate=16000", "audio/L16;rate=16000"),
        ("audio/l16;rate=24000", "audio/L16;rate=24000"),
        ("audio/raw;rate=16000;encoding=l16", "audio/L16;rate=16000"),
        ("audio/raw;rate=8000;encoding=mulaw", "audio/x-mulaw;rate=8000"),
        ("audio/raw;encoding=alaw", "audio/x-alaw;rate=8000"),
        ("", ""),
    ],
)
def test_content_types_are_read_in_every_spelling_lg_87(content_type: str, chosen: str) -> None:
    for name in ("content_type", "contentType"):
        verb = read_action(
            "start_stream",
            {"url": "ws://b.example", "direction": "bidirectional", name: content_type},
        )
        assert isinstance(verb, StartStream)
        assert verb.format == chosen


STREAM = {"url": "wss://bot.example/ws", "direction": "bidirectional"}
PARTY = {"contact_uri": "1000", "exophone": "1000"}


@pytest.mark.parametrize(
    ("action", "body", "code", "words"),
    [
        ("fly", {}, INVALID, "there is no action 'fly'; there are answer, hangup"),
        ("start_say", {}, MISSING, "start_say: text is missing"),
        ("start_say", {"text": "x" * 4_001}, INVALID, "text is longer than 4000 characters"),
        ("start_say", {"text": "\ud800"}, INVALID, "text holds half of a character"),
        ("start_say", {"text": 1.5}, INVALID, "start_say: text must be a text"),
        ("start_say", {"text": ["x"]}, INVALID, "text must be a text"),
        ("start_say", {"text": "x", "loop": 11}, INVALID, "loop must be a whole number from"),
        ("start_say", {"text": "x", "loop": "often"}, INVALID, "loop must be a whole number"),
        ("start_say", {"text": "x", "loop": 1.5}, INVALID, "loop must be a whole number"),
        ("start_say", {"text": "x", "loop": True}, INVALID, "loop must be a whole number"),
        ("start_say", {"text": "x", "preferredTTSEngine": "own"}, INVALID, "polly or googletts"),
        ("start_play", {"url": "/etc/passwd"}, INVALID, "url must be http"),
        ("start_play", {"url": "sound:nothing"}, INVALID, "url must be http"),
        ("start_stream", {"url": "wss://b.example"}, MISSING, "direction is missing"),
        ("start_stream", {"direction": "bidirectional"}, MISSING, "url is missing"),
        ("start_stream", STREAM | {"url": "https://b.example"}, INVALID, "ws:// or wss://"),
        ("start_stream", STREAM | {"url": "wss://b/" + "x" * 600}, INVALID, "than 600 characters"),
        ("start_stream", STREAM | {"direction": "up"}, INVALID, "bidirectional or unidirectional"),
        ("start_stream", STREAM | {"content_type": "audio/opus"}, INVALID, "content_type must be"),
        ("start_stream", STREAM | {"sourceDirection": "in"}, INVALID, "for unidirectional streams"),
        (
            "start_stream",
            STREAM | {"direction": "unidirectional", "secureDtmf": True},
            INVALID,
            "for bidirectional streams",
        ),
        ("start_stream", STREAM | {"secure_dtmf": "perhaps"}, INVALID, "must be true or false"),
        ("gather", {"num_digits": 0}, INVALID, "numDigits must be a whole number from 1 to 255"),
        ("gather", {"timeout_in_sec": 601}, INVALID, "from 1 to 600"),
        ("gather", {"finish_on_key": "##"}, INVALID, "longer than 1 characters"),
        ("gather", {"finish_on_key": "x"}, INVALID, "must be one of 0-9"),
        ("gather", {"prompt": {}}, INVALID, "either text or url"),
        ("gather", {"prompt": "hello"}, INVALID, "must be an object"),
        ("gather", {"prompt": [{"text": "a"}, {"text": "b"}]}, INVALID, "is one play or say"),
        ("send_digits", {"digits": "12x"}, INVALID, "digits are 1 to 64"),
        ("send_digits", {"digits": "1" * 65}, INVALID, "longer than 64"),
        ("send_digits", {}, MISSING, "digits is missing"),
        ("dial", {"exophone": "1000"}, MISSING, "contactUri is missing"),
        ("dial", {"contact_uri": "1000"}, MISSING, "exophone is missing"),
        ("dial", PARTY | {"timeout": 0}, INVALID, "from 1 to 600"),
        (
            "dial",
            PARTY | {"contact_uri": "sip:a@b.example", "network_type": "pstn"},
            INVALID,
            "must be voip",
        ),
        ("play_sequence", {}, INVALID, "are 1 to 32"),
        ("start_recording", {"storageType": "https"}, MISSING, "storageURL is missing"),
        ("start_recording", {"storageURLKey": "k"}, MISSING, "storageURL is missing"),
        (
            "start_recording",
            {"storageType": "https", "storageURL": "s3://x"},
            INVALID,
            "must begin with http:// or https://",
        ),
        ("start_recording", {"storageURL": "s3://x"}, MISSING, "storageURLToken are needed"),
        (
            "start_recording",
            {
                "storageURL": "s3://x",
                "storageURLKey": "k",
                "storageURLToken": "t",
                "storageRegion": "a/b",
            },
            INVALID,
            "storageRegion must be",
        ),
        (
            "start_recording",
            {"storageType": "https", "storageURL": "https://x", "storageURLKey": "a\nb"},
            INVALID,
            "storageURLKey must be printable ASCII",
        ),
        ("start_recording", {"silenceInSec": 601}, INVALID, "silenceInSec must be"),
        ("start_recording", {"timeoutInSec": 0}, INVALID, "timeoutInSec must be"),
        ("start_recording", {"finishOnKey": "A"}, INVALID, "finishOnKey must be"),
        ("start_recording", {"playBeep": "maybe"}, INVALID, "playBeep must be"),
        (
            "start_recording",
            {"prompt": {"url": "https://x/a.wav", "loop": -1}},
            INVALID,
            "prompt must end",
        ),
        ("mute", {"direction": "up"}, INVALID, "must be in or out or both"),
        ("join_bridge", {}, MISSING, "bridgeSid is missing"),
        ("hangup", {"why": {"deep": 1}}, INVALID, "must be a text, a number"),
    ],
)
def test_what_is_wrong_names_field_and_limit_lg_11_lg_93(
    action: str, body: dict[str, Any], code: int, words: str
) -> None:
    with pytest.raises(BadActionError, match=re.escape(words)) as caught:
        read_action(action, body)
    assert caught.value.code == code


def test_a_value_of_the_callers_own_comes_in_either_spelling_lg_88_lg_90_lc_13() -> None:
    assert read_custom({"action_custom_param": "a"}) == "a"
    assert read_custom({"action_custom_parameter": "b"}) == "b"
    assert read_custom({}) == ""
    with pytest.raises(BadActionError, match="longer than 1024 bytes"):
        read_custom({"action_custom_param": "ä" * 513})
    with pytest.raises(BadActionError, match="half of a character"):
        read_custom({"action_custom_param": "\ud800"})
    with pytest.raises(BadActionError, match="must be a text"):
        read_custom({"action_custom_param": 7})
