"""Calls from the invitation to the record, between fakes."""

from functools import partial
from pathlib import Path

import pytest

from agentstream import _media
from agentstream.base.errors import CommandError
from agentstream.base.ids import CallSid
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import HangUp
from agentstream.calls.record import CallLimits
from agentstream.flows.engine import Flow
from agentstream.media.negotiate import LocalMedia, make_offer
from agentstream.sip import commands as sip
from agentstream.sip.reports import InfoReceived, MediaOffered
from agentstream.switch.wiring import SwitchLimits
from agentstream.testing.board import NUMBER, Board, Page, open_board
from agentstream.testing.waiting import until

OFFER = make_offer(LocalMedia(address="192.0.2.1", port=40_000))
GREETING = """
name: greeted
start: hello
applets:
  hello: {type: greeting, text: "%s", next: bye}
  bye: {type: hangup}
"""


def _has_dialled(board: Board, attempts: int) -> bool:
    return bool(board.media.legs) and len(board.leg.streams) == attempts


async def test_a_call_is_answered_streams_and_ends_when_the_bot_closes(board: Board) -> None:
    board.signaling.invite(NUMBER, offer=OFFER)
    answer = await board.signaling.wait_for(sip.Answer)
    assert "m=audio" in answer.sdp
    sid = await board.stream()
    assert board.leg.remotes[0].address == "192.0.2.1"
    assert board.leg.streams[0].addresses == ("192.0.2.9:9000",)
    board.bot_closes(sid)
    record = await board.record()
    assert (record.status, record.ended_by) == ("completed", Party.BOT)
    assert record.streams[0].outcome.disconnected_by == "bot"
    assert [type(fact).__name__ for fact in board.facts][-1] == "CallEnded"


async def test_a_caller_who_hangs_up_ends_the_stream_with_callended(board: Board) -> None:
    ref = board.signaling.invite(NUMBER, offer=OFFER)
    sid = await board.stream()
    board.signaling.end(ref)
    await until(lambda: board.leg.closed_streams)
    closed_sid, code, last_text = board.leg.closed_streams[0]
    assert (closed_sid, code) == (sid, 1000)
    assert last_text is not None
    assert '"callended"' in last_text
    stats = _media.StreamStats()
    board.media.feed(_media.StreamClosed(board.leg.leg_sid, 0, sid, 1000, "", "us", 0, stats))
    record = await board.record()
    assert (record.ended_by, record.streams[0].outcome.status) == (Party.CALLER, "cancelled")


async def test_an_unknown_number_is_refused_with_404(board: Board) -> None:
    board.signaling.invite("+15550000000", offer=OFFER)
    assert board.signaling.take(sip.Reject).status == 404
    assert board.switchboard.counts.refused["not-found"] == 1
    assert not board.media.legs


async def test_no_common_codec_is_refused_with_488_and_its_port_is_freed(board: Board) -> None:
    offer = OFFER.replace("0 8 9", "18").replace("RTP/AVP 0", "RTP/AVP 18")
    lines = [line for line in offer.splitlines() if "PCM" not in line and "G722" not in line]
    board.signaling.invite(NUMBER, offer="\r\n".join([*lines, ""]))
    assert board.signaling.take(sip.Reject).status == 488
    assert board.leg.is_closed


async def test_exhausted_ports_are_answered_503_with_retry_after(board: Board) -> None:
    board.media._ports = 0
    board.signaling.invite(NUMBER, offer=OFFER)
    refused = board.signaling.take(sip.Reject)
    assert refused.status == 503
    assert ("Retry-After", "5") in refused.headers
    record = await board.record()
    assert (record.status, record.cause, record.ended_by) == (
        "failed",
        Cause.NO_PORTS,
        Party.SYSTEM,
    )


async def test_a_delayed_offer_is_answered_by_the_ack(board: Board) -> None:
    ref = board.signaling.invite(NUMBER, offer=None)
    ours = await board.signaling.wait_for(sip.Answer)
    assert "PCMU" in ours.sdp
    assert not board.leg.remotes
    board.signaling.confirm(ref, OFFER)
    await until(lambda: board.leg.remotes)
    await board.stream()


async def test_an_ack_without_the_answer_that_it_owes_ends_the_call(board: Board) -> None:
    ref = board.signaling.invite(NUMBER, offer=None)
    await board.signaling.wait_for(sip.Answer)
    board.signaling.confirm(ref, None)
    await board.signaling.wait_for(sip.HangUp)
    record = await board.record()
    assert record.talk_ms == 0


