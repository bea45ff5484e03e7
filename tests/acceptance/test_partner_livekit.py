"""LiveKit SIP, played over real sockets with every quirk that its code is known to have (PN-1 ff).

A call from the telephone network to LiveKit; LiveKit's calls are in test_partner_livekit_out.py.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agentstream.base.ids import AccountSid, TrunkSid
from agentstream.hooks.call_events import CallEvents
from agentstream.hooks.call_records import CallRecords
from agentstream.sip.uri import parse_uri
from agentstream.testing.node import running_node, scripted_caller
from agentstream.testing.partner_calls import PartnerCall
from agentstream.testing.partner_world import CALLER, DID, PartnerWorld, partner_world
from agentstream.testing.partners import partner
from agentstream.testing.ports import HOST
from agentstream.testing.trunks import TrunkMaker
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance
TO_OPERATORS = """
name: any
start: talk
applets:
  talk: {type: connect, numbers: ["sip:livekit"], retries: 0, next: bye}
  bye: {type: hangup}
"""


@asynccontextmanager
async def livekit(folder: Path, **options: object) -> AsyncIterator[PartnerWorld]:
    """Run a node with a trunk to a LiveKit project."""
    async with partner_world(folder, "livekit", "project=acme", **options) as there:  # type: ignore[arg-type]
        yield there


async def test_a_telephone_call_reaches_a_room_after_one_command(tmp_path: Path) -> None:
    """SIP-10, SIP-11, SIP-12, PN-11: the number with its plus, the caller, and our headers."""
    async with livekit(tmp_path) as there:
        call, invite = await there.join()
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
        await there.caller_goes(call)


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
        await there.caller_goes(call)


async def test_a_repeated_200_is_acknowledged_again(tmp_path: Path) -> None:
    """PN-3: it comes again from 250 ms on until the ACK is there."""
    async with livekit(tmp_path) as there:
        call, invite = await there.join()
        for _ in range(2):
            there.platform.answer(invite, 200, sdp=there.platform.sdp())
            ack = await there.platform.request("ACK")
            assert ack.message.cseq.number == invite.message.cseq.number
        await there.caller_goes(call)


async def test_a_caller_who_gives_up_takes_the_invite_back(tmp_path: Path) -> None:
    async with livekit(tmp_path) as there:
        calling = there.rings()
        invite = await there.platform.request("INVITE")
        there.platform.answer(invite, 180)
        call = await calling  # the flow has answered; the room still rings
        ending = asyncio.create_task(call.hang_up())
        cancel = await there.platform.request("CANCEL")
        there.platform.answer(cancel, 200)
        there.platform.answer(invite, 487)
        await there.platform.request("ACK")
        await ending
        assert await there.node.is_idle()


@pytest.mark.parametrize("status", [401, 404, 400])
async def test_a_final_answer_is_not_asked_again(tmp_path: Path, status: int) -> None:
    """PN-2: 401 without a challenge, no trunk, no codec: no loop, and no other destination."""
    async with livekit(tmp_path) as there:
        calling = there.rings()
        invite = await there.platform.request("INVITE")
        there.platform.answer(invite, status)
        await there.platform.request("ACK")
        await (await calling).wait_ended()
        assert there.platform.count("INVITE") == 1
        assert await there.node.is_idle()


async def test_an_overloaded_room_leaves_the_next_destination_a_new_call(tmp_path: Path) -> None:
    """PN-2, PN-4: a refusal is remembered by Call-ID and From-tag, so both are new."""
    async with livekit(tmp_path) as there:
        maker = TrunkMaker(
            there.node.house.parts.store,
            AccountSid(there.trunk["account"]),
            TrunkSid(there.trunk["sid"]),
        )
        again = there.platform.uri().replace(HOST, "localhost")
        await maker.destination(again, priority=20)
        await there.node.house.parts.directory.refresh()
        calling = there.rings()
        first = await there.platform.request("INVITE")
        there.platform.answer(first, 503, tag="full")
        second = await there.platform.request("INVITE")
        assert first.message.call_id != second.message.call_id
        assert first.message.from_tag != second.message.from_tag
        assert first.message.top_via.branch != second.message.top_via.branch
        assert first.header("X-Exotel-CallSid") == second.header("X-Exotel-CallSid")
        there.platform.answer(second, 200, sdp=there.platform.sdp())
        call = await calling
        await there.talk(call)
        await there.caller_goes(call)


async def test_a_room_that_asks_for_a_login_gets_it_under_the_same_call_id(tmp_path: Path) -> None:
    """PN-2: MD5 without qop; Proxy-Authorization and never Authorization.

    A password for the platform is the operator's: a trunk of `[trunks]`.
    """
    async with partner("udp") as room:
        road = {"target": f"sip:{HOST}:{room.port}", "user": "us", "password": "secret"}
        async with (
            running_node(tmp_path, "ws://127.0.0.1:9/", trunks={"livekit": road}) as node,
            scripted_caller() as caller,
        ):
            await node.flow(TO_OPERATORS)
            calling = asyncio.create_task(caller.dial(node.target(DID)))
            first = await room.request("INVITE")
            challenge = 'Digest realm="sip.livekit", nonce="abc", algorithm=MD5'
            room.answer(first, 407, headers=[("Proxy-Authenticate", challenge)])
            second = await room.request("INVITE")
            assert second.message.call_id == first.message.call_id
            assert second.message.cseq.number == first.message.cseq.number + 1
            assert "Authorization" not in second.message.headers
            said = second.header("Proxy-Authorization")
            assert "qop" not in said
            digest_uri = re.search(r'uri="([^"]+)"', said)
            assert digest_uri
            wanted = md5(f"{md5('us:sip.livekit:secret')}:abc:{md5('INVITE:' + digest_uri[1])}")
            assert f'response="{wanted}"' in said
            room.answer(second, 401)  # wrong after all: final
            await (await calling).wait_ended()
            assert room.count("INVITE") == 2
            assert await node.is_idle()


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


async def test_an_accounts_trunk_logs_in_where_its_platform_asks(tmp_path: Path) -> None:
    """PN-2: an inbound trunk of LiveKit with a user; the password is shown nowhere."""
    login = ("--set", "as_destination_user=us", "--set", "as_destination_password=secret-0815")
    async with livekit(tmp_path, options=login) as there:
        assert "as_destination_password=***" in there.trunk["settings"]
        assert "0815" not in await there.command("trunks", "show", "livekit")
        calling = there.rings()
        first = await there.platform.request("INVITE")
        challenge = 'Digest realm="sip.livekit", nonce="abc", algorithm=MD5'
        there.platform.answer(first, 407, headers=[("Proxy-Authenticate", challenge)])
        second = await there.platform.request("INVITE")
        assert second.message.call_id == first.message.call_id
        said = second.header("Proxy-Authorization")
        digest_uri = re.search(r'uri="([^"]+)"', said)
        assert digest_uri
        wanted = md5(f"{md5('us:sip.livekit:secret-0815')}:abc:{md5('INVITE:' + digest_uri[1])}")
        assert f'response="{wanted}"' in said
        there.platform.answer(second, 200, sdp=there.platform.sdp())
        call = await calling
        await there.talk(call)
        await there.caller_goes(call)


async def test_an_offer_has_what_livekit_takes_and_g722_with_its_odd_clock(tmp_path: Path) -> None:
    """PN-7: PCMU, PCMA, G722/8000, telephone-event; the answer lists one codec and the events."""
    async with livekit(tmp_path) as there:
        calling = there.rings()
        invite = await there.platform.request("INVITE")
        offered = invite.sdp
        for line in ("0 PCMU/8000", "8 PCMA/8000", "9 G722/8000", "telephone-event/8000"):
            assert line in offered
        assert re.search(r"a=fmtp:\d+ 0-1[56]\r", offered)
        assert "a=ptime:20\r" in offered
        there.platform.answer(invite, 200, sdp=there.platform.sdp(["9 G722/8000"]))
        await there.platform.request("ACK")
        call = await calling
        await until(lambda: [one for one, _ in there.platform.phone.others if one == 9])
        await there.caller_goes(call)


async def test_keys_are_telephone_events_and_never_info_or_update(tmp_path: Path) -> None:
    """PN-1, SIP-50: LiveKit answers 405 to UPDATE, INFO and REFER, though its Allow has them."""
    async with livekit(tmp_path) as there:
        calling = there.rings()
        invite = await there.platform.request("INVITE")
        allow = [("Allow", "INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, MESSAGE, OPTIONS, INFO")]
        there.platform.answer(invite, 200, sdp=there.platform.sdp(), headers=allow)
        await there.platform.request("ACK")
        call = await calling
        await there.talk(call)
        call.press("5")
        events = there.platform.phone.others
        await until(lambda: [said for kind, said in events if kind == 101 and said[0] == 5])
        assert there.platform.count("INFO") == there.platform.count("UPDATE") == 0
        await there.caller_goes(call)


async def test_a_keep_alive_by_reinvite_gets_the_same_answer_and_audio_goes_on(
    tmp_path: Path,
) -> None:
    """PN-5: the same SDP again moves nothing."""
    async with livekit(tmp_path) as there:
        call, invite = await there.join()
        await there.talk(call)
        again = PartnerCall.of(there.platform, there.place, invite)
        await again.invite()
        ok = await again.answered()
        ours = re.search(r"m=audio (\d+)", invite.sdp)
        now = re.search(r"m=audio (\d+)", ok.sdp)
        assert ours
        assert now
        assert ours[1] == now[1]
        before = len(there.platform.phone.heard)
        await until(lambda: len(there.platform.phone.heard) > before + 10)
        await there.caller_goes(call)


async def test_a_room_without_an_agent_is_seen_in_the_calls_story(tmp_path: Path) -> None:
    """PN-13: it rings, is answered, and nobody speaks: our log says that no audio came."""
    async with livekit(tmp_path) as there:
        parts = there.node.house.parts
        parts.feed.subscribe(CallRecords(parts.writer.write).hear, CallRecords.KINDS)
        parts.feed.subscribe(CallEvents(parts.stories.write).hear)
        nobody = there.platform.sdp().replace(f"audio {there.platform.phone.port}", "audio 9")
        call, _ = await there.join(nobody)
        await asyncio.sleep(0.2)  # of packets that nobody answers
        record = await there.caller_goes(call)
        await parts.writer.flush()
        await parts.stories.flush()
        told = await there.command("explain", record.setup.call_sid)
        assert "its audio never reached us" in told
