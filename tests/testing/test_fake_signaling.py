import asyncio

import pytest

from agentstream.sip.commands import Answer, HangUp, Place, Ring
from agentstream.sip.reports import Accepted, Confirmed, Ended, Invited, Progressed, Report
from agentstream.sip.signaling import Dial, SignalingEngine
from agentstream.testing.fake_signaling import FakeSignaling


def engine_with_reports() -> tuple[FakeSignaling, list[Report]]:
    engine = FakeSignaling()
    reports: list[Report] = []
    engine.on_report(reports.append)
    return engine, reports


def test_the_fake_is_a_signaling_engine() -> None:
    engine: SignalingEngine = FakeSignaling()
    assert engine is not None


def test_a_call_that_comes_in_is_answered_and_ends_once() -> None:
    engine, reports = engine_with_reports()
    ref = engine.invite("+918000000042", offer="v=0")
    engine.ring(ref)
    engine.answer(ref, "v=0 answer")
    engine.expect(Ring(ref))
    assert engine.take(Answer).sdp == "v=0 answer"
    engine.confirm(ref)
    engine.hang_up(ref, 16)
    engine.hang_up(ref, 16)
    engine.expect(HangUp(ref, 16))
    engine.expect_nothing()
    assert [type(report) for report in reports] == [Invited, Confirmed, Ended]
    assert not engine.is_live(ref)


def test_a_call_that_is_placed_goes_through_its_reports() -> None:
    engine, reports = engine_with_reports()
    ref = engine.place(Dial("sip:bob@198.51.100.9", "sip:alice@192.0.2.10", "v=0"))
    assert engine.take(Place).dial.target == "sip:bob@198.51.100.9"
    engine.progress(ref, 183, "v=0 early")
    engine.accept(ref, "v=0 answer")
    engine.end(ref)
    assert reports == [
        Progressed(ref, 183, "v=0 early"),
        Accepted(ref, "v=0 answer"),
        Ended(ref, "remote", 0, 16),
    ]


def test_a_report_for_a_call_that_is_over_is_a_mistake_of_the_test() -> None:
    engine, _ = engine_with_reports()
    ref = engine.invite()
    engine.end(ref)
    with pytest.raises(AssertionError, match="is over"):
        engine.confirm(ref)


async def test_on_a_loop_the_end_comes_after_the_command_returns() -> None:
    engine, reports = engine_with_reports()
    ref = engine.invite()
    asyncio.get_running_loop().call_soon(engine.reject, ref, 486)
    rejected = engine.wait_for(HangUp)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(rejected, 0.02)
    assert reports[-1] == Ended(ref, "local", 486)
