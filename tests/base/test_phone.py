"""One form of numbers within, and the one that is wanted outside (US-13)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.phone import NumberForm, NumberStyle, normalise


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
        ("9876500001", "91", "+919876500001"),
        ("919876500001", "91", "+919876500001"),
        ("14155550100", "91", "+14155550100"),
        ("62345678", "65", "+6562345678"),
        ("4165550123", "1", "+14165550123"),
        ("12345678", "999", "+12345678"),
        ("6562345678", "65", "+6562345678"),
    ],
)
def test_numbers_meet_in_one_form(text: str, country_code: str, plain: str) -> None:
    assert normalise(text, country_code) == plain


@given(st.text(max_size=30), st.sampled_from(["", "91", "1"]))
def test_the_one_form_stays_as_it_is(text: str, country_code: str) -> None:
    once = normalise(text, country_code)
    if once.startswith("+"):
        assert normalise(once, country_code) == once


@pytest.mark.parametrize(
    ("number", "form", "shown"),
    [
        ("+919876500001", "e164", "+919876500001"),
        ("+919876500001", "national0", "09876500001"),
        ("09876500001", "e164", "+919876500001"),
        ("09876500001", "national0", "09876500001"),
        ("9876500001", "national0", "09876500001"),
        ("00919876500001", "national0", "09876500001"),
        ("+14155550100", "national0", "+14155550100"),
        ("1001", "e164", "1001"),
        ("alice", "national0", "alice"),
        ("sip:ann@pbx.example", "national0", "sip:ann@pbx.example"),
        ("", "e164", ""),
        ("+\u0663", "e164", "+\u0663"),
    ],
)
def test_a_number_is_shown_as_the_setting_says_cx_9_us_13(
    number: str, form: NumberForm, shown: str
) -> None:
    assert NumberStyle(form, "91").show(number) == shown


def test_without_a_setting_numbers_stay_as_they_are() -> None:
    for number in ("09876500001", "9876500001", "+919876500001", "alice"):
        assert NumberStyle().show(number) == number
