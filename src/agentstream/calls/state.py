"""Where a call is in its life, and every move that there is."""

from enum import Enum
from typing import Final

from agentstream.calls.events import CallAnswered, CallEnded, CallHungUp, CallStarted


class CallState(Enum):
    """Where a call is in its life."""

    NEW = "new"
    RINGING = "ringing"
    TALKING = "talking"
    CLOSING = "closing"
    ENDED = "ended"


CallMove = CallStarted | CallAnswered | CallHungUp | CallEnded
MOVES: Final[dict[tuple[CallState, type[CallMove]], CallState]] = {
    (CallState.NEW, CallStarted): CallState.RINGING,
    (CallState.NEW, CallHungUp): CallState.CLOSING,
    (CallState.RINGING, CallAnswered): CallState.TALKING,
    (CallState.RINGING, CallHungUp): CallState.CLOSING,
    (CallState.TALKING, CallHungUp): CallState.CLOSING,
    (CallState.CLOSING, CallEnded): CallState.ENDED,
}
