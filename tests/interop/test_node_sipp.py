"""sipp calls the whole node: signalling of all sorts, with an echo bot at the far end."""

import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from agentstream.calls.causes import Cause, Party
from agentstream.calls.events import CallAnswered, StreamHeld
from agentstream.calls.record import CallRecord
from agentstream.net.sip_engine import SipConfig
from agentstream.server import signaling
from agentstream.server.config import Config
from agentstream.sip.settings import SipSettings
from agentstream.sip.timers import Timers
from agentstream.store.trunk_book import TrunkBook
from agentstream.testing.echo import EchoBot, echo_bot
from agentstream.testing.node import Node, running_node
from agentstream.testing.peers import scenario, sipp
from agentstream.testing.rtp_phone import rtp_phone
from agentstream.testing.sound import as_ulaw, from_pcm, likeness, speech, write_ulaw

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("sipp") is None, reason="sipp is not installed"),
]
SCENARIOS = Path(__file__).parent / "sipp"
CAPTURES = Path("/usr/share/sip-tester")
AHEAD = """
name: ahead
start: talk
applets:
  talk: {type: voicebot, url: "%s", preconnect_ms: 5000}
"""
PAUSE_MS = "1200"  # of the scenarios: time for the bot to talk
OPTIONS = {"udp": "u1", "tcp": "t1"}


@asynccontextmanager
async def node_with_bot(folder: Path) -> AsyncIterator[tuple[Node, EchoBot]]:
    async with echo_bot() as bot, running_node(folder / "node", bot.url()) as node:
        yield node, bot


def ends(record: CallRecord) -> tuple[Cause, Party, str]:
    return record.cause, record.ended_by, record.status


AS_USUAL = (Cause.NORMAL, Party.CALLER, "completed")


