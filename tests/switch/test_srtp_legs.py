"""Which legs have keys, between fakes: calls that come in, calls that go out, those refused."""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agentstream import _media
from agentstream.base.ids import CountedTokens, LegSid
from agentstream.calls.causes import Cause
from agentstream.calls.commands import Dial, DialSpec
from agentstream.calls.events import LegGone
from agentstream.media import sdp
from agentstream.media.crypto import SUITES, SrtpUse, read
from agentstream.media.negotiate import LocalMedia, make_offer
from agentstream.sip import commands as sip
from agentstream.sip.reports import MediaOffered, SipCallRef
from agentstream.store.trunk_book import book_of
from agentstream.store.trunks import TrunkParts
from agentstream.switch.feed import SrtpAgreed, SrtpNotTaken, SrtpRefused
from agentstream.switch.media_choice import MediaTerms, local_for, terms_of, transport_of
from agentstream.switch.routing import Roads, Trunk
from agentstream.switch.wiring import Wiring
from agentstream.testing.board import NUMBER, Board, open_board
from agentstream.testing.trunks import TrunkMaker
from agentstream.testing.waiting import until

FAR = LocalMedia(address="192.0.2.77", port=41_000, codecs=("PCMU",))
PLAIN = make_offer(FAR)
SECURE = make_offer(replace(FAR, srtp="required"), tokens=CountedTokens())
LEG = LegSid("agent")
HOUSE = LocalMedia(address="192.0.2.10", port=0, srtp="preferred", offers_keys=False)


def answer_to(offer: str, tag: int = 1) -> str:
    """A far end that takes one of our keys."""
    key = b64encode(bytes(30)).decode()
    suite = read(audio(offer))[tag - 1].suite
    return PLAIN.replace("RTP/AVP", "RTP/SAVP") + f"a=crypto:{tag} {suite} inline:{key}\r\n"


def audio(text: str) -> sdp.Media:
    return sdp.parse(text).media[0]


def trunk(transport: str, **terms: str) -> Roads:
    name = f"sip:sbc.example;transport={transport}"
    return Roads({"t": Trunk("t", name, media=MediaTerms(**terms))}, "t")  # type: ignore[arg-type]


def house(srtp: SrtpUse = "preferred", roads: Roads | None = None) -> Callable[[Wiring], Wiring]:
    def wrap(wiring: Wiring) -> Wiring:
        local = replace(HOUSE, srtp=srtp)
        return replace(wiring, local=local, roads=roads or wiring.roads)

    return wrap


async def dialled(board: Board) -> tuple[SipCallRef, str]:
    """Let a call dial the agent; gives the ref and what was offered."""
    board.signaling.invite(NUMBER, offer=PLAIN)
    await board.stream()
    await board.ask(Dial(LEG, DialSpec("+918040000009", ring_ms=20_000)))
    placed = await board.signaling.wait_for(sip.Place)
    return placed.ref, board.signaling.dials[placed.ref].offer or ""


@pytest.mark.parametrize(
    ("house_srtp", "transport", "terms", "expected"),
    [
        ("preferred", "tls", MediaTerms(), ("preferred", True)),
        ("preferred", "udp", MediaTerms(), ("preferred", False)),
        ("off", "wss", MediaTerms("required"), ("required", True)),
        ("required", "tcp", MediaTerms("off"), ("off", False)),
    ],
)
def test_a_trunks_wish_comes_before_the_houses_and_keys_need_tls(
    house_srtp: SrtpUse, transport: str, terms: MediaTerms, expected: tuple[str, bool]
) -> None:
    """SIP-42, SIP-43."""
    local = local_for(replace(HOUSE, srtp=house_srtp), transport, terms)
    assert (local.srtp, local.offers_keys) == expected
    open_house = replace(HOUSE, offers_keys=True)  # sip.allow_sdes_cleartext
    assert local_for(open_house, transport, terms).offers_keys
    assert transport_of("TLS:192.0.2.1:5061") == "tls"


async def test_an_accounts_trunk_says_what_it_wants(tmp_path: Path) -> None:
    """TR-42, TR-72: `as_srtp`, and a secure trunk requires SRTP whatever that says."""
    assert terms_of(None) == MediaTerms()
    async with open_board(tmp_path) as board:
        account = (await board.store.accounts.list())[0]
        made = await TrunkMaker(board.store, account.sid).make()
        (parts,) = await board.store.trunks.all()
    for value, is_secure, use in (
        ("disabled", False, "off"),
        ("allowed", False, "preferred"),
        ("required", False, "required"),
        ("disabled", True, "required"),
    ):
        changed = TrunkParts(replace(parts.trunk, is_secure=is_secure))
        entry = book_of([changed], {account.sid: account}).find(made.sid)
        assert entry is not None
        options = replace(entry.options, srtp=value)  # type: ignore[arg-type]
        assert terms_of(replace(entry, options=options)).srtp == use


