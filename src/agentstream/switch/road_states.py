"""Which roads can be taken now: asked before a leg is dialled, told what became of it.

The key of an operator's trunk is its name, that of a trunk's destination `destination_key`.
"""

from typing import Final, Literal, Protocol

from agentstream.base.ids import TrunkSid

# reached: its far end decided (it rang, answered, or refused this call); refused: it cannot take
# calls now (5xx); silent: it said nothing in time; unreachable: no connection, or no such name.
Outcome = Literal["reached", "refused", "silent", "unreachable"]


class RoadStates(Protocol):
    """Whoever watches roads implements this; both return at once."""

    def is_up(self, key: str) -> bool:
        """Tell whether this road is worth a try where there are others; True for an unknown one."""

    def note(self, key: str, outcome: Outcome, rest_ms: int = 0) -> None:
        """Take note of what became of a call by this road; once per attempt.

        `rest_ms` is how long its far end wants to be left alone (Retry-After); 0: it does not say.
        """

    def routes(self, key: str) -> tuple[str, ...]:
        """Return the Service-Route of this road's registration (RFC 3608 §5), if there is one."""


class AllUp:
    """Nobody watches: every road is tried."""

    def is_up(self, key: str) -> bool:
        """Return True."""
        del key
        return True

    def note(self, key: str, outcome: Outcome, rest_ms: int = 0) -> None:
        """Take no note."""

    def routes(self, key: str) -> tuple[str, ...]:
        """Return none."""
        del key
        return ()


ALL_UP: Final[RoadStates] = AllUp()


def destination_key(sid: TrunkSid, destination_id: int) -> str:
    """Return the key of a destination of an account's trunk (TR-64)."""
    return f"{sid}#{destination_id}"
