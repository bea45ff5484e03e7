"""Views of live calls: bounded, and kept until the rows of an ended call can be there."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from agentstream.base.ids import AccountSid, CallSid, LegSid, RecordingSid
from agentstream.calls.causes import Cause, Party
from agentstream.calls.events import (
    CallAnswered,
    CallEnded,
    CallStarted,
    LegDialled,
    LegGone,
    LegRinging,
    LegUp,
    RecordingFinished,
)
from agentstream.calls.record import RecordingRecord
from agentstream.store.call_query import CallQuery, Place
from agentstream.switch.call_view import ENDED_LIMIT, LIVE_LIMIT, CallViews
from agentstream.testing.calls import CALL, LEG, STARTED_AT, make_setup
from agentstream.testing.facts import ended_record, fact
from agentstream.testing.manual_clock import ManualClock


def started(number: int) -> CallStarted:
    return CallStarted(CallSid(str(number)), LegSid(f"leg-{number}"), make_setup())


def test_a_call_that_comes_in_rings_talks_and_ends() -> None:
    clock = ManualClock()
    views = CallViews(clock)
    views.hear(fact(CallStarted(CALL, LEG, make_setup())))
    ringing = views.find(CALL)
    assert ringing is not None
    assert (ringing.status, ringing.updated_at, ringing.talk_ms) == ("ringing", STARTED_AT, 0)
    answered = fact(CallAnswered(CALL, LEG), at_ms=2_000)
    views.hear(answered)
    clock.advance(answered.at_ms + 7_000 - clock.now_ms())
    talking = views.find(CALL)
    assert talking is not None
    assert (talking.status, talking.answered_at) == ("in-progress", answered.at)
    assert (talking.talk_ms, talking.legs[0].talk_ms) == (7_000, 7_000)
    views.hear(fact(RecordingFinished(CALL, LEG, RecordingSid("r"), 900, "https://a/r.mp3", "")))
    views.hear(fact(RecordingFinished(CALL, LEG, RecordingSid("s"), 0, "", "disk full")))
    recorded = views.find(CALL)
    assert recorded is not None
    assert recorded.recording_url == "https://a/r.mp3"
    views.hear(fact(CallEnded(CALL, ended_record())))
    ended = views.find(CALL)
    assert ended is not None
    assert (ended.status, ended.cause, ended.talk_ms) == ("completed", Cause.NORMAL, 41_000)
    assert views.live(AccountSid("greenleaf1")) == []


def test_a_call_that_outlives_its_first_leg_goes_on_with_the_others_br_9() -> None:
    clock, agent = ManualClock(), LegSid("agent")
    views = CallViews(clock)
    for at_ms, event in (
        (0, CallStarted(CALL, LEG, make_setup())),
        (1_000, CallAnswered(CALL, LEG)),
        (2_000, LegDialled(CALL, agent, "3", "2")),
        (3_000, LegUp(CALL, agent)),
        (8_000, LegGone(CALL, LEG, Cause.NORMAL, Party.CALLER, 7_000, "")),
    ):
        views.hear(fact(event, at_ms=at_ms))
    clock.advance(20_000)
    live = views.find(CALL)
    assert live is not None
    assert (live.status, live.talk_ms) == ("in-progress", 5_000)
    assert [(leg.status, leg.talk_ms) for leg in live.legs] == [
        ("completed", 7_000),
        ("in-progress", 17_000),
    ]


def test_the_recording_of_an_ended_call_is_the_last_whole_one() -> None:
    views = CallViews(ManualClock())
    recordings = [
        RecordingRecord(RecordingSid(name), LEG, 900, "", url, error)
        for name, url, error in (("a", "/a.mp3", ""), ("b", "/b.mp3", ""), ("c", "", "disk full"))
    ]
    record = replace(ended_record(), recordings=tuple(recordings))
    views.hear(fact(CallEnded(CALL, record)))
    view = views.find(CALL)
    assert view is not None
    assert view.recording_url == "/b.mp3"


def test_calls_that_never_end_and_calls_that_have_do_not_pile_up() -> None:
    views = CallViews(ManualClock())
    for number in range(LIVE_LIMIT + 10):
        views.hear(fact(started(number)))
    assert len(views.live(AccountSid("greenleaf1"))) == LIVE_LIMIT
    assert views.find(CallSid("9")) is None
    assert views.find(CallSid("10")) is not None
    for number in range(10, ENDED_LIMIT + 20):
        views.hear(fact(CallEnded(CallSid(str(number)), ended_record())))
    assert views.find(CallSid("19")) is None
    assert views.find(CallSid("20")) is not None


def test_a_call_whose_row_is_written_is_found_and_no_longer_among_those_that_have_ended() -> None:
    views, mine = CallViews(ManualClock()), make_setup().account_sid
    for number in range(3):
        views.hear(fact(started(number)))
        views.hear(fact(CallEnded(CallSid(str(number)), ended_record())))
    assert views.without_row(CallQuery(mine))[1] == 3
    views.written([CallSid("0"), CallSid("2"), CallSid("nobody")])
    assert views.without_row(CallQuery(mine)) == ([views.find(CallSid("1"))], 1)
    assert views.find(CallSid("0")) is not None


def test_calls_without_a_row_are_chosen_as_rows_are_up_6() -> None:
    views, mine = CallViews(ManualClock()), make_setup().account_sid
    begun = [STARTED_AT + timedelta(seconds=number) for number in range(3)]
    setups = [
        replace(
            make_setup(), call_sid=CallSid(str(number)), started_at=at, from_number=f"+9{number}"
        )
        for number, at in enumerate(begun)
    ]
    for setup in setups:
        views.hear(fact(CallStarted(setup.call_sid, LEG, setup)))
    ended = CallEnded(CallSid("1"), replace(ended_record(), setup=setups[1]))
    views.hear(fact(ended))

    def sids(**asked: Any) -> list[str]:
        found, _ = views.without_row(CallQuery(mine, **asked))
        return [view.sid for view in found]

    assert sids() == ["2", "1", "0"]
    assert sids(order="oldest", limit=2) == ["0", "1"]
    assert views.without_row(CallQuery(mine, limit=1))[1] == 3
    assert sids(statuses=("completed",)) == ["1"]
    assert sids(from_numbers=("+92",)) == ["2"]
    assert sids(older_than=Place(begun[1], "1")) == ["0"]
    assert sids(newer_than=Place(begun[1], "1")) == ["2"]
    assert sids(created_from=begun[2]) == ["2"]
    assert views.without_row(CallQuery(AccountSid("other1"))) == ([], 0)


def test_what_is_told_of_an_unknown_call_is_ignored() -> None:
    views = CallViews(ManualClock())
    views.hear(fact(LegRinging(CALL, LEG, has_early_media=False)))
    assert views.find(CALL) is None
