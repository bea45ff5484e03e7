"""Errors, named by who must act. A bug is an `assert`, not one of these."""


class AgentStreamError(Exception):
    """Everything that we raise on purpose."""


class ConfigError(AgentStreamError):
    """The operator must change the configuration (exit code 2)."""


class CommandError(AgentStreamError):
    """Our caller asked for something that cannot be done now (HTTP 409)."""


class PeerError(AgentStreamError):
    """The far end broke a rule (SIP 400, WebSocket 1002); `status` is what we answer."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


class BusyError(AgentStreamError):
    """A bound of ours is reached: ports, calls, queues (SIP 503 with Retry-After, HTTP 429)."""
