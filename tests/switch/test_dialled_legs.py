"""Legs that a call dials, between fakes: placed, rung, answered, bridged, ended, forgotten."""

from dataclasses import replace
from pathlib import Path

import pytest

from agentstream import _media
from agentstream.base.ids import LegSid, PromptId, RecordingSid
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import (
    AudioFile,
    Bridge,
    Dial,
    DialSpec,
    HangUp,
    HangUpLeg,
    PauseRecording,
    Play,
    ResumeRecording,
    SendDigits,
    StartRecording,
    Unbridge,
    WatchSilence,
)
from agentstream.calls.events import LegGone, LegRinging
from agentstream.calls.record import CallLimits
from agentstream.media.negotiate import LocalMedia, make_offer
from agentstream.sip import commands as sip
from agentstream.sip.reports import InfoReceived, MediaAnswered, MediaOffered, SipCallRef
from agentstream.sip.signaling import Dial as Order
from agentstream.switch.routing import Roads, Trunk
from agentstream.switch.wiring import SwitchLimits, Wiring
from agentstream.testing.board import NUMBER, Board, open_board
from agentstream.testing.fake_media import FakeLeg
from agentstream.testing.waiting import until

OFFER = make_offer(LocalMedia(address="192.0.2.1", port=40_000))
ANSWER = make_offer(LocalMedia(address="192.0.2.77", port=41_000, codecs=("PCMU",)))
HELD = make_offer(LocalMedia(address="192.0.2.77", port=41_000, direction="sendonly"))
AGENT = LegSid("agent")
TO_AGENT = Dial(AGENT, DialSpec("+918040000009", ring_ms=20_000))


async def a_call(board: Board) -> SipCallRef:
    """Let a caller talk to a bot."""
    ref = board.signaling.invite(NUMBER, offer=OFFER)
    await board.stream()
    return ref


async def dial(board: Board, wish: Dial = TO_AGENT) -> tuple[SipCallRef, FakeLeg]:
    """Dial one more party."""
    await board.ask(wish)
    placed = await board.signaling.wait_for(sip.Place)
    return placed.ref, board.leg


async def a_talk(board: Board) -> tuple[SipCallRef, SipCallRef, FakeLeg, FakeLeg]:
    """Let two parties hear each other."""
    caller_ref = await a_call(board)
    caller = board.leg
    ref, agent = await dial(board)
    board.signaling.accept(ref, ANSWER)
    await until(lambda: board.saw("LegUp"))
    await board.ask(Bridge(LegSid(caller.leg_sid), AGENT))
    return caller_ref, ref, caller, agent


async def goes_on(board: Board) -> None:
    """Check that the caller still talks, and that nothing of the dialled leg is left."""
    await until(lambda: board.saw("LegGone"))
    await until(lambda: len(board.switchboard._by_leg) == 1)
    assert len(board.switchboard._by_ref) == 1
    assert board.switchboard.live_calls == 1
    assert not board.saw("CallHungUp")


async def ends(board: Board) -> None:
    """Let the caller go, and see that the record knows of everybody."""
    stream = next(leg.streams for leg in board.media.legs if leg.streams)[-1]
    await board.ask(HangUp(Cause.NORMAL, Party.OPERATOR))
    stats = _media.StreamStats()
    caller = board.media.legs[0].leg_sid
    board.media.feed(_media.StreamClosed(caller, 0, stream.stream_sid, 1000, "", "us", 0, stats))
    record = await board.record()
    assert len(record.legs) == 1 + len(board.saw("LegDialled"))
    assert not board.switchboard._by_leg
    assert not board.switchboard._by_ref
    assert board.signaling.live_calls == 0


def gone(board: Board) -> LegGone:
    (event,) = board.saw("LegGone")
    assert isinstance(event, LegGone)
    return event


