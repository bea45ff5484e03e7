"""What `agentstream explain` says of each kind of event, and of the time."""

import json
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.ids import CallSid
from agentstream.calls import events
from agentstream.hooks.call_events import CallEvents
from agentstream.server.explain.cast import Happening
from agentstream.server.explain.lines import Line, lines_of
from agentstream.server.explain.report import Rows, explain
from agentstream.server.explain.times import times_of
from agentstream.server.explain.words import _SENTENCES, _SILENT
from agentstream.store.call_events import CallEvent, Story
from agentstream.switch import feed
from agentstream.testing.facts import whole_call
from agentstream.testing.records import a_call

Told = tuple[int, str, dict[str, Any]]
CALLER: Told = (0, "call_started", {"leg_sid": "a", "from": "+911", "to": "+912"})
DIALLED: Told = (100, "leg_dialled", {"leg_sid": "b", "destination": "+913", "caller_id": "+912"})
ANSWERED: Told = (50, "call_answered", {"leg_sid": "a"})
BOT: Told = (60, "stream_requested", {"stream_sid": "s", "url": "wss://bot.example/"})
CONNECTED: Told = (
    80,
    "stream_connected",
    {"stream_sid": "s", "attempt": 2, "dns_ms": 1, "tcp_ms": 2, "tls_ms": 3, "upgrade_ms": 14},
)


def happenings(*told: Told) -> list[Happening]:
    return [Happening(*each) for each in told]


def lines(*told: Told, fold: bool = True) -> list[Line]:
    return lines_of(happenings(*told), fold=fold)


def say(kind: str, body: dict[str, Any], *before: Told) -> Line:
    """Return the line of one event, after others."""
    return lines(CALLER, *before, (900, kind, body), fold=False)[-1]


def test_every_kind_of_fact_has_its_sentence_or_is_left_out_on_purpose() -> None:
    names = {
        "".join(f"_{c.lower()}" if c.isupper() else c for c in kind.__name__)[1:]
        for kind in (*get_args(events.Event), *get_args(feed.Note))
    }
    assert names - set(_SENTENCES) - _SILENT == set()


@pytest.mark.parametrize(
    ("kind", "body", "who", "text", "tone"),
    [
        ("media_began", {"leg_sid": "a"}, "line", "first audio from the caller", ""),
        (
            "media_stopped",
            {"leg_sid": "a", "silent_ms": 30_000, "ever_flowed": True},
            *("line", "no audio from the caller for 30.0 s", "warning"),
        ),
        (
            "media_stopped",
            {"leg_sid": "a", "silent_ms": 30_000, "ever_flowed": False},
            *("line", "no audio ever came from the caller, for 30.0 s", "warning"),
        ),
        (
            "silence_heard",
            {"leg_sid": "a", "silent_ms": 800},
            "line",
            "the caller is silent for 800 ms",
            "",
        ),
        (
            "leg_ringing",
            {"leg_sid": "b", "has_early_media": True},
            "leg",
            "+913 rings and sends early media",
            "",
        ),
        ("leg_up", {"leg_sid": "b"}, "leg", "+913 answers after 800 ms", "good"),
        (
            "leg_gone",
            {"leg_sid": "b", "cause": "no-answer", "talk_ms": 0, "text": ""},
            *("leg", "+913 is gone: no answer", "warning"),
        ),
        (
            "leg_gone",
            {
                "leg_sid": "b",
                "cause": "normal",
                "talk_ms": 4_200,
                "text": "The called party hung up.",
            },
            *("leg", "+913 is gone, 4.2 s of talk: The called party hung up.", ""),
        ),
        (
            "legs_bridged",
            {"leg_sid": "a", "other_sid": "b"},
            "leg",
            "the caller and +913 hear each other",
            "",
        ),
        (
            "legs_unbridged",
            {"leg_sid": "a", "other_sid": "b"},
            "leg",
            "the caller and +913 do not any more",
            "",
        ),
        (
            "digit_received",
            {"leg_sid": "a", "digit": "5", "duration_ms": 90},
            "line",
            "the caller presses 5 (90 ms)",
            "",
        ),
        (
            "digit_received",
            {"leg_sid": "a", "digit": "", "duration_ms": 90},
            "line",
            "the caller presses a key (90 ms)",
            "",
        ),
        ("prompt_finished", {"completed": False, "error": ""}, "flow", "prompt stopped", ""),
        (
            "prompt_finished",
            {"error": "no such file"},
            "flow",
            "the prompt could not be played: no such file",
            "warning",
        ),
        (
            "recording_finished",
            {"duration_ms": 41_000, "error": ""},
            "flow",
            "41.0 s were recorded",
            "",
        ),
        (
            "recording_finished",
            {"duration_ms": 41_000, "error": "disk full"},
            *("flow", "the recording broke off after 41.0 s: disk full", "warning"),
        ),
        (
            "bot_asked",
            {"stream_sid": "s", "action": "send_dtmf", "value": "1"},
            "bot",
            "the bot asks: send dtmf 1",
            "",
        ),
        (
            "stream_warned",
            {"stream_sid": "s", "text": "the rate is wrong"},
            "bot",
            "the rate is wrong",
            "warning",
        ),
        (
            "source_learnt",
            {"leg_sid": "a", "address": "192.0.2.1:9"},
            "line",
            "audio of the caller comes from 192.0.2.1:9",
            "",
        ),
        (
            "applet_left",
            {"applet": "x", "exit": "next", "to": "", "reason": ""},
            "flow",
            "leaves x by next, which leads nowhere",
            "",
        ),
        (
            "applet_left",
            {"applet": "x", "exit": "", "to": "", "reason": ""},
            "flow",
            "leaves x as the call ends",
            "",
        ),
        (
            "applet_left",
            {"applet": "x", "exit": "b", "to": "y", "reason": "why"},
            "flow",
            "leaves x by b to y: why",
            "",
        ),
        ("events_dropped", {"count": 1_234}, "note", "1,234 more events were not kept", "warning"),
        (
            "recording_began",
            {"leg_sid": "a", "channels": "mono"},
            "flow",
            "the caller is being recorded",
            "",
        ),
        (
            "from_the_future",
            {"leg_sid": "a", "a": 1, "b": "x"},
            "note",
            "from the future a=1 b=x",
            "",
        ),
        (
            "playout_cleared",
            {"stream_sid": "s", "dropped_ms": 1_300},
            "bot",
            "the bot clears: 1.3 s of speech unheard",
            "",
        ),
        (
            "mark_echoed",
            {"stream_sid": "s", "name": "m", "cleared": True},
            "bot",
            "mark m dropped by a clear",
            "",
        ),
    ],
)
def test_each_event_is_one_sentence(
    kind: str, body: dict[str, Any], who: str, text: str, tone: str
) -> None:
    line = say(kind, body, DIALLED, BOT)
    assert (line.who, line.text, line.tone) == (who, text, tone)


