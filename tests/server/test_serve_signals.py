"""What was signalled in a call, asked of a server that runs, and of its store when it is down."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agentstream.server.callee import Manners
from agentstream.server.cli import app
from agentstream.testing.calls_api import ACCOUNT_SID, CALLER_ID, calls_api
from agentstream.testing.node import scripted_phone

pytestmark = pytest.mark.integration


async def test_the_ladder_of_a_placed_call_by_api_and_by_command_sd_5(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SD-5: live, a moment after the end, and later from the store; nobody else's."""
    async with (
        scripted_phone() as (phone, address),
        calls_api(tmp_path / "node", address, sip={"listeners": "udp://127.0.0.1:0"}) as api,
    ):
        order = {"From": "09876500001", "CallerId": CALLER_ID, "Url": _flow_url()}
        placed = (await api.client.post("Calls/connect.json", data=order)).json()
        sid = placed["Call"]["Sid"]
        called = await phone.called()
        await called.wait_ended(10)
        told = (await api.client.get(f"Calls/{sid}/Sip")).json()
        labels = [step["label"] for step in told["messages"] if step["is_ours"]]
        assert labels[0] == "INVITE"
        assert told["messages"][0]["sdp"]["codecs"][:1] == ["PCMU"]
        assert told["parties"] == ["agentstream", address]
        text = await api.client.get(f"Calls/{sid}/Sip/Text")
        assert text.headers["content-type"].startswith("text/plain")
        assert "──── INVITE ─" in text.text
        packets = await api.client.get(f"Calls/{sid}/Sip/Pcap")
        assert packets.headers["content-type"] == "application/vnd.tcpdump.pcap"
        assert packets.content[:4] == b"\xd4\xc3\xb2\xa1"
        assert (await api.client.get("Calls/nobody/Sip")).status_code == 404
        assert (await api.client.get(f"Calls/{sid}/Sip", auth=("x", "y"))).status_code == 401
    monkeypatch.setenv("AGENTSTREAM_DATA_DIR", str(tmp_path / "node"))
    monkeypatch.chdir(tmp_path)
    explained = await command("explain", "last", "--sip")
    assert "──── INVITE ─" in explained
    assert "Content-Type: application/sdp" in explained
    as_json = json.loads(await command("explain", "last", "--json"))
    assert as_json["sip"]["parties"] == told["parties"]
    await command("pcap", "last", "-o", "call.pcap")
    written = await asyncio.to_thread((tmp_path / "call.pcap").read_bytes)
    assert written[:4] == b"\xd4\xc3\xb2\xa1"


async def test_a_live_call_is_captured_on_demand_sd_5(tmp_path: Path) -> None:
    """SD-5: from then on, with its messages so far."""
    rings = Manners(status=180)
    async with (
        scripted_phone(rings) as (_, address),
        calls_api(tmp_path / "node", address) as api,
    ):
        order = {"From": "09876500001", "CallerId": CALLER_ID, "Url": _flow_url()}
        sid = (await api.client.post("Calls/connect.json", data=order)).json()["Call"]["Sid"]
        begun = await api.client.post(f"Calls/{sid}/Capture")
        assert (begun.status_code, begun.json()) == (202, {"call_sid": sid, "legs": 1})
        [folder] = (tmp_path / "node" / "captures").glob("*")
        assert folder.name == sid
        live = (await api.client.get(f"Calls/{sid}/Sip")).json()
        assert "INVITE" in [step["label"] for step in live["messages"]]
        assert (await api.client.post("Calls/nobody/Capture")).status_code == 404


async def command(*words: str) -> str:
    """Run one command, as another process would."""
    done = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert done.exit_code == 0, done.output
    return done.stdout


def _flow_url() -> str:
    return f"http://my.example.com/{ACCOUNT_SID}/exoml/start_voice/support"
