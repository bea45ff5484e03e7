"""Numbers in one form, so that "+91 80 4000-0002", "08040000002" and "00918040000002" can meet."""

import re

ANY_NUMBER = "*"  # rings for whatever number no other entry names
_SEPARATORS = re.compile(r"[\s().\-/\u00a0]+")
_DIGITS = re.compile(r"\d+", re.ASCII)
_E164_MIN, _E164_MAX = 8, 15  # digits; E.164 §6 allows 15


def normalise(text: str, country_code: str = "") -> str:
    """Return "+" and digits where the text is a public number, else the text in lower case.

    Separators fall away and 00 is +. With `country_code` ("91"), one leading 0 is that country's
    trunk prefix. Without it, eight or more digits that begin with no 0 are taken as international;
    shorter ones (extensions) and names ("sales") stay what they are.
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
        return f"+{digits}"
    return digits
