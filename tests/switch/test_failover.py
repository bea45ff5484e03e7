"""A dialled leg whose first road fails goes on by the next, between fakes."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from agentstream.base.ids import AccountSid, LegSid
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import Dial, DialSpec, HangUpLeg
from agentstream.calls.events import LegGone, LegRinging
from agentstream.media.negotiate import LocalMedia, make_offer
from agentstream.sip import commands as sip
from agentstream.sip.reports import Ended, SipCallRef
from agentstream.switch.feed import RoadFailed
from agentstream.switch.road_limits import RoadLimit
from agentstream.switch.road_states import Outcome
from agentstream.switch.roads import Roads, Route, RouteTrunk, Trunk
from agentstream.switch.wiring import Wiring
from agentstream.testing.board import NUMBER, Board, open_board
from agentstream.testing.trunks import TRUNK_SID, TrunkMaker
from agentstream.testing.waiting import until

OFFER = make_offer(LocalMedia(address="192.0.2.1", port=40_000))
ANSWER = make_offer(LocalMedia(address="192.0.2.77", port=41_000, codecs=("PCMU",)))
AGENT = LegSid("agent")
A, B = Trunk("a", "sip:a.carrier.test"), Trunk("b", "sip:b.carrier.test")
ROUTE = Route((RouteTrunk("a", 0), RouteTrunk("b", 1)))


class States:
    """What a road's watcher is told, and says."""

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.told: list[tuple[str, Outcome]] = []
        self.rests: list[int] = []
        self.service_routes: dict[str, tuple[str, ...]] = {}

    def is_up(self, key: str) -> bool:
        return key not in self.down

    def note(self, key: str, outcome: Outcome, rest_ms: int = 0) -> None:
        self.told.append((key, outcome))
        self.rests.append(rest_ms)

    def routes(self, key: str) -> tuple[str, ...]:
        return self.service_routes.get(key, ())


STATES: list[States] = []


def two_roads(wiring: Wiring, a: Trunk = A) -> Wiring:
    STATES[:] = [States()]
    roads = Roads({"a": a, "b": B}, routes=(ROUTE,))
    return replace(wiring, roads=roads, road_states=STATES[0])


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[Board]:
    async with open_board(tmp_path, wrap=two_roads) as opened:
        opened.signaling.invite(NUMBER, offer=OFFER)
        await opened.stream()
        yield opened


async def dial(
    board: Board, destination: str = "+918040000009", ring_ms: int = 20_000
) -> SipCallRef:
    await board.ask(Dial(AGENT, DialSpec(destination, to_number=NUMBER, ring_ms=ring_ms)))
    return (await board.signaling.wait_for(sip.Place)).ref


async def refused(board: Board, ref: SipCallRef, status: int = 503) -> SipCallRef:
    """Let the attempt fail; returns the next one."""
    board.signaling.end(ref, status=status)
    return (await board.signaling.wait_for(sip.Place)).ref


def failed(board: Board) -> list[RoadFailed]:
    return [one for one in board.saw("RoadFailed") if isinstance(one, RoadFailed)]


async def gone(board: Board) -> LegGone:
    await until(lambda: board.saw("LegGone"))
    (event,) = board.saw("LegGone")
    assert isinstance(event, LegGone)
    await until(lambda: len(board.switchboard._by_ref) == 1)
    return event


async def test_a_refused_leg_goes_on_by_the_next_trunk_as_a_new_sip_call_sip_17(
    board: Board,
) -> None:
    first = await dial(board)
    second = await refused(board, first)
    before, after = board.signaling.dials[first], board.signaling.dials[second]
    assert before.target == "sip:+918040000009@a.carrier.test"
    assert after.target == "sip:+918040000009@b.carrier.test"
    assert after.offer == before.offer  # the same RTP port and session
    assert len(board.media.legs) == 2
    assert first not in board.switchboard._by_ref
    board.signaling.progress(second)
    board.signaling.accept(second, ANSWER)
    await until(lambda: board.saw("LegUp"))
    (note,) = failed(board)
    assert (note.attempt, note.road, note.outcome, note.after) == (
        1,
        "trunk a",
        "refused",
        "trunk b",
    )
    assert (note.sip_status, note.leg_sid) == (503, AGENT)
    assert STATES[0].told == [("a", "refused"), ("b", "reached")]
    board.signaling.end(second)
    assert (await gone(board)).cause is Cause.NORMAL
    assert not board.switchboard._by_ref.get(second)


async def test_the_last_road_gives_the_leg_its_end(board: Board) -> None:
    second = await refused(board, await dial(board))
    board.signaling.end(second, status=480, q850=0)
    assert (await gone(board)).cause is Cause.NO_ANSWER
    assert [(note.road, note.after) for note in failed(board)] == [
        ("trunk a", "trunk b"),
        ("trunk b", ""),
    ]


