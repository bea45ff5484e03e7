"""Documents of a customer's server drive real calls: menu, keys, a person, a message (XR-*)."""

from pathlib import Path

import pytest

from agentstream.calls.causes import Cause, Party
from agentstream.calls.events import AppletLeft, AppletNoted, RecordingFinished
from agentstream.server.caller import PlacedCall
from agentstream.testing.customer import Asked, Customer, Reply, customer
from agentstream.testing.file_calls import file_calls
from agentstream.testing.node import Node, running_node, scripted_caller
from agentstream.testing.scripted_bot import BotCall, scripted_bot
from agentstream.testing.scripted_callee import scripted_callee
from agentstream.testing.sound import likeness, read_wav, speech, write_wav
from agentstream.testing.waiting import until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]

FLOW = """
name: documents
start: ivr
applets:
  ivr: {type: exoml, url: "%s", on_failure: sorry}
  sorry: {type: hangup, cause: overloaded}
"""
RATE_HZ = 8_000
BAD = "<Response><Fly/>"


def document(verbs: str) -> Reply:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Response>{verbs}</Response>'
    return Reply(200, text, "application/xml")


def after_dial(asked: Asked) -> Reply:
    is_talked = asked.form["DialCallStatus"] == "completed"
    return document('<Record action="../kept" maxLength="20"/>' if is_talked else "<Hangup/>")


async def heard(node: Node, count: int) -> None:
    """Wait until so many prompts have come to their end."""
    await until(lambda: len(node.saw("PromptFinished")) >= count, 20_000)


async def test_a_menu_a_person_and_a_message_by_documents_xr_1_xr_12_xr_13_xr_14(
    tmp_path: Path,
) -> None:
    voice = speech(RATE_HZ)
    spoken = write_wav(tmp_path / "caller.wav", voice, RATE_HZ)
    async with (
        customer() as shop,
        scripted_callee() as callee,
        running_node(tmp_path / "node", "ws://unused/") as node,
        scripted_caller() as caller,
    ):
        shop.answers |= {
            "/ivr/start": document(
                '<Gather action="choice?a=b" numDigits="1"><Say>For sales press one.</Say></Gather>'
                "<Say>Goodbye</Say>"
            ),
            "/ivr/choice": document(
                '<Dial action="dial/after" timeout="10" record="true">'
                f"<Number>{callee.uri('answers')}</Number></Dial>"
            ),
            "/ivr/dial/after": after_dial,
            "/ivr/kept": document("<Redirect>bye</Redirect>"),
            "/ivr/bye": document('<Say language="en">Thank you<break time="200ms"/></Say>'),
        }
        await node.flow(FLOW % shop.url("/ivr/start?shop=7"))
        call = await caller.dial(node.target())
        await heard(node, 1)
        call.press("1")
        await until(lambda: node.saw("LegsBridged"), 20_000)
        await call.say(spoken)
        callee.hang_up("answers")
        await shop.until_asked("/ivr/dial/after")
        await until(lambda: node.saw("RecordingBegan")[1:], 20_000)  # the beep is over
        await call.say(spoken)
        call.press("#")
        await shop.until_asked("/ivr/bye")
        await call.wait_ended(20)
        (record,) = await node.records()
        await check_what_was_told(shop, record.setup.call_sid)
        assert await node.is_idle()
        files = [one.path for one in record.recordings]
        notes = [each.text for each in node.events if isinstance(each, AppletNoted)]
    assert (record.cause, record.ended_by) == (Cause.NORMAL, Party.FLOW)
    assert likeness(voice, read_wav(Path(files[1]), 0), RATE_HZ).snr_db > 20
    assert notes == [
        "line 2: <Gather>",
        "line 2: <Gather>: one key came",
        "line 2: <Dial>",
        "line 2: <Dial>: The called party hung up.",
        "line 2: <Record>",
        "line 2: <Record>: ended with key #",
        "line 2: <Redirect>",
        "line 2: <Say>",
    ]


async def check_what_was_told(shop: Customer, call_sid: str) -> None:
    (start,), (choice,) = shop.asked("/ivr/start"), shop.asked("/ivr/choice")
    assert (start.method, start.query) == ("POST", {"shop": "7"})
    assert start.headers["content-type"] == "application/x-www-form-urlencoded"
    common = {name: start.form[name] for name in ("CallSid", "CallFrom", "CallTo", "CallStatus")}
    assert common == {
        "CallSid": call_sid,
        "CallFrom": "+919876500001",
        "CallTo": "1000",
        "CallStatus": "in-progress",
    }
    assert (choice.query, choice.form["DigitsPressed"]) == ({"a": "b"}, "1")
    after, kept = shop.asked("/ivr/dial/after")[0].form, shop.asked("/ivr/kept")[0].form
    assert (after["DialCallStatus"], len(after["DialCallSid"])) == ("completed", 32)
    assert 1 <= int(after["DialCallDuration"]) <= 9
    assert after["RecordingUrl"].startswith("http")
    assert kept["RecordingUrl"].startswith("http")
    assert kept["RecordingUrl"] != after["RecordingUrl"]
    assert int(kept["RecordingDuration"]) >= 1


