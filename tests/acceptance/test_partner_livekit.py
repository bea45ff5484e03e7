"""LiveKit SIP, played over real sockets with every quirk that its code is known to have (PN-1 ff).

A call from the telephone network to LiveKit; LiveKit's calls are in test_partner_livekit_out.py.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agentstream.base.errors import CommandError
from agentstream.server.caller import PlacedCall
from agentstream.sip.uri import parse_uri
from agentstream.testing.partner_world import CALLER, DID, PartnerWorld, partner_world
from agentstream.testing.partners import Heard

pytestmark = pytest.mark.acceptance


@asynccontextmanager
async def livekit(folder: Path, **options: object) -> AsyncIterator[PartnerWorld]:
    """Run a node with a trunk to a LiveKit project."""
    async with partner_world(folder, "livekit", "project=acme", **options) as there:  # type: ignore[arg-type]
        yield there


async def joined(there: PartnerWorld) -> tuple[PlacedCall, Heard]:
    """Let somebody call by telephone and an agent answer; return both ends' call."""
    calling = there.rings()
    invite = await there.platform.request("INVITE")
    there.platform.answer(invite, 100)
    there.platform.answer(invite, 180)
    there.platform.answer(invite, 200, sdp=there.platform.sdp())
    await there.platform.request("ACK")
    return await calling, invite


async def ends(there: PartnerWorld, call: PlacedCall) -> None:
    """Let the caller go; LiveKit is told, and nothing is left."""
    ending = asyncio.create_task(call.hang_up())
    there.platform.answer(await there.platform.request("BYE"), 200)
    await ending
    assert (await there.record()).status == "completed"


async def refusal(calling: "asyncio.Task[PlacedCall]") -> str:
    with pytest.raises(CommandError) as caught:
        await calling
    return str(caught.value)


async def test_a_telephone_call_reaches_a_room_after_one_command(tmp_path: Path) -> None:
    """SIP-10, SIP-11, SIP-12, PN-11: the number with its plus, the caller, and our headers."""
    async with livekit(tmp_path) as there:
        call, invite = await joined(there)
        await there.talk(call)
        message = invite.message
        uri = parse_uri(message.uri)  # type: ignore[union-attr]
        assert (uri.user, uri.port, uri.transport) == (DID, there.platform.port, "tcp")
        assert message.from_addr.uri.startswith(f"sip:{CALLER}@")
        assert there.trunk["domain"] in message.from_addr.uri
        assert invite.header("X-Exotel-TrunkSid") == there.trunk["sid"]
        assert invite.header("X-Exotel-CallSid")
        contact = parse_uri(message.contacts[0].uri)
        assert contact.port == there.place[1]  # PN-6a
        await ends(there, call)


async def test_ringing_told_each_second_rings_once_and_for_long_enough(tmp_path: Path) -> None:
    """PN-3: 180 comes again until the agent is ready; the ring time is above 30 s."""
    async with livekit(tmp_path) as there:
        calling = there.rings()
        invite = await there.platform.request("INVITE")
        for _ in range(5):
            there.platform.answer(invite, 180)
        await asyncio.sleep(0.1)
        there.platform.answer(invite, 200, sdp=there.platform.sdp())
        await there.platform.request("ACK")
        call = await calling
        assert len(there.node.saw("LegRinging")) == 1
        assert "as_ring_timeout=60" in there.trunk["settings"]
        await ends(there, call)


async def test_a_repeated_200_is_acknowledged_again(tmp_path: Path) -> None:
    """PN-3: it comes again from 250 ms on until the ACK is there."""
    async with livekit(tmp_path) as there:
        call, invite = await joined(there)
        for _ in range(2):
            there.platform.answer(invite, 200, sdp=there.platform.sdp())
            ack = await there.platform.request("ACK")
            assert ack.message.cseq.number == invite.message.cseq.number
        await ends(there, call)
