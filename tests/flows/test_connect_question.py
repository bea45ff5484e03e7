"""Who is asked whom to dial, with what, and what then counts (AP-1 to AP-4, AP-45)."""

import pytest

from agentstream.base.ids import RequestId
from agentstream.calls.commands import Dial, Fetch, HttpRequest
from agentstream.calls.events import RequestFinished
from agentstream.flows.applets.connect import ConnectSettings
from agentstream.testing.calls import CALL
from agentstream.testing.visits import Visit

PRIMARY, FALLBACK = "https://crm.example/a?key=k1", "https://crm.example/b"


def ask(**fields: object) -> Visit:
    return Visit(ConnectSettings.model_validate({"url": PRIMARY, **fields}))


def test_a_question_is_a_get_with_the_standard_parameters_ap_1_ap_3() -> None:
    visit = ask(url=f"{PRIMARY}&from={{From}}")
    fetch = visit.take(Fetch)
    assert fetch.request == HttpRequest(
        f"{PRIMARY}&from=%2B919876500001",
        query=visit.context.parameters(0),
        timeout_ms=5000,
        redirects=3,
    )
    assert (fetch.purpose, fetch.in_background) == ("connect", False)


def test_only_a_programmable_connect_tells_its_version_ap_2() -> None:
    assert ask(mode="programmable").take(Fetch).request.headers == (("Exotel-Version", "1.0"),)
    assert ask(mode="plain").take(Fetch).request.headers == ()


@pytest.mark.parametrize(
    ("status", "body", "error", "why"),
    [
        (404, b"", "", "it was answered with status 404, not 200"),
        (302, b"", "", "it was answered with status 302, not 200"),
        (0, b"", "connection refused", "connection refused"),
        (0, b"", "", "there was no answer"),
        (200, b"+91900", "", "the answer is not JSON: '+91900'"),
    ],
)
def test_the_fallback_is_asked_when_the_primary_fails_ap_4(
    status: int, body: bytes, error: str, why: str
) -> None:
    visit = ask(mode="programmable", fallback_url=FALLBACK)
    visit.answers(visit.take(Fetch), body, status, error)
    second = visit.take(Fetch)
    assert second.request.url == FALLBACK
    visit.answers(second, b"", 500)
    left = visit.left("on_nobody_dialled")
    assert left.reason == (
        f"nobody was dialled: the primary URL: {why}; "
        "the fallback URL: it was answered with status 500, not 200"
    )


def test_an_answer_that_comes_too_late_is_not_used() -> None:
    visit = ask(fallback_url=FALLBACK)
    first = visit.take(Fetch)
    visit.wait(6000)
    second = visit.take(Fetch)
    visit.answers(first, b"+919000000001")
    visit.expect_nothing()
    visit.answers(second, b"+919000000002")
    assert visit.take(Dial).spec.destination == "+919000000002"


def test_a_question_that_the_call_refuses_counts_as_not_answered() -> None:
    visit = ask(fallback_url=FALLBACK)
    visit.refused(visit.take(Fetch), "too many requests")
    visit.refused(visit.take(Fetch), "too many requests")
    assert visit.left("on_nobody_dialled").reason.endswith("the fallback URL: too many requests")


def test_answers_to_others_are_ignored() -> None:
    visit = ask()
    visit.take(Fetch)
    other = RequestId("another")
    visit.feed(RequestFinished(CALL, other, "passthru", 200, "", b"+919000000001", 1, 1, ""))
    visit.expect_nothing()
