"""How a phone number is shown to bots: E.164, or national with a leading zero (AS-70, CX-9)."""

from typing import Literal

NumberFormat = Literal["e164", "national0"]


def show_number(number: str, number_format: NumberFormat, country_code: str = "91") -> str:
    """Return a number in the wanted form; what is no plain number (a SIP user) stays as it is.

    Numbers of other countries than `country_code` are E.164 in either form.
    """
    digits = number.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        return number
    e164 = _e164(number, country_code)
    if number_format == "national0" and e164.startswith(f"+{country_code}"):
        return "0" + e164.removeprefix(f"+{country_code}")
    return e164


def _e164(number: str, country_code: str) -> str:
    if number.startswith("00"):
        return "+" + number[2:]
    if number.startswith("0"):
        return f"+{country_code}{number[1:]}"
    return number
