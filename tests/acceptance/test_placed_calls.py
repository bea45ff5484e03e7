"""Calls that a node places over real SIP and RTP: to a flow, to a bot, of two numbers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from agentstream.base.ids import CallSid
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import HangUp, RecordingSpec
from agentstream.flows.direct import DirectBot, TwoNumbers, bot, two_numbers
from agentstream.flows.document import FlowDocument, parse
from agentstream.hooks.call_records import CallRecords
from agentstream.server.callee import Manners, ScriptedPhone
from agentstream.store.values import CallRecord
from agentstream.testing.customer import Reply, customer
from agentstream.testing.node import Node, running_node, scripted_phone
from agentstream.testing.scripted_bot import BotCall, scripted_bot
from agentstream.testing.scripted_callee import ScriptedCallee, scripted_callee
from agentstream.testing.sound import (
    as_pcm,
    from_pcm,
    likeness,
    read_wav,
    speech,
    with_silence,
    write_wav,
)
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance
RATE_HZ = 8_000
CUSTOMER, SECOND, SHOWN = "+919876500001", "+919876500002", "+918040000002"
GREETING = parse("name: hi\nstart: a\napplets:\n  a: {type: greeting, text: 'Hello there'}")

MENU = """
name: menu
start: menu
applets:
  menu: {type: ivr_menu, prompt: {text: "Press one for sales, two for support"}, keys: {'1': bye}}
  bye: {type: hangup}
