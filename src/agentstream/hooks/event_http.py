"""Events by HTTPS: a POST of their JSON, acknowledged by any 2xx (EV-30 to EV-37)."""

from collections.abc import Callable
from typing import Final

from agentstream.base.clock import Clock
from agentstream.base.ids import AccountSid
from agentstream.calls.commands import HttpRequest
from agentstream.hooks.event_transport import ERROR_LIMIT, EventPost, Outcome
from agentstream.hooks.posting import Sender, post

ANSWER_LIMIT: Final = 65_536  # bytes; nobody reads them (EV-31)
_AGAIN: Final = frozenset({0, 408, 429})  # EV-33; 0: no answer came


class HttpEvents:
    """A transport; `allow_of` returns the hosts that an account's URLs may reach in any case."""

    def __init__(
        self,
        web: Sender,
        allow_of: Callable[[AccountSid], tuple[str, ...]],
        clock: Clock,
        *,
        timeout_ms: int = 1_000,
        user_agent: str = "AgentStream",
    ) -> None:
        self._web = web
        self._allow_of = allow_of
        self._clock = clock
        self._timeout_ms = timeout_ms  # EV-32
        self._user_agent = user_agent  # EV-35

    async def send(self, told: EventPost) -> Outcome:
        """Post it once; a redirect is a failure (EV-36)."""
        began_ms = self._clock.now_ms()
        request = HttpRequest(
            told.endpoint,
            "POST",
            headers=(
                ("User-Agent", self._user_agent),
                ("X-Exotel-Event-Sid", told.event_sid),
                ("X-Exotel-Request-Id", told.request_id),
            ),
            body=told.body,
            content_type="application/json",
            timeout_ms=self._timeout_ms,
            max_bytes=ANSWER_LIMIT,
        )
        status, error = await post(
            self._web,
            request,
            allow=self._allow_of(told.account_sid),
            message_id=told.event_sid,
            error_chars=ERROR_LIMIT,
        )
        return Outcome(error, not is_worth_another(status), self._clock.now_ms() - began_ms)

    async def stop(self) -> None:
        """Do nothing: the connections are the house's."""


def is_worth_another(status: int) -> bool:
    """Whether the same request may be answered better later; 0: no answer came."""
    return status in _AGAIN or status >= 500
