"""What the far end of a leg may ask for, as a value on its line (SIP-61)."""

from typing import Literal

from agentstream.base.values import dataclass

ReferMode = Literal["deny", "allow", "allow_pstn"]


@dataclass(frozen=True, slots=True)
class ReferRules:
    """What the far end of one leg may ask for, and what it calls us by."""

    mode: ReferMode = "deny"
    our_places: frozenset[str] = frozenset()  # "host:port", 0 for none: a number there is ours