"""


@dataclass
class Street:
    """A node whose numbers all lead to one phone."""

    node: Node
    phone: ScriptedPhone

    async def place(self, follow: FlowDocument | None, **fields: Any) -> CallSid:
        wanted = {"destination": CUSTOMER, "caller_id": SHOWN, **fields}
        return await self.node.place(follow=follow, **wanted)

    async def row(self, call_sid: CallSid) -> CallRecord:
        return await row_of(self.node, call_sid)


async def row_of(node: Node, call_sid: CallSid) -> CallRecord:
    """Wait until a call has ended and left nothing, and read what was written of it."""
    assert await node.is_idle(20_000)
    parts = node.house.parts
    await parts.writer.flush()
    row = await parts.store.calls.find(call_sid)
    assert row is not None
    return row


@asynccontextmanager
async def open_street(
    folder: Path, bot_url: str = "ws://unused/", manners: Manners | None = None, **dial: Any
) -> AsyncIterator[Street]:
    async with scripted_phone(manners) as (phone, address):
        trunks = {"one": {"target": f"sip:{address}"}}
        sections: dict[str, Any] = {"trunks": trunks, "dial": {"trunk": "one", **dial}}
        async with running_node(folder, bot_url, **sections) as node:
            keep_rows(node)
            yield Street(node, phone)


def keep_rows(node: Node) -> None:
    parts = node.house.parts
    parts.feed.subscribe(CallRecords(parts.writer.write).hear, CallRecords.KINDS)


async def test_whoever_answers_enters_the_flow_and_a_server_is_told_cc_21_cc_56_af_7(
    tmp_path: Path,
) -> None:
    async with customer(told=Reply(200)) as shop, open_street(tmp_path) as street:
        follow = parse(
            "name: told\nstart: t\napplets:\n"
            f"  t: {{type: passthru, url: '{shop.url('/told')}', next: bye}}\n"
            "  bye: {type: hangup}"
        )
        call_sid = await street.place(follow, custom_field="order 7")
        call = await street.phone.called()
        asked = await shop.until_asked("/told")
        await call.wait_ended()
        row = await street.row(call_sid)
    (invited,) = street.phone.invited
    assert invited.request_uri.startswith(f"sip:{CUSTOMER}@")
    assert invited.from_uri.startswith(f"sip:{SHOWN}@")  # CC-23
    said = asked.query
    assert (said["CallFrom"], said["CallTo"]) == (CUSTOMER, SHOWN)
    assert (said["Direction"], said["CustomField"]) == ("outbound-dial", "order 7")
    assert said["CallSid"] == call_sid
    assert (row.direction, row.status, row.ended_by) == ("outbound-api", "completed", "flow")
    assert (row.from_number, row.to_number, row.phone_number) == (CUSTOMER, SHOWN, SHOWN)
    (leg,) = row.legs
    assert (leg.direction, leg.status, leg.destination) == ("outbound-api", "completed", CUSTOMER)
    assert leg.answered_ms is not None
    assert leg.rang_ms is not None
    assert leg.rang_ms <= leg.answered_ms


async def test_whoever_answers_talks_with_the_bot_and_its_socket_ends_the_call_cc_22_cc_63(
    tmp_path: Path,
) -> None:
    source, heard = speech(RATE_HZ), tmp_path / "heard.wav"
    said = write_wav(tmp_path / "said.wav", with_silence(source, RATE_HZ, 500), RATE_HZ)
    pcm = as_pcm(source)

    async def talk(call: BotCall) -> None:
        await call.until("media")
        await call.media(pcm)
        await call.mark("said")
        await call.until("mark")
        await call.until("dtmf")
        await call.close()

    async with (
        scripted_bot(talk) as robot,
        open_street(tmp_path / "node", manners=Manners(ring_ms=300, record_to=heard)) as street,
    ):
        call_sid = await street.place(bot(DirectBot(url=robot.url, name="ann")))
        call = await street.phone.called()
        await until(lambda: bool(robot.calls) and bool(robot.call.said("start")))
        assert await call.say(said)
        call.press("5")
        ended = await call.wait_ended(30)
        row = await street.row(call_sid)
        await robot.ended()
    assert ended.by == "remote"
    start = robot.call.start
    assert (start["from"], start["to"]) == (CUSTOMER, SHOWN)  # AS-70
    assert (start["call_sid"], start["account_sid"]) == (call_sid, "greenleaf1")
    assert robot.call.said("dtmf")[0]["dtmf"]["digit"] == "5"
    to_bot = likeness(source, from_pcm(robot.call.audio()), RATE_HZ)
    to_phone = likeness(source, read_wav(heard, channel=0), RATE_HZ)
    assert to_bot.snr_db > 25, to_bot
    assert to_phone.snr_db > 25, to_phone
    assert (row.status, row.ended_by) == ("completed", "bot")
    assert row.legs[0].rang_ms is not None
    assert row.legs[0].answered_ms is not None
    assert row.legs[0].answered_ms - row.legs[0].rang_ms >= 250


async def test_a_bot_is_there_before_the_answer_and_hears_nothing_of_before_op_6_as_51(
    tmp_path: Path,
) -> None:
    async def leave(call: BotCall) -> None:
        await call.until("media")
        await call.close()

    manners = Manners(ring_ms=500)
    async with scripted_bot(leave) as robot, open_street(tmp_path, manners=manners) as street:
        call_sid = await street.place(bot(DirectBot(url=robot.url, preconnects=True)))
        await until(lambda: street.node.saw("StreamHeld"))
        assert not street.node.saw("CallAnswered")
        assert not robot.call.messages
        await (await street.phone.called()).wait_ended()
        row = await street.row(call_sid)
    assert [one["event"] for one in robot.call.messages[:3]] == ["connected", "start", "media"]
    assert robot.call.said("media")[0]["media"]["timestamp"] == "100"
    assert row.ended_by == "bot"


async def test_two_numbers_hear_each_other_and_a_bot_listens_cc_20_cc_40_as_183(
    tmp_path: Path,
) -> None:
    source, heard = speech(RATE_HZ), tmp_path / "heard.wav"
    said = write_wav(tmp_path / "said.wav", with_silence(source, RATE_HZ, 500), RATE_HZ)
    async with scripted_bot() as notes, open_street(tmp_path / "node") as street:
        follow = two_numbers(
            TwoNumbers(
                second=SECOND,
                record=True,
                recording_channels="stereo",
                stream_url=notes.url,
                stream_begin="second",
            )
        )
        call_sid = await street.place(follow, second=SECOND)
        first = await street.phone.called()
        street.phone.manners.record_to = heard
        second = await street.phone.called()
        await until(lambda: street.node.saw("LegsBridged"))
        await until(lambda: bool(notes.calls) and bool(notes.call.said("media")))
        assert await first.say(said)
        await second.hang_up()
        await first.wait_ended()
        row = await street.row(call_sid)
        await notes.ended()
        (recording,) = await street.node.house.parts.store.calls.recordings(call_sid)
    (to_first, to_second) = street.phone.invited
    assert to_first.request_uri.startswith(f"sip:{CUSTOMER}@")
    assert to_second.request_uri.startswith(f"sip:{SECOND}@")
    assert to_second.from_uri.startswith(f"sip:{SHOWN}@")
    across = likeness(source, read_wav(heard, channel=0), RATE_HZ)
    assert across.snr_db > 25, across
    assert likeness(source, from_pcm(notes.call.audio()), RATE_HZ).snr_db > 25
    assert (notes.call.start["from"], notes.call.start["to"]) == (CUSTOMER, SECOND)
    assert (row.status, row.phone_number) == ("completed", SHOWN)
    assert [leg.status for leg in row.legs] == ["completed", "completed"]
    assert [leg.direction for leg in row.legs] == ["outbound-api", "outbound-dial"]
    assert 0 < row.conversation_ms == row.legs[1].talk_ms <= row.legs[0].talk_ms  # CD-3
    assert (recording.state, recording.channels) == ("ready", "stereo")


@pytest.mark.parametrize(
    ("user", "status", "cause", "ended_by"),
    [
        ("busy", "busy", Cause.BUSY, Party.CALLEE),
        ("declines", "failed", Cause.REJECTED, Party.CALLEE),
        ("unknown", "failed", Cause.NOT_FOUND, Party.CALLEE),
        ("rings", "no-answer", Cause.NO_ANSWER, Party.SYSTEM),
        ("early", "no-answer", Cause.NO_ANSWER, Party.SYSTEM),
    ],
)
async def test_a_first_party_that_is_not_reached_gives_the_call_its_status_cc_60_cc_61(
    tmp_path: Path, user: str, status: str, cause: Cause, ended_by: Party
) -> None:
    async with callees(tmp_path) as (node, callee):
        call_sid = await node.place(callee.uri(user), follow=GREETING, ring_ms=300)
        row = await row_of(node, call_sid)
        assert not callee.live
    assert (row.status, row.cause, row.ended_by) == (status, cause.value, ended_by.value)
    assert (row.answered_at, row.duration_ms, row.legs[0].status) == (None, 0, status)
    assert not node.saw("AppletEntered")
    view = node.house.parts.views.find(call_sid)
    assert view is not None
    assert (view.status, view.text) == (status, row.detail)


@pytest.mark.parametrize("setting", ["second", "first"])
@pytest.mark.parametrize(("user", "status"), [("busy", "busy"), ("rings", "no-answer")])
async def test_a_second_party_that_is_not_reached_decides_the_status_by_setting_cc_60(
    tmp_path: Path, user: str, status: str, setting: Literal["second", "first"]
) -> None:
    async with callees(tmp_path, two_leg_status=setting) as (node, callee):
        second = callee.uri(user)
        follow = two_numbers(TwoNumbers(second=second, ring_seconds=1))
        call_sid = await node.place(callee.uri("answers"), follow=follow, second=second)
        row = await row_of(node, call_sid)
        assert not callee.live
    assert row.status == (status if setting == "second" else "completed")
    assert [leg.status for leg in row.legs] == ["completed", status]
    assert row.conversation_ms == 0


async def test_a_party_that_rings_is_cancelled_by_a_command(tmp_path: Path) -> None:
    async with callees(tmp_path) as (node, callee):
        call_sid = await node.place(callee.uri("rings"), follow=GREETING)
        await until(lambda: node.saw("LegRinging"))
        board = node.house.parts.switchboard
        await board.ask(call_sid, HangUp(Cause.NORMAL, Party.OPERATOR))
        row = await row_of(node, call_sid)
    (ended,) = callee.ended.values()
    assert (ended.by, ended.status) == ("remote", 487)
    assert (row.status, row.ended_by, row.legs[0].cause) == ("canceled", "operator", "canceled")


async def test_a_party_that_hangs_up_ends_the_call(tmp_path: Path) -> None:
    async with callees(tmp_path) as (node, callee):
        call_sid = await node.place(callee.uri("answers"), ring_ms=5_000)  # no flow: it just waits
        await until(lambda: node.saw("CallAnswered"))
        callee.hang_up("answers")
        row = await row_of(node, call_sid)
    assert (row.status, row.ended_by) == ("completed", "callee")


async def test_a_live_call_is_sent_from_its_bot_to_a_flow_and_to_somebody_else_oc_1(
    tmp_path: Path,
) -> None:
    async with scripted_bot() as robot, open_street(tmp_path) as street:
        board = street.node.house.parts.switchboard
        call_sid = await street.place(
            bot(DirectBot(url=robot.url)), recording=RecordingSpec("stereo")
        )
        first = await street.phone.called()
        await until(lambda: bool(robot.calls) and bool(robot.call.said("media")))
        await board.redirect(call_sid, parse(MENU))
        await robot.ended()
        assert robot.call.said("stop")[0]["stop"]["reason"] == "stopped"
        await until(lambda: street.node.saw("PromptBegan"))
        await board.redirect(call_sid, two_numbers(TwoNumbers(second=SECOND)))
        second = await street.phone.called()
        await until(lambda: street.node.saw("LegsBridged"))
        await board.redirect(call_sid, bot(DirectBot(url=robot.url)))
        await second.wait_ended()
        await until(lambda: len(robot.calls) == 2 and bool(robot.calls[1].said("media")))
        await first.hang_up()
        row = await street.row(call_sid)
        recordings = await street.node.house.parts.store.calls.recordings(call_sid)
    assert (row.status, row.ended_by, len(row.legs)) == ("completed", "callee", 2)
    assert [one.state for one in recordings] == ["ready"], "one, of the whole call"
    assert recordings[0].duration_ms >= row.duration_ms - 500


@asynccontextmanager
async def callees(folder: Path, **dial: Any) -> AsyncIterator[tuple[Node, ScriptedCallee]]:
    async with (
        scripted_callee() as callee,
        running_node(folder, "ws://unused/", pairs=4, dial=dial) as node,
    ):
        keep_rows(node)
        yield node, callee
