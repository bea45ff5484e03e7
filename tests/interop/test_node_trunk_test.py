"""The doctor of a trunk at real SIP servers: a phone that answers, and a call to it (SD-4)."""

import shutil
from pathlib import Path

import pytest

from agentstream.base.clock import SystemClock
from agentstream.base.ids import RandomTokens
from agentstream.server.config import Config
from agentstream.server.trunk_call import call_by
from agentstream.server.trunk_doctor import examine, patient_of
from agentstream.store.trunk_book import TrunkBook
from agentstream.testing.echo import echo_bot
from agentstream.testing.node import running_node
from agentstream.testing.peers import running_baresip
from agentstream.testing.ports import HOST, media_range
from agentstream.testing.sound import speech, write_wav

pytestmark = pytest.mark.interop


def a_config(target: str) -> Config:
    low, high = media_range(4)
    return Config.model_validate(
        {
            "sip": {"listeners": "udp://127.0.0.1:0"},
            "rtp": {"host": HOST, "port_low": low, "port_high": high},
            "limits": {"calls": 2},
            "trunks": {"carrier": {"target": target}},
            "dial": {"trunk": "carrier"},
        }
    )


@pytest.mark.skipif(shutil.which("baresip") is None, reason="baresip is not installed")
async def test_a_phone_is_looked_over_sd_4(tmp_path: Path) -> None:
    sound = write_wav(tmp_path / "said.wav", speech(8_000), 8_000)
    async with running_baresip(tmp_path / "phone", sound, rtp_ports=media_range(4)) as phone:
        config = a_config(phone.uri.replace("ann@", ""))
        patient = patient_of("carrier", config, TrunkBook())
        found = {
            each.name.partition(" ")[0]: each
            async for each in examine(patient, config, SystemClock(), RandomTokens())
        }
    assert found["OPTIONS"].verdict == "ok"
    assert "baresip" in found["OPTIONS"].text
    assert found["our"].text == f"packets leave from {HOST}"


async def test_a_call_hears_its_own_echo_sd_4(tmp_path: Path) -> None:
    """SD-4: a real INVITE; a bot says back what it hears."""
    async with echo_bot() as bot, running_node(tmp_path, bot.url()) as node:
        config = a_config(f"sip:{node.address()}")
        patient = patient_of("carrier", config, TrunkBook())
        findings = [each async for each in call_by(patient, "1000", config)]
    assert [(each.name, each.verdict) for each in findings] == [
        ("call", "ok"),
        ("their SDP", "ok"),
        ("sound", "ok"),
        ("echo", "ok"),
    ]


async def test_a_call_that_is_refused_says_why_sd_4(tmp_path: Path) -> None:
    async with running_node(tmp_path, "ws://127.0.0.1:9/") as node:
        await node.house.parts.store.numbers.release("*")
        await node.house.parts.directory.refresh()
        config = a_config(f"sip:{node.address()}")
        patient = patient_of("carrier", config, TrunkBook())
        [finding] = [each async for each in call_by(patient, "1000", config)]
    assert finding.verdict == "error"
    assert "404" in finding.text
