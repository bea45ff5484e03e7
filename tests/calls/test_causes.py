"""Causes: complete tables, both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.calls.causes import (
    Cause,
    Party,
    explain,
    from_q850,
    from_signalling,
    from_sip,
    q850,
    sip_status,
    status_word,
)

SAME_WORD_BACK = {  # what several causes share on the wire comes back as one of them
    Cause.NORMAL: Cause.NO_ANSWER,
    Cause.NO_MEDIA: Cause.NO_ANSWER,
    Cause.TIME_LIMIT: Cause.NO_ANSWER,
    Cause.UNAVAILABLE: Cause.NO_ANSWER,
    Cause.NO_PORTS: Cause.OVERLOADED,
    Cause.DRAINING: Cause.OVERLOADED,
    Cause.FLOW_ERROR: Cause.FAILED,
    Cause.STREAM_FAILED: Cause.FAILED,
    Cause.INTERNAL: Cause.FAILED,
}


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_a_sip_status_and_comes_back_from_it(cause: Cause) -> None:
    assert 400 <= sip_status(cause) <= 699
    assert from_sip(sip_status(cause)) is SAME_WORD_BACK.get(cause, cause)


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_a_q850_value_and_comes_back_from_it(cause: Cause) -> None:
    assert 1 <= q850(cause) <= 127
    same = {
        Cause.CANCELED: Cause.NORMAL,
        Cause.NO_MEDIA: Cause.NORMAL,
        Cause.TIME_LIMIT: Cause.NORMAL,
        Cause.NO_PORTS: Cause.OVERLOADED,
        Cause.DRAINING: Cause.FAILED,
        Cause.FLOW_ERROR: Cause.FAILED,
        Cause.STREAM_FAILED: Cause.FAILED,
        Cause.INTERNAL: Cause.FAILED,
    }
    assert from_q850(q850(cause)) is same.get(cause, cause)


@pytest.mark.parametrize("cause", Cause)
@pytest.mark.parametrize("party", Party)
def test_every_cause_is_one_sentence_for_a_person(cause: Cause, party: Party) -> None:
    sentence = explain(cause, party)
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert sentence.count(".") == 1


def test_the_usual_end_is_said_in_usual_words() -> None:
    assert explain(Cause.NORMAL, Party.CALLER) == "The caller hung up."
    assert explain(Cause.NORMAL, Party.BOT) == "The bot ended the call as usual."


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (486, "busy"),
        (600, "busy"),
        (408, "no-answer"),
        (480, "no-answer"),
        (487, "canceled"),
        (404, "failed"),
        (484, "failed"),
        (488, "failed"),
        (500, "failed"),
        (503, "failed"),
        (603, "failed"),
        (699, "failed"),
    ],
)
def test_a_status_becomes_the_word_of_sip_81(status: int, word: str) -> None:
    assert status_word(from_sip(status), was_answered=False) == word


@pytest.mark.parametrize("cause", Cause)
def test_a_call_that_was_answered_is_completed_whatever_ends_it(cause: Cause) -> None:
    assert status_word(cause, was_answered=True) == "completed"


def test_no_answer_after_our_own_ring_timeout_is_not_canceled() -> None:
    assert status_word(Cause.NO_ANSWER, was_answered=False) == "no-answer"


@pytest.mark.parametrize(
    ("status", "value", "cause"),
    [
        (0, 0, Cause.NORMAL),  # a BYE without a reason
        (0, 16, Cause.NORMAL),
        (0, 17, Cause.BUSY),  # SIP-64: the Reason of a BYE
        (0, 102, Cause.SIGNALLING_LOST),
        (486, 0, Cause.BUSY),
        (486, 1, Cause.BUSY),  # a clear status needs no help
        (480, 20, Cause.UNAVAILABLE),
        (503, 34, Cause.OVERLOADED),
        (500, 1, Cause.NOT_FOUND),
        (500, 16, Cause.FAILED),  # a refusal is never normal
        (599, 17, Cause.BUSY),
        (599, 0, Cause.FAILED),
    ],
)
def test_status_and_q850_together_give_one_cause(status: int, value: int, cause: Cause) -> None:
    assert from_signalling(status, value) is cause


@given(st.integers(0, 999), st.integers(0, 255))
def test_any_numbers_give_a_cause(status: int, value: int) -> None:
    assert isinstance(from_signalling(status, value), Cause)
