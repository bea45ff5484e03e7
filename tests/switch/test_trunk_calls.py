"""Calls from an account's trunk: into a flow, or out to the telephone network as its number."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agentstream.base.ids import AccountSid
from agentstream.calls.record import CallRecord
from agentstream.media.negotiate import LocalMedia, make_offer
from agentstream.sip import commands as sip
from agentstream.switch.wiring import SwitchLimits
from agentstream.testing.board import CUSTOMER, FLOW, NUMBER, Board, open_board
from agentstream.testing.trunks import TRUNK_SID, TrunkMaker
from agentstream.testing.waiting import until

OFFER = make_offer(LocalMedia(address="192.0.2.1", port=40_000))
ANSWER = make_offer(LocalMedia(address="192.0.2.77", port=41_000, codecs=("PCMU",)))
DID = "+918000000099"
OTHER_DID = "+918000000098"
ABROAD = AccountSid("other1")


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[Board]:
    """Give a switchboard whose account has a trunk with two numbers."""
    async with open_board(tmp_path) as opened:
        await (await maker(opened).make()).number(DID)
        await maker(opened).number(OTHER_DID, "flow")
        await opened.directory.refresh()
        yield opened


def maker(board: Board) -> TrunkMaker:
    return TrunkMaker(board.store, AccountSid("greenleaf1"))


async def ended(board: Board) -> CallRecord:
    """Let both far ends go, and return the record."""
    for ref in [ref for ref in board.signaling.dials if board.signaling.is_live(ref)]:
        board.signaling.end(ref)
    return await board.record()


async def test_a_call_goes_out_as_the_trunks_number_and_is_answered_with_the_other_party(
    board: Board,
) -> None:
    """FL-1: the CLI is the mapped number; the caller is answered when the callee is."""
    board.signaling.invite(CUSTOMER, OFFER, caller=DID, trunk_sid=TRUNK_SID)
    placed = await board.signaling.wait_for(sip.Place)
    assert placed.dial.target == f"sip:{CUSTOMER}@carrier.example:5060"
    assert placed.dial.from_uri == f"sip:{DID}@192.0.2.10"
    board.signaling.progress(placed.ref)
    assert (await board.signaling.wait_for(sip.Ring)).sdp is None
    board.signaling.expect_nothing()
    board.signaling.accept(placed.ref, ANSWER)
    answered = await board.signaling.wait_for(sip.Answer)
    board.signaling.confirm(answered.ref)
    await until(lambda: board.saw("LegsBridged"))
    caller, callee = board.media.legs
    assert callee.bridged is caller or caller.bridged is callee
    record = await ended(board)
    assert (record.status, record.setup.trunk_sid) == ("completed", TRUNK_SID)
    assert record.setup.phone_number == DID


async def test_early_media_of_the_network_is_heard_through_the_trunk_sip_16(board: Board) -> None:
    board.signaling.invite(CUSTOMER, OFFER, caller=DID, trunk_sid=TRUNK_SID)
    placed = await board.signaling.wait_for(sip.Place)
    board.signaling.progress(placed.ref, 183, ANSWER)
    ring = await board.signaling.wait_for(sip.Ring)
    assert ring.status == 183
    assert ring.sdp
    await until(lambda: board.saw("LegsBridged"))
    board.signaling.end(placed.ref, status=486)
    assert (await board.signaling.wait_for(sip.Reject)).status == 486
    assert (await board.record()).status == "busy"


@pytest.mark.parametrize(
    ("caller", "settings", "shown"),  # NUMBER rings for the account
    [
        (OTHER_DID, {}, OTHER_DID),
        (OTHER_DID.removeprefix("+"), {}, OTHER_DID),  # SIP-26: with or without plus
        ("bot", {}, DID),  # the trunk's first number
        (CUSTOMER, {}, DID),  # never a number that is not the trunk's
        (OTHER_DID, {"trunk_external_alias": DID}, DID),  # TR-71
        (CUSTOMER, {"trunk_external_alias": NUMBER}, NUMBER),
        (OTHER_DID, {"trunk_external_alias": "+918040000001"}, OTHER_DID),  # nobody's
    ],
)
async def test_the_network_is_shown_a_number_of_the_trunk(
    board: Board, caller: str, settings: dict[str, str], shown: str
) -> None:
    await maker(board).settings(settings)
    await board.directory.refresh()
    board.signaling.invite(CUSTOMER, OFFER, caller=caller, trunk_sid=TRUNK_SID)
    placed = await board.signaling.wait_for(sip.Place)
    assert placed.dial.from_uri == f"sip:{shown}@192.0.2.10"
    await ended(board)


async def test_a_number_in_flow_mode_enters_its_flow_fl_2(board: Board) -> None:
    await board.flow(FLOW, OTHER_DID)
    board.signaling.invite(OTHER_DID, OFFER, caller=OTHER_DID, trunk_sid=TRUNK_SID)
    answered = await board.signaling.wait_for(sip.Answer)
    assert not board.signaling.dials
    board.signaling.end(answered.ref)
    assert (await board.record()).setup.trunk_sid == TRUNK_SID


async def test_a_number_in_flow_mode_without_a_flow_is_404(board: Board) -> None:
    board.signaling.invite(OTHER_DID, OFFER, caller=OTHER_DID, trunk_sid=TRUNK_SID)
    assert (await board.signaling.wait_for(sip.Reject)).status == 404


async def test_an_own_number_rings_here_without_the_network(board: Board) -> None:
    board.signaling.invite(NUMBER, OFFER, caller=DID, trunk_sid=TRUNK_SID)
    answered = await board.signaling.wait_for(sip.Answer)
    assert not board.signaling.dials
    board.signaling.end(answered.ref)
    await board.record()


async def test_another_accounts_number_is_reached_by_the_network_like_any_other(
    board: Board,
) -> None:
    """Its account must see a call from outside, not one from the inside of the house."""
    await board.store.accounts.create("Other", ABROAD)
    flow = await board.store.flows.apply(ABROAD, "theirs", FLOW, publish=True)
    await board.store.numbers.assign("+918000000077", ABROAD, flow.sid)
    await board.directory.refresh()
    board.signaling.invite("+918000000077", OFFER, caller=DID, trunk_sid=TRUNK_SID)
    await board.signaling.wait_for(sip.Place)
    await ended(board)


async def test_what_is_no_number_is_484(board: Board) -> None:
    board.signaling.invite("sales", OFFER, caller=DID, trunk_sid=TRUNK_SID)
    assert (await board.signaling.wait_for(sip.Reject)).status == 484


async def test_a_trunk_that_was_deleted_in_between_is_refused(board: Board) -> None:
    board.signaling.invite(CUSTOMER, OFFER, caller=DID, trunk_sid="trdev1gone")
    assert (await board.signaling.wait_for(sip.Reject)).status == 403


async def test_nobody_of_ours_never_reaches_the_network(board: Board) -> None:
    board.signaling.invite(CUSTOMER, OFFER, caller=DID)
    assert (await board.signaling.wait_for(sip.Reject)).status == 404
    assert not board.signaling.dials


async def test_what_the_switchboard_refuses_of_a_trunk_is_kept_with_the_rest_sd_5(
    board: Board,
) -> None:
    """As what the gate turns away: with the check that failed, for the trunk's account."""
    board.signaling.invite(OTHER_DID, OFFER, caller=OTHER_DID, trunk_sid=TRUNK_SID)
    await board.signaling.wait_for(sip.Reject)
    board.signaling.invite("sales", OFFER, caller=DID, trunk_sid=TRUNK_SID)
    await board.signaling.wait_for(sip.Reject)
    board.signaling.invite(CUSTOMER, OFFER, caller=DID)  # a stranger's is in the log alone
    await board.signaling.wait_for(sip.Reject)
    second, first = board.rejections.recent("greenleaf1")
    assert (first.reason, first.status, first.trunk_sid) == ("flow-missing", 404, TRUNK_SID)
    assert (second.reason, second.status) == ("number-format", 484)
    assert board.rejections.all() == [second, first]


async def test_a_call_of_a_trunk_beyond_a_limit_is_kept_too_sd_5(tmp_path: Path) -> None:
    async with open_board(tmp_path, SwitchLimits(calls=0)) as full:
        await (await maker(full).make()).number(DID)
        await full.directory.refresh()
        full.signaling.invite(CUSTOMER, OFFER, caller=DID, trunk_sid=TRUNK_SID)
        assert (await full.signaling.wait_for(sip.Reject)).status == 503
        (kept,) = full.rejections.recent("greenleaf1", TRUNK_SID)
        assert (kept.reason, kept.status) == ("limit", 503)
        assert "0 calls are live" in kept.detail
        await until(lambda: full.saw("CallEnded"))
