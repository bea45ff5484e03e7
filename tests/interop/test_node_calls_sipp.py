"""A node calls an account's trunk whose far end is sipp: a login, and keys by INFO."""

import asyncio
import shutil
from pathlib import Path

import pytest

from agentstream.base.ids import AccountSid
from agentstream.calls.causes import Party
from agentstream.calls.commands import SendDigits
from agentstream.calls.events import CallAnswered, CallStarted
from agentstream.testing.node import running_node
from agentstream.testing.peers import scenario, sipp
from agentstream.testing.ports import HOST, free_port
from agentstream.testing.trunks import TRUNK_SID, TrunkMaker
from agentstream.testing.waiting import until

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("sipp") is None, reason="no sipp"),
]
SCENARIOS = Path(__file__).parent / "sipp"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_sipp_verifies_our_login_and_takes_keys_by_info_pn_2_tr_72(
    tmp_path: Path, transport: str
) -> None:
    """as_dtmf = auto: it agrees on no telephone events, and its Allow has INFO."""
    port = free_port()
    script = scenario(SCENARIOS / "takes_info.xml", tmp_path / "sipp")
    option = {"udp": "u1", "tcp": "t1"}[transport]
    at = ("-p", str(port), "-m", "1", "-t", option)
    peer = asyncio.create_task(sipp(*script, *at, folder=tmp_path / "sipp"))
    async with running_node(tmp_path / "node", "ws://unused/", pairs=4) as node:
        parts = node.house.parts
        maker = await TrunkMaker(parts.store, AccountSid("greenleaf1")).make()
        await maker.destination(f"sip:{HOST}:{port};transport={transport}")
        login = {"as_destination_user": "us", "as_destination_password": "s3cret"}
        await maker.settings({**login, "as_failover_timeout": "8000"})
        await parts.directory.refresh()
        call_sid = await node.place(f"sip:{TRUNK_SID}")
        await until(lambda: node.saw("CallAnswered") or peer.done(), 10_000)
        assert any(isinstance(one, CallAnswered) for one in node.events)
        (began,) = (one for one in node.events if isinstance(one, CallStarted))
        board = parts.switchboard
        await board.ask(call_sid, SendDigits(began.leg_sid, "42", 100, 60))
        await peer  # it has heard both, and has hung up
        (record,) = await node.records()
        assert record.ended_by is Party.CALLEE
        assert await node.is_idle()
