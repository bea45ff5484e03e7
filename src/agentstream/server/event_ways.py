"""The ways that events can go, of one node: HTTPS, gRPC, and WebSockets that we open (LD-1)."""

import asyncio
import os
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from agentstream.base.clock import Clock
from agentstream.base.errors import AgentStreamError, ConfigError
from agentstream.base.ids import AccountSid
from agentstream.hooks.event_http import HttpEvents
from agentstream.hooks.event_sockets import SocketEvents, SocketRules
from agentstream.hooks.event_transport import EventPost, Outcome, Transports
from agentstream.net.http_client import HttpClient
from agentstream.net.socket_dialler import Dialler
from agentstream.server.config import Config

if TYPE_CHECKING:  # it is loaded when it is needed
    from agentstream.hooks.event_grpc import GrpcEvents

AllowOf = Callable[[AccountSid], tuple[str, ...]]


class EventWays(Transports):
    """One for a node, over the connections that `web` would make."""

    def __init__(self, config: Config, web: HttpClient, allow_of: AllowOf, clock: Clock) -> None:
        """Raise ConfigError when a file of [legs.grpc] cannot be used."""
        wanted = config.legs
        dialler = Dialler(web.egress, web.tls, web.local_address, wanted.user_agent)
        rules = SocketRules(wanted.timeout_ms, wanted.socket_hold_ms)
        http = HttpEvents(
            web, allow_of, clock, timeout_ms=wanted.timeout_ms, user_agent=wanted.user_agent
        )
        self.sockets = SocketEvents(dialler, allow_of, clock, rules, random.random)
        self.grpc = _GrpcOnDemand(lambda: _grpc(config, web, allow_of, clock))
        if wanted.grpc.has_files:
            self.grpc.load()
        super().__init__(http, self.grpc, self.sockets)

    def counts(self) -> dict[str, int]:
        """Return the figures for metrics; see `hooks.metrics.Facts`."""
        return {
            "sockets": self.sockets.open_sockets,
            "channels": self.grpc.channels,
            "opened": self.sockets.counts.opened,
            "refused": self.sockets.counts.refused,
        }


class _GrpcOnDemand:
    """Loads gRPC when the first event goes there: it costs memory, and a tenth of a second."""

    def __init__(self, make: Callable[[], "GrpcEvents"]) -> None:
        self._make = make
        self._way: GrpcEvents | None = None

    @property
    def channels(self) -> int:
        """How many are open."""
        return 0 if self._way is None else self._way.channels

    def load(self) -> "GrpcEvents":
        """Return the transport; raises ConfigError."""
        if self._way is None:
            self._way = self._make()
        return self._way

    async def send(self, post: EventPost) -> Outcome:
        """Call once."""
        if self._way is None:
            try:
                await asyncio.to_thread(_import)  # calls go on meanwhile
                self.load()
            except AgentStreamError as error:
                return Outcome(str(error), is_final=True)
        return await self.load().send(post)

    async def stop(self) -> None:
        """Close the channels."""
        if self._way is not None:
            await self._way.stop()


def _import() -> None:
    # Its own lines on stderr would stand between those of our log; each failure is a status too.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        import agentstream.hooks.event_grpc
        import agentstream.hooks.grpc_contract  # noqa: F401
    except ImportError as error:
        raise ConfigError("grpc:// needs grpcio: pip install 'agentstream[grpc]'") from error


def _grpc(config: Config, web: HttpClient, allow_of: AllowOf, clock: Clock) -> "GrpcEvents":
    _import()
    from agentstream.hooks.event_grpc import GrpcEvents
    from agentstream.hooks.grpc_contract import MappedContract, OwnContract
    from agentstream.net.grpc_client import GrpcClient, GrpcSettings

    wanted, legs = config.legs.grpc, config.legs
    settings = GrpcSettings(
        ca_file=str(config.egress.ca_file or ""),
        certificate_file=str(wanted.certificate or ""),
        key_file=str(wanted.key or ""),
        cleartext_hosts=wanted.cleartext_hosts,
        channels=wanted.channels,
        user_agent=legs.user_agent,
    )
    contract = (
        OwnContract(wanted.method)
        if wanted.descriptor is None
        else MappedContract(wanted.descriptor, wanted.method, wanted.mapping)
    )
    client = GrpcClient(web.egress, settings, clock)
    return GrpcEvents(client, contract, allow_of, clock, legs.timeout_ms)
