"""Asking the customer's server: primary, fallback, time (AP-1, AP-2, AP-3, AP-4)."""

from dataclasses import replace

import pytest
from pydantic import BaseModel, ValidationError

from agentstream.base.ids import CountedTokens, RequestId
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import Fetch, HttpRequest
from agentstream.calls.events import CallHungUp
from agentstream.flows.answer import Answer
from agentstream.flows.applet import AppletInput, CommandRefused, Leave, Step
from agentstream.flows.asking import GRACE_MS, HttpUrl, Question, failure, get
from agentstream.flows.context import Context
from agentstream.testing.applets import answered
from agentstream.testing.calls import CALL, make_setup
from agentstream.testing.script import Script

QuestionScript = Script[AppletInput, Step]
ONE = HttpRequest("https://a.example/")
TWO = HttpRequest("https://b.example/", timeout_ms=2_000, retries=1)


def said(value: str, now_ms: int) -> list[Step]:
    return [Leave("good", reason=value)]


def lost(why: str, now_ms: int) -> list[Step]:
    return [failure("it", why)]


def ask(*requests: HttpRequest) -> tuple[Question[str], QuestionScript, Fetch]:
    question = Question(Context(make_setup(), CountedTokens(), 0), "test", requests, Answer.body)
    assert not question.is_open
    [fetch] = question.ask(0, said, lost)
    assert isinstance(fetch, Fetch)
    assert (fetch.purpose, fetch.in_background, question.is_open) == ("test", False, True)
    return question, Script(question), fetch


def why(script: QuestionScript) -> str:
    left = script.take(Leave)
    assert (left.exit, left.cause, left.party) == ("on_failure", Cause.FLOW_ERROR, Party.SYSTEM)
    return left.reason


def test_a_good_answer_is_handed_on() -> None:
    question, script, fetch = ask(ONE, TWO)
    assert fetch.request == ONE
    script.feed(CallHungUp(CALL, Cause.NORMAL, Party.CALLER, ""))
    script.feed(answered(Fetch(RequestId("another"), ONE, "test"), body="no"))
    script.expect_nothing()
    script.feed(answered(fetch, body="yes"))
    script.expect(Leave("good", reason="yes"))
    assert not question.is_open
    script.feed(answered(fetch, body="again"))
    script.expect_nothing()


def test_the_fallback_is_asked_when_the_primary_fails_ap_4() -> None:
    _, script, fetch = ask(ONE, TWO)
    script.feed(answered(fetch, status=503))
    second = script.take(Fetch)
    assert second.request == TWO
    assert second.request_id != fetch.request_id
    script.feed(answered(second, body="yes"))
    script.expect(Leave("good", reason="yes"))


def test_a_head_goes_ahead_and_its_answer_means_nothing_ap_12() -> None:
    ahead = replace(ONE, method="HEAD")
    for first in (answered, lambda fetch: CommandRefused(fetch, "no room")):
        _, script, fetch = ask(ahead, ONE)
        assert fetch.request == ahead
        script.feed(first(fetch))
        second = script.take(Fetch)
        assert second.request == ONE
        script.feed(answered(second, status=404))
        assert why(script) == "it failed: it was answered with status 404, not 200"


def test_a_head_that_is_not_answered_is_given_up_and_the_fallback_has_one_too_ap_12() -> None:
    heads = [replace(each, method="HEAD") for each in (ONE, TWO)]
    _, script, _ = ask(heads[0], ONE, heads[1], TWO)
    script.wait(6_000)
    script.feed(answered(script.take(Fetch), status=500))
    ahead = script.take(Fetch)
    assert ahead.request == heads[1]
    script.feed(answered(ahead, status=405))
    script.feed(answered(script.take(Fetch), body="yes"))
    script.expect(Leave("good", reason="yes"))


def test_when_both_fail_both_reasons_are_told() -> None:
    _, script, fetch = ask(ONE, TWO)
    script.feed(answered(fetch, status=0, error="connection refused"))
    script.feed(answered(script.take(Fetch), status=404))
    assert why(script) == (
        "it failed: the primary URL: connection refused;"
        " the fallback URL: it was answered with status 404, not 200"
    )


def test_who_has_no_fallback_has_no_names_for_urls() -> None:
    _, script, fetch = ask(ONE)
    script.feed(answered(fetch, status=302))
    assert why(script) == "it failed: it was answered with status 302, not 200"


def test_a_request_that_the_call_refuses_is_a_failure() -> None:
    _, script, fetch = ask(ONE)
    script.feed(CommandRefused(fetch, "too many requests"))
    assert why(script) == "it failed: too many requests"


def test_an_answer_that_never_comes_is_given_up_for_each_url_in_its_time() -> None:
    question, script, _ = ask(ONE, TWO)
    assert question.wake(10) == []
    script.wait(5_000 + GRACE_MS - 1)
    script.expect_nothing()
    script.wait(1)
    assert script.take(Fetch).request == TWO
    script.wait(2 * 2_000 + GRACE_MS - 1)  # a retry has its own time
    script.expect_nothing()
    script.wait(1)
    assert why(script).endswith("the fallback URL: there was no answer in time")
    assert question.wake(60_000) == []


def test_a_question_keeps_the_urls_own_query_and_adds_the_call_ap_1_ap_3() -> None:
    context = Context(make_setup(custom_field="a&b"), CountedTokens(), 0)
    request = get(context, "https://x.example/?key=1&who={CustomField}", 0, 7, (("A", "b"),))
    assert request.url == "https://x.example/?key=1&who=a%26b"
    assert request.query == context.parameters(0)
    assert (request.method, request.timeout_ms, request.headers) == ("GET", 7_000, (("A", "b"),))


def test_a_url_of_the_customers_is_one_of_the_web_with_known_variables() -> None:
    class Asker(BaseModel):
        url: HttpUrl

    assert Asker(url="http://x.example/{CallSid}").url == "http://x.example/{CallSid}"  # PT-7
    with pytest.raises(ValidationError, match="must begin with https:// or http://"):
        Asker(url="ftp://x.example/")
    with pytest.raises(ValidationError, match="is no variable"):
        Asker(url="https://x.example/{Foo}")
    with pytest.raises(ValidationError, match="at most 2048 characters"):
        Asker(url="https://" + "x" * 2048)
