"""Which of an account's numbers somebody means, however it is written (CC-33, KX-20, UP-5)."""

from collections.abc import Iterable
from typing import Final

from agentstream.api.settings import ApiSettings
from agentstream.base.phone import ANY_NUMBER

_ENOUGH_DIGITS: Final = 8  # for a number whose country nobody wrote


def own_number(written: str, owned: Iterable[str], settings: ApiSettings) -> str:
    """Return the number in its one form, "" when it is none of these or could be several.

    An account that owns "*" owns every number that the caller lets it have.
    """
    plain = settings.normalised(written)
    known = frozenset(owned)
    if plain in known:
        return plain
    digits = plain.lstrip("+0")
    if digits.isdecimal() and len(digits) >= _ENOUGH_DIGITS:
        alike = [number for number in known if number.endswith(digits)]
        if len(alike) == 1:
            return alike[0]
    return plain if ANY_NUMBER in known else ""
