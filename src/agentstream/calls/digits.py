"""Keys that a call presses: which there are, how many at once, and whose are passed on."""

from typing import Final

from agentstream.base.errors import CommandError
from agentstream.calls.commands import SendDigits
from agentstream.calls.effects import PressDigits
from agentstream.calls.legs import Legs
from agentstream.calls.reports import DigitPressed

DIGITS: Final = frozenset("0123456789*#ABCD")
DIGITS_AT_ONCE: Final = 64
SHORTEST_MS: Final = 40  # a key that is heard for less is none (Q.24)
LONGEST_MS: Final = 5_000


def press(command: SendDigits) -> PressDigits:
    """Return the effect; raises CommandError for what are no keys, or too many."""
    if not 0 < len(command.digits) <= DIGITS_AT_ONCE or not DIGITS.issuperset(command.digits):
        raise CommandError(f"digits are 1 to {DIGITS_AT_ONCE} of 0-9 * # A-D")
    return PressDigits(command.leg_sid, command.digits, command.tone_ms, command.gap_ms)


def relayed(key: DigitPressed, legs: Legs) -> list[PressDigits]:
    """Press a key for a bridged party that could not hear it, as it came by signalling (INFO)."""
    other_sid = legs.partner(key.leg_sid, for_digits=True) if key.in_message else None
    if other_sid is None or not legs.found(other_sid).is_talking:
        return []
    tone_ms = min(max(key.duration_ms, SHORTEST_MS), LONGEST_MS)
    return [press(SendDigits(other_sid, key.digit, tone_ms))]