def test_a_request_and_its_answer_are_one_line() -> None:
    asked = {"request_id": "r", "purpose": "passthru", "method": "GET", "url": "https://crm/x"}
    answer = {"request_id": "r", "purpose": "passthru", "status": 302, "elapsed_ms": 1_143}
    told = lines((100, "request_started", asked), (1_243, "request_finished", answer))
    assert [line.text for line in told] == ["passthru: GET https://crm/x → 302 in 1,143 ms"]
    failed = {**answer, "status": 500, "attempts": 3, "excerpt": "Oops\n\n  <b>broken</b>"}
    [line] = lines((100, "request_started", asked), (200, "request_finished", failed))
    assert line.text.endswith("→ 500 in 1,143 ms, 3 attempts: Oops <b>broken</b>")
    assert line.tone == "warning"
    silent = {**answer, "status": 0, "error": "no answer in 5000 ms"}
    [line] = lines((100, "request_started", asked), (200, "request_finished", silent))
    assert line.text.endswith("→ failed in 1,143 ms: no answer in 5000 ms")
    [line] = lines((100, "request_started", asked))
    assert line.text.endswith("→ no answer was waited for")
    [line] = lines((100, "request_started", asked), (300, "errand_done", answer))
    assert line.text.endswith("https://crm/x → 302 in 1,143 ms")
    [line] = lines((200, "request_finished", answer))
    assert line.text == "passthru → 302 in 1,143 ms"


def test_a_stream_is_told_from_its_dialling_to_its_close_code() -> None:
    outcome = {"status": "completed", "disconnected_by": "bot", "error": ""}
    told = lines(
        BOT,
        CONNECTED,
        (300, "bot_spoke", {"stream_sid": "s"}),
        (
            5_080,
            "stream_counted",
            {
                "stream_sid": "s",
                "close_code": 1000,
                "stats": {"media_sent": 50, "media_received": 40},
            },
        ),
        (5_080, "stream_finished", {"stream_sid": "s", "outcome": outcome}),
    )
    assert [line.text for line in told] == [
        "dials the bot: wss://bot.example/",
        "the bot is connected on attempt 2 in 20 ms (DNS 1, TCP 2, TLS 3, upgrade 14)",
        "first sound of the bot, 220 ms after it connected",
        "stream to the bot completed after 5.0 s: the bot closed, close code 1000,"
        " 50 audio messages to it and 40 from it",
    ]


def test_a_failed_stream_says_why_once() -> None:
    outcome = {"status": "failed", "disconnected_by": "NA", "error": "3009 refused"}
    told = lines(
        BOT,
        (
            70,
            "stream_attempt_failed",
            {
                "stream_sid": "s",
                "attempt": 1,
                "phase": "upgrade",
                "http_status": 401,
                "detail": "no",
            },
        ),
        (71, "stream_finished", {"stream_sid": "s", "outcome": outcome}),
        (
            71,
            "applet_left",
            {"applet": "x", "exit": "on_failure", "to": "y", "reason": "3009 refused"},
        ),
    )
    assert [(line.text, line.tone) for line in told[1:]] == [
        ("attempt 1 failed (upgrade, HTTP 401): no", "warning"),
        ("stream to the bot failed: 3009 refused", "warning"),
        ("leaves x by on_failure to y", "warning"),
    ]


