import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.store.phone import normalise


@pytest.mark.parametrize(
    ("text", "country_code", "plain"),
    [
        ("+91 80 4000-0002", "", "+918040000002"),
        ("00918040000002", "", "+918040000002"),
        ("918040000002", "", "+918040000002"),
        ("08040000002", "91", "+918040000002"),
        ("08040000002", "", "08040000002"),
        ("(415) 555-0100", "", "+4155550100"),
        ("1000", "91", "1000"),
        ("Sales", "91", "sales"),
        ("*", "91", "*"),
        ("+", "91", "+"),
        ("", "91", ""),
    ],
)
def test_numbers_meet_in_one_form(text: str, country_code: str, plain: str) -> None:
    assert normalise(text, country_code) == plain


@given(st.text(max_size=30), st.sampled_from(["", "91", "1"]))
def test_the_one_form_stays_as_it_is(text: str, country_code: str) -> None:
    once = normalise(text, country_code)
    if once.startswith("+"):
        assert normalise(once, country_code) == once
