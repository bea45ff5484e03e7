"""Kamailio in front of the whole node as a record-routing proxy, as many carriers are."""

import shutil
from pathlib import Path

import pytest

from agentstream.calls.causes import Cause, Party
from agentstream.testing.echo import echo_bot
from agentstream.testing.node import running_node, scripted_caller
from agentstream.testing.peers import running_kamailio, scenario, sipp
from agentstream.testing.rtp_phone import rtp_phone
from agentstream.testing.sound import as_ulaw, speech
from agentstream.testing.waiting import until

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        shutil.which("kamailio") is None or shutil.which("sipp") is None,
        reason="kamailio or sipp is not installed",
    ),
]
SCENARIOS = Path(__file__).parent / "sipp"
PROXY = SCENARIOS / "kamailio.cfg"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_call_hold_resume_and_the_callers_bye_pass_the_proxy(
    transport: str, tmp_path: Path
) -> None:
    """RFC 3261 section 16.12: what belongs to the dialog takes the recorded route."""
    sound = as_ulaw(speech(8_000))
    async with (
        echo_bot() as bot,
        running_node(tmp_path / "node", bot.url()) as node,
        running_kamailio(PROXY, tmp_path / "proxy", node.address(transport), transport) as proxy,
        rtp_phone(sound) as phone,
    ):
        steps = scenario(
            SCENARIOS / "hold_resume.xml", tmp_path / "sipp", media_port=str(phone.port)
        )
        command = (*steps, "-m", "1", "-d", "1200", proxy.address)
        await sipp(*command, folder=tmp_path / "sipp")
        (record,) = await node.records()
        assert await node.is_idle()
        passed = {method: proxy.passed(method) for method in ("INVITE", "ACK", "BYE")}
    assert passed == {"INVITE": 3, "ACK": 3, "BYE": 1}
    assert (record.cause, record.ended_by) == (Cause.NORMAL, Party.CALLER)
    assert len(phone.gaps_ms(800)) == 1
    assert bot.calls[0].heard_ms > 2_000


async def test_our_bye_passes_the_proxy(tmp_path: Path) -> None:
    """RFC 3261 section 12.2.1.1: our requests follow the route set too."""
    async with (
        echo_bot(closes_after_ms=500) as bot,
        running_node(tmp_path / "node", bot.url()) as node,
        running_kamailio(PROXY, tmp_path / "proxy", node.address()) as proxy,
        scripted_caller() as caller,
    ):
        call = await caller.dial(f"sip:1000@{proxy.address}")
        ended = await call.wait_ended()
        (record,) = await node.records()
        assert await node.is_idle()
        await until(lambda: proxy.passed("BYE"))
        passed = {method: proxy.passed(method) for method in ("INVITE", "ACK", "BYE")}
    assert passed == {"INVITE": 1, "ACK": 1, "BYE": 1}
    assert ended.by == "remote"
    assert (record.cause, record.status) == (Cause.NORMAL, "completed")
    assert record.ended_by is Party.BOT
    assert len(bot.calls) == 1
