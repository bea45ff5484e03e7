"""Stories of calls made up for tests of `agentstream explain`: what happened when."""

from typing import Any

from agentstream.server.explain.cast import Happening

Told = tuple[int, str, dict[str, Any]]
CALLER: Told = (0, "call_started", {"leg_sid": "a", "from": "+911", "to": "+912"})
DIALLED: Told = (100, "leg_dialled", {"leg_sid": "b", "destination": "+913", "caller_id": "+912"})
ANSWERED: Told = (50, "call_answered", {"leg_sid": "a"})
BOT: Told = (60, "stream_requested", {"stream_sid": "s", "url": "wss://bot.example/"})
CONNECTED: Told = (
    80,
    "stream_connected",
    {"stream_sid": "s", "attempt": 2, "dns_ms": 1, "tcp_ms": 2, "tls_ms": 3, "upgrade_ms": 14},
)


def happenings(*told: Told) -> list[Happening]:
    """Return a story."""
    return [Happening(*each) for each in told]
