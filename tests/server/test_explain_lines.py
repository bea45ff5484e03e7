"""What `agentstream explain` makes one line of, and what it tells apart."""

from agentstream.server.explain.lines import Line, lines_of
from agentstream.testing.stories import BOT, CALLER, CONNECTED, Told, happenings


def lines(*told: Told, fold: bool = True) -> list[Line]:
    return lines_of(happenings(*told), fold=fold)


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
