"""Bridges of their own: what the published documents leave open, and their bounds.

[bridges]
stop_hangs_up_legs = false
"""

from pydantic import Field

from agentstream.flows.bridges.settings import BridgeSettings, TerminalEvent
from agentstream.server.config_section import Section
from agentstream.switch.bridge_ports import BridgeLimits


class BridgesConfig(Section):
    """Bridges that are made of legs of any calls."""

    stop_hangs_up_legs: bool = False  # BR-5a, LC-12
    terminal_event: TerminalEvent = "bridge_terminal"  # BR-7a, LC-20
    require_colocation: bool = False  # BR-8: on one node every leg is beside every other
    wait_seconds: int = Field(default=3_600, ge=10, le=86_400)  # for the first leg (BR-2)
    limit: int = Field(default=1_000, ge=1, le=100_000)  # bridges at once
    limit_per_account: int = Field(default=200, ge=1, le=100_000)

    def settings(self) -> BridgeSettings:
        """Return the settings as bridges take them."""
        return BridgeSettings(
            stop_hangs_up_legs=self.stop_hangs_up_legs,
            terminal_event=self.terminal_event,
            wait_ms=self.wait_seconds * 1_000,
        )

    def limits(self) -> BridgeLimits:
        """Return the bounds."""
        return BridgeLimits(self.limit, self.limit_per_account)
