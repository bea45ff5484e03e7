"""ElevenLabs Agents, played over real sockets (PN-20 to PN-26)."""

from pathlib import Path

import pytest

from agentstream.sip.uri import parse_uri
from agentstream.testing.partner_calls import PartnerCall
from agentstream.testing.partner_world import CALLER, DID, partner_world
from agentstream.testing.partners import partner
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance


async def test_an_agent_is_reached_by_the_number_and_knows_call_and_caller(tmp_path: Path) -> None:
    """PN-20, PN-21: `sip:+NUMBER@host`, X-CALL-ID and X-CALLER-ID."""
    async with partner_world(tmp_path, "elevenlabs") as there:
        call, invite = await there.join()
        await there.talk(call)
        assert invite.message.uri.startswith(f"sip:{DID}@")  # type: ignore[union-attr]
        assert invite.header("X-CALLER-ID") == CALLER
        assert invite.header("X-CALL-ID") == invite.header("X-Exotel-CallSid")
        record = await there.caller_goes(call)
        assert invite.header("X-CALL-ID") == record.setup.call_sid


async def test_media_servers_behind_the_load_balancer_take_the_call(tmp_path: Path) -> None:
    """PN-22: the 200's Contact, the BYE and the audio are from somewhere else."""
    async with (
        partner("tcp", host="127.0.0.2") as media_server,
        partner_world(tmp_path, "elevenlabs") as there,
    ):
        calling = there.rings()
        invite = await there.platform.request("INVITE")
        contact = f"<{media_server.uri('media')}>"
        there.platform.answer(invite, 200, sdp=media_server.sdp(), contact=contact)
        ack = await media_server.request("ACK")
        assert ack.message.uri == media_server.uri("media")  # type: ignore[union-attr]
        call = await calling
        await until(lambda: media_server.phone.heard)
        agents = PartnerCall.of(media_server, there.place, invite)
        await agents.hang_up()
        await call.wait_ended()
        assert (await there.record()).ended_by.value == "callee"


async def test_audio_from_another_port_than_the_answer_says_is_learnt(tmp_path: Path) -> None:
    """PN-22, SIP-7: RTP comes from anywhere in a wide range."""
    async with partner("udp") as elsewhere, partner_world(tmp_path, "elevenlabs") as there:
        nowhere = f"audio {there.platform.phone.port}", "audio 9"
        calling = there.rings()
        invite = await there.platform.request("INVITE")
        elsewhere.phone.speak_to(_audio_of(invite.sdp))
        there.platform.answer(invite, 200, sdp=there.platform.sdp().replace(*nowhere))
        await there.platform.request("ACK")
        call = await calling
        await until(lambda: elsewhere.phone.heard)
        await there.caller_goes(call)


def _audio_of(sdp: str) -> tuple[str, int]:
    line = next(line for line in sdp.splitlines() if line.startswith("m=audio"))
    return "127.0.0.1", int(line.split()[1])


async def test_an_agent_dials_out_over_tls_with_headers_of_its_own(tmp_path: Path) -> None:
    """PN-23, SIP-26: digest over TLS; its own host stands in From, and is let pass."""
    async with partner_world(tmp_path, "elevenlabs", way="tls") as there:
        pasted = {one["where"]: one["value"] for one in there.made["paste"]}
        assert pasted["Transport"] == "tls"
        assert pasted["Media encryption"] == "allowed"
        call = await there.dial_out(from_host="sip.rtc.elevenlabs.io")
        (invited,) = there.carrier.calls.values()
        assert parse_uri(invited.from_uri).user == DID
        await there.platform_goes(call)


async def test_g722_is_answered_where_it_is_chosen(tmp_path: Path) -> None:
    """PN-24: G.711 at 8 kHz, or G722 at 16 kHz."""
    async with partner_world(tmp_path, "elevenlabs") as there:
        call, invite = await there.join(there.platform.sdp(["9 G722/8000"]))
        assert "9 G722/8000" in invite.sdp
        await until(lambda: [kind for kind, _ in there.platform.phone.others if kind == 9])
        await there.caller_goes(call)
