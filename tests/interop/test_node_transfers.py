"""Transfers with real peers: sipp refers in vain, baresip refers its caller, and is referred."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from agentstream.base.ids import LegSid
from agentstream.calls.causes import Party
from agentstream.calls.commands import DialSpec, TransferLeg
from agentstream.calls.events import CallStarted
from agentstream.calls.transfer_words import TransferFinished
from agentstream.testing.node import Node, running_node, scripted_caller
from agentstream.testing.peers import running_baresip, scenario, sipp
from agentstream.testing.ports import free_port, media_range
from agentstream.testing.rtp_phone import rtp_phone
from agentstream.testing.scripted_callee import scripted_callee
from agentstream.testing.sound import read_wav, speech, with_silence, write_wav
from agentstream.testing.waiting import until

pytestmark = pytest.mark.interop
needs_baresip = pytest.mark.skipif(shutil.which("baresip") is None, reason="no baresip")
needs_sipp = pytest.mark.skipif(shutil.which("sipp") is None, reason="no sipp")
SCENARIOS = Path(__file__).parent / "sipp"
RATE_HZ = 8_000
LOUD = bytes([0x00, 0x80] * 4_000)
CONNECT = """
name: any
start: talk
applets:
  talk: {type: connect, numbers: ["%s"], next: bye}
  bye: {type: hangup}
"""
WAIT = """
name: any
start: talk
applets:
  talk: {type: greeting, text: "hello", loops: 0, next: bye}
  bye: {type: hangup}
"""


def trunk(uri: str) -> dict[str, object]:
    """Return the configuration of a trunk that may refer to addresses."""
    return {"phone": {"target": uri, "refer": "allow"}}


def finished(node: Node) -> TransferFinished:
    (event,) = node.saw("TransferFinished")
    assert isinstance(event, TransferFinished)
    return event


@needs_sipp
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_sipp_refers_to_somebody_busy_and_its_call_goes_on(
    tmp_path: Path, transport: str
) -> None:
    """SIP-62: 202, NOTIFY 100 and 486, and only sipp's BYE ends the call."""
    port = free_port()
    trunks = trunk(f"sip:127.0.0.1:{port};transport={transport}")
    async with (
        scripted_callee() as callee,
        running_node(tmp_path / "node", "ws://unused/", trunks=trunks) as node,
    ):
        await node.flow(WAIT)
        script = scenario(SCENARIOS / "refer_busy.xml", tmp_path, target=callee.uri("busy"))
        option = {"udp": "u1", "tcp": "t1"}[transport]
        options = ("-m", "1", "-d", "500", "-s", "1000", "-p", str(port), "-t", option)
        await sipp(*script, *options, node.address(transport), folder=tmp_path)
        (record,) = await node.records()
        assert record.ended_by is Party.CALLER
        assert (finished(node).outcome, finished(node).status) == ("failed", 486)
        assert await node.is_idle()


@needs_baresip
async def test_baresip_hands_its_caller_over_and_is_let_go(tmp_path: Path) -> None:
    """SIP-61: a phone that we dialled presses transfer; caller and target hear each other."""
    source = speech(RATE_HZ)
    said = write_wav(tmp_path / "said.wav", with_silence(source, RATE_HZ, 500), RATE_HZ)
    first = np.zeros(RATE_HZ)
    spoken = write_wav(tmp_path / "spoken.wav", with_silence(first, RATE_HZ, 20_000), RATE_HZ)
    heard = tmp_path / "heard.wav"
    async with (
        running_baresip(tmp_path / "phone", spoken, rtp_ports=media_range(10)) as phone,
        rtp_phone(LOUD) as carols,
        scripted_callee(audio_port=carols.port) as carol,
        running_node(
            tmp_path / "node",
            "ws://unused/",
            trunks=trunk("sip:" + phone.uri.partition("@")[2]),
        ) as node,
        scripted_caller() as caller,
    ):
        await node.flow(CONNECT % phone.uri)
        call = await caller.dial(node.target(), record_to=heard)
        await phone.until("CALL_INCOMING")
        await phone.order("accept")
        await until(lambda: node.saw("LegsBridged"))
        await phone.order("transfer", carol.uri("answers"))
        await phone.until("CALL_CLOSED")
        await until(lambda: finished_is(node, "bridged"))
        assert await call.say(said)
        assert carols.loud_packets() > 20
        await call.hang_up()
        (record,) = await node.records()
        assert record.ended_by is Party.CALLER
        assert await node.is_idle()
    audible = read_wav(heard, channel=0)
    assert np.abs(audible).max() > 0.3, "the caller heard the target"


def finished_is(node: Node, outcome: str) -> bool:
    told = node.saw("TransferFinished")
    return bool(told) and isinstance(told[0], TransferFinished) and told[0].outcome == outcome


@needs_baresip
async def test_baresip_follows_our_refer_and_is_let_go(tmp_path: Path) -> None:
    """LG-128: REFER, 202, NOTIFY 200, our BYE; the phone has called the target itself."""
    spoken = write_wav(
        tmp_path / "spoken.wav", with_silence(speech(RATE_HZ), RATE_HZ, 20_000), RATE_HZ
    )
    async with (
        running_baresip(tmp_path / "phone", spoken, rtp_ports=media_range(10)) as phone,
        rtp_phone(LOUD) as carols,
        scripted_callee(audio_port=carols.port) as carol,
        running_node(
            tmp_path / "node",
            "ws://unused/",
            trunks=trunk("sip:" + phone.uri.partition("@")[2]),
        ) as node,
    ):
        await node.flow(WAIT)
        await phone.dial(node.address())
        await phone.until("CALL_ESTABLISHED")
        started = next(one for one in node.events if isinstance(one, CallStarted))
        wish = TransferLeg(started.leg_sid, LegSid("second"), DialSpec(carol.uri("answers")))
        await node.house.parts.switchboard.ask(started.call_sid, wish)
        await until(lambda: finished_is(node, "referred"))
        assert finished(node).status == 200
        await until(lambda: carols.heard)
        await node.records()
        assert carol.live, "the phone and the target talk on without us"
        assert await node.is_idle()
