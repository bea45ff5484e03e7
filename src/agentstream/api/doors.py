"""What the HTTP interface asks of the house, as shapes that a double can have."""

from collections.abc import Callable
from dataclasses import dataclass

from agentstream.api.live import LiveHub
from agentstream.base.ids import AccountSid
from agentstream.store.protocols import Accounts


@dataclass(frozen=True, slots=True)
class Doors:
    """Everything that a request may need."""

    accounts: Accounts
    live: LiveHub
    why_not_ready: Callable[[], str]  # one sentence while no new call is taken, else ""
    metrics: Callable[[], bytes]  # Prometheus text, version 0.0.4
    active_streams: Callable[[AccountSid], int]  # AC-4: from the handshake's start to the close
    operator_token: str  # of the user "operator": whoever can read this server's data folder
