"""OpenAI Realtime SIP over real sockets: TLS alone, the project as user (PN-30 to PN-34)."""

from pathlib import Path

import pytest

from agentstream.calls.causes import status_word
from agentstream.sip.uri import parse_uri
from agentstream.testing.partner_calls import PartnerCall
from agentstream.testing.partner_world import CALLER, DID, PERSON, PartnerWorld, partner_world

pytestmark = pytest.mark.acceptance
ANSWER = "project=proj_1"


async def test_a_call_goes_to_the_project_with_the_number_in_to(tmp_path: Path) -> None:
    """PN-30, PN-32: TLS, `sip:PROJECT@`, To is the number, From the caller, our X- headers."""
    async with partner_world(tmp_path, "openai", ANSWER, way="tls") as there:
        call, invite = await there.join()
        await there.talk(call)
        uri = parse_uri(invite.message.uri)  # type: ignore[union-attr]
        assert (uri.user, uri.transport) == ("proj_1", "tls")
        assert parse_uri(invite.message.to_addr.uri).user == DID
        assert parse_uri(invite.message.from_addr.uri).user == CALLER
        for name in ("X-Exotel-CallSid", "X-Exotel-TrunkSid", "X-CALL-ID", "X-CALLER-ID"):
            assert invite.header(name)
        await there.caller_goes(call)


@pytest.mark.parametrize(("status", "word"), [(486, "busy"), (603, "failed"), (480, "no-answer")])
async def test_a_program_that_rejects_ends_the_call_with_its_word(
    tmp_path: Path, status: int, word: str
) -> None:
    """PN-31: the webhook's program accepts or rejects, and is waited for long enough."""
    async with partner_world(tmp_path, "openai", ANSWER, way="tls") as there:
        assert "as_ring_timeout=60" in there.trunk["settings"]
        calling = there.rings()
        invite = await there.platform.request("INVITE")
        there.platform.answer(invite, 180)
        there.platform.answer(invite, status)
        await there.platform.request("ACK")
        await (await calling).wait_ended()
        assert there.platform.count("INVITE") == 1
        await _told(there, word)


async def _told(there: PartnerWorld, word: str) -> None:
    (dialled,) = there.node.saw("LegGone")
    assert await there.node.is_idle()
    assert status_word(dialled.cause, was_answered=False) == word  # type: ignore[union-attr]


async def test_nothing_can_be_dialled_through_a_trunk_without_a_login(tmp_path: Path) -> None:
    """They place no calls by Realtime SIP, so whoever says to be them is refused."""
    async with partner_world(tmp_path, "openai", ANSWER, way="tls") as there:
        call = PartnerCall(there.platform, there.place, PERSON, DID, tls=there.trust)
        await call.invite()
        await call.refused(403)
        assert not there.carrier.calls
