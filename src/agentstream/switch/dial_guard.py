"""Which numbers may be dialled: of which countries, and none that cost a fortune.

Whoever steals a key dials premium numbers abroad. So numbers of other countries than our own are
refused until the operator names those countries, and premium ones until he wants them.
"""

from functools import lru_cache
from typing import Final

from agentstream.base.values import dataclass

_KEPT: Final = 4_096


@dataclass(frozen=True, slots=True)
class DialGuard:
    """The rules; without any country every one may be dialled."""

    codes: frozenset[str] = frozenset()  # calling codes: "91", "1"
    denied: tuple[str, ...] = ()  # beginnings of numbers: "+9190", "+1900"
    premium: bool = False

    def why_not(self, number: str) -> str:
        """Return why a number, in the form of `phone.normalise`, is not dialled; "": it is.

        What is no international number (an extension, a short code) is the trunk's business.
        """
        if not number.startswith("+"):
            return ""
        if number.startswith(self.denied):
            return _text(number, "they begin as [dial] denied_prefixes says")
        if self.codes and not number.startswith(tuple(f"+{code}" for code in self.codes)):
            return _text(number, "[dial] countries does not name their country")
        if not self.premium and _is_premium(number):
            return _text(number, "they are premium ones ([dial] premium)")
        return ""


def _text(number: str, why: str) -> str:
    return f"Numbers such as {number[:6]}... may not be dialled: {why}."


@lru_cache(_KEPT)
def _is_premium(number: str) -> bool:
    import phonenumbers  # slow to import: not for commands that dial nobody

    try:
        kind = phonenumbers.number_type(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return False
    wanted = phonenumbers.PhoneNumberType
    return kind in (wanted.PREMIUM_RATE, wanted.SHARED_COST)
