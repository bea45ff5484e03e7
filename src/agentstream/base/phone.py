"""Numbers in one form within, and in the form that people and programs are shown (US-13).

"+91 80 4000-0002", "08040000002" and "00918040000002" meet as "+918040000002"; a bot or a server
that knows numbers of its country with a 0 before them is told "08040000002".
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

ANY_NUMBER = "*"  # rings for whatever number no other entry names
NumberForm = Literal["e164", "national0"]
_SEPARATORS = re.compile(r"[\s().\-/\u00a0]+")
_DIGITS = re.compile(r"\d+", re.ASCII)
_E164_MIN, _E164_MAX = 8, 15  # digits; E.164 §6 allows 15


@lru_cache(maxsize=4_096)  # a call asks several times for the same
def normalise(text: str, country_code: str = "") -> str:
    """Return "+" and digits where the text is a public number, else the text in lower case.

    Separators fall away and 00 is +. With `country_code` ("91"), one leading 0 is that country's
    trunk prefix, and what is a whole number there is one of there. Else eight or more digits that
    begin with no 0 are taken as international; shorter ones (extensions) and names ("sales") stay
    what they are.
    """
    plain = _SEPARATORS.sub("", text)
    digits = plain.removeprefix("+")
    if not _DIGITS.fullmatch(digits):
        return plain.lower()
    if plain.startswith("+"):
        return plain
    if digits.startswith("00"):
        return "+" + digits[2:]
    if digits.startswith("0"):
        return f"+{country_code}{digits[1:]}" if country_code else digits
    if _E164_MIN <= len(digits) <= _E164_MAX:
        return _national(digits, country_code) or f"+{digits}"
    return digits


@dataclass(frozen=True, slots=True)
class NumberStyle:
    """How numbers are shown: as they are, E.164, or a country's with a leading 0 (AS-70, CX-9)."""

    form: NumberForm | Literal[""] = ""
    country_code: str = ""

    def show(self, number: str) -> str:
        """Return a number in the wanted form; what is no number (a SIP user) stays as it is."""
        digits = number.removeprefix("+")
        if not (self.form and digits.isascii() and digits.isdigit()):
            return number
        code = self.country_code
        e164 = normalise(number, code)
        if self.form == "national0" and code and e164.startswith(f"+{code}"):
            return "0" + e164.removeprefix(f"+{code}")
        return e164


AS_THEY_ARE: Final = NumberStyle()


def _national(digits: str, country_code: str) -> str:
    """Return E.164 of a whole number of a country, written without any prefix; "" for others."""
    if not country_code:
        return ""
    import phonenumbers  # slow to import: not for commands that know no number

    region = phonenumbers.region_code_for_country_code(int(country_code))
    try:
        number = phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException:
        return ""
    # Several countries may share a code, as +1: any of them will do.
    if number.country_code != int(country_code) or not phonenumbers.is_valid_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
