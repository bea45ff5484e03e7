"""A call from a real phone, looked at afterwards: its ladder, and its packets in tshark."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agentstream.base.ids import CallSid
from agentstream.net.pcap import pcap_file, sip_packets
from agentstream.sip.kept import KeptCall
from agentstream.switch.ladder import US, ladder_of
from agentstream.switch.ladder_text import ladder_text
from agentstream.testing.echo import echo_bot
from agentstream.testing.node import Node, running_node
from agentstream.testing.peers import running_baresip
from agentstream.testing.ports import media_range
from agentstream.testing.sound import speech, write_wav
from agentstream.testing.waiting import until

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        not (shutil.which("baresip") and shutil.which("tshark")),
        reason="baresip and tshark are needed",
    ),
]


@asynccontextmanager
async def a_call(folder: Path, **sections: Any) -> AsyncIterator[tuple[Node, KeptCall]]:
    """Let baresip call a bot and hang up; gives the node and what was signalled."""
    sound = write_wav(folder / "said.wav", speech(8_000), 8_000)
    async with (
        echo_bot() as bot,
        running_node(folder / "node", bot.url(), **sections) as node,
        running_baresip(folder / "phone", sound, rtp_ports=media_range(4)) as phone,
    ):
        await phone.dial(node.address())
        await phone.until("CALL_ESTABLISHED")
        await bot.call()
        await until(lambda: len(bot.calls[0].audio) > 16_000)  # a second of sound, both ways
        await phone.order("hangup")
        (record,) = await node.records()
        assert await node.is_idle()
        call = await node.house.parts.signals(CallSid(record.setup.call_sid))
        assert call is not None
        yield node, call


async def test_captured_media_are_whole_streams_in_tshark_sd_5(tmp_path: Path) -> None:
    """SD-5: signalling and both directions of sound, nothing lost, the right codec."""
    file = tmp_path / "call.pcap"
    async with a_call(tmp_path, captures={"all": True}) as (node, call):
        parts, port = node.house.parts, node.address().rpartition(":")[2]
        [stats] = node.legs
        media = await parts.captures.packets(call.sid)
    sip = sip_packets(message for _, message in call.messages)
    file.write_bytes(pcap_file([*sip, *media]))
    decode = ("-d", f"udp.port=={port},sip")
    told = await tshark(file, *decode, "-q", "-z", "rtp,streams")
    streams = [line.split() for line in told.splitlines() if "0x" in line]
    assert len(streams) == 2
    for words in streams:
        assert "g711U" in words
        assert "0 (0.0%)" in " ".join(words)
    counted = await tshark(file, *decode, "-Y", "rtp", "-T", "fields", "-e", "udp.srcport")
    assert len(counted.split()) == stats.packets_received + stats.packets_sent
    bad = await tshark(
        file, *decode, "-o", "udp.check_checksum:TRUE", "-Y", "udp.checksum.status == 0"
    )
    assert bad == ""


async def tshark(file: Path, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "tshark", "-r", str(file), *arguments, stdout=-1, stderr=-1
    )
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_the_ladder_of_a_phones_call_has_every_step_sd_5(tmp_path: Path) -> None:
    """SD-5: who sent what to whom, and what each SDP offered."""
    async with a_call(tmp_path) as (_, call):
        ladder = ladder_of(call)
    labels = [(step.label, step.is_ours) for step in ladder.steps if step.label != "100 Trying"]
    assert labels == [
        ("INVITE", False),
        ("200 OK", True),
        ("ACK", False),
        ("BYE", False),
        ("200 OK", True),
    ]
    assert ladder.parties[1] == US
    offer, answer = (step.sdp for step in ladder.steps if step.sdp)
    assert offer is not None
    assert offer.codecs[0] == "PCMU"
    assert answer is not None
    assert answer.codecs[0] == "PCMU"
    assert not answer.is_encrypted
    assert "──── INVITE ─" in ladder_text(ladder)


async def test_tshark_reads_the_call_without_a_complaint_sd_5(tmp_path: Path) -> None:
    """SD-5: addresses, times and checksums as on the wire."""
    file = tmp_path / "call.pcap"
    async with a_call(tmp_path) as (node, call):
        port = node.address().rpartition(":")[2]
    file.write_bytes(pcap_file(sip_packets(message for _, message in call.messages)))
    checks = ("-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE")
    decode = ("-d", f"udp.port=={port},sip")
    told = await tshark(file, *checks, *decode, "-T", "json", "-Y", "sip")
    packets = json.loads(told)
    assert len(packets) == len(call.messages)
    bad = await tshark(
        file,
        *checks,
        *decode,
        "-Y",
        "udp.checksum.status != 1 or ip.checksum.status != 1 or _ws.malformed",
    )
    assert bad == ""
    lines = await tshark(file, *decode, "-T", "fields", "-e", "sip.Method", "-e", "sip.Status-Code")
    assert lines.split()[0] == "INVITE"
    assert "BYE" in lines
