"""A flow connects its caller to a trunk: whom it names, and what the far end then reads."""

import re
from pathlib import Path

import pytest

from agentstream.sip.reports import Accepted
from agentstream.testing.raw_sip import header, raw_sip
from agentstream.testing.scripted_callee import scripted_callee
from agentstream.testing.sip_caller import sip_caller
from agentstream.testing.trunk_node import CARRIER_HOST, DID, TrunkNode, trunk_node
from agentstream.testing.trunks import DOMAIN, TRUNK_SID
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance
CALLER = "+912240000017"
CONNECT = """
name: any
start: talk
applets:
  talk: {type: connect, numbers: ["%s"], next: bye}
  bye: {type: hangup}
"""


def named(invite: str, name: str) -> str:
    found = re.findall(rf"^{name}: *(.*)\r$", invite, re.MULTILINE | re.IGNORECASE)
    assert len(found) == 1, (name, found)
    return str(found[0])


async def call(here: TrunkNode, destination: str) -> None:
    """Let somebody call the number from the telephone network; returns once the two talk."""
    await here.flow(DID, CONNECT % destination)
    async with sip_caller(int(CARRIER_HOST.rpartition(".")[2])) as network:
        told = await network.call(here.node.target(DID), sender=f"sip:{CALLER}@carrier.test")
        assert isinstance(told, Accepted), told
        await until(lambda: here.node.saw("LegsBridged"))
        network.engine.hang_up(told.ref)
        await here.node.records()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_dial_whom_takes_the_sid_of_a_trunk_and_a_whole_address(
    transport: str, tmp_path: Path
) -> None:
    """FL-3, SIP-10: by the sid the called number is asked for, by an address whom it names."""
    async with (
        scripted_callee(lambda _: "answers", transport=transport) as callee,  # type: ignore[arg-type]
        trunk_node(
            tmp_path, destinations=(f"sip:127.0.0.1:{callee.port};transport={transport}",)
        ) as here,
    ):
        await call(here, f"sip:{TRUNK_SID}")
        (_, by_sid), *_ = callee.invites
        assert by_sid.startswith(f"INVITE sip:{DID}@127.0.0.1:{callee.port};transport={transport} ")
        assert named(by_sid, "From").startswith(f'"{CALLER}" <sip:{CALLER}@{DOMAIN}>')
        here.node.facts.clear()
        await call(here, f"sip:agent7@127.0.0.1:{callee.port};transport={transport}")
        (_, by_address) = callee.invites[-1]
        assert by_address.startswith(f"INVITE sip:agent7@127.0.0.1:{callee.port};")
        assert "X-Exotel-TrunkSid" not in by_address
        assert await here.node.is_idle()


async def test_the_headers_of_a_map_arrive_beside_those_that_are_always_there(
    tmp_path: Path,
) -> None:
    """SIP-12, SIP-15, PN-21: what a partner's agent looks for."""
    mapped = "X-CALL-ID={call_sid}, X-CALLER-ID={caller}"
    async with (
        scripted_callee(lambda _: "answers") as callee,
        trunk_node(
            tmp_path,
            destinations=(f"sip:127.0.0.1:{callee.port}",),
            settings={"as_header_map": mapped},
        ) as here,
    ):
        await call(here, f"sip:{TRUNK_SID}")
        ((_, invite),) = callee.invites
        (record,) = await here.node.records()
        assert named(invite, "X-CALL-ID") == record.setup.call_sid
        assert named(invite, "X-CALLER-ID") == CALLER
        assert named(invite, "X-Exotel-CallSid") == record.setup.call_sid
        assert named(invite, "X-Exotel-TrunkSid") == TRUNK_SID
        assert named(invite, "X-Exotel-AccountSid") == here.account_sid


async def test_options_is_answered_with_what_we_can_do(tmp_path: Path) -> None:
    """SIP-51: 200 with Allow and Accept to a source that a trunk lists; a stranger gets less."""
    async with (
        trunk_node(tmp_path, networks=("127.0.0.1",)) as here,
        raw_sip(here.node.address()) as peer,
    ):
        peer.start("ping", 40_000)  # only for the addresses of a request
        peer.say("OPTIONS", "Accept: application/sdp")
        await until(lambda: any("OPTIONS" in header(text, "CSeq") for text in peer.heard))
        told = next(text for text in peer.heard if "OPTIONS" in header(text, "CSeq"))
        assert told.startswith("SIP/2.0 200")
        assert {"INVITE", "REFER", "UPDATE"} <= set(header(told, "Allow").split(", "))
        assert "application/sdp" in header(told, "Accept")
