"""Keys that a call presses: which there are, and how many at once."""

from typing import Final

from agentstream.base.errors import CommandError
from agentstream.calls.commands import SendDigits
from agentstream.calls.effects import PressDigits

DIGITS: Final = frozenset("0123456789*#ABCD")
DIGITS_AT_ONCE: Final = 64


def press(command: SendDigits) -> PressDigits:
    """Return the effect; raises CommandError for what are no keys, or too many."""
    if not 0 < len(command.digits) <= DIGITS_AT_ONCE or not DIGITS.issuperset(command.digits):
        raise CommandError(f"digits are 1 to {DIGITS_AT_ONCE} of 0-9 * # A-D")
    return PressDigits(command.leg_sid, command.digits, command.tone_ms, command.gap_ms)
