"""What `agentstream explain` says of each kind of event."""

from typing import Any, get_args

import pytest

from agentstream.calls import events
from agentstream.server.explain.lines import Line, lines_of
from agentstream.server.explain.words import _SENTENCES, _SILENT
from agentstream.switch import feed
from agentstream.testing.stories import BOT, CALLER, DIALLED, Told, happenings


def say(kind: str, body: dict[str, Any], *before: Told) -> Line:
    """Return the line of one event, after others."""
    return lines_of(happenings(CALLER, *before, (900, kind, body)), fold=False)[-1]


def test_every_kind_of_fact_has_its_sentence_or_is_left_out_on_purpose() -> None:
    names = {
        "".join(f"_{c.lower()}" if c.isupper() else c for c in kind.__name__)[1:]
        for kind in (*get_args(events.Event), *get_args(feed.Note))
    }
    assert names - set(_SENTENCES) - _SILENT == set()


@pytest.mark.parametrize(
    ("kind", "body", "who", "text", "tone"),
    [
        (
            "transfer_started",
            {"leg_sid": "a", "destination": "sip:carol@c.example", "by_far_end": True},
            *("leg", "the caller asks for a transfer to sip:carol@c.example", ""),
        ),
        (
            "transfer_finished",
            {"leg_sid": "a", "destination": "1000", "outcome": "failed", "status": 486},
            *("leg", "the transfer of the caller to 1000 is failed: SIP 486", "warning"),
        ),
        (
            "bridge_asked",
            {"leg_sid": "a", "wish": "join", "bridge_sid": "b7"},
            *("leg", "the caller asks to be let into bridge b7", ""),
        ),
        (
            "bridge_asked",
            {"leg_sid": "a", "wish": "decline", "bridge_sid": "b7", "text": "it is on hold"},
            *("leg", "the caller cannot join bridge b7: it is on hold", "warning"),
        ),
        (
            "bridge_asked",
            {
                "leg_sid": "a",
                "wish": "watch",
                "bridge_sid": "",
                "mode": "whisper",
                "other_sid": "x",
            },
            *("leg", "the caller asks to whisper in the bridge of leg x", ""),
        ),
        (
            "road_failed",
            {
                "leg_sid": "b",
                "road": "trunk a",
                "outcome": "refused",
                "sip_status": 503,
                "text": "Service Unavailable",
                "elapsed_ms": 12,
                "after": "trunk b",
            },
            "leg",
            "tried trunk a: 503 Service Unavailable after 12 ms, then trunk b",
            "warning",
        ),
        (
            "road_failed",
            {"road": "trunk a", "outcome": "silent", "sip_status": 408, "elapsed_ms": 4_000},
            *("leg", "tried trunk a: no answer at all after 4,000 ms", "warning"),
        ),
        (
            "road_failed",
            {
                "road": "sip.bot.test:5061",
                "outcome": "unreachable",
                "sip_status": 503,
                "text": "refused",
                "elapsed_ms": 1,
            },
            *("leg", "tried sip.bot.test:5061: no way there (503 refused) after 1 ms", "warning"),
        ),
        (
            "road_failed",
            {"road": "trunk a", "outcome": "full", "text": "it has 2 calls, and no more may be"},
            *("leg", "passes trunk a over: it has 2 calls, and no more may be", "warning"),
        ),
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
            "answer_judged",
            {"leg_sid": "b", "result": "machine", "elapsed_ms": 2_100, "reason": "greeting"},
            *("line", "who answered at +913: a machine, after 2.1 s", ""),
        ),
        (
            "answer_judged",
            {"leg_sid": "b", "result": "unknown", "elapsed_ms": 600, "reason": "gone"},
            *("line", "who answered at +913: not known, after 600 ms", ""),
        ),
        (
            "beep_heard",
            {"leg_sid": "b", "elapsed_ms": 9_100},
            *("line", "the machine at +913 has beeped", ""),
        ),
        (
            "leg_ringing",
            {"leg_sid": "b", "has_early_media": True},
            "leg",
            "+913 rings and sends early media",
            "",
        ),
        (
            "leg_told",
            {"leg_sid": "b", "name": "say_started", "error": None},
            *("leg", "+913: say_started", ""),
        ),
        (
            "leg_told",
            {"leg_sid": "b", "name": "stream_failed_to_start", "error": {"message": "404"}},
            *("leg", "+913: stream_failed_to_start, 404", "warning"),
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
            "srtp_agreed",
            {"leg_sid": "a", "suite": "AEAD_AES_128_GCM", "is_readable": False},
            *("line", "audio of the caller is encrypted (AEAD_AES_128_GCM)", "good"),
        ),
        (
            "srtp_agreed",
            {"leg_sid": "a", "suite": "X", "is_readable": True},
            *("line", "audio of the caller is encrypted (X), its keys were sent in clear", ""),
        ),
        (
            "srtp_agreed",
            {"leg_sid": "a", "suite": "", "is_readable": False},
            *("line", "audio of the caller goes on in clear", "warning"),
        ),
        (
            "srtp_refused",
            {"leg_sid": "a", "rejected": 499, "replayed": 1, "ever_accepted": True},
            *("line", "500 datagrams to the caller were not authentic, and not heard", "warning"),
        ),
        (
            "srtp_refused",
            {"leg_sid": "a", "rejected": 50, "replayed": 0, "ever_accepted": False},
            "line",
            "50 datagrams to the caller were not authentic, and not heard; none was so far: the "
            "two ends hardly have the same keys",
            "warning",
        ),
        (
            "srtp_not_taken",
            {"leg_sid": "a", "status": 488},
            *("line", "the caller refused encrypted audio (488): dialled again in clear", ""),
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
        (
            "applet_noted",
            {"applet": "x", "text": "line 3: <Say>", "is_trouble": False},
            "flow",
            "line 3: <Say>",
            "",
        ),
        (
            "applet_noted",
            {"applet": "x", "text": "line 3: <Say>: no voice", "is_trouble": True},
            *("flow", "line 3: <Say>: no voice", "warning"),
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


def test_a_call_that_outlived_its_first_party_says_since_when_br_9() -> None:
    gone = (500, "leg_gone", {"leg_sid": "a", "cause": "normal", "talk_ms": 400, "text": "bye"})
    body = {"hung_up_ms": 500, "ended_ms": 900, "status": "completed"}
    assert say("call_ended", body, gone).text == "over, 400 ms after the caller left: completed"
    assert say("call_ended", body).text == "over, 400 ms after the hang-up: completed"