async def test_hold_and_resume_change_the_media(board: Board) -> None:
    ref = board.signaling.invite(NUMBER, offer=OFFER)
    await board.stream()
    held = make_offer(LocalMedia(address="192.0.2.1", port=40_000, direction="sendonly"))
    board.signaling.feed(MediaOffered(ref, held))
    answer = await board.signaling.wait_for(sip.AnswerMedia)
    assert "a=recvonly" in answer.sdp
    assert board.leg.remotes[-1].sends is False
    board.signaling.feed(MediaOffered(ref, OFFER))
    await board.signaling.wait_for(sip.AnswerMedia)
    assert board.leg.remotes[-1].sends is True


async def test_an_impossible_reoffer_is_refused_and_the_call_goes_on(board: Board) -> None:
    ref = board.signaling.invite(NUMBER, offer=OFFER)
    await board.stream()
    board.signaling.feed(MediaOffered(ref, "v=0\r\nnonsense"))
    await board.signaling.wait_for(sip.RefuseMedia)
    assert board.switchboard.live_calls == 1


async def test_a_key_in_an_info_reaches_the_bot(board: Board) -> None:
    ref = board.signaling.invite(NUMBER, offer=OFFER)
    await board.stream()
    body = "Signal=11\r\nDuration=160\r\n"
    board.signaling.feed(InfoReceived(ref, "application/dtmf-relay", body))
    await until(lambda: board.leg.texts)
    assert '"digit":"#"' in board.leg.texts[0].replace(" ", "")
    assert "160" in board.leg.texts[0]


async def test_a_key_on_the_line_reaches_the_bot(board: Board) -> None:
    board.signaling.invite(NUMBER, offer=OFFER)
    await board.stream()
    board.media.feed(_media.Digit(board.leg.leg_sid, 0, "5", 120, "rfc4733"))
    await until(lambda: board.leg.texts)
    assert '"dtmf"' in board.leg.texts[0]


async def test_a_bot_that_cannot_be_reached_is_tried_twice_and_the_flow_goes_on(
    board: Board,
) -> None:
    """AS-46, ST-5, ST-6, ST-20."""
    board.signaling.invite(NUMBER, offer=OFFER)
    for attempt in (1, 2):
        await until(partial(_has_dialled, board, attempt))
        sid = board.leg.streams[-1].stream_sid
        leg_sid = board.leg.leg_sid
        board.media.feed(_media.StreamFailed(leg_sid, 0, sid, "tcp", 0, "connection refused"))
    record = await board.record()
    outcome = record.streams[0].outcome
    assert outcome.error.startswith("3009 ")
    assert (outcome.status, record.cause) == ("failed", Cause.STREAM_FAILED)


async def test_an_address_that_egress_forbids_fails_the_stream(board: Board) -> None:
    board.web.refusal = "169.254.169.254 is a link-local address"
    board.signaling.invite(NUMBER, offer=OFFER)
    record = await board.record()
    assert "link-local" in record.streams[0].outcome.error
    assert len(board.web.asked) == 1


async def test_a_resolver_names_the_bot(board: Board) -> None:
    """AS-13."""
    await board.flow(
        'name: r\nstart: talk\napplets:\n  talk: {type: voicebot, url: "https://who.example/bot"}\n'
    )
    board.web.page = Page(200, {"content-type": "application/json"}, b'{"url":"ws://b.example/x"}')
    board.signaling.invite(NUMBER, offer=OFFER)
    await board.stream()
    assert board.web.asked[0] == "https://who.example/bot"
    assert board.leg.streams[0].target == "/x"


async def test_a_caller_who_leaves_while_the_bot_is_dialled_leaves_nothing_running(
    board: Board,
) -> None:
    """ST-7."""
    ref = board.signaling.invite(NUMBER, offer=OFFER)
    await until(lambda: board.media.legs and board.leg.streams)
    sid = board.leg.streams[0].stream_sid
    board.signaling.end(ref)
    await until(lambda: board.leg.closed_streams)
    leg_sid = board.leg.leg_sid
    board.media.feed(_media.StreamFailed(leg_sid, 0, sid, "aborted", 0, "the call ended"))
    record = await board.record()
    assert record.streams[0].outcome.disconnected_by == "user"


async def test_a_greeting_speaks_and_the_flow_hangs_up(board: Board) -> None:
    await board.flow(GREETING % "Hello")
    board.signaling.invite(NUMBER, offer=OFFER)
    await until(lambda: board.media.legs and board.leg.prompts)
    assert board.leg.prompts[0].path == "speech-Hello.wav"
    board.leg.finish_prompt()
    record = await board.record()
    assert record.ended_by is Party.FLOW


