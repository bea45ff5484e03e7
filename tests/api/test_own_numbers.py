"""Which of an account's numbers somebody means (CC-33, KX-20, UP-5)."""

import pytest

from agentstream.api.own_numbers import own_number
from agentstream.api.settings import ApiSettings
from agentstream.base.phone import NumberStyle

OWNED = ("+918040000002", "+14155550100", "1000")


@pytest.mark.parametrize(
    ("written", "country", "found"),
    [
        ("08040000002", "91", "+918040000002"),
        ("08040000002", "", "+918040000002"),  # by its last digits
        ("8040000002", "", "+918040000002"),
        ("(415) 555-0100", "", "+14155550100"),
        ("1000", "91", "1000"),
        ("0000002", "", ""),  # too few digits to be sure
        ("4155550199", "", ""),
        ("sales", "91", ""),
    ],
)
def test_a_number_is_found_by_its_digits(written: str, country: str, found: str) -> None:
    assert own_number(written, OWNED, ApiSettings(numbers=NumberStyle("", country))) == found


def test_what_could_be_several_is_none() -> None:
    owned = ("+918040000002", "+448040000002")
    assert own_number("08040000002", owned, ApiSettings()) == ""


def test_who_owns_every_number_owns_this_one() -> None:
    settings = ApiSettings(numbers=NumberStyle("", "91"))
    assert own_number("08040000007", ("*",), settings) == "+918040000007"
