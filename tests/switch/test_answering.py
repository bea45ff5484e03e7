"""Who answers a call that is placed, between fakes: from the order to the call's row."""

from pathlib import Path
from typing import Any

import pytest

from agentstream import _media
from agentstream.base.clock import SystemClock
from agentstream.calls.answering import AnswerCriteria, AnswerMode, Verdict
from agentstream.calls.events import AnswerJudged
from agentstream.calls.record import CallRecord
from agentstream.flows.document import parse
from agentstream.hooks.call_records import CallRecords
from agentstream.media.negotiate import LocalMedia, make_offer
from agentstream.media.plan import AnswerPlan
from agentstream.sip import commands as sip
from agentstream.store.values import CallRecord as Row
from agentstream.store.values import Written
from agentstream.switch.call_view import CallViews
from agentstream.switch.wiring import SwitchLimits
from agentstream.testing.board import Board, open_board
from agentstream.testing.waiting import until

ANSWER = make_offer(LocalMedia(address="192.0.2.77", port=41_000, codecs=("PCMU",)))
BY_ANSWER = parse(
    """
name: by answer
start: who
applets:
  who: {type: switch_case, by: answered_by, cases: {Machine: leave, Human: greet}, default: wait}
  leave: {type: greeting, text: Message}
  greet: {type: greeting, text: Person}
  wait: {type: greeting, text: Either}
"""
)


async def answered(board: Board, amd: AnswerMode) -> None:
    await board.switchboard.place(await board.order(follow=BY_ANSWER, amd=amd))
    placed = await board.signaling.wait_for(sip.Place)
    board.signaling.accept(placed.ref, ANSWER)


def judge(board: Board, result: Any, elapsed_ms: int = 1_700) -> None:
    leg = board.leg
    board.media.feed(_media.AnswerJudged(leg.leg_sid, 0, result, elapsed_ms, "pause"))


async def prompt(board: Board) -> str:
    await until(lambda: board.leg.prompts)
    return board.leg.prompts[0].path


async def ended(board: Board) -> CallRecord:
    board.leg.finish_prompt()
    return await board.record()


@pytest.mark.parametrize(
    ("result", "said"), [("human", "Person"), ("machine", "Message"), ("unknown", "Either")]
)
async def test_a_flow_that_waits_for_the_verdict_takes_its_way_lg_33(
    board: Board, result: str, said: str
) -> None:
    await answered(board, "sync")
    await until(lambda: board.leg.answer_plan is not None)
    assert not board.saw("CallAnswered")
    judge(board, result)
    assert await prompt(board) == f"speech-{said}.wav"
    record = await ended(board)
    verdict = record.legs[0].verdict
    assert verdict is not None
    assert (verdict.answerer, verdict.elapsed_ms) == (result, 1_700)


async def test_a_flow_that_does_not_wait_begins_at_once_and_learns_the_verdict_lg_33(
    board: Board,
) -> None:
    views = CallViews(SystemClock())
    board.feed.subscribe(views.hear, views.KINDS)
    rows: list[Written] = []
    records = CallRecords(lambda *given: rows.extend(given))
    board.feed.subscribe(records.hear, records.KINDS)
    await answered(board, "async")
    assert await prompt(board) == "speech-Either.wav"
    judge(board, "machine")
    board.media.feed(_media.BeepHeard(board.leg.leg_sid, 0, 9_100, 1_000))
    await until(lambda: board.saw("BeepHeard"))
    (judged,) = board.saw("AnswerJudged")
    assert isinstance(judged, AnswerJudged)
    view = views.find(judged.call_sid)
    assert view is not None
    assert view.legs[0].verdict == Verdict("machine", 1_700, "pause", beep_ms=9_100)
    assert view.legs[0].answered_by == "machine"
    await ended(board)
    [row] = [row for row in rows if isinstance(row, Row)]
    leg = row.legs[0]
    assert (leg.answered_by, leg.judged_ms, leg.beep_ms) == ("machine", 1_700, 9_100)


async def test_a_call_that_does_not_ask_listens_to_nothing_lg_32(board: Board) -> None:
    await answered(board, "off")
    assert await prompt(board) == "speech-Either.wav"
    assert board.leg.answer_plan is None
    record = await ended(board)
    assert record.legs[0].verdict is None


@pytest.mark.parametrize(("amd", "total_ms"), [("sync", 3_800), ("async", 10_000)])
async def test_the_criteria_of_the_house_are_listened_with(
    tmp_path: Path, amd: AnswerMode, total_ms: int
) -> None:
    criteria = AnswerCriteria(greeting_ms=2_000, total_analysis_ms=10_000)
    async with open_board(tmp_path, SwitchLimits(answering=criteria)) as board:
        await answered(board, amd)
        await until(lambda: board.leg.answer_plan is not None)
        plan = board.leg.answer_plan
        assert isinstance(plan, AnswerPlan)
        assert (plan.greeting_ms, plan.total_analysis_ms) == (2_000, total_ms)
        judge(board, "human")
        await prompt(board)
        await ended(board)
