"""What a bot's developer is told of its messages and its audio: AS-106, AS-114, AS-156, OP-12."""

import json
from typing import Any

from agentstream.stream.happenings import (
    Begin,
    BotPaced,
    BotSaid,
    BotSampled,
    Closed,
    Connect,
    Drain,
    StopRequested,
    Warn,
)
from agentstream.stream.life import State
from agentstream.testing.bot_streams import Counted, Steps


def test_echoes_are_tolerated_and_strange_messages_told_once_as106_as115() -> None:
    script = Steps().talking()
    assert script.feed(BotSaid('{"event":"connected"}')) == []
    (warning,) = script.feed(BotSaid('{"event":"hangup"}'))
    assert isinstance(warning, Warn)
    assert "'hangup'" in warning.text
    assert script.feed(BotSaid('{"event":"hangup"}')) == []
    assert len(script.feed(BotSaid("hello"))) == 1
    told = [script.feed(BotSaid(f'{{"event":"e{n}"}}')) for n in range(40)]
    assert sum(map(len, told)) == 14


def test_payloads_that_the_hosted_platform_dislikes_are_told_once_as156() -> None:
    counters = Counted(100, 90, 80, 1, 40)
    outputs = Steps().talking().feed(Closed(1000, "", "bot", 0, counters))
    texts = [output.text for output in outputs if isinstance(output, Warn)]
    assert len(texts) == 4
    assert texts[0].startswith("90 of the bot's 100 media payloads are below 3200 bytes")
    lenient = Steps(chunk_policy="lenient").talking()
    outputs = lenient.feed(Closed(1000, "", "bot", 0, counters))
    assert not any(isinstance(output, Warn) for output in outputs)
    fine = Steps().talking().feed(Closed(1000, "", "bot", 0, Counted(5)))
    assert len(fine) == 2


def test_a_late_close_still_tells_its_warnings_as156() -> None:
    script = Steps().talking()
    script.feed(StopRequested("moved on"))
    (warning,) = script.feed(Closed(1000, "", "us", 0, Counted(1, 1)))
    assert isinstance(warning, Warn)


def test_another_stream_sid_is_told_and_by_setting_refused_as114() -> None:
    text = BotSaid('{"event":"stop","streamSid":"other"}')
    lenient = Steps().talking()
    warning, drain = lenient.feed(text)
    assert isinstance(warning, Warn)
    assert drain == Drain()
    strict = Steps(reject_wrong_stream_sid=True).talking()
    assert [type(output) for output in strict.feed(text)] == [Warn]
    assert strict.feed(text) == []
    assert strict.machine.state is State.ACTIVE
    own = Steps(reject_wrong_stream_sid=True).talking()
    assert own.feed(BotSaid(f'{{"event":"stop","stream_sid":"{"s" * 32}"}}')) == [Drain()]


def test_a_format_that_overrules_the_address_is_told_bx1() -> None:
    script = Steps("ws://b.example/?sample-rate=16000", media_format="audio/x-mulaw;rate=8000")
    warning, connect = script.feed(Begin())
    assert isinstance(warning, Warn)
    assert "sample-rate=16000 is left aside" in warning.text
    assert isinstance(connect, Connect)


def sample(values: dict[str, Any]) -> BotSampled:
    return BotSampled(json.dumps(values))


def test_the_first_messages_are_looked_at_while_there_is_time_op12_us5() -> None:
    script = Steps().talking()
    odd = {"event": "media", "streamSid": "s" * 32, "media": {"payload": "AAAA"}}
    (warning,) = script.feed(sample(odd))
    assert isinstance(warning, Warn)
    assert warning.text.endswith("not documented (US-5)")
    assert script.feed(sample(odd)) == []
    assert script.feed(sample({"event": "clear"})) == []
    assert script.feed(sample({"event": "hangup"})) == [], "it comes as BotSaid too"


def test_binary_frames_and_texts_that_are_no_messages_are_told_op12_as5() -> None:
    script = Steps().talking()
    told = script.feed(BotSampled("", is_binary=True))
    assert [warning.about for warning in told if isinstance(warning, Warn)] == ["AS-5", "AS-115"]


def test_audio_of_another_rate_is_told_once_op12_us3() -> None:
    script = Steps().talking()
    told = []
    for second in range(20):
        told += script.wait(1_000)
        told += script.feed(BotPaced(second * 32_000))
    (warning,) = told
    assert isinstance(warning, Warn)
    assert "is it 16-bit PCM at 16000 Hz?" in warning.text


def test_a_lenient_bot_is_not_looked_at_as156() -> None:
    script = Steps(chunk_policy="lenient").talking()
    assert script.feed(BotSampled("x")) == []
    assert script.feed(BotPaced(1)) == []