async def test_a_document_brings_a_bot_and_goes_on_when_it_has_left_xr_19(tmp_path: Path) -> None:
    async def converse(call: BotCall) -> None:
        await call.until("media")
        await call.close()

    async with (
        customer() as shop,
        scripted_bot(converse) as bot,
        running_node(tmp_path / "node", "ws://unused/") as node,
        scripted_caller() as caller,
    ):
        shop.answers["/start"] = document(f'<Stream url="{bot.url}" action="after"/>')
        shop.answers["/after"] = document("<Hangup/>")
        await node.flow(FLOW % shop.url("/start"))
        call = await caller.dial(node.target())
        told = (await shop.until_asked("/after")).form
        await call.wait_ended(20)
        assert await node.is_idle()
    assert (told["Stream[Status]"], told["Stream[DisconnectedBy]"]) == ("completed", "bot")


async def test_what_a_caller_left_is_told_though_they_have_hung_up_xr_13(tmp_path: Path) -> None:
    async with (
        customer(kept=document("<Say>never</Say>")) as shop,
        running_node(tmp_path / "node", "ws://unused/") as node,
        scripted_caller() as caller,
    ):
        shop.answers["/start"] = document('<Record action="kept" playBeep="false"/>')
        await node.flow(FLOW % shop.url("/start"))
        call: PlacedCall = await caller.dial(node.target())
        await until(lambda: node.saw("RecordingBegan"), 20_000)
        await call.say(write_wav(tmp_path / "caller.wav", speech(RATE_HZ), RATE_HZ))
        await call.hang_up()
        told = (await shop.until_asked("/kept")).form
        await node.records()
        (finished,) = (one for one in node.events if isinstance(one, RecordingFinished))
        assert await node.is_idle()
    assert told["CallStatus"] == "completed"
    assert (told["RecordingSid"], told["RecordingUrl"]) == (finished.recording_sid, finished.url)


async def test_the_fallback_is_asked_and_silence_passes_a_gather_by_xr_17_ap_4(
    tmp_path: Path,
) -> None:
    bad = document("<Say>\n<Fly/></Say>")
    async with customer(start=bad, again=document("<Hangup/>")) as shop, file_calls(tmp_path) as it:
        shop.answers["/backup"] = document(
            '<Gather timeout="1"/><Redirect method="GET">again</Redirect>'
        )
        flow = FLOW % shop.url("/start")
        flow = flow.replace("on_failure", f'fallback_url: "{shop.url("/backup")}", on_failure')
        record = await it.dial(flow).record()
    assert [asked.path for asked in shop.requests] == ["/start", "/backup", "/again"]
    assert shop.asked("/again")[0].query["CallStatus"] == "in-progress"
    assert record.cause is Cause.NORMAL


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(503), "status 503"),
        (document("\n<Dial>nobody at all</Dial>"), "line 3: <Dial>: 'nobody at all' is neither"),
        (document("<Redirect>http://169.254.169.254/latest</Redirect>"), "169.254.169.254"),
        (document("<Redirect>start</Redirect>"), "10 documents in a row only led to another one"),
        (Reply(200, "<Response>" + " " * 70_000 + "</Response>", "text/xml"), "65536"),
    ],
    ids=["503", "unreadable", "egress", "loop", "long"],
)
async def test_a_call_whose_documents_fail_takes_the_failures_exit_and_says_why_ap_7(
    reply: Reply, words: str, tmp_path: Path
) -> None:
    async with customer(start=reply) as shop, file_calls(tmp_path) as house:
        call = house.dial(FLOW % shop.url("/start"))
        record = await call.record()
    assert record.cause is Cause.OVERLOADED
    (left,) = (one for one in call.notes if isinstance(one, AppletLeft) and one.applet == "ivr")
    assert left.exit == "on_failure"
    assert words in left.reason


async def test_without_an_exit_for_it_a_failure_ends_the_call_with_its_reason(
    tmp_path: Path,
) -> None:
    async with (
        customer(start=Reply(200, BAD)) as shop,
        file_calls(tmp_path) as house,
    ):
        flow = (FLOW % shop.url("/start")).replace(", on_failure: sorry", "")
        call = house.dial(flow.split("  sorry:")[0])
        record = await call.record()
    assert record.cause is Cause.FLOW_ERROR
    assert "the document: line 1: <Fly> is no verb" in record.text
