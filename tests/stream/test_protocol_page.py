"""The page for bot developers says what the code does."""

import json
import re
import runpy
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from agentstream.stream import messages
from agentstream.stream.dialects import exotel
from agentstream.stream.messages import (
    Audio,
    BotText,
    DigitsAsked,
    HangUpAsked,
    RateAsked,
    Resume,
    StreamOrder,
    TransferAsked,
)
from agentstream.stream.profile import WireProfile

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "protocol.md").read_text()
ORDER = StreamOrder(
    stream_sid="9f27c1d0a4b84b6fa1c3e5d7091b2c3d",
    call_sid="51e0b7c2d9f84a1bb6c3d2e1f0a9b8c7",
    account_sid="greenleaf1",
    url="wss://bots.example.net",
    from_number="+919876500001",
    to_number="+918040000002",
)
PLAIN = WireProfile()
FULL_MARKS = WireProfile(marks_carry_played_ms=True, marks_carry_cleared=True)
COMES_BACK = WireProfile(reconnect_attempts=3)
IN_CONNECTED = WireProfile(custom_parameters_in="connected")
PAIRS = (("order", "7781"), ("ticket", "17"))

# What we send, as the page shows it: the example's name, its sequence number, its text.
OURS = {
    "media with a track": (
        3,
        exotel.write_media_template(ORDER, Audio(track="outbound", shows_track=True), PLAIN),
    ),
    "connected with custom parameters": (0, exotel.write_connected(PAIRS, IN_CONNECTED)),
    "a mark that was not heard": (
        15,
        exotel.write_mark(ORDER, FULL_MARKS, "m-17", 1_240, cleared=True),
    ),
    "the answer to a clear": (16, exotel.write_cleared(ORDER, PLAIN, 1_240, 2_600)),
    "a refusal": (
        17,
        exotel.write_ack(
            ORDER,
            PLAIN,
            "transfer",
            8,
            "transfer.to is neither a number of 2 to 15 digits nor a sip: address",
        ),
    ),
    "a start that resumes": (
        1,
        exotel.write_start(ORDER, (), Audio(), COMES_BACK, Resume(1_240)),
    ),
    "silence": (18, exotel.write_silence(ORDER, PLAIN, 2_000)),
}
# What a bot sends, and how it is read.
THEIRS: dict[str, BotText] = {
    "a hang-up after a mark": HangUpAsked("7", after_mark="goodbye"),
    "a transfer": TransferAsked(8, "+14155550100"),
    "keys": DigitsAsked(None, "12#"),
    "another rate": RateAsked("r", 16_000),
}


def test_the_picture_is_the_one_that_the_table_of_moves_draws() -> None:
    drawing = runpy.run_path(str(DOCS / "draw_bot_stream.py"))
    assert drawing["draw"]() in PAGE
    assert drawing["with_picture"](PAGE) == PAGE


def test_every_setting_of_a_bot_is_on_the_page() -> None:
    named = set(re.findall(r"`([a-z_]+)`", PAGE))
    assert {field.name for field in fields(WireProfile)} - named == set()


def examples() -> dict[str, Any]:
    found = re.findall(r"<!-- example: (.+?) -->\n```json\n(.*?)```", PAGE, re.DOTALL)
    assert len(found) == len(dict(found)) == PAGE.count("<!-- example")
    return {name: json.loads(text) for name, text in found}


def filled(template: str, seq: int) -> Any:
    values = {"SEQ": str(seq), "CHUNK": "2", "TIMESTAMP_MS": "100", "PAYLOAD": "AAAA"}
    for name, value in values.items():
        template = template.replace(getattr(messages, name), value)
    return json.loads(template)


def test_every_example_of_the_page_is_looked_at() -> None:
    assert set(examples()) == OURS.keys() | THEIRS.keys()


@pytest.mark.parametrize("name", OURS)
def test_an_extension_sends_what_the_page_shows(name: str) -> None:
    seq, template = OURS[name]
    assert examples()[name] == filled(template, seq)


@pytest.mark.parametrize("name", THEIRS)
def test_what_the_page_lets_a_bot_send_is_understood(name: str) -> None:
    text = json.dumps(examples()[name])
    assert exotel.read_said(text, has_controls=True).text == THEIRS[name]
