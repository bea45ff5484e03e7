"""What a customer's server answered, and how its mistakes are told (US-14)."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.errors import PeerError
from agentstream.base.ids import RequestId
from agentstream.calls.events import RequestFinished
from agentstream.flows.answer import EXCERPT_CHARS, Answer, excerpt
from agentstream.testing.calls import CALL


def finished(
    status: int = 200, body: bytes = b"", content_type: str = "text/plain", error: str = ""
) -> RequestFinished:
    return RequestFinished(CALL, RequestId("r"), "test", status, content_type, body, 5, 1, error)


def test_an_answer_has_a_status_a_media_type_and_a_text() -> None:
    answer = Answer.of(finished(302, b"\xef\xbb\xbfso \xff", "Text/Plain; charset=utf-8"))
    assert answer == Answer(302, "text/plain", "so \N{REPLACEMENT CHARACTER}")


def test_no_answer_is_told_with_its_reason() -> None:
    with pytest.raises(PeerError, match="connection refused"):
        Answer.of(finished(0, error="connection refused"))
    with pytest.raises(PeerError, match="there was no answer"):
        Answer.of(finished(0))


def test_only_status_200_has_a_body() -> None:
    assert Answer(200, "", "x").body() == "x"
    with pytest.raises(PeerError, match="it was answered with status 404, not 200"):
        Answer(404, "", "x").body()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("<Response/>", "the answer is XML or HTML, wanted is JSON; it begins: <Response/>"),
        ("digits", "the answer is not JSON, wanted is JSON; it begins: digits"),
        ("", "the answer is not JSON, wanted is JSON; it begins: (empty)"),
        ("[" * 100_000, "the answer is not JSON"),
        ("[1]", "the answer is no JSON object, wanted is JSON"),
    ],
)
def test_what_is_not_a_json_object_is_told_with_its_beginning(body: str, why: str) -> None:
    with pytest.raises(PeerError) as caught:
        Answer(200, "application/json", body).mapping("JSON")
    assert str(caught.value).startswith(why)


def test_a_json_object_is_taken_whatever_its_content_type_says() -> None:
    assert Answer(200, "text/html", ' {"a": 1} ').mapping("JSON") == {"a": 1}


def test_an_excerpt_is_one_short_line() -> None:
    assert excerpt("a\r\n  b\0c") == "a b c"
    assert excerpt("x" * EXCERPT_CHARS) == "x" * EXCERPT_CHARS
    assert excerpt("x" * 200) == "x" * EXCERPT_CHARS + " ..."


@given(st.binary(max_size=60))
def test_any_body_gives_a_mapping_or_a_peer_error(body: bytes) -> None:
    with contextlib.suppress(PeerError):
        assert isinstance(Answer.of(finished(body=body)).mapping("JSON"), dict)