async def test_a_text_that_cannot_be_spoken_does_not_stop_the_flow(board: Board) -> None:
    await board.flow(GREETING % "unspeakable")
    board.signaling.invite(NUMBER, offer=OFFER)
    await board.record()


async def test_a_command_ends_a_live_call_and_an_unknown_call_is_refused(board: Board) -> None:
    with pytest.raises(CommandError, match="no live call"):
        await board.switchboard.ask(CallSid("nobody"), HangUp(Cause.NORMAL, Party.OPERATOR))
    board.signaling.invite(NUMBER, offer=OFFER)
    sid = await board.stream()
    call_sid = next(iter(board.switchboard._calls))
    await board.switchboard.ask(call_sid, HangUp(Cause.NORMAL, Party.OPERATOR))
    await until(lambda: board.leg.closed_streams)
    stats = _media.StreamStats()
    board.media.feed(_media.StreamClosed(board.leg.leg_sid, 0, sid, 1000, "", "us", 0, stats))
    record = await board.record()
    assert record.ended_by is Party.OPERATOR


async def test_a_flow_finds_the_other_published_flows_of_its_account(board: Board) -> None:
    await board.flow(GREETING % "Sales", "+918000000043")
    board.signaling.invite(NUMBER, offer=OFFER)
    sid = await board.stream()
    (task,) = board.switchboard._calls.values()
    flow = task._journey.flow
    assert isinstance(flow, Flow)
    found = flow._library("flow-918000000043")
    assert found is not None
    assert found.start == "hello"
    assert flow._library("nobody's") is None
    board.bot_closes(sid)
    await board.record()


async def test_lost_media_ends_the_call(board: Board) -> None:
    board.signaling.invite(NUMBER, offer=OFFER)
    sid = await board.stream()
    board.media.feed(_media.RtpTimeout(board.leg.leg_sid, 0, 30_000, False))
    await until(lambda: board.leg.closed_streams)
    board.bot_closes(sid)
    record = await board.record()
    assert record.cause is Cause.NO_MEDIA


async def test_a_socket_that_cannot_be_closed_keeps_neither_its_place_nor_the_legs(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = board.signaling.invite(NUMBER, offer=OFFER)
    await board.stream()

    def fail(*_: object) -> None:
        raise RuntimeError("it cannot be closed")

    monkeypatch.setattr(board.leg, "close_stream", fail)
    board.signaling.end(ref)
    record = await board.record()  # which looks at the places and the legs
    assert record.cause is Cause.NORMAL


async def test_over_the_limit_of_calls_new_ones_get_503(tmp_path: Path) -> None:
    async with open_board(tmp_path, SwitchLimits(calls=1)) as board:
        board.signaling.invite(NUMBER, offer=OFFER)
        await board.stream()
        board.signaling.invite(NUMBER, offer=OFFER)
        assert (await board.signaling.wait_for(sip.Reject)).status == 503


async def test_over_the_limit_of_an_account_its_callers_hear_that_it_is_busy_cc_64(
    tmp_path: Path,
) -> None:
    async with open_board(tmp_path, SwitchLimits(calls_per_account=1)) as board:
        board.signaling.invite(NUMBER, offer=OFFER)
        await board.stream()
        board.signaling.invite(NUMBER, offer=OFFER)
        assert (await board.signaling.wait_for(sip.Reject)).status == 486


async def test_a_draining_switchboard_refuses_new_calls_and_ends_the_old_at_the_deadline(
    tmp_path: Path,
) -> None:
    async with open_board(tmp_path) as board:
        board.signaling.invite(NUMBER, offer=OFFER)
        await board.stream()
        board.switchboard.start_drain()
        board.signaling.invite(NUMBER, offer=OFFER)
        assert (await board.signaling.wait_for(sip.Reject)).status == 503
        assert board.signaling.retry_after_s == 5
        await board.switchboard.drain(timeout_ms=10, grace_ms=300)
        assert board.switchboard.live_calls == 0
        assert all(leg.is_closed for leg in board.media.legs)


async def test_the_time_limit_of_a_call_ends_it(tmp_path: Path) -> None:
    limits = SwitchLimits(call=CallLimits(call_ms=30, stream_close_ms=20))
    async with open_board(tmp_path, limits) as board:
        board.signaling.invite(NUMBER, offer=OFFER)
        await board.stream()
        record = await board.record()
        assert record.cause is Cause.TIME_LIMIT
