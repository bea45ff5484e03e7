"""Passthru: one script for each way through it (PT-1 to PT-7, PT-22, PT-33, PT-35)."""

from urllib.parse import parse_qs

import pytest
from pydantic import ValidationError

from agentstream.base.ids import CountedTokens
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import (
    AudioFile,
    Fetch,
    HangUp,
    OpenStream,
    Play,
    ReleaseCall,
    StopPlaying,
)
from agentstream.calls.events import (
    AppletLeft,
    CallAnswered,
    CallHungUp,
    CallStarted,
    StreamFinished,
)
from agentstream.calls.reports import StreamOutcome
from agentstream.flows.answer import Answer
from agentstream.flows.applet import AppletInput, CommandRefused, Leave
from agentstream.flows.applets.passthru import PassthruSettings
from agentstream.flows.asking import GRACE_MS
from agentstream.flows.document import parse
from agentstream.flows.engine import Flow, FlowOutput
from agentstream.flows.prompt import PromptSettings
from agentstream.testing.applets import answered, new_context, played, visit
from agentstream.testing.calls import CALL, LEG, make_setup
from agentstream.testing.script import Script

URL = "https://crm.example/after?key=secret"
MUSIC = PromptSettings(audio="music/{To}.wav")
GONE = CallHungUp(CALL, Cause.NORMAL, Party.CALLER, "")


def test_a_passthru_asks_by_get_and_the_caller_waits_pt_1_pt_2_pt_5_pt_6() -> None:
    script, context = visit(PassthruSettings(url=URL))
    fetch = script.take(Fetch)
    request = fetch.request
    assert (request.method, request.url, request.body) == ("GET", URL, "")
    assert request.query == context.parameters(0)
    assert (request.timeout_ms, request.retries, request.redirects) == (5_000, 0, 0)
    assert (fetch.purpose, fetch.in_background) == ("passthru", False)
    script.expect_nothing()


@pytest.mark.parametrize(("status", "way"), [(200, "next"), (302, "on_302")])
def test_the_status_chooses_the_output_pt_3(status: int, way: str) -> None:
    settings = PassthruSettings(url=URL, next="a", on_302="b", on_failure="c")
    assert settings.exits() == {"next": "a", "on_302": "b", "on_failure": "c"}
    script, context = visit(settings)
    fetch = script.take(Fetch)
    script.feed(GONE)
    script.expect_nothing()
    script.feed(answered(fetch, status, '{"select": "x"}'))
    script.expect(Leave(way))
    assert context.answer == Answer(status, "text/plain", '{"select": "x"}')  # for SwitchCase


@pytest.mark.parametrize(
    ("status", "error", "why"),
    [
        (404, "", "it was answered with status 404, not 200 or 302"),
        (301, "", "it was answered with status 301, not 200 or 302"),
        (500, "", "it was answered with status 500, not 200 or 302"),
        (0, "TLS: the certificate has expired", "TLS: the certificate has expired"),
    ],
)
def test_anything_else_is_a_failure_that_says_why_pt_4(status: int, error: str, why: str) -> None:
    script, _ = visit(PassthruSettings(url=URL, on_302="b", on_failure="c"))
    script.feed(answered(script.take(Fetch), status, error=error))
    reason = f"the passthru failed: {why}"
    script.expect(Leave("on_failure", Cause.FLOW_ERROR, Party.SYSTEM, reason))


def test_an_answer_that_does_not_come_is_a_failure_pt_4() -> None:
    script, _ = visit(PassthruSettings(url=URL, on_failure="c", timeout_seconds=3, retries=1))
    request = script.take(Fetch).request
    assert (request.timeout_ms, request.retries) == (3_000, 1)
    script.wait(2 * 3_000 + GRACE_MS - 1)
    script.expect_nothing()
    script.wait(1)
    assert script.take(Leave).reason == "the passthru failed: there was no answer in time"


