"""What `agentstream explain` says of a call as a whole, from its rows and its events."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.ids import CallSid
from agentstream.hooks.call_events import CallEvents
from agentstream.server.explain.report import Rows, explain
from agentstream.server.explain.words import _SENTENCES
from agentstream.store.call_events import CallEvent, Story
from agentstream.testing.calls import STARTED_AT
from agentstream.testing.facts import whole_call
from agentstream.testing.records import a_call
from agentstream.testing.stories import ANSWERED, BOT, CALLER, CONNECTED, DIALLED, Told


def told_call(*told: Told, is_live: bool = False, **row: Any) -> Any:
    start = datetime(2027, 1, 12, tzinfo=UTC)
    rows = [
        CallEvent(CallSid("c1"), seq, at_ms, start, kind, json.dumps(body))
        for seq, (at_ms, kind, body) in enumerate(told)
    ]
    return explain(Rows(a_call("c1", **row), (), (), rows, "support", is_live))


def test_a_call_in_which_nothing_was_heard_says_so() -> None:
    told = told_call(CALLER, ANSWERED, BOT, CONNECTED, (5_050, "call_hung_up", {}))
    assert told.conclusions[0] == (
        "The caller heard nothing in 5.0 s after the answer: 30 ms connecting to the bot,"
        " 5.0 s waiting for a sound that never came."
    )


def test_a_call_that_was_never_answered_says_so() -> None:
    told = told_call(
        CALLER, (9_000, "call_hung_up", {}), setup_ms=None, sip_status=486, q850=17, detail="Busy."
    )
    assert told.conclusions == ["The call was never answered, so no time went into talk."]
    header = dict(told.header)
    assert header["end"] == "Busy. (SIP 486 Busy Here, Q.850 17 user busy)"
    assert "never answered in" in header["when"]


def test_a_call_that_still_lives_is_told_until_now() -> None:
    now = {"created_at": STARTED_AT, "ended_at": STARTED_AT + timedelta(seconds=9)}
    ringing = told_call(CALLER, is_live=True, setup_ms=None, **now)
    assert ringing.conclusions == ["The call is not answered yet, so no time went into talk."]
    assert dict(ringing.header)["end"] == "still going after 9.0 s"
    assert "not answered yet in 9.0 s" in dict(ringing.header)["when"]
    greeting: Told = (60, "applet_entered", {"applet": "hello", "type": "greeting"})
    talking = told_call(CALLER, ANSWERED, greeting, is_live=True, **now)
    assert "The time in applets: hello (greeting) 8.9 s." in talking.conclusions
    assert talking.conclusions[0] == (
        "The caller heard nothing in 8.9 s after the answer,"
        " all of it waiting for a sound that has not come yet."
    )


def test_the_sound_of_each_leg_is_graded() -> None:
    good = {
        "packets_received": 990,
        "packets_sent": 1_000,
        "packets_lost": 10,
        "mos": 4.2,
        "jitter_ms": 2.5,
        "codec": "PCMA",
        "remote_loss": 0.02,
    }
    bad = {"packets_received": 900, "packets_lost": 100, "mos": 3.2}
    told = told_call(
        CALLER,
        DIALLED,
        (900, "leg_counted", {"leg_sid": "a", "stats": good}),
        (901, "leg_counted", {"leg_sid": "b", "stats": bad}),
        (902, "leg_counted", {"leg_sid": "x", "stats": {"packets_sent": 5}}),
    )
    assert told.quality[0] == (
        "the caller",
        "PCMA, 990 packets in and 1,000 out, 10 lost (1.0 %), jitter 2.5 ms,"
        " 2.0 % lost on the way to it, MOS 4.20, good",
        False,
    )
    assert (told.quality[1][0], told.quality[1][2]) == ("+913", True)
    assert told.quality[1][1].endswith("MOS 3.20, poor")
    assert told.quality[2] == (
        *("a party", "0 packets in and 5 out: its audio never reached us", True),
    )


def test_what_the_hook_keeps_can_be_told() -> None:
    stories: list[Story] = []
    hook = CallEvents(stories.append)
    for fact in whole_call():
        hook.hear(fact)
    told = explain(Rows(a_call("c1"), (), (), stories[0].events, "support"))
    assert told.lines[0].text == "+919876500001 calls +918040000002"
    assert told.lines[-1].text == "over, 80 ms after the hang-up: completed"
    assert told.quality[0][1].startswith("PCMU, 2,000 packets in and 2,000 out, 3 lost")


def test_a_body_that_is_no_json_object_is_an_empty_one() -> None:
    start = datetime(2027, 1, 12, tzinfo=UTC)
    rows = [CallEvent(CallSid("c1"), 0, 0, start, "bot_spoke", text) for text in ("{", "[]", "")]
    told = explain(Rows(a_call("c1"), (), (), rows, ""))
    assert [happening.body for happening in told.happenings] == [{}, {}, {}]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10_000),
            st.sampled_from(sorted(_SENTENCES)) | st.text(max_size=10),
            st.dictionaries(
                st.sampled_from(
                    [
                        *(
                            "leg_sid",
                            "stream_sid",
                            "text",
                            "status",
                            "digit",
                            "outcome",
                            "url",
                            "stats",
                        )
                    ]
                ),
                st.none() | st.integers() | st.text(max_size=8) | st.booleans(),
                max_size=5,
            ),
        ),
        max_size=12,
    )
)
def test_any_rows_make_a_story(told: list[Told]) -> None:
    story = told_call(*told)
    assert all(line.text.strip() or line.who for line in story.lines)
    assert len(story.lines) <= len(told)
    assert story.as_json()["times"]