def test_long_runs_of_a_bots_talk_become_one_line_and_keys_one_word() -> None:
    talk: list[Told] = [BOT, CONNECTED, (100, "bot_spoke", {"stream_sid": "s"})]
    for at_ms in range(200, 1_000, 200):
        talk += [
            (at_ms, "mark_echoed", {"stream_sid": "s", "name": "m"}),
            (at_ms + 50, "bot_spoke", {"stream_sid": "s"}),
        ]
    talk.append((990, "playout_cleared", {"stream_sid": "s", "dropped_ms": 700}))
    keys: list[Told] = [
        (1_000 + n, "digit_received", {"leg_sid": "a", "digit": digit})
        for n, digit in enumerate("12#")
    ]
    told = lines(CALLER, *talk, *keys)
    assert [line.text for line in told[4:]] == [
        "the bot: speaks 4 times, 4 marks reached, clears once, 700 ms unheard (until 990 ms)",
        "the caller presses 1 2 #",
    ]
    assert len(lines(CALLER, *talk, *keys, fold=False)) == 4 + 9 + 3


def test_several_bots_are_told_apart_by_name_or_applet() -> None:
    other = {"stream_sid": "t", "url": "wss://other.example/", "name": ""}
    told = lines(
        (10, "applet_entered", {"applet": "talk", "type": "voicebot"}),
        BOT,
        (70, "stream_requested", {**other, "name": "scribe", "two_way": False}),
    )
    assert told[1].text == "dials the bot of talk: wss://bot.example/"
    assert told[2].text == "dials the bot of scribe, one way: wss://other.example/"


def test_the_silence_before_the_first_sound_is_shared_out() -> None:
    request = {"request_id": "r", "purpose": "passthru", "url": "https://crm.example/x?y"}
    times = times_of(
        happenings(
            CALLER,
            ANSWERED,
            (50, "request_started", request),
            (350, "request_finished", {"request_id": "r", "purpose": "passthru", "status": 200}),
            (351, "stream_requested", {"stream_sid": "s", "url": "wss://bot.example/"}),
            (551, "stream_attempt_failed", {"stream_sid": "s", "attempt": 1}),
            (651, "stream_connected", {"stream_sid": "s"}),
            (1_651, "bot_spoke", {"stream_sid": "s"}),
            (9_000, "call_hung_up", {}),
        )
    )
    assert (times.setup_ms, times.silence_ms, times.first_sound) == (
        *(50, 1_601, "the bot's first sound"),
    )
    assert [(share.what, share.took_ms) for share in times.waited_for] == [
        ("passthru at crm.example", 300),
        ("attempt 1 to reach the bot, which failed", 201),
        ("connecting to the bot", 100),
        ("the bot, connected and quiet", 1_000),
    ]


def test_a_whisper_to_somebody_else_is_no_sound_for_the_caller() -> None:
    times = times_of(
        happenings(
            CALLER,
            ANSWERED,
            DIALLED,
            (2_000, "prompt_began", {"leg_sid": "b"}),
            (4_050, "legs_bridged", {"leg_sid": "a", "other_sid": "b"}),
        )
    )
    assert (times.silence_ms, times.first_sound) == (4_000, "the other party")


def test_the_longest_silence_after_a_prompt_is_found() -> None:
    times = times_of(
        happenings(
            CALLER,
            ANSWERED,
            (50, "prompt_began", {"leg_sid": "a"}),
            (1_000, "prompt_finished", {"leg_sid": "a"}),
            (1_100, "prompt_began", {"leg_sid": "a"}),
            (2_000, "prompt_finished", {"leg_sid": "a"}),
            (3_500, "stream_connected", {"stream_sid": "s"}),
            (4_000, "bot_spoke", {"stream_sid": "s"}),
        )
    )
    assert times.gap_ms == 2_000
    assert [(share.what, share.took_ms) for share in times.gap_waited_for] == [
        ("connecting to the bot", 1_500),
        ("the bot, connected and quiet", 500),
    ]


def test_the_time_in_applets_is_summed_over_visits_longest_first() -> None:
    def visit(name: str, from_ms: int, to_ms: int | None) -> list[Told]:
        entered: Told = (from_ms, "applet_entered", {"applet": name, "type": "greeting"})
        return [entered] if to_ms is None else [entered, (to_ms, "applet_left", {"applet": name})]

    times = times_of(
        happenings(
            CALLER,
            *visit("a", 0, 100),
            *visit("b", 100, 500),
            *visit("a", 500, 700),
            *visit("c", 700, None),
            (1_900, "call_hung_up", {}),
        )
    )
    assert [(share.what, share.took_ms) for share in times.applets] == [
        ("c (greeting)", 1_200),
        ("b (greeting)", 400),
        ("a (greeting)", 300),
    ]


def told_call(*told: Told, **row: Any) -> Any:
    start = datetime(2027, 1, 12, tzinfo=UTC)
    rows = [
        CallEvent(CallSid("c1"), seq, at_ms, start, kind, json.dumps(body))
        for seq, (at_ms, kind, body) in enumerate(told)
    ]
    return explain(Rows(a_call("c1", **row), (), (), rows, "support"))


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
