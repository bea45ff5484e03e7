"""Events by gRPC: a unary call of the receiver's server, acknowledged by status OK (LD-2 to LD-6).

Import it only when an endpoint asks for it: it needs grpcio and protobuf.
"""

from collections.abc import Callable
from typing import Final, Protocol

from agentstream.base.clock import Clock
from agentstream.base.errors import AgentStreamError, ConfigError
from agentstream.base.ids import AccountSid
from agentstream.hooks.event_transport import EventPost, Outcome, told_error
from agentstream.net.grpc_client import GrpcClient

# LD-4; UNAVAILABLE is also what a connection that could not be made looks like.
_AGAIN: Final = frozenset(
    {"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "INTERNAL", "ABORTED"}
)


class Contract(Protocol):
    """What is called, and with what."""

    @property
    def method(self) -> str:
        """The method's full path, "/package.Service/Name"."""

    def message(self, post: EventPost) -> bytes:
        """Return the event as the method takes it; raises ConfigError when it cannot be."""


class GrpcEvents:
    """A transport; `allow_of` returns the hosts that an account's URLs may reach in any case."""

    def __init__(
        self,
        client: GrpcClient,
        contract: Contract,
        allow_of: Callable[[AccountSid], tuple[str, ...]],
        clock: Clock,
        timeout_ms: int = 1_000,
    ) -> None:
        self._client = client
        self._contract = contract
        self._allow_of = allow_of
        self._clock = clock
        self._timeout_ms = timeout_ms  # LD-4

    @property
    def channels(self) -> int:
        """How many are open."""
        return self._client.channels

    async def send(self, post: EventPost) -> Outcome:
        """Call once."""
        began_ms = self._clock.now_ms()
        try:
            answer = await self._client.ask(
                post.endpoint,
                self._contract.method,
                self._contract.message(post),
                metadata=(
                    ("x-exotel-event-sid", post.event_sid),
                    ("x-exotel-request-id", post.request_id),
                ),
                timeout_ms=self._timeout_ms,
                allow=self._allow_of(post.account_sid),
            )
        except AgentStreamError as error:
            return Outcome(told_error(str(error)), isinstance(error, ConfigError))
        elapsed_ms = self._clock.now_ms() - began_ms
        if answer.is_ok:
            return Outcome(elapsed_ms=elapsed_ms)
        said = told_error(f"it answered {answer.status}: {answer.details}".rstrip(": "))
        return Outcome(said, answer.status not in _AGAIN, elapsed_ms)

    async def stop(self) -> None:
        """Close the channels."""
        await self._client.close()
