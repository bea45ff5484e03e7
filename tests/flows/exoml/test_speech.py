"""The words of a Say: say-as becomes words, break a silence (XR-10)."""

import re

import pytest

from agentstream.calls.commands import Speech
from agentstream.flows.exoml.reading import GRAMMAR
from agentstream.flows.exoml.speech import Piece, pieces_of
from agentstream.flows.given import BadActionError
from agentstream.flows.markup import read_markup
from agentstream.flows.recital import Silence


def pieces(inside: str) -> list[Piece]:
    (say,) = read_markup(f"<Response><Say>{inside}</Say></Response>", GRAMMAR).inside
    return list(pieces_of(say, "en", "female"))


def words(text: str) -> Speech:
    return Speech(text, "en", "female")


@pytest.mark.parametrize(
    ("inside", "heard"),
    [
        ("Hello &amp; welcome", [words("Hello & welcome")]),
        (" \n ", []),
        (
            'Your code is <say-as interpret-as="digits">407</say-as>, thanks',
            [words("Your code is 4 0 7 , thanks")],
        ),
        ('<say-as interpret-as="spell-out">AB</say-as>', [words("A B")]),
        ('on <say-as interpret-as="date" format="dm">1/2</say-as>', [words("on 1/2")]),
        (
            'Wait<break time="1.5s"/>more<break/>',
            [words("Wait"), Silence(1_500), words("more"), Silence(500)],
        ),
        ('a<break strength="x-strong"/>b', [words("a"), Silence(1_500), words("b")]),
        ('a<break strength="none"/>b<break time="0ms"/>', [words("a"), words("b")]),
        ('<break time="10s"/>', [Silence(10_000)]),
    ],
)
def test_the_subset_of_ssml_is_heard_xr_10(inside: str, heard: list[Piece]) -> None:
    assert pieces(inside) == heard


@pytest.mark.parametrize(
    ("inside", "why"),
    [
        ('<break time="1"/>', "<break>: time must be such as 500ms or 1.5s"),
        ('<break time="10001ms"/>', "at most 10000 ms"),
        ('<break strength="huge"/>', "strength must be none or x-weak"),
        ('<say-as interpret-as="digits"><break/></say-as>', "cannot stand inside <say-as>"),
        ("a" * 2_001 + "<break/>" + "b" * 2_000, "text is longer than 4000 characters"),
    ],
)
def test_what_cannot_be_heard_is_refused_in_words_xr_10(inside: str, why: str) -> None:
    with pytest.raises(BadActionError, match=re.escape(why)):
        pieces(inside)
