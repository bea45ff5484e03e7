"""LiveKit SIP dials out through us: login, refusals it can read, transfers (PN-2, PN-6, PN-10)."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agentstream.sip.uri import parse_uri
from agentstream.testing.partner_calls import PartnerCall
from agentstream.testing.partner_world import DID, PERSON, PartnerWorld, partner_world
from agentstream.testing.partners import Way
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance


@asynccontextmanager
async def livekit(folder: Path, way: Way = "tcp", **options: object) -> AsyncIterator[PartnerWorld]:
    """Run a node with a trunk to a LiveKit project, and the telephone network behind it."""
    async with partner_world(folder, "livekit", "project=acme", way=way, **options) as there:  # type: ignore[arg-type]
        yield there


def call_of(there: PartnerWorld, called: str = PERSON) -> PartnerCall:
    return PartnerCall(there.platform, there.place, called, DID)


@pytest.mark.parametrize("way", ["tcp", "udp"])
async def test_an_agent_calls_a_person_by_telephone(tmp_path: Path, way: Way) -> None:
    """PN-6, SIP-32: no login at first; then the same Call-ID, uri = To, MD5, no qop."""
    async with livekit(tmp_path, way) as there:
        call = await there.dial_out()
        (invited,) = there.carrier.calls.values()
        assert parse_uri(invited.request_uri).user == PERSON
        assert parse_uri(invited.from_uri).user == DID  # FL-1: the caller is the trunk's number
        assert (await there.platform_goes(call)).setup.trunk_sid == there.trunk["sid"]


async def test_there_is_one_challenge_that_every_stack_can_answer(tmp_path: Path) -> None:
    """PN-6: only the first header is read, so there is one: MD5 with or without qop."""
    async with livekit(tmp_path) as there:
        call = call_of(there)
        await call.invite()
        challenge = await call.refused(407)
        offered = challenge.message.headers.all("Proxy-Authenticate")
        assert len(offered) == 1
        assert "MD5" in offered[0]
        assert f'realm="{there.trunk["domain"]}"' in offered[0]
        await call.log_in(challenge, there.user, there.password, qop="auth")
        await call.answered()
        await there.platform_goes(call)


async def test_our_contact_has_host_and_port_and_takes_what_is_sent_there(tmp_path: Path) -> None:
    """PN-6a: ACK, BYE and REFER go to the Contact; one without a port means 5060 to LiveKit."""
    async with livekit(tmp_path) as there:
        call = await there.dial_out()
        contact = parse_uri(call.target)
        assert (contact.address, contact.port) == there.place
        assert contact.transport == "tcp"
        await there.platform_goes(call)


async def test_a_wrong_password_is_refused_like_an_unknown_user(tmp_path: Path) -> None:
    async with livekit(tmp_path) as there:
        answers = []
        for user, password in ((there.user, "wrong"), ("nobody", there.password)):
            call = call_of(there)
            await call.invite()
            await call.log_in(await call.refused(407), user, password)
            answers.append(await _refusal(there, call))
        assert answers[0] == answers[1]
        assert not there.carrier.calls
        assert await there.node.is_idle()


async def _refusal(there: PartnerWorld, call: PartnerCall) -> tuple[int, str]:
    await until(lambda: any(_is_final(one.message) for one in there.platform.heard))
    heard = next(one for one in there.platform.heard if _is_final(one.message))
    status = heard.message.status  # type: ignore[union-attr]
    await call.refused(status)
    return status, heard.header("X-Exotel-ErrorCode")


def _is_final(message: object) -> bool:
    return int(getattr(message, "status", 0)) >= 300


@pytest.mark.parametrize(("called", "status"), [("12", 484), ("nobody", 484)])
async def test_a_number_that_is_none_is_refused_with_words(
    tmp_path: Path, called: str, status: int
) -> None:
    """PN-6: LiveKit shows its user the body of 400, 404, 480, 486 and 488."""
    async with livekit(tmp_path) as there:
        call = call_of(there, called)
        await call.invite()
        await call.log_in(await call.refused(407), there.user, there.password)
        refused = await call.refused(status)
        assert "number" in refused.sdp + refused.header("Reason")
        assert await there.node.is_idle()


async def test_a_busy_person_is_busy_to_the_agent(tmp_path: Path) -> None:
    async with livekit(tmp_path, who="busy") as there:
        call = call_of(there)
        await call.invite()
        await call.log_in(await call.refused(407), there.user, there.password)
        await call.refused(486)
        assert (await there.record()).status == "busy"


async def test_early_media_and_ringing_come_through(tmp_path: Path) -> None:
    """SIP-16: 183 with SDP, so that the agent hears the network; then it gives up."""
    async with livekit(tmp_path, who="early") as there:
        call = call_of(there)
        await call.invite()
        await call.log_in(await call.refused(407), there.user, there.password)
        progress = await there.platform.response(183)
        assert "m=audio" in progress.sdp
        await call.cancel()
        await there.platform.response(200, "CANCEL")
        await call.refused(487)
        assert (await there.record()).status == "canceled"


async def test_the_answer_has_one_codec_of_theirs_and_the_events(tmp_path: Path) -> None:
    """PN-7: G722 at clock 8000 is understood; events to 16 are taken."""
    async with livekit(tmp_path) as there:
        call = call_of(there)
        call.offer = there.platform.sdp(["9 G722/8000", "0 PCMU/8000", "8 PCMA/8000"])
        await call.invite()
        await call.log_in(await call.refused(407), there.user, there.password)
        ok = await call.answered()
        assert re.search(r"m=audio \d+ RTP/AVP [089]\b.* 101", ok.sdp)
        assert "telephone-event/8000" in ok.sdp
        await there.platform_goes(call)


async def test_a_keep_alive_of_livekits_own_moves_nothing(tmp_path: Path) -> None:
    """PN-5: a re-INVITE with the same SDP is answered with ours, and is not challenged (SIP-34)."""
    async with livekit(tmp_path) as there:
        call = await there.dial_out()
        await call.invite()
        await call.answered()
        await there.hears(there.platform.phone)
        await there.hears(there.carriers_phone)
        await there.platform_goes(call)
