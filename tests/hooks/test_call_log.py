from structlog.testing import capture_logs

from agentstream.calls.events import AppletNoted, StreamFinished
from agentstream.calls.reports import StreamOutcome
from agentstream.hooks.call_log import CallLog
from agentstream.switch.feed import RoadFailed, StreamWarned
from agentstream.testing.calls import CALL, LEG
from agentstream.testing.facts import STREAM, fact, whole_call


def test_an_ordinary_call_is_two_lines_and_its_trouble() -> None:
    with capture_logs() as logs:
        log_fact = CallLog().hear
        for each in whole_call():
            log_fact(each)
    told = [log["event"] for log in logs if log["log_level"] != "debug"]
    assert told == ["call_started", "stream_attempt_failed", "call_ended"]
    assert {log["call_sid"] for log in logs} == {CALL}
    assert (logs[0]["caller"], logs[0]["called"]) == ("+919876500001", "+918040000002")
    assert (logs[-1]["cause"], logs[-1]["ended_by"], logs[-1]["talk_ms"]) == (
        "normal",
        "caller",
        41_000,
    )


def test_a_stream_that_failed_or_worries_and_trouble_of_an_applet_are_warnings() -> None:
    outcome = StreamOutcome("failed", error="3009 failed", url="wss://bot.example.net/ws")
    with capture_logs() as logs:
        log_fact = CallLog().hear
        log_fact(fact(StreamFinished(CALL, LEG, STREAM, outcome)))
        log_fact(fact(AppletNoted(CALL, "ivr", "line 3: <Say>: no voice", is_trouble=True)))
        log_fact(fact(AppletNoted(CALL, "ivr", "line 4: <Hangup>")))
        log_fact(fact(StreamWarned(STREAM, "400 payloads are below 3200 bytes")))
        log_fact(fact(RoadFailed(LEG, 1, "trunk a", "refused", 503, "", 12, "trunk b")))
    assert [(log["event"], log["log_level"]) for log in logs] == [
        ("stream_failed", "warning"),
        ("applet_trouble", "warning"),
        ("call_fact", "debug"),
        ("stream_warning", "warning"),
        ("road_failed", "warning"),
    ]
