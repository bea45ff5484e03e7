"""Numbers as bots see them: CX-9."""

import pytest

from agentstream.stream.numbers import NumberFormat, show_number


@pytest.mark.parametrize(
    ("number", "number_format", "shown"),
    [
        ("+919876500001", "e164", "+919876500001"),
        ("+919876500001", "national0", "09876500001"),
        ("09876500001", "e164", "+919876500001"),
        ("09876500001", "national0", "09876500001"),
        ("00919876500001", "national0", "09876500001"),
        ("+14155550100", "national0", "+14155550100"),
        ("1001", "e164", "1001"),
        ("alice", "national0", "alice"),
        ("", "e164", ""),
        ("+٣", "e164", "+٣"),
    ],
)
def test_a_number_is_shown_as_the_setting_says(
    number: str, number_format: NumberFormat, shown: str
) -> None:
    assert show_number(number, number_format) == shown
