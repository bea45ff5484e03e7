"""Gather, SwitchCase and menus over the whole of a call, asked of a customer's server."""

import io
import json
import wave
from pathlib import Path

import pytest

from agentstream.testing.customer import Reply, customer
from agentstream.testing.file_calls import file_calls

pytestmark = pytest.mark.acceptance

GATHER = """
name: gather
start: code
applets:
  code: {type: gather, url: "%s", fallback_url: "%s", on_digits: tell, on_nothing: bye}
  tell: {type: passthru, url: "%s", next: choose, on_302: bye}
  choose: {type: switch_case, cases: {gold: vip, plain: bye}, default: lost}
  vip: {type: hangup, cause: busy}
  lost: {type: hangup, cause: rejected}
  bye: {type: hangup}
"""
PROMPT = json.dumps(
    {
        "gather_prompt": {"audio_url": "%s"},
        "max_input_digits": 4,
        "finish_on_key": "#",
        "input_timeout": 2,
    }
)
CHOICE = Reply(200, '{"select":"gold"}')


def beep() -> Reply:
    """Return a short sound."""
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(b"\x00\x20\x00\xe0" * 800)
    return Reply(200, sound.getvalue(), "audio/wav")


async def test_keys_reach_the_passthru_and_its_body_chooses(tmp_path: Path) -> None:
    """AP-2, AP-25 to AP-27, AP-29, AP-33: GET with the header, quoted digits, `select`."""
    async with (
        customer(tell=CHOICE, fallback=Reply(404), beep=beep()) as shop,
        file_calls(tmp_path) as house,
    ):
        shop.answers["/ask"] = Reply(200, PROMPT % shop.url("/beep"), "application/json")
        document = GATHER % (shop.url("/ask?k=1"), shop.url("/fallback"), shop.url("/tell"))
        keys = ((900, "1"), (1_300, "2"), (1_700, "#"))
        record = await house.dial(document, digits=keys).record()
    (asked,) = shop.asked("/ask")
    assert asked.headers["exotel-version"] == "1.0"
    assert asked.query["k"] == "1"
    assert asked.query["CallSid"] == record.setup.call_sid
    assert shop.asked("/tell")[0].query["digits"] == '"12"'
    assert record.cause.value == "busy"


@pytest.mark.parametrize(
    "bad",
    [
        Reply(200, "<Response><Gather/></Response>", "application/xml"),
        Reply(404),
        Reply(200, '{"gather_prompt":{"audio_url":"/x"}}', "application/json", delay_ms=6_500),
        Reply(200, '{"no": "prompt"}', "application/json"),
    ],
    ids=["xml", "404", "late", "no prompt"],
)
async def test_the_fallback_is_asked_when_the_first_answer_is_no_use(
    bad: Reply, tmp_path: Path
) -> None:
    """AP-4, AP-28: XML, 404 and lateness are no answers."""
    async with customer(ask=bad, tell=CHOICE, beep=beep()) as shop, file_calls(tmp_path) as house:
        shop.answers["/fallback"] = Reply(200, PROMPT % shop.url("/beep"), "application/json")
        document = GATHER % (shop.url("/ask"), shop.url("/fallback"), shop.url("/tell"))
        keys = ((6_900, "1"), (7_300, "#")) if bad.delay_ms else ((900, "1"), (1_300, "#"))
        record = await house.dial(document, digits=keys).record()
    assert len(shop.asked("/fallback")) == 1
    assert shop.asked("/tell")[0].query["digits"] == '"1"'
    assert record.cause.value == "busy"


async def test_without_a_use_of_either_the_call_ends_and_says_why(tmp_path: Path) -> None:
    """AP-7, AP-28, US-14: the reason names the rule that was broken."""
    xml = Reply(200, "<Response/>", "text/xml")
    async with customer(ask=xml, fallback=xml) as shop, file_calls(tmp_path) as house:
        document = GATHER % (shop.url("/ask"), shop.url("/fallback"), shop.url("/tell"))
        record = await house.dial(document).record()
    assert record.cause.value == "flow-error"
    assert "XML" in record.text


async def test_a_caller_who_keys_nothing_takes_the_other_output(tmp_path: Path) -> None:
    """AP-26, AP-27."""
    async with customer(beep=beep()) as shop, file_calls(tmp_path) as house:
        shop.answers["/ask"] = Reply(200, PROMPT % shop.url("/beep"), "application/json")
        document = GATHER % (shop.url("/ask"), shop.url("/fallback"), shop.url("/tell"))
        record = await house.dial(document).record()
    assert shop.asked("/tell") == []
    assert record.cause.value == "normal"
