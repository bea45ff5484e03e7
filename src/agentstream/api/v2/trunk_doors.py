"""What the trunks API asks of the house, as shapes that a double can have."""

from dataclasses import dataclass, field
from typing import Protocol

from agentstream.base.ids import RandomTokens, Tokens
from agentstream.store.protocols import Numbers
from agentstream.store.trunk_rules import TrunkRules
from agentstream.store.trunks import Trunks


class Reach(Protocol):
    """Which hosts calls may be sent to."""

    async def addresses(self, host: str, port: int, allow: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return the addresses of a host that may be reached; `allow` is the account's own list.

        Raises PeerError when there is none, BusyError when too many names are being looked up.
        """


@dataclass(frozen=True, slots=True)
class TrunkDoor:
    """What requests for trunks need."""

    rows: Trunks
    numbers: Numbers
    reach: Reach
    rules: TrunkRules = field(default_factory=TrunkRules)
    duplicate_status: int = 200  # TR-29: HTTP's, or 409
    unknown_status: int = 404  # SC-2: of a trunk that is not the account's, or 403
    tokens: Tokens = field(default_factory=RandomTokens)