def test_a_request_that_the_call_refuses_is_a_failure() -> None:
    script, context = visit(PassthruSettings(url=URL, on_failure="c"))
    context.answer = None
    script.feed(CommandRefused(script.take(Fetch), "no room"))
    assert script.take(Leave).reason == "the passthru failed: no room"


def test_a_failure_without_an_exit_takes_output_b_pt_4() -> None:
    script, _ = visit(PassthruSettings(url=URL, next="a", on_302="b"))
    script.feed(answered(script.take(Fetch), 404))
    left = script.take(Leave)
    assert left.exit == "on_302"
    assert "status 404" in left.reason


@pytest.mark.parametrize(
    "settings",
    [
        PassthruSettings(url=URL, next="a"),
        PassthruSettings(url=URL, next="a", on_302="b", failure_takes="next"),
    ],
)
def test_a_failure_without_an_output_b_goes_on_pt_4(settings: PassthruSettings) -> None:
    script, _ = visit(settings)
    script.feed(answered(script.take(Fetch), 404))
    assert script.take(Leave).exit == "on_failure"  # which the engine takes for `next`


def test_a_failure_may_be_set_to_hang_up_pt_4() -> None:
    script, _ = visit(PassthruSettings(url=URL, on_302="b", failure_takes="hangup"))
    script.feed(answered(script.take(Fetch), 404))
    hang_up = script.take(HangUp)
    assert (hang_up.cause, hang_up.party) == (Cause.FLOW_ERROR, Party.SYSTEM)
    assert "status 404" in hang_up.text


def test_in_the_background_nobody_waits_and_it_is_tried_three_times_pt_2_pt_5_pt_6() -> None:
    settings = PassthruSettings(url=URL, mode="async", next="a", on_302="b", hold=MUSIC)
    script, _ = visit(settings)
    fetch = script.take(Fetch)
    assert fetch.in_background
    assert (fetch.request.timeout_ms, fetch.request.retries) == (15_000, 2)
    script.expect(Leave())
    script.feed(answered(fetch, 302))
    script.wait(100_000)
    script.expect_nothing()
    assert script.machine.wake(100_000) == []
    assert settings.leaves_at_once()
    assert settings.exits() == {"next": "a"}
    assert not PassthruSettings(url=URL).leaves_at_once()


def test_the_caller_hears_music_until_the_answer_pt_34() -> None:
    script, _ = visit(PassthruSettings(url=URL, hold=MUSIC))
    play = script.take(Play)
    assert (play.prompt, play.loops) == (AudioFile("music/+918040000002.wav"), 0)
    script.feed(answered(script.take(Fetch)))
    script.expect(StopPlaying(play.prompt_id), Leave())


def test_music_that_cannot_be_played_disturbs_nobody() -> None:
    script, _ = visit(PassthruSettings(url=URL, hold=MUSIC))
    play = script.take(Play)
    script.feed(played(play, "no such file"))
    script.feed(answered(script.take(Fetch)))
    script.expect(Leave())
    script, _ = visit(PassthruSettings(url=URL, hold=MUSIC))
    script.feed(CommandRefused(script.take(Play), "the leg is ending"))
    script.feed(answered(script.take(Fetch)))
    script.expect(Leave())


def test_nobody_plays_music_to_a_caller_who_has_gone_pt_22() -> None:
    context = new_context()
    context.note(GONE)
    script, _ = visit(PassthruSettings(url=URL, hold=MUSIC), context)
    assert ("CallStatus", "completed") in script.take(Fetch).request.query
    script.expect_nothing()


@pytest.mark.parametrize(
    "body", ["sales", " sales\n", "https://my.example/applets/sales", "/applets/sales/"]
)
def test_the_body_may_name_the_way_when_that_is_wanted_pt_35(body: str) -> None:
    settings = PassthruSettings(url=URL, next="a", body_routing=["sales", "help"])
    assert settings.exits() == {"next": "a", "body:sales": "sales", "body:help": "help"}
    assert settings.exit_path("body:sales") == ("body_routing",)
    assert settings.exit_path("next") == ("next",)
    script, _ = visit(settings)
    script.feed(answered(script.take(Fetch), body=body))
    script.expect(Leave("body:sales"))


