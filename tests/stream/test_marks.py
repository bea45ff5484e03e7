"""Marks and clears, as far as they are not the audio path's alone: OP-7, AS-117, AS-128."""

import json
from typing import Any

from agentstream.stream.happenings import (
    BotSaid,
    Closed,
    MarkReached,
    QueueCleared,
    SendText,
    StreamOutput,
    Warn,
)
from agentstream.testing.bot_streams import Steps


def sent(outputs: list[StreamOutput]) -> list[dict[str, Any]]:
    texts = [output.text for output in outputs if isinstance(output, SendText)]
    return [json.loads(text.replace("\x01", "5")) for text in texts]


def test_marks_and_clears_are_the_audio_paths_by_default_op7() -> None:
    script = Steps().talking()
    assert script.feed(MarkReached("a", 20)) == []
    assert script.feed(QueueCleared(20, 400)) == []


def test_marks_say_whether_they_were_heard_by_setting_op7_as128() -> None:
    script = Steps(marks_carry_cleared=True, marks_carry_played_ms=True).talking()
    (heard,) = sent(script.feed(MarkReached("a", 20)))
    (lost,) = sent(script.feed(MarkReached("b", 20, cleared=True)))
    assert heard["mark"] == {"name": "a", "played_ms": "20"}
    assert lost["mark"] == {"name": "b", "played_ms": "20", "cleared": True}


def test_a_name_of_a_mark_may_have_a_limit_as117() -> None:
    script = Steps(max_mark_chars=3).talking()
    assert sent(script.feed(MarkReached("abc", 0)))[0]["mark"] == {"name": "abc"}
    (warning,) = script.feed(MarkReached("abcd", 0))
    assert isinstance(warning, Warn)
    assert "4 characters; 3 are allowed" in warning.text


def test_a_clear_is_answered_by_setting_op7() -> None:
    script = Steps(acknowledge_clear=True).talking()
    (answer,) = sent(script.feed(QueueCleared(640, 1_200)))
    assert answer["cleared"] == {"played_ms": "640", "dropped_ms": "1200"}


def test_what_a_bot_still_hears_while_it_drains_ends_with_its_socket_op7() -> None:
    script = Steps(acknowledge_clear=True, max_mark_chars=9).talking()
    script.feed(BotSaid('{"event":"stop"}'))
    assert len(sent(script.feed(MarkReached("a", 20)))) == 1
    assert len(sent(script.feed(QueueCleared(20, 0)))) == 1
    script.feed(Closed(1000, "", "bot", queued_ms=300))
    assert script.feed(MarkReached("b", 20)) == []
    assert script.feed(QueueCleared(20, 0)) == []
