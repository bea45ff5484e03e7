"""Numbers as a carrier wants them: what begins so loses its beginning and gains another.

begins "+91", strip "+91", add "0"      +918040000002  ▶  08040000002
begins "",    strip "+",   add "00"     +14155550100   ▶  0014155550100
"""

import re
from typing import Final

from agentstream.base.values import dataclass

RULES_LIMIT: Final = 64  # of one trunk and one direction
NUMBER_LIMIT: Final = 32  # characters of a number on the wire
PART: Final = re.compile(r"\+?[0-9*#]{0,15}", re.ASCII)  # of a rule


@dataclass(frozen=True, slots=True)
class NumberRule:
    """For numbers that begin with `begins`: take `strip` off their front, put `add` there."""

    begins: str = ""  # "": every number
    strip: str = ""  # left alone where a number does not begin so
    add: str = ""

    def mistake(self) -> str:
        """Return what is wrong with the rule, "" for nothing."""
        for name, text in (("begins", self.begins), ("strip", self.strip), ("add", self.add)):
            if not PART.fullmatch(text):
                return f"{name} is at most 15 of 0-9 * #, after a + or none, not {text[:40]!r}"
        return "" if self.strip or self.add else "a rule has strip or add, or both"


def rewrite(number: str, rules: tuple[NumberRule, ...]) -> str:
    """Return a number as the first rule makes it that is meant for it.

    The result may be empty or no number at all: whoever sends it has to look.
    """
    for rule in rules:
        if number.startswith(rule.begins):
            return rule.add + number.removeprefix(rule.strip)
    return number
