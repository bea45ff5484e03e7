"""Legs that are steered, between fakes: requests reach the line, and what follows is told."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from agentstream import _media
from agentstream.base.errors import CommandError
from agentstream.base.ids import LegSid
from agentstream.calls.commands import AudioFile, Speech
from agentstream.calls.events import LegTold
from agentstream.flows.document import FlowDocument
from agentstream.flows.legs.settings import LegSettings
from agentstream.flows.legs.verbs import (
    Acknowledged,
    Act,
    Dial,
    Hangup,
    Mute,
    SendDigits,
    StartPlay,
    StartSay,
    StartStream,
    StopSay,
    Verb,
)
from agentstream.media.negotiate import LocalMedia, make_offer
from agentstream.sip import commands as sip
from agentstream.sip.reports import SipCallRef
from agentstream.store.directory import Directory, LegRoute
from agentstream.switch.wiring import Wiring
from agentstream.testing.board import NUMBER, Board, open_board
from agentstream.testing.waiting import until

OFFER = make_offer(LocalMedia(address="192.0.2.1", port=40_000))
ANSWER = make_offer(LocalMedia(address="192.0.2.77", port=41_000, codecs=("PCMU",)))
HELLO = StartSay(Speech("hello"))
BOT = StartStream("ws://bot.example.net:9000/ws")


@pytest.fixture
async def steered(board: Board) -> AsyncIterator[tuple[Board, LegSid]]:
    await board.switchboard.place(await board.order())
    ref = (await board.signaling.wait_for(sip.Place)).ref
    board.signaling.progress(ref, 180)
    board.signaling.accept(ref, ANSWER)
    await until_told(board, "leg_answered")
    yield board, LegSid(board.leg.leg_sid)
    if board.switchboard.live_calls:
        board.signaling.end(ref)
    await board.record()


def told(board: Board) -> list[str]:
    return [fact.name for fact in board.facts if isinstance(fact, LegTold)]


async def until_told(board: Board, name: str) -> LegTold:
    await until(lambda: name in told(board))
    return [fact for fact in board.facts if isinstance(fact, LegTold) and fact.name == name][-1]


async def act(board: Board, leg_sid: LegSid, *verbs: Verb, sid: str = "a1") -> None:
    await board.switchboard.act(Act(sid, leg_sid, verbs))


async def test_a_placed_leg_has_its_stages_told(steered: tuple[Board, LegSid]) -> None:
    board, leg_sid = steered
    assert told(board) == ["leg_connecting", "leg_ringing", "leg_answered"]
    call_sid = board.switchboard.call_of(leg_sid)
    assert call_sid is not None
    assert board.switchboard.owner(call_sid) == "greenleaf1"


async def test_a_prompt_is_told_when_it_is_given_to_the_line(
    steered: tuple[Board, LegSid],
) -> None:
    board, leg_sid = steered
    await act(board, leg_sid, HELLO)
    await until_told(board, "say_started")
    assert board.leg.prompts[-1].path == "speech-hello.wav"
    board.leg.finish_prompt()
    await until_told(board, "say_completed")


async def test_a_sound_that_is_not_there_fails_with_its_reason(
    steered: tuple[Board, LegSid],
) -> None:
    board, leg_sid = steered
    await act(board, leg_sid, StartPlay(AudioFile("https://sounds.example/a.mp3")))
    tale = await until_told(board, "play_failed_to_start")
    assert tale.error is not None
    assert "nothing listens there" in tale.error.description


async def test_a_prompt_that_was_replaced_while_it_was_made_is_never_played(
    steered: tuple[Board, LegSid],
) -> None:
    board, leg_sid = steered
    await act(board, leg_sid, StartSay(Speech("old")))
    await act(board, leg_sid, StartSay(Speech("new")), sid="a2")
    await until(lambda: [tale for tale in told(board) if tale == "say_started"])
    assert board.leg.prompts[-1].path == "speech-new.wav"
    assert board.leg._playing is board.leg.prompts[-1]


async def test_the_bots_first_word_ends_the_greeting_lg_120_lg_123(
    steered: tuple[Board, LegSid],
) -> None:
    board, leg_sid = steered
    await act(board, leg_sid, BOT)
    await act(board, leg_sid, HELLO, sid="a2")
    sid = await board.stream()
    await until_told(board, "say_started")
    board.media.feed(_media.BotAudioStarted(leg_sid, 0, sid))
    await until_told(board, "say_interrupted")
    await act(board, leg_sid, StopSay(), sid="a3")
    assert told(board).count("say_interrupted") == 1
    board.bot_closes(sid)
    tale = await until_told(board, "stream_stopped")
    assert dict(tale.data)["reason"] == "client_closed"


async def test_a_bot_that_refuses_is_told_with_its_status_ex_42(
    steered: tuple[Board, LegSid],
) -> None:
    board, leg_sid = steered
    await act(board, leg_sid, BOT)
    await until(lambda: board.leg.streams)
    sid = board.leg.streams[-1].stream_sid
    board.media.feed(_media.StreamFailed(leg_sid, 0, sid, "upgrade", 403, "HTTP 403"))
    tale = await until_told(board, "stream_failed_to_start")
    assert (dict(tale.data)["http_status"], dict(tale.data)["attempt"]) == (403, 1)
    assert tale.error is not None
    assert tale.error.code == 3009
    assert len(board.leg.streams) == 1, "one attempt"


@pytest.mark.parametrize(
    ("asked", "encoding", "rate_hz", "shown"),
    [
        ("audio/x-mulaw;rate=8000", "mulaw", 8000, "audio/x-mulaw"),
        ("audio/x-alaw;rate=8000", "alaw", 8000, "audio/x-alaw"),
        ("audio/L16;rate=16000", "pcm16", 16000, "audio/x-raw"),
        ("", "pcm16", 8000, "base64"),
    ],
)
async def test_the_format_that_was_asked_for_is_spoken_and_announced_lg_87_lc_6(
    steered: tuple[Board, LegSid], asked: Any, encoding: str, rate_hz: int, shown: str
) -> None:
    board, leg_sid = steered
    await act(board, leg_sid, replace(BOT, format=asked))
    sid = await board.stream()
    plan = board.leg.streams[-1]
    assert (plan.encoding, plan.rate_hz) == (encoding, rate_hz)
    assert f'"encoding":"{shown}","sample_rate":"{rate_hz}"' in plan.opening[1]
    board.bot_closes(sid)
    await until_told(board, "stream_stopped")


async def test_a_leg_is_muted_on_the_line_ex_25(steered: tuple[Board, LegSid]) -> None:
    board, leg_sid = steered
    await act(board, leg_sid, Mute("in"))
    assert board.leg.muted == (True, False, False)
    await act(board, leg_sid, SendDigits("1#"), sid="a2")
    assert board.leg.digits == ["1#"]


async def test_a_dialled_party_is_steered_by_its_own_sid_ex_21_ex_45(
    steered: tuple[Board, LegSid],
) -> None:
    board, leg_sid = steered
    await act(board, leg_sid, Dial("+919876500002", NUMBER, absorb_dtmf=True))
    second = LegSid(str(dict((await until_told(board, "dial_initiated")).data)["second_leg_sid"]))
    place = await board.signaling.wait_for(sip.Place)
    assert board.signaling.dials[place.ref].from_uri == f"sip:{NUMBER}@192.0.2.10"
    board.signaling.accept(place.ref, ANSWER)
    await until_told(board, "dial_success")
    first_leg, second_leg = board.media.legs
    assert first_leg.bridged is second_leg
    assert not first_leg.relays_digits
    assert board.switchboard.call_of(second) == board.switchboard.call_of(leg_sid)
    await act(board, second, Hangup(), sid="a2")
    board.signaling.end(place.ref)
    await until_told(board, "dial_completed")


async def test_a_leg_without_a_call_cannot_be_steered_lg_105(
    steered: tuple[Board, LegSid],
) -> None:
    board, leg_sid = steered
    assert board.switchboard.call_of(LegSid("nobody")) is None
    with pytest.raises(CommandError, match="no live leg"):
        await act(board, LegSid("nobody"), HELLO)
    await act(board, leg_sid, Hangup())
    with pytest.raises(CommandError, match="has ended"):
        await act(board, leg_sid, HELLO)
    await board.record()


async def test_the_legs_of_a_flow_cannot_be_steered(board: Board) -> None:
    ref = board.signaling.invite(NUMBER, offer=OFFER)
    sid = await board.stream()
    with pytest.raises(CommandError, match="follows a flow"):
        await act(board, LegSid(board.leg.leg_sid), HELLO)
    board.bot_closes(sid)
    board.signaling.end(ref)
    await board.record()


class Attached:
    """A directory in which NUMBER is attached to an endpoint."""

    def __init__(self, inner: Directory[FlowDocument], answers: Any) -> None:
        self._inner = inner
        self._answers = answers

    def find(self, number: str) -> LegRoute | None:
        """Return the way to the endpoint."""
        account = self._inner.account("greenleaf1")
        assert account is not None
        return LegRoute(number, account, self._answers)


@pytest.mark.parametrize("answers", ["auto", "manual"])
async def test_a_number_may_ring_a_leg_that_is_steered_lg_110_lg_112(
    tmp_path: Path, answers: str
) -> None:
    def attach(wiring: Wiring) -> Wiring:
        directory = cast("Directory[FlowDocument]", Attached(wiring.directory, answers))
        settings = LegSettings(auto_answer_ms=60_000, manual_answer_ms=100)
        return replace(wiring, directory=directory, legs=settings)

    async with open_board(tmp_path, wrap=attach) as board:
        ref: SipCallRef = board.signaling.invite(NUMBER, offer=OFFER)
        await until_told(board, "leg_ringing")
        await board.signaling.wait_for(sip.Ring)
        await board.switchboard.act(Acknowledged(LegSid(board.leg.leg_sid)))
        if answers == "auto":
            await until_told(board, "leg_answered")
            board.signaling.end(ref)
        record = await board.record()
        assert record.setup.flow_sid is None
        assert record.status == ("completed" if answers == "auto" else "no-answer")
        assert told(board)[-1] == "leg_terminated"
