"""Vapi, Retell, Ultravox, Bolna, Rapida, NLPearl, Daily and OmniDimension over real sockets."""

import json
import re
import time
from pathlib import Path

import pytest

from agentstream.sip.uri import parse_uri
from agentstream.testing.customer import Reply, customer
from agentstream.testing.partner_calls import PartnerCall
from agentstream.testing.partner_world import DID, PERSON, partner_world
from agentstream.testing.scripted_bot import BotCall, scripted_bot

pytestmark = pytest.mark.acceptance
HERE = ("--allow", "127.0.0.1")
CONNECT = """
name: any
start: talk
applets:
  talk: {type: connect, numbers: ["%s"], retries: 0, next: bye}
  bye: {type: hangup}
"""


def codecs_of(sdp: str) -> list[str]:
    """Return the names in an offer, in its order."""
    return re.findall(r"a=rtpmap:\d+ ([A-Za-z0-9-]+)/", sdp)


async def test_vapi_is_known_by_its_address_or_its_login(tmp_path: Path) -> None:
    """PN-40, PN-41: either is enough, as its gateways changed before; numbers with plus or not."""
    answer = "credential=abc"
    async with partner_world(tmp_path, "vapi", answer, way="udp", options=HERE) as there:
        call = await there.dial_out(PERSON.removeprefix("+"), has_login=False)
        (invited,) = there.carrier.calls.values()
        assert parse_uri(invited.request_uri).user == PERSON
        await there.platform_goes(call)
    async with partner_world(tmp_path / "login", "vapi", answer, way="udp") as there:
        await there.platform_goes(await there.dial_out())


async def test_vapi_reads_our_headers_and_sends_audio_from_where_it_likes(tmp_path: Path) -> None:
    """PN-42, PN-43: x- headers are variables there; the audio's source is learnt."""
    async with partner_world(tmp_path, "vapi", "credential=abc", way="udp") as there:
        call, invite = await there.join()
        await there.talk(call)
        assert invite.header("X-Exotel-CallSid")
        assert parse_uri(invite.message.uri).user == DID  # type: ignore[union-attr]
        await there.caller_goes(call)


async def test_retell_dials_out_and_a_registered_call_is_dialled_by_its_id(tmp_path: Path) -> None:
    """PN-50: the termination address is ours; `sip:CALL_ID@host` is a literal address (FL-3)."""
    async with partner_world(tmp_path, "retell") as there:
        await there.platform_goes(await there.dial_out())
        there.node.facts.clear()
        await there.node.flow(CONNECT % there.platform.uri("call_abc123"))
        await there.command("numbers", "assign", DID, "any")
        call, invite = await there.join()
        await there.talk(call)
        assert parse_uri(invite.message.uri).user == "call_abc123"  # type: ignore[union-attr]
        await there.caller_goes(call)


async def test_ultravox_is_dialled_by_its_agent_and_logs_in(tmp_path: Path) -> None:
    """PN-51: the agent is the user, the number stands in To."""
    answers = ("domain=a.sip.ultravox.ai", "agent=7c9e")
    async with partner_world(tmp_path, "ultravox", *answers) as there:
        call, invite = await there.join()
        assert parse_uri(invite.message.uri).user == "agent_7c9e"  # type: ignore[union-attr]
        assert parse_uri(invite.message.to_addr.uri).user == DID
        assert "RTP/AVP " in invite.sdp
        await there.caller_goes(call)
        there.node.facts.clear()
        await there.platform_goes(await there.dial_out())


async def test_bolna_asks_with_options_and_is_answered_at_once(tmp_path: Path) -> None:
    """PN-52: a trunk that does not answer counts as down."""
    async with partner_world(tmp_path, "bolna", "host=203.0.113.40", way="udp") as there:
        assert "as_options_interval=60" in there.trunk["settings"]
        probe = PartnerCall(there.platform, there.place, "ping", "bolna")
        began = time.monotonic()
        await probe.say("OPTIONS")
        answer = await there.platform.response(200, "OPTIONS")
        assert time.monotonic() - began < 1
        assert "INVITE" in answer.header("Allow")
        await there.platform_goes(await there.dial_out())


async def test_rapida_is_offered_pcmu_and_nothing_else(tmp_path: Path) -> None:
    """PN-53: PCMA is never offered, whatever the telephone network speaks."""
    async with partner_world(tmp_path, "rapida") as there:
        call, invite = await there.join()
        assert codecs_of(invite.sdp) == ["PCMU", "telephone-event"]
        await there.talk(call)
        await there.caller_goes(call)


async def test_nlpearl_dials_the_trunks_domain(tmp_path: Path) -> None:
    """PN-55: a domain is its target, and tells us whose call it is, whatever From shows."""
    async with partner_world(tmp_path, "nlpearl", "domain=a.nlpearl.example") as there:
        pasted = {one["where"]: one["value"] for one in there.made["paste"]}
        assert pasted["Custom VoIP, SIP domain for calls out"] == there.trunk["domain"]
        call = await there.dial_out(caller="pearl", host=there.trunk["domain"])
        (invited,) = there.carrier.calls.values()
        assert parse_uri(invited.from_uri).user == DID  # SIP-26: the trunk's first number
        await there.platform_goes(call)


async def test_smallest_gets_both_addresses_that_its_form_wants(tmp_path: Path) -> None:
    """PN-54: what it shows goes in, what it asks for is printed."""
    async with partner_world(
        tmp_path, "smallest", "origination=sip.smallest.example:5060"
    ) as there:
        host, port = there.place
        pasted = {one["where"]: one["value"] for one in there.made["paste"]}
        assert pasted["Import SIP number, termination URL"] == f"{host}:{port}"
        call, _ = await there.join()
        await there.caller_goes(call)


async def test_a_room_of_daily_is_dialled_at_the_address_that_the_program_names(
    tmp_path: Path,
) -> None:
    """PN-56: the room's address is another one for each call."""
    async with (
        customer() as rooms,
        partner_world(tmp_path, "daily", f"program={rooms.url('/connect')}") as there,
    ):
        room = there.platform.uri("room-7")
        body = json.dumps({"destination": [{"contact_uri": room}]})
        rooms.answers["/connect"] = Reply(200, body, "application/json")
        call, invite = await there.join()
        assert parse_uri(invite.message.uri).user == "room-7"  # type: ignore[union-attr]
        assert rooms.asked("/connect")
        await there.talk(call)
        await there.caller_goes(call)


async def test_omnidimension_is_a_bot_by_websocket_after_one_command(tmp_path: Path) -> None:
    async def hears(call: BotCall) -> None:
        await call.until("media")
        await call.close()

    async with (
        scripted_bot(hears) as bot,
        partner_world(tmp_path, "omnidimension", f"url={bot.url}") as there,
    ):
        assert there.made["trunk"] is None
        call = await there.rings()
        await bot.ended()
        await call.wait_ended()
        await there.record()
        assert bot.call.start["to"] == DID