async def test_a_number_is_dialled_by_the_trunk_with_our_offer(board: Board) -> None:
    await a_call(board)
    ref, agent = await dial(board)
    order = board.signaling.dials[ref]
    assert order.target == "sip:+918040000009@carrier.example:5060"
    assert order.from_uri == f"sip:{NUMBER}@192.0.2.10"  # AP-47
    assert order.answer_timeout_ms == 20_000
    assert order.offer is not None
    assert f"m=audio {agent.rtp_port} " in order.offer
    assert "192.0.2.10" in order.offer
    assert agent.leg_sid == AGENT
    plans = [leg.plan for leg in board.media.legs]
    assert len({plan.group for plan in plans if plan}) == 1  # they may be bridged: one thread
    assert board.switchboard.counts.dialled == 1
    await ends(board)


async def test_a_callee_rings_answers_talks_and_hangs_up(board: Board) -> None:
    _, ref, caller, agent = await a_talk(board)
    assert agent.remotes[-1].address == "192.0.2.77"
    assert caller.bridged is agent
    board.signaling.end(ref)
    await goes_on(board)
    assert (gone(board).cause, gone(board).party) == (Cause.NORMAL, Party.CALLEE)
    assert caller.bridged is None
    assert agent.is_closed
    assert not caller.is_closed
    counted = board.saw("LegCounted")
    assert [getattr(note, "sip_call_id", "") for note in counted] == [f"{ref}@192.0.2.10"]
    await ends(board)


async def test_early_media_is_heard_before_the_answer(board: Board) -> None:
    await a_call(board)
    caller = board.leg
    ref, agent = await dial(board)
    board.signaling.progress(ref, 180)
    await until(lambda: board.saw("LegRinging"))
    assert not agent.remotes
    board.signaling.progress(ref, 183, ANSWER)
    await until(lambda: len(board.saw("LegRinging")) == 2)
    early = board.saw("LegRinging")[-1]
    assert isinstance(early, LegRinging)
    assert early.has_early_media
    assert agent.remotes
    await board.ask(Bridge(LegSid(caller.leg_sid), AGENT))
    assert caller.bridged is agent
    board.signaling.accept(ref, None)  # all was said in the 183
    await until(lambda: board.saw("LegUp"))
    assert caller.bridged is agent
    await ends(board)


async def test_early_media_that_cannot_be_used_is_only_ringing(board: Board) -> None:
    await a_call(board)
    ref, agent = await dial(board)
    board.signaling.progress(ref, 183, "v=0\r\nnonsense")
    await until(lambda: board.saw("LegRinging"))
    assert not agent.remotes
    board.signaling.accept(ref, ANSWER)
    await until(lambda: board.saw("LegUp"))
    await ends(board)


@pytest.mark.parametrize("sdp", [None, "v=0\r\nnonsense"])
async def test_a_callee_who_answers_without_usable_sdp_is_hung_up(
    board: Board, sdp: str | None
) -> None:
    await a_call(board)
    ref, _ = await dial(board)
    board.signaling.accept(ref, sdp)
    assert (await board.signaling.wait_for(sip.HangUp)).q850 == 88
    await goes_on(board)
    assert (gone(board).cause, gone(board).talk_ms) == (Cause.NO_COMMON_CODEC, 0)
    await ends(board)


@pytest.mark.parametrize(
    ("status", "cause"), [(486, Cause.BUSY), (603, Cause.REJECTED), (404, Cause.NOT_FOUND)]
)
async def test_a_refusal_says_why(board: Board, status: int, cause: Cause) -> None:
    await a_call(board)
    ref, _ = await dial(board)
    board.signaling.end(ref, status=status, q850=0)
    await goes_on(board)
    assert (gone(board).cause, gone(board).party) == (cause, Party.CALLEE)
    await ends(board)


async def test_a_ring_timeout_of_signalling_is_no_answer(board: Board) -> None:
    await a_call(board)
    ref, _ = await dial(board)
    board.signaling.end(ref, "local", 408, 0)
    await goes_on(board)
    assert (gone(board).cause, gone(board).party) == (Cause.NO_ANSWER, Party.SYSTEM)
    await ends(board)


async def test_whoever_is_hung_up_while_it_rings_is_cancelled(board: Board) -> None:
    await a_call(board)
    ref, _ = await dial(board)
    await board.ask(HangUpLeg(AGENT))
    assert (await board.signaling.wait_for(sip.HangUp)).ref == ref
    await goes_on(board)
    assert gone(board).cause is Cause.CANCELED
    await ends(board)