@pytest.mark.parametrize("status", [403, 404, 486, 603])
async def test_a_callee_who_says_no_is_not_asked_again(board: Board, status: int) -> None:
    ref = await dial(board)
    board.signaling.end(ref, status=status, q850=0)
    await gone(board)
    assert len(board.signaling.dials) == 1
    assert STATES[0].told == [("a", "reached")]


async def test_a_leg_that_rang_is_not_dialled_again(board: Board) -> None:
    ref = await dial(board)
    board.signaling.progress(ref)
    await until(lambda: board.saw("LegRinging"))
    board.signaling.end(ref, status=480, q850=0)
    await gone(board)
    assert len(board.signaling.dials) == 1
    assert STATES[0].told == [("a", "reached")]


async def test_hanging_up_between_attempts_ends_the_leg_at_once(board: Board) -> None:
    second = await refused(board, await dial(board))
    await board.ask(HangUpLeg(AGENT))
    assert (await board.signaling.wait_for(sip.HangUp)).ref == second
    assert (await gone(board)).party is Party.FLOW
    assert len(board.signaling.dials) == 2


async def test_a_refusal_that_crosses_our_hang_up_leads_nowhere(board: Board) -> None:
    board.signaling.ends_by_itself = False
    ref = await dial(board)
    await board.ask(HangUpLeg(AGENT))
    board.signaling.feed(Ended(ref, "remote", 503))
    await gone(board)
    assert len(board.signaling.dials) == 1


async def test_a_road_that_is_down_is_not_tried(board: Board) -> None:
    STATES[0].down = {"a"}
    ref = await dial(board)
    assert board.signaling.dials[ref].target == "sip:+918040000009@b.carrier.test"
    board.signaling.end(ref, status=486, q850=0)
    await gone(board)


async def test_a_road_is_told_how_long_a_503_wants_to_be_left_alone(board: Board) -> None:
    """RFC 3261 section 21.5.4; a 486 with Retry-After is about the callee."""
    first = await dial(board)
    board.signaling.end(first, status=503, headers=(("Retry-After", "45;duration=9"),))
    second = (await board.signaling.wait_for(sip.Place)).ref
    board.signaling.end(second, status=486, headers=(("Retry-After", "45"),))
    await gone(board)
    assert STATES[0].rests == [45_000, 0]


async def test_invites_go_by_the_service_route_of_the_registration(board: Board) -> None:
    """RFC 3608 section 6.1: only those to this carrier, and no strict router."""
    edge = ("<sip:edge.a.test;lr>", "<sip:core.a.test;lr>")
    STATES[0].service_routes = {"a": edge, "b": ("<sip:strict.b.test>",)}
    first = await dial(board)
    second = await refused(board, first)
    assert board.signaling.dials[first].routes == edge
    assert board.signaling.dials[first].target == "sip:+918040000009@a.carrier.test"
    assert board.signaling.dials[second].routes == ()
    board.signaling.end(second, status=486)
    await gone(board)


async def test_when_every_road_is_down_all_are_tried_all_the_same(board: Board) -> None:
    """One answer that was lost must not cost the next caller the only way out."""
    STATES[0].down = {"a", "b"}
    second = await refused(board, await dial(board))
    assert board.signaling.dials[second].target == "sip:+918040000009@b.carrier.test"
    board.signaling.end(second, status=486, q850=0)
    assert (await gone(board)).cause is Cause.BUSY


async def test_a_full_trunk_is_passed_over_and_has_room_when_its_call_is_gone(
    tmp_path: Path,
) -> None:
    full = replace(A, limit=RoadLimit(calls=1))
    async with open_board(tmp_path, wrap=lambda wiring: two_roads(wiring, full)) as board:
        board.signaling.invite(NUMBER, offer=OFFER)
        await board.stream()
        first = await dial(board)
        await board.ask(Dial(LegSid("two"), DialSpec("+918040000008")))
        second = (await board.signaling.wait_for(sip.Place)).ref
        assert board.signaling.dials[second].target == "sip:+918040000008@b.carrier.test"
        board.signaling.progress(second)
        await until(lambda: failed(board))
        (note,) = failed(board)
        assert (note.outcome, note.road) == ("full", "trunk a")
        assert "1 calls" in note.text
        board.signaling.end(first, status=486)
        await until(lambda: board.saw("LegGone"))
        await board.ask(Dial(LegSid("three"), DialSpec("+918040000007")))
        third = (await board.signaling.wait_for(sip.Place)).ref
        assert board.signaling.dials[third].target == "sip:+918040000007@a.carrier.test"