@pytest.mark.parametrize(("transport", "option"), [("udp", "u1"), ("tcp", "t1"), ("tcp", "tn")])
async def test_ordinary_calls_reach_the_bot(transport: str, option: str, tmp_path: Path) -> None:
    calls = ("-m", "5", "-r", "20", "-d", "700", "-max_socket", "100", "-t", option)
    async with node_with_bot(tmp_path) as (node, bot):
        await sipp("-sn", "uac", *calls, node.address(transport), folder=tmp_path / "sipp")
        records = await node.records(5)
        assert await node.is_idle()
    assert [ends(record) for record in records] == [AS_USUAL] * 5
    assert len(bot.calls) == 5
    assert {conversation.started.account_sid for conversation in bot.calls} == {"greenleaf1"}
    assert all(conversation.ended for conversation in bot.calls)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_the_bot_hears_what_sipp_speaks(transport: str, tmp_path: Path) -> None:
    """AS-82: µ-law in, 16-bit PCM out, nothing lost on the way."""
    source = speech(8_000)
    sound = write_ulaw(tmp_path / "speech.ul", source)
    speak = scenario(
        SCENARIOS / "speak.xml",
        tmp_path / "sipp",
        sound=str(sound),
    )
    pause_ms = str(source.size // 8 + 800)
    options = ("-m", "1", "-d", pause_ms, "-t", OPTIONS[transport])
    async with node_with_bot(tmp_path) as (node, bot):
        target = node.address(transport)
        await sipp(*speak, *options, target, folder=tmp_path / "sipp")
        (record,) = await node.records()
        assert await node.is_idle()
    assert ends(record) == AS_USUAL
    (conversation,) = bot.calls
    heard = likeness(source, from_pcm(conversation.audio), 8_000)
    assert heard.snr_db > 30, heard


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("name", ["delayed_offer", "info_update", "bye_at_once", "cancel_race"])
async def test_a_scenario_ends_as_usual(name: str, transport: str, tmp_path: Path) -> None:
    sound = as_ulaw(speech(8_000))
    async with node_with_bot(tmp_path) as (node, bot), rtp_phone(sound) as phone:
        steps = scenario(SCENARIOS / f"{name}.xml", tmp_path / "sipp", media_port=str(phone.port))
        options = ("-m", "1", "-d", PAUSE_MS, "-t", OPTIONS[transport])
        await sipp(*steps, *options, node.address(transport), folder=tmp_path / "sipp")
        (record,) = await node.records()
        assert await node.is_idle()
    assert ends(record) == AS_USUAL
    if name != "bye_at_once":  # which may be over before the bot's socket opens
        (conversation,) = bot.calls
        assert conversation.ended is not None
    if name == "delayed_offer":
        assert phone.loud_packets() > 5  # the echo
    if name == "info_update":
        assert bot.calls[0].digits == ["5"]


@pytest.mark.parametrize("name", ["delayed_offer", "bye_at_once"])
async def test_it_rings_while_the_first_bot_is_reached(name: str, tmp_path: Path) -> None:
    """OP-6: 180, then 200; with a delayed offer the bot begins with the ACK."""
    async with node_with_bot(tmp_path) as (node, bot), rtp_phone() as phone:
        await node.flow(AHEAD % bot.url())
        steps = scenario(SCENARIOS / f"{name}.xml", tmp_path / "sipp", media_port=str(phone.port))
        options = ("-m", "1", "-d", PAUSE_MS, "-trace_msg", node.address())
        await sipp(*steps, *options, folder=tmp_path / "sipp")
        (record,) = await node.records()
        assert await node.is_idle()
    assert ends(record) == AS_USUAL
    (messages,) = (tmp_path / "sipp").glob("*_messages.log")
    said = messages.read_text()
    assert 0 < said.index("SIP/2.0 180") < said.index("SIP/2.0 200")
    kinds = [type(event) for event in node.events]
    assert kinds.index(StreamHeld) < kinds.index(CallAnswered)
    (conversation,) = bot.calls
    assert conversation.ended is not None


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_hold_stops_the_echo_and_resume_brings_it_back(
    transport: str, tmp_path: Path
) -> None:
    """RFC 3264 section 8.4: a stream on hold is not sent; the bot's stream goes on meanwhile."""
    sound = as_ulaw(speech(8_000))
    async with node_with_bot(tmp_path) as (node, bot), rtp_phone(sound) as phone:
        steps = scenario(
            SCENARIOS / "hold_resume.xml", tmp_path / "sipp", media_port=str(phone.port)
        )
        options = ("-m", "1", "-d", PAUSE_MS, "-t", OPTIONS[transport])
        await sipp(*steps, *options, node.address(transport), folder=tmp_path / "sipp")
        (record,) = await node.records()
        assert await node.is_idle()
    assert ends(record) == AS_USUAL
    (gap_ms,) = phone.gaps_ms(800)
    assert gap_ms < 1_900
    (conversation,) = bot.calls
    assert conversation.heard_ms > 2_000


async def test_a_lost_ack_brings_the_200_again(tmp_path: Path) -> None:
    """RFC 3261 section 13.3.1.4."""
    async with node_with_bot(tmp_path) as (node, bot), rtp_phone() as phone:
        steps = scenario(
            SCENARIOS / "dropped_ack.xml", tmp_path / "sipp", media_port=str(phone.port)
        )
        command = (*steps, "-m", "1", "-trace_msg", node.address())
        await sipp(*command, folder=tmp_path / "sipp")
        (record,) = await node.records()
        assert await node.is_idle()
    assert ends(record) == AS_USUAL
    assert len(bot.calls) == 1
    (messages,) = (tmp_path / "sipp").glob("*_messages.log")
    answers = [
        message
        for message in messages.read_text().split("\n-----")
        if "SIP/2.0 200" in message and "CSeq: 1 INVITE" in message
    ]
    assert len(answers) == 3  # after 0, 0.5 and 1.5 s; the ACK comes after 1.7 s


async def test_a_caller_that_never_acknowledges_is_sent_a_bye(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 3261 section 13.3.1.4: after 64*T1 without an ACK the dialog ends."""
    usual = signaling._sip_config

    def hasty(config: Config, book: Callable[[], TrunkBook]) -> SipConfig:
        return replace(usual(config, book), settings=SipSettings(timers=Timers(t1_ms=50)))

    monkeypatch.setattr(signaling, "_sip_config", hasty)
    async with node_with_bot(tmp_path) as (node, bot), rtp_phone() as phone:
        steps = scenario(SCENARIOS / "no_ack.xml", tmp_path / "sipp", media_port=str(phone.port))
        await sipp(*steps, "-m", "1", node.address(), folder=tmp_path / "sipp")
        (record,) = await node.records()
        assert await node.is_idle()
    assert (record.cause, record.ended_by) == (Cause.SIGNALLING_LOST, Party.NETWORK)
    (conversation,) = bot.calls
    assert conversation.ended is not None


@pytest.mark.skipif(
    os.geteuid() != 0 or not CAPTURES.is_dir(),
    reason="sipp plays captures as root only, and its captures are needed",
)
@pytest.mark.parametrize(("name", "digit"), [("5", "5"), ("star", "*")])
async def test_a_key_from_a_capture_reaches_the_bot(name: str, digit: str, tmp_path: Path) -> None:
    """AS-90: RFC 4733 events of another maker's telephone, one press each."""
    capture = CAPTURES / f"dtmf_2833_{name}.pcap"
    steps = scenario(SCENARIOS / "press.xml", tmp_path / "sipp", keys=str(capture))
    async with node_with_bot(tmp_path) as (node, bot):
        await sipp(*steps, "-m", "1", "-d", "1500", node.address(), folder=tmp_path / "sipp")
        (record,) = await node.records()
        assert await node.is_idle()
    assert ends(record) == AS_USUAL
    assert bot.calls[0].digits == [digit]
    assert record.digits == 1