async def test_the_end_of_the_caller_ends_whoever_rings(board: Board) -> None:
    caller_ref = await a_call(board)
    sid = board.leg.streams[-1].stream_sid
    leg_sid = board.leg.leg_sid
    ref, _ = await dial(board)
    board.signaling.progress(ref)
    await until(lambda: board.saw("LegRinging"))
    board.signaling.end(caller_ref)
    assert (await board.signaling.wait_for(sip.HangUp)).ref == ref
    stats = _media.StreamStats()
    board.media.feed(_media.StreamClosed(leg_sid, 0, sid, 1000, "", "us", 0, stats))
    record = await board.record()
    assert (record.ended_by, record.legs[1].cause) == (Party.CALLER, Cause.CANCELED)
    assert board.signaling.live_calls == 0


async def test_a_destination_without_a_road_ends_the_leg_with_a_sentence(board: Board) -> None:
    await a_call(board)
    await board.ask(Dial(AGENT, DialSpec("not a number")))
    await goes_on(board)
    assert gone(board).cause is Cause.NUMBER_INCOMPLETE
    assert gone(board).text == "'not a number' is not a number that can be dialled."
    assert len(board.media.legs) == 1
    await ends(board)


async def test_without_a_free_port_the_leg_ends_and_the_call_goes_on(board: Board) -> None:
    await a_call(board)
    board.media._ports = 1
    await board.ask(TO_AGENT)
    await goes_on(board)
    assert gone(board).cause is Cause.NO_PORTS
    await ends(board)