def test_a_body_names_no_way_by_default_pt_35() -> None:
    script, _ = visit(PassthruSettings(url=URL, next="a"))
    script.feed(answered(script.take(Fetch), body="sales"))
    script.expect(Leave())
    script, _ = visit(PassthruSettings(url=URL, next="a", body_routing=["sales"]))
    script.feed(answered(script.take(Fetch), body="bye"))
    script.expect(Leave())


@pytest.mark.parametrize("status", [302, 201])
def test_before_a_stream_only_200_continues_pt_30(status: int) -> None:
    script, _ = visit(PassthruSettings(url=URL, next="a", on_302="b", style="post_json_before"))
    fetch = script.take(Fetch)
    assert fetch.request.method == "POST"
    script.feed(answered(fetch, status))
    assert f"status {status}, not 200" in script.take(HangUp).text


@pytest.mark.parametrize(
    ("url", "more", "is_taken"),
    [
        ("https://crm.example/", {}, True),
        ("http://crm.example/", {}, False),
        ("http://8.8.8.8/", {}, False),
        ("http://{CallFrom}/", {}, False),
        ("http://crm.example/", {"allow_http": True}, True),
        ("http://crm.example/", {"style": "get"}, True),
        ("http://localhost:8000/", {}, True),
        ("http://127.0.0.1:8000/", {}, True),
        ("http://[::1]:8000/", {}, True),
        ("http://192.168.1.5/before", {}, True),
    ],
)
def test_before_a_stream_only_tls_leaves_the_house_pt_30(
    url: str, more: dict[str, object], is_taken: bool
) -> None:
    fields = {"url": url, "style": "post_json_before", **more}
    if is_taken:
        PassthruSettings.model_validate(fields)
        return
    with pytest.raises(ValidationError, match="https:// only; write 'allow_http: true'"):
        PassthruSettings.model_validate(fields)


def test_the_style_and_its_words_are_passed_on() -> None:
    context = new_context()
    context.type_ahead("1")
    settings = PassthruSettings(
        url="http://crm.example/", style="post_form", clean_digits=True, direction_words="outgoing"
    )
    script, _ = visit(settings, context)
    body = parse_qs(script.take(Fetch).request.body)
    assert (body["digits"], body["Direction"]) == (["1"], ["incoming"])


def test_behind_a_stream_it_tells_of_the_caller_who_hung_up_pt_22() -> None:
    document = parse("""
name: x
start: talk
applets:
  talk: {type: voicebot, url: "wss://bot.example/", next: tell}
  tell: {type: passthru, url: "https://crm.example/", hold: {text: Wait}, next: more}
  more: {type: passthru, url: "https://crm.example/"}
""")
    script: Script[AppletInput, FlowOutput] = Script(
        Flow(document, make_setup(), CountedTokens(), 0)
    )
    script.feed(CallStarted(CALL, LEG, make_setup()), CallAnswered(CALL, LEG))
    opened = script.skip_to(OpenStream)
    script.feed(GONE)
    script.expect_nothing()
    outcome = StreamOutcome("cancelled", "user", duration_s=4)
    script.feed(StreamFinished(CALL, LEG, opened.stream_sid, outcome))
    fetch = script.skip_to(Fetch)  # and no music: nobody hears it
    told = dict(fetch.request.query)
    assert (told["Stream[Status]"], told["Stream[DisconnectedBy]"]) == ("cancelled", "user")
    assert told["CallStatus"] == "completed"
    script.feed(answered(fetch))
    assert script.take(AppletLeft).to == ""  # only what follows directly
    script.expect(ReleaseCall())


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"url": "wss://x"}, "must begin with https:// or http://"),
        ({"url": URL, "timeout_seconds": 0}, "greater than or equal to 1"),
        ({"url": URL, "timeout_seconds": 61}, "less than or equal to 60"),
        ({"url": URL, "hold": {"text": "a", "audio": "b"}}, "give either 'text' or 'audio'"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        PassthruSettings.model_validate(fields)