async def test_a_leg_without_any_room_ends_as_overloaded(tmp_path: Path) -> None:
    def wrap(wiring: Wiring) -> Wiring:
        roads = Roads({"a": replace(A, limit=RoadLimit(calls=1))}, "a")
        return replace(wiring, roads=roads)

    async with open_board(tmp_path, wrap=wrap) as board:
        board.signaling.invite(NUMBER, offer=OFFER)
        await board.stream()
        await dial(board)
        await board.ask(Dial(LegSid("two"), DialSpec("+918040000008")))
        await until(lambda: board.saw("LegGone"))
        (event,) = board.saw("LegGone")
        assert isinstance(event, LegGone)
        assert event.cause is Cause.OVERLOADED
        assert "trunk a: it has 1 calls" in event.text
        await until(lambda: board.media.legs[-1].is_closed)


async def test_early_media_of_a_trunk_may_be_ignored(tmp_path: Path) -> None:
    quiet = replace(A, early_media="ignore")
    async with open_board(tmp_path, wrap=lambda wiring: two_roads(wiring, quiet)) as board:
        board.signaling.invite(NUMBER, offer=OFFER)
        await board.stream()
        ref = await dial(board)
        board.signaling.progress(ref, 183, ANSWER)
        board.signaling.progress(ref, 180)
        await until(lambda: board.saw("LegRinging"))
        (rings,) = board.saw("LegRinging")
        assert isinstance(rings, LegRinging)
        assert not rings.has_early_media
        assert not board.media.legs[-1].remotes
        board.signaling.accept(ref, None)  # its SDP came with the 183
        await until(lambda: board.saw("LegUp"))
        assert board.media.legs[-1].remotes[-1].address == "192.0.2.77"


async def test_progress_without_ringing_does_not_bind_a_leg_whose_early_media_is_ignored(
    tmp_path: Path,
) -> None:
    quiet = replace(A, early_media="ignore")
    async with open_board(tmp_path, wrap=lambda wiring: two_roads(wiring, quiet)) as board:
        board.signaling.invite(NUMBER, offer=OFFER)
        await board.stream()
        ref = await dial(board)
        board.signaling.progress(ref, 183, ANSWER)
        second = await refused(board, ref)
        assert board.signaling.dials[second].target.endswith("@b.carrier.test")


async def trunk_of(board: Board, account_sid: str) -> None:
    """Give an account a trunk with two destinations."""
    maker = await TrunkMaker(board.store, AccountSid(account_sid)).make()
    await maker.destination("sip:192.0.2.71", 1)
    await maker.destination("sip:192.0.2.72", 2)
    await board.directory.refresh()


async def test_a_connect_to_the_sid_of_a_trunk_dials_its_destinations_fl_3_tr_81(
    board: Board,
) -> None:
    await trunk_of(board, "greenleaf1")
    first = await dial(board, f"sip:{TRUNK_SID.upper()}")
    order = board.signaling.dials[first]
    assert order.target == f"sip:{NUMBER}@192.0.2.71"
    headers = dict(order.headers)
    second = await refused(board, first)
    assert board.signaling.dials[second].target == f"sip:{NUMBER}@192.0.2.72"
    assert dict(board.signaling.dials[second].headers) == headers  # X-Exotel-CallSid stays
    assert headers["X-Exotel-LegSid"] == AGENT
    assert STATES[0].told == [(f"{TRUNK_SID}#1", "refused")]


async def test_the_trunk_of_another_account_is_as_good_as_none_fl_3(board: Board) -> None:
    await board.store.accounts.create("Somebody Else", "someoneelse1")
    await trunk_of(board, "someoneelse1")
    await board.ask(Dial(AGENT, DialSpec(f"sip:{TRUNK_SID}", to_number=NUMBER)))
    one = await gone(board)
    other = "trdev1ffffffffffffffffffff0"
    await board.ask(Dial(LegSid("two"), DialSpec(f"sip:{other}", to_number=NUMBER)))
    await until(lambda: len(board.saw("LegGone")) == 2)
    two = board.saw("LegGone")[1]
    assert isinstance(two, LegGone)
    assert (one.cause, one.text.replace(TRUNK_SID, other)) == (two.cause, two.text)


async def second_caller(board: Board, hops_left: int) -> None:
    """Let one more call come in; it is the latest one then."""
    board.signaling.invite(NUMBER, offer=OFFER, hops_left=hops_left)
    await until(lambda: len(board.saw("CallAnswered")) == 2)


@pytest.mark.parametrize(("came_with", "goes_with"), [(70, 69), (2, 1)])
async def test_a_call_that_is_passed_on_has_one_hop_less_sip_11(
    board: Board, came_with: int, goes_with: int
) -> None:
    """RFC 7332 section 4: a ring of servers comes to its end."""
    await second_caller(board, came_with)
    ref = await dial(board)
    assert board.signaling.dials[ref].max_forwards == goes_with


async def test_a_call_without_a_hop_left_is_not_passed_on(board: Board) -> None:
    await second_caller(board, 1)
    await board.ask(Dial(AGENT, DialSpec("+918040000009")))
    await until(lambda: board.saw("LegGone"))
    (event,) = board.saw("LegGone")
    assert isinstance(event, LegGone)
    assert "Max-Forwards" in event.text