async def test_a_call_that_fails_as_it_is_placed_ends_its_leg(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signalling engine may report the end before `place` returns."""
    await a_call(board)
    place = board.signaling.place

    def fail(order: Order) -> SipCallRef:
        ref = place(order)
        board.signaling.end(ref, "local", 400, 0)
        return ref

    monkeypatch.setattr(board.signaling, "place", fail)
    await board.ask(TO_AGENT)
    await goes_on(board)
    await ends(board)


async def test_hold_by_either_party_ends_nothing(board: Board) -> None:
    caller_ref, ref, caller, agent = await a_talk(board)
    for held_ref, held, leg in (
        (ref, HELD, agent),
        (caller_ref, HELD.replace("192.0.2.77", "192.0.2.1"), caller),
    ):
        board.signaling.feed(MediaOffered(held_ref, held))
        answer = await board.signaling.wait_for(sip.AnswerMedia)
        assert "a=recvonly" in answer.sdp
        assert leg.remotes[-1].sends is False
    board.signaling.feed(MediaOffered(ref, ANSWER.replace(" 1 1 IN", " 1 2 IN")))
    await board.signaling.wait_for(sip.AnswerMedia)
    assert agent.remotes[-1].sends is True
    assert caller.bridged is agent
    await ends(board)


async def test_an_offer_may_be_asked_of_us_later(board: Board) -> None:
    _, ref, _, agent = await a_talk(board)
    board.signaling.feed(MediaOffered(ref, None))
    ours = await board.signaling.wait_for(sip.AnswerMedia)
    assert f"m=audio {agent.rtp_port} " in ours.sdp
    before = len(agent.remotes)
    board.signaling.feed(MediaAnswered(ref, ANSWER))
    await until(lambda: len(agent.remotes) > before)
    board.signaling.feed(MediaOffered(ref, None))
    await board.signaling.wait_for(sip.AnswerMedia)
    board.signaling.feed(MediaAnswered(ref, "v=0\r\nnonsense"))
    await board.signaling.wait_for(sip.HangUp)
    await goes_on(board)
    await ends(board)


async def test_keys_of_the_callee_come_by_info_or_by_rtp(board: Board) -> None:
    _, ref, _, _ = await a_talk(board)
    board.signaling.feed(InfoReceived(ref, "application/dtmf-relay", "Signal=5\r\nDuration=90\r\n"))
    board.signaling.feed(InfoReceived(ref, "text/plain", "5"))
    board.media.feed(_media.Digit(AGENT, 0, "6", 120, "rfc4733"))
    await until(lambda: len(board.saw("DigitReceived")) == 2)
    assert {getattr(press, "digit", "") for press in board.saw("DigitReceived")} == {"5", "6"}
    await ends(board)


async def test_what_is_ordered_for_a_leg_goes_to_its_own_audio(board: Board) -> None:
    _, _, caller, agent = await a_talk(board)
    recording = RecordingSid("r1")
    await board.ask(
        Play(AGENT, PromptId("p1"), AudioFile("whisper.wav")),
        SendDigits(AGENT, "12"),
        StartRecording(AGENT, recording),
        PauseRecording(recording),
        ResumeRecording(recording),
        WatchSilence(AGENT, 2_000),
        Unbridge(AGENT),
    )
    assert (agent.prompts[0].path, agent.digits, agent.silence_ms) == ("whisper.wav", ["12"], 2_000)
    assert (agent.paused_recordings, agent.resumed_recordings) == (["r1"], ["r1"])
    assert agent.recordings[0].recording_sid == recording
    assert agent.bridged is None
    assert not caller.prompts
    await ends(board)


async def test_silence_is_told_of_the_leg_that_is_watched(board: Board) -> None:
    _, _, caller, _ = await a_talk(board)
    await board.ask(WatchSilence(LegSid(caller.leg_sid), 2_000))
    board.media.feed(_media.Silence(caller.leg_sid, 0, 2_004))
    await until(lambda: board.saw("SilenceHeard"))
    assert [getattr(event, "silent_ms", 0) for event in board.saw("SilenceHeard")] == [2_004]
    await ends(board)


async def test_a_trunk_may_let_the_carrier_offer_first(tmp_path: Path) -> None:
    late = Trunk("late", "sip:late.example", offers_late=True)

    def wrap(wiring: Wiring) -> Wiring:
        return replace(wiring, roads=Roads({"late": late}, "late"))

    async with open_board(tmp_path, wrap=wrap) as board:
        await a_call(board)
        ref, agent = await dial(board)
        assert board.signaling.dials[ref].offer is None
        board.signaling.progress(ref, 183, ANSWER)  # an offer that only the 200 may bring
        await until(lambda: board.saw("LegRinging"))
        assert not agent.remotes
        board.signaling.accept(ref, ANSWER)
        assert "m=audio" in (await board.signaling.wait_for(sip.AnswerMedia)).sdp
        await until(lambda: board.saw("LegUp"))
        assert agent.remotes[-1].address == "192.0.2.77"
        await ends(board)


async def test_ten_ring_one_answers_and_nine_are_cancelled(board: Board) -> None:
    await a_call(board)
    parties = [LegSid(f"party-{number}") for number in range(10)]
    refs = {}
    for leg_sid in parties:
        refs[leg_sid], _ = await dial(board, Dial(leg_sid, TO_AGENT.spec))
    for ref in refs.values():
        board.signaling.progress(ref)
    board.signaling.accept(refs[parties[4]], ANSWER)
    await until(lambda: board.saw("LegUp"))
    losers = [leg_sid for leg_sid in parties if leg_sid != parties[4]]
    await board.ask(*(HangUpLeg(leg_sid) for leg_sid in losers))
    await until(lambda: len(board.saw("LegGone")) == 9)
    await until(lambda: len(board.switchboard._by_leg) == 2)
    assert sum(leg.is_closed for leg in board.media.legs) == 9
    assert board.signaling.live_calls == 2
    await ends(board)


async def test_a_leg_whose_signalling_never_ends_is_written_off_and_forgotten(
    tmp_path: Path,
) -> None:
    limits = SwitchLimits(call=CallLimits(leg_close_ms=30))
    async with open_board(tmp_path, limits) as board:
        await a_call(board)
        board.signaling.ends_by_itself = False
        ref, agent = await dial(board)
        await board.ask(HangUpLeg(AGENT))
        await goes_on(board)
        assert agent.is_closed
        board.signaling.ends_by_itself = True
        board.signaling.end(ref)  # too late: nobody knows it any more
        await ends(board)
