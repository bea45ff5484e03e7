"""How bridges behave where the documents leave a choice."""

from typing import Final, Literal

from agentstream.base.values import dataclass

# Who is in a bridge hears the others and up to four who speak into it: the audio path mixes 16.
PARTICIPANTS_LIMIT: Final = 12
MONITORS_LIMIT: Final = 4
TerminalEvent = Literal["bridge_terminal", "bridge_terminated", "both"]


@dataclass(frozen=True, slots=True)
class BridgeSettings:
    """Of one house."""

    stop_hangs_up_legs: bool = False  # BR-5a
    terminal_event: TerminalEvent = "bridge_terminal"  # BR-7a
    form_ms: int = 5_000  # legs that have not said by then whether they come do not
    stop_ms: int = 5_000  # after that a stop has failed
    wait_ms: int = 3_600_000  # how long a bridge that nobody is in waits for its first leg


USUAL: Final = BridgeSettings()