@pytest.mark.parametrize("source", ["udp:192.0.2.1:5060", "tls:192.0.2.1:5061"])
async def test_keys_of_a_caller_are_taken_over_any_transport_and_the_story_says_so(
    tmp_path: Path, source: str
) -> None:
    """SIP-43, SD-6."""
    async with open_board(tmp_path, wrap=house()) as board:
        board.signaling.invite(NUMBER, offer=SECURE, source=source)
        answered = await board.signaling.wait_for(sip.Answer)
        assert audio(answered.sdp).profile == "RTP/SAVP"
        plan = board.leg.remotes[-1].srtp
        assert plan is not None
        assert plan.their_key == read(audio(SECURE))[0].key
        await until(lambda: board.saw("SrtpAgreed"))
        (agreed,) = board.saw("SrtpAgreed")
        assert agreed == SrtpAgreed(
            LegSid(board.leg.leg_sid), SUITES[0], is_readable=source.startswith("udp")
        )
        board.media.feed(_media.SrtpRefused(board.leg.leg_sid, 0, 49, 1, True))
        await until(lambda: board.saw("SrtpRefused"))
        (refused,) = board.saw("SrtpRefused")
        assert refused == SrtpRefused(board.leg.leg_sid, 49, 1, ever_accepted=True)
        # A re-INVITE with the same line keeps the keys, one in clear ends them.
        ref = answered.ref
        board.signaling.feed(MediaOffered(ref, SECURE))
        await board.signaling.wait_for(sip.AnswerMedia)
        assert board.leg.remotes[-1].srtp == plan
        board.signaling.feed(MediaOffered(ref, PLAIN))
        await board.signaling.wait_for(sip.AnswerMedia)
        await until(lambda: len(board.saw("SrtpAgreed")) == 2)
        assert board.leg.remotes[-1].srtp is None


@pytest.mark.parametrize(("offer", "status"), [(PLAIN, 488), (None, 488)])
async def test_a_house_that_requires_srtp_refuses_calls_in_clear(
    tmp_path: Path, offer: str | None, status: int
) -> None:
    """SIP-42; without an offer ours would have keys, which may not go over UDP (SIP-43)."""
    async with open_board(tmp_path, wrap=house("required")) as board:
        board.signaling.invite(NUMBER, offer=offer)
        assert (await board.signaling.wait_for(sip.Reject)).status == status
        assert board.leg.is_closed


async def test_keys_are_offered_over_tls_and_their_answer_is_used(tmp_path: Path) -> None:
    wrap = house(roads=trunk("tls", srtp="required"))
    async with open_board(tmp_path, wrap=wrap) as board:
        ref, offer = await dialled(board)
        assert (audio(offer).profile, len(read(audio(offer)))) == ("RTP/SAVP", 4)
        board.signaling.accept(ref, answer_to(offer, 2))
        await until(lambda: board.saw("LegUp"))
        assert board.leg.remotes[-1].srtp is not None
        assert board.saw("SrtpAgreed") == [SrtpAgreed(LEG, SUITES[1], is_readable=False)]


async def test_an_answer_in_clear_ends_a_call_that_requires_srtp(tmp_path: Path) -> None:
    wrap = house(roads=trunk("tls", srtp="required"))
    async with open_board(tmp_path, wrap=wrap) as board:
        ref, _ = await dialled(board)
        board.signaling.accept(ref, PLAIN)
        await until(lambda: board.saw("LegGone"))
        (gone,) = board.saw("LegGone")
        assert isinstance(gone, LegGone)
        assert gone.cause is Cause.NO_COMMON_CODEC
        assert not board.leg.remotes


@pytest.mark.parametrize("status", [415, 488, 606])
async def test_a_refused_offer_of_keys_is_made_once_more_in_clear(
    tmp_path: Path, status: int
) -> None:
    """SIP-42: a new SIP call, the same leg and port; and once alone."""
    wrap = house(roads=trunk("tls"))
    async with open_board(tmp_path, wrap=wrap) as board:
        ref, offer = await dialled(board)
        board.signaling.end(ref, status=status)
        again = (await board.signaling.wait_for(sip.Place)).ref
        second = board.signaling.dials[again].offer or ""
        assert (audio(second).profile, read(audio(second))) == ("RTP/AVP", ())
        assert audio(second).port == audio(offer).port
        assert board.saw("SrtpNotTaken") == [SrtpNotTaken(LEG, status)]
        board.signaling.accept(again, PLAIN)
        await until(lambda: board.saw("LegUp"))
        assert board.leg.remotes[-1].srtp is None
        board.signaling.end(again)
        await until(lambda: board.saw("LegGone"))


async def test_the_second_refusal_is_the_end(tmp_path: Path) -> None:
    wrap = house(roads=trunk("tls"))
    async with open_board(tmp_path, wrap=wrap) as board:
        ref, _ = await dialled(board)
        board.signaling.end(ref, status=488)
        again = (await board.signaling.wait_for(sip.Place)).ref
        board.signaling.end(again, status=488)
        await until(lambda: board.saw("LegGone"))


@pytest.mark.parametrize(
    ("transport", "terms", "status"),
    [("tls", {"srtp": "required"}, 488), ("udp", {}, 488), ("tls", {}, 486)],
)
async def test_what_is_refused_for_another_reason_is_not_dialled_again(
    tmp_path: Path, transport: str, terms: dict[str, str], status: int
) -> None:
    wrap = house(roads=trunk(transport, **terms))
    async with open_board(tmp_path, wrap=wrap) as board:
        ref, _ = await dialled(board)
        board.signaling.end(ref, status=status)
        await until(lambda: board.saw("LegGone"))
        assert len(board.signaling.dials) == 1


async def test_a_road_that_requires_srtp_without_tls_is_none(tmp_path: Path) -> None:
    """SIP-43: no key goes out; the cause says what to change."""
    wrap = house(roads=trunk("udp", srtp="required"))
    async with open_board(tmp_path, wrap=wrap) as board:
        board.signaling.invite(NUMBER, offer=PLAIN)
        await board.stream()
        await board.ask(Dial(LEG, DialSpec("+918040000009", ring_ms=20_000)))
        await until(lambda: board.saw("LegGone"))
        (gone,) = board.saw("LegGone")
        assert isinstance(gone, LegGone)
        assert gone.cause is Cause.FAILED
        assert not board.signaling.dials
