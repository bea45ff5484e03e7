"""Calls that are placed, between fakes: ordered, rung, answered, refused, redirected, counted."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentstream import _media
from agentstream.base.clock import SystemClock
from agentstream.base.errors import BusyError, CommandError
from agentstream.base.ids import AccountSid, CallSid, LegSid, StreamSid
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import (
    Dial,
    DialSpec,
    HangUp,
    OpenStream,
    RecordingSpec,
    StreamSpec,
)
from agentstream.calls.events import CallStarted
from agentstream.calls.record import CallLimits
from agentstream.flows.direct import DirectBot, TwoNumbers, bot, two_numbers
from agentstream.flows.document import parse
from agentstream.media.negotiate import LocalMedia, make_offer
from agentstream.sip import commands as sip
from agentstream.sip.reports import SipCallRef
from agentstream.sip.signaling import Dial as Order
from agentstream.switch.call_view import CallView, CallViews
from agentstream.switch.routing import Roads
from agentstream.switch.wiring import SwitchLimits, Wiring
from agentstream.testing.board import CUSTOMER, NUMBER, Board, open_board
from agentstream.testing.waiting import until

OFFER = make_offer(LocalMedia(address="192.0.2.1", port=40_000))
ANSWER = make_offer(LocalMedia(address="192.0.2.77", port=41_000, codecs=("PCMU",)))
SECOND = "+919876500002"
BOT = bot(DirectBot(url="ws://bot.example.net:9000/ws"))
PAIR = two_numbers(TwoNumbers(second=SECOND))
HELLO = parse("name: hello\nstart: hello\napplets:\n  hello: {type: greeting, text: Hello}")


async def place(board: Board, **fields: Any) -> tuple[CallSid, SipCallRef]:
    call_sid = await board.switchboard.place(await board.order(**fields))
    placed = await board.signaling.wait_for(sip.Place)
    return call_sid, placed.ref


async def until_saw(board: Board, name: str, count: int = 1) -> None:
    await until(lambda: len(board.saw(name)) >= count)


def views_of(board: Board) -> CallViews:
    views = CallViews(SystemClock())
    board.feed.subscribe(views.hear, views.KINDS)
    return views


def view(views: CallViews, call_sid: CallSid) -> CallView:
    found = views.find(call_sid)
    assert found is not None
    return found


async def test_an_order_becomes_an_invite_at_once_cc_38(board: Board) -> None:
    call_sid = await board.switchboard.place(
        await board.order(follow=HELLO, ring_ms=20_000, headers=(("X-Ticket", "7"),))
    )
    (ref,) = board.signaling.dials
    order = board.signaling.dials[ref]
    assert order.target == f"sip:{CUSTOMER}@carrier.example:5060"
    assert order.from_uri == f"sip:{NUMBER}@192.0.2.10"
    assert (order.answer_timeout_ms, order.headers) == (20_000, (("X-Ticket", "7"),))
    assert f"m=audio {board.leg.rtp_port} " in (order.offer or "")
    assert board.switchboard.owner(call_sid) == "greenleaf1"
    assert board.switchboard.counts.placed == 1
    (started,) = board.saw("CallStarted")
    assert isinstance(started, CallStarted)
    setup = started.setup
    assert len(setup.call_sid) == 32  # CC-46
    assert (setup.direction, setup.from_number, setup.to_number) == ("outbound", CUSTOMER, NUMBER)
    assert (setup.phone_number, setup.status_leg) == (NUMBER, "first")
    board.signaling.end(ref, status=486, q850=17)
    await board.record()


async def test_a_call_is_noted_before_it_is_dialled_and_one_that_is_refused_is_forgotten(
    board: Board,
) -> None:
    call_sid, _ = await place(board, follow=BOT)
    assert list(board.store.placed.rows) == [call_sid]
    with pytest.raises(CommandError):
        await board.switchboard.place(await board.order(follow=BOT, destination="no number"))
    assert list(board.store.placed.rows) == [call_sid]


async def test_a_party_that_answers_enters_the_flow_af_7_cc_21(board: Board) -> None:
    _, ref = await place(board, follow=HELLO)
    board.signaling.progress(ref, 180)
    await until_saw(board, "LegRinging")
    assert not board.saw("AppletEntered")
    board.signaling.accept(ref, ANSWER)
    await until(lambda: board.leg.prompts)
    assert board.leg.prompts[0].path == "speech-Hello.wav"
    assert board.leg.remotes[-1].address == "192.0.2.77"
    board.leg.finish_prompt()
    record = await board.record()
    assert (record.status, record.ended_by) == ("completed", Party.FLOW)
    assert not [one for one in board.signaling.commands if isinstance(one, sip.Ring | sip.Answer)]


async def test_a_party_that_answers_talks_with_the_bot_until_its_socket_ends_cc_22_cc_63(
    board: Board,
) -> None:
    _, ref = await place(board, follow=BOT, custom_field="order 7")
    board.signaling.accept(ref, ANSWER)
    sid = await board.stream()
    plan = board.leg.streams[-1]
    assert f'"from":"{CUSTOMER}","to":"{NUMBER}"' in plan.opening[1]  # AS-70
    board.bot_closes(sid)
    record = await board.record()
    assert (record.status, record.ended_by) == ("completed", Party.BOT)


async def test_two_numbers_are_connected_cc_20(board: Board) -> None:
    call_sid, ref = await place(board, follow=PAIR, second=SECOND)
    views = views_of(board)
    board.signaling.accept(ref, ANSWER)
    second = await board.signaling.wait_for(sip.Place)
    first_leg, second_leg = board.media.legs
    assert board.signaling.dials[second.ref].target == f"sip:{SECOND}@carrier.example:5060"
    assert board.signaling.dials[second.ref].from_uri == f"sip:{NUMBER}@192.0.2.10"
    assert first_leg.plan is not None
    assert second_leg.plan is not None
    assert first_leg.plan.group == second_leg.plan.group
    board.signaling.accept(second.ref, ANSWER)
    await until(lambda: first_leg.bridged is second_leg)
    board.signaling.end(second.ref)
    record = await board.record()
    assert record.status == "completed"
    assert [leg.status for leg in record.legs] == ["completed", "completed"]
    ended = view(views, call_sid)
    assert [leg.status for leg in ended.legs] == ["completed", "completed"]
    assert not board.switchboard._by_ref
    assert not board.switchboard._by_leg
    assert board.switchboard._room.why_not(record.setup.account_sid, 2_000) is None


@pytest.mark.parametrize(("setting", "status"), [("second", "busy"), ("first", "completed")])
async def test_a_busy_second_number_decides_the_status_or_not_cc_60(
    tmp_path: Path, setting: Any, status: str
) -> None:
    def by_setting(wiring: Wiring) -> Wiring:
        return replace(wiring, two_leg_status=setting)

    async with open_board(tmp_path, wrap=by_setting) as board:
        _, ref = await place(board, follow=PAIR, second=SECOND)
        board.signaling.accept(ref, ANSWER)
        second = await board.signaling.wait_for(sip.Place)
        board.signaling.end(second.ref, status=486, q850=17)
        record = await board.record()
        assert (record.status, record.cause) == (status, Cause.BUSY)
        assert [leg.status for leg in record.legs] == ["completed", "busy"]


@pytest.mark.parametrize(
    ("sip_status", "status", "cause"),
    [
        (486, "busy", Cause.BUSY),
        (480, "no-answer", Cause.NO_ANSWER),
        (603, "failed", Cause.REJECTED),
        (404, "failed", Cause.NOT_FOUND),
        (503, "failed", Cause.OVERLOADED),
    ],
)
async def test_a_party_that_is_not_reached_says_why_cc_61(
    board: Board, sip_status: int, status: str, cause: Cause
) -> None:
    _, ref = await place(board, follow=BOT)
    board.signaling.end(ref, status=sip_status, q850=0)
    record = await board.record()
    assert (record.status, record.cause, record.answered_ms) == (status, cause, None)
    assert not board.saw("AppletEntered")


async def test_what_signalling_says_while_it_is_being_asked_is_not_lost(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    place_it = board.signaling.place

    def refuse_at_once(order: Order) -> SipCallRef:
        ref = place_it(order)
        board.signaling.end(ref, status=404, q850=1)
        return ref

    monkeypatch.setattr(board.signaling, "place", refuse_at_once)
    await board.switchboard.place(await board.order(follow=BOT))
    assert (await board.record()).cause is Cause.NOT_FOUND


async def test_a_call_without_a_flow_does_what_commands_say(board: Board) -> None:
    call_sid, ref = await place(board)
    board.signaling.accept(ref, ANSWER)
    await until_saw(board, "CallAnswered")
    spec = StreamSpec("ws://bot.example.net:9000/ws")
    leg_sid = LegSid(board.leg.leg_sid)
    await board.ask(OpenStream(leg_sid, StreamSid("stream"), spec))
    sid = await board.stream()
    board.bot_closes(sid)
    await until_saw(board, "StreamFinished")
    assert board.switchboard.live_calls == 1, "nobody has hung up"
    await board.ask(Dial(LegSid("agent"), DialSpec(SECOND)))
    other = await board.signaling.wait_for(sip.Place)
    board.signaling.end(other.ref, status=486)
    await until_saw(board, "LegGone")
    with pytest.raises(CommandError, match="follows no flow"):
        await board.switchboard.redirect(call_sid, HELLO)
    await board.switchboard.ask(call_sid, HangUp(Cause.NORMAL, Party.OPERATOR))
    assert (await board.record()).ended_by is Party.OPERATOR


async def test_an_early_bot_waits_for_the_answer_op_6(board: Board) -> None:
    follow = bot(DirectBot(url="ws://bot.example.net:9000/ws", preconnects=True))
    _, ref = await place(board, follow=follow)
    board.signaling.progress(ref, 180)
    await until(lambda: board.leg.streams)
    plan = board.leg.streams[-1]
    board.media.feed(_media.StreamOpen(board.leg.leg_sid, 0, plan.stream_sid, 1, 0, 2))
    await until_saw(board, "StreamHeld")
    assert not board.leg.begun_streams
    board.signaling.accept(ref, ANSWER)
    await until(lambda: board.leg.begun_streams == [plan.stream_sid])
    board.bot_closes(plan.stream_sid)
    await board.record()


async def test_a_call_is_recorded_from_the_answer_to_the_end_af_6(board: Board) -> None:
    _, ref = await place(board, follow=HELLO, recording=RecordingSpec("stereo"))
    board.signaling.progress(ref, 180)
    await until_saw(board, "LegRinging")
    assert not board.leg.recordings
    board.signaling.accept(ref, ANSWER)
    await until(lambda: board.leg.recordings)
    assert board.leg.recordings[0].channels == "stereo"
    board.leg.finish_prompt()
    await until(lambda: board.leg.stopped_recordings)
    record = await board.record()
    assert len(record.recordings) == 1


async def test_a_flow_that_records_records_calls_that_come_in_too_af_6(board: Board) -> None:
    await board.flow(
        "name: kept\nstart: a\nrecord: true\nrecording_channels: stereo\n"
        "applets:\n  a: {type: greeting, text: Hello}"
    )
    ref = board.signaling.invite(NUMBER, offer=OFFER)
    await until(lambda: board.leg.recordings)
    assert board.leg.recordings[0].channels == "stereo"
    board.signaling.end(ref)
    assert len((await board.record()).recordings) == 1


async def test_the_time_limit_is_the_orders_or_the_houses_cc_62(tmp_path: Path) -> None:
    house = SwitchLimits(call=CallLimits(call_ms=600_000))
    async with open_board(tmp_path, house) as board:
        _, ref = await place(board, follow=HELLO, call_ms=40)
        board.signaling.accept(ref, ANSWER)
        record = await board.record()
        assert (record.status, record.cause) == ("completed", Cause.TIME_LIMIT)


async def test_a_live_call_goes_on_in_another_flow_oc_1(board: Board) -> None:
    call_sid, ref = await place(board, follow=BOT)
    with pytest.raises(CommandError, match="not answered"):
        await board.switchboard.redirect(call_sid, HELLO)
    board.signaling.accept(ref, ANSWER)
    sid = await board.stream()
    await board.switchboard.redirect(call_sid, HELLO)
    await until(lambda: board.leg.closed_streams)
    stats = _media.StreamStats()
    board.media.feed(_media.StreamClosed(board.leg.leg_sid, 0, sid, 1000, "", "us", 0, stats))
    await until(lambda: board.leg.prompts)
    board.leg.finish_prompt()
    assert (await board.record()).status == "completed"
    with pytest.raises(CommandError, match="no live call"):
        await board.switchboard.redirect(call_sid, HELLO)


# What cannot be placed


async def nothing_is_left(board: Board, cause: Cause) -> None:
    assert board.switchboard.live_calls == 0
    assert board.switchboard.counts.not_placed == {cause.value: 1}
    assert all(leg.is_closed for leg in board.media.legs)
    assert not board.signaling.dials
    assert not board.facts


@pytest.mark.parametrize(
    ("fields", "cause", "why"),
    [
        ({"destination": "nobody"}, Cause.NUMBER_INCOMPLETE, "not a number"),
        ({"trunk": "other"}, Cause.FAILED, "no trunk named 'other'"),
        ({"destination": "sip:ann@169.254.1.1"}, Cause.REJECTED, "link-local"),
        ({"destination": "sip:ann:secret@192.0.2.7"}, Cause.REJECTED, "neither a password"),
        ({"headers": (("Via", "x"),)}, Cause.FAILED, "'Via' cannot be set"),
    ],
)
async def test_an_order_without_a_road_is_refused_in_a_sentence(
    board: Board, fields: dict[str, Any], cause: Cause, why: str
) -> None:
    with pytest.raises(CommandError, match=why):
        await board.switchboard.place(await board.order(follow=BOT, **fields))
    await nothing_is_left(board, cause)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"ring_ms": 0}, "ring_ms is 1 to 600000, not 0"),
        ({"call_ms": 0}, "call_ms is 1 to 86400000, not 0"),
        ({"destination": "1" * 600}, "longer than 512"),
        ({"headers": tuple((f"X-{n}", "") for n in range(40))}, "number of headers is 0 to 32"),
    ],
)
async def test_an_order_out_of_bounds_is_refused_with_its_field(
    board: Board, fields: dict[str, Any], why: str
) -> None:
    with pytest.raises(CommandError, match=why):
        await board.switchboard.place(await board.order(follow=BOT, **fields))
    assert board.switchboard.live_calls == 0
    assert not board.media.legs


def without_roads(wiring: Wiring) -> Wiring:
    return replace(wiring, roads=Roads())


async def test_without_a_trunk_numbers_are_not_placed(tmp_path: Path) -> None:
    async with open_board(tmp_path, wrap=without_roads) as board:
        with pytest.raises(CommandError, match="no default trunk"):
            await board.switchboard.place(await board.order(follow=BOT))
        await nothing_is_left(board, Cause.FAILED)


@pytest.mark.parametrize(
    ("limits", "second", "fits"),
    [(1, "", True), (0, "", False), (1, SECOND, False), (2, SECOND, True)],
)
async def test_calls_have_a_limit_and_two_numbers_count_twice_cc_64(
    tmp_path: Path, limits: int, second: str, fits: bool
) -> None:
    async with open_board(tmp_path, SwitchLimits(calls=limits)) as board:
        order = await board.order(follow=PAIR, second=second)
        if not fits:
            with pytest.raises(BusyError, match=f"{limits} calls are live"):
                await board.switchboard.place(order)
            await nothing_is_left(board, Cause.OVERLOADED)
            return
        _, ref = await place(board, follow=PAIR, second=second)
        with pytest.raises(BusyError):  # there is room for nobody else
            await board.switchboard.place(await board.order(follow=BOT))
        board.signaling.end(ref, status=486)
        await board.record()
        await place(board, follow=BOT)  # the place is free again


async def test_an_account_begins_so_many_calls_in_a_minute_tr_83(tmp_path: Path) -> None:
    async with open_board(tmp_path, SwitchLimits(begun_per_minute=1)) as board:
        _, ref = await place(board, follow=BOT)
        with pytest.raises(BusyError, match="This account begins 1 calls in a minute"):
            await board.switchboard.place(await board.order(follow=BOT))
        assert board.switchboard.counts.not_placed == {"overloaded": 1}
        board.signaling.end(ref, status=486)
        await board.record()


async def test_without_a_port_a_call_is_not_placed(board: Board) -> None:
    board.media._ports = 0
    with pytest.raises(BusyError, match="No RTP port is free"):
        await board.switchboard.place(await board.order(follow=BOT))
    await nothing_is_left(board, Cause.NO_PORTS)


async def test_a_draining_switchboard_places_no_calls(board: Board) -> None:
    board.switchboard.start_drain()
    with pytest.raises(BusyError, match="about to stop"):
        await board.switchboard.place(await board.order(follow=BOT))
    await nothing_is_left(board, Cause.DRAINING)


async def test_a_drain_cancels_a_call_that_rings(board: Board) -> None:
    await place(board, follow=BOT)
    await board.switchboard.drain(timeout_ms=0, grace_ms=200)
    record = await board.record()
    assert (record.status, record.cause) == ("failed", Cause.DRAINING)


async def test_a_fault_of_ours_lets_go_of_the_leg_that_was_dialled(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(board.switchboard._maker, "make", fail)
    with pytest.raises(RuntimeError):
        await board.switchboard.place(await board.order(follow=PAIR, second=SECOND))
    assert board.leg.is_closed
    await until(lambda: board.signaling.live_calls == 0)
    assert board.switchboard.live_calls == 0


# How it looks while it lives


async def test_a_view_follows_a_call_of_two_numbers_cb_5_cd_3(board: Board) -> None:
    views = views_of(board)
    call_sid, ref = await place(board, follow=PAIR, second=SECOND)

    def looks() -> list[str]:
        return [view(views, call_sid).status, *(leg.status for leg in view(views, call_sid).legs)]

    assert looks() == ["queued", "queued"]
    board.signaling.progress(ref, 180)
    await until_saw(board, "LegRinging")
    assert looks() == ["ringing", "ringing"]
    assert view(views, call_sid).answered_at is None
    board.signaling.accept(ref, ANSWER)
    second = await board.signaling.wait_for(sip.Place)
    await until_saw(board, "LegDialled")
    assert looks() == ["in-progress", "in-progress", "queued"]
    board.signaling.progress(second.ref, 180)
    await until_saw(board, "LegRinging", 2)
    assert looks() == ["in-progress", "in-progress", "ringing"]
    assert view(views, call_sid).talk_ms == 0
    board.signaling.accept(second.ref, ANSWER)
    await until_saw(board, "LegUp")
    assert looks() == ["in-progress", "in-progress", "in-progress"]
    await until(lambda: view(views, call_sid).talk_ms > 0)
    assert [one.setup.call_sid for one in views.live(AccountSid("greenleaf1"))] == [call_sid]
    assert views.live(AccountSid("other")) == []
    board.signaling.end(second.ref)
    record = await board.record()
    assert looks() == ["completed", "completed", "completed"]
    ended = view(views, call_sid)
    assert (ended.cause, ended.ended_at) == (Cause.NORMAL, record.ended_at)
    assert ended.talk_ms == record.conversation_ms
    assert views.live(AccountSid("greenleaf1")) == []
    assert views.find(CallSid("nobody")) is None


async def test_a_view_says_how_a_second_leg_ended_while_the_first_is_there(board: Board) -> None:
    views = views_of(board)
    call_sid, ref = await place(board)
    board.signaling.accept(ref, ANSWER)
    await until_saw(board, "CallAnswered")
    await board.ask(Dial(LegSid("agent"), DialSpec(SECOND)))
    second = await board.signaling.wait_for(sip.Place)
    board.signaling.end(second.ref, status=486)
    await until_saw(board, "LegGone")
    leg = view(views, call_sid).legs[1]
    assert (leg.status, leg.cause, leg.talk_ms) == ("busy", Cause.BUSY, 0)
    await board.switchboard.ask(call_sid, HangUp(Cause.NORMAL, Party.OPERATOR))
    await board.record()
