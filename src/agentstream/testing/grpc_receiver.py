"""A customer's gRPC server for tests: keeps the events that it is told, and answers as it is said.

async with grpc_receiver() as receiver:
    receiver.statuses = [grpc.StatusCode.UNAVAILABLE]  # then OK
    ...  # let a leg's endpoint be receiver.url()
    assert receiver.events[0].event_name == "leg_connecting"
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from agentstream.net.leg_events_v1.leg_events_pb2 import CallbackAck, CallbackEvent
from agentstream.net.tls import Certificate

HOST = "127.0.0.1"


@dataclass
class GrpcReceiver:
    """A running server. Every method of every service is the same one."""

    port: int = 0
    statuses: list[grpc.StatusCode] = field(default_factory=list)  # of the next calls; then OK
    bodies: list[bytes] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    metadata: list[dict[str, str]] = field(default_factory=list)
    peers: list[str] = field(default_factory=list)  # whence each call came
    delay_ms: int = 0

    @property
    def events(self) -> list[CallbackEvent]:
        """What was told, as our own contract has it."""
        return [CallbackEvent.FromString(body) for body in self.bodies]

    def url(self, scheme: str = "grpc", host: str = HOST) -> str:
        """Return the endpoint that leads here."""
        return f"{scheme}://{host}:{self.port}"

    async def take(self, method: str, body: bytes, context: Any) -> bytes:  # noqa: ANN401  (gRPC's)
        """Answer one call."""
        self.methods.append(method)
        self.bodies.append(body)
        self.metadata.append({key: str(value) for key, value in context.invocation_metadata()})
        self.peers.append(context.peer())
        await asyncio.sleep(self.delay_ms / 1000)
        status = self.statuses.pop(0) if self.statuses else grpc.StatusCode.OK
        if status is not grpc.StatusCode.OK:
            await context.abort(status, "as the test said")
        return bytes(CallbackAck(accepted=True).SerializeToString())


@asynccontextmanager
async def grpc_receiver(
    certificate: Certificate | None = None, *, clients_of: str = "", port: int = 0
) -> AsyncIterator[GrpcReceiver]:
    """Run a server: in clear text, or with TLS, and then for clients of an authority only."""
    receiver = GrpcReceiver()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_Handlers(receiver.take),))
    where = f"{HOST}:{port}"
    if certificate is None:
        receiver.port = server.add_insecure_port(where)
    else:
        receiver.port = server.add_secure_port(where, _credentials(certificate, clients_of))
    await server.start()
    try:
        yield receiver
    finally:
        await server.stop(None)


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio has no types
    def __init__(self, take: Callable[[str, bytes, Any], Any]) -> None:
        self._take = take

    def service(self, details: Any) -> Any:  # noqa: ANN401  (gRPC's)
        async def call(body: bytes, context: Any) -> bytes:  # noqa: ANN401  (gRPC's)
            answer: bytes = await self._take(details.method, body, context)
            return answer

        return grpc.unary_unary_rpc_method_handler(call)


def _credentials(certificate: Certificate, clients_of: str) -> Any:  # noqa: ANN401  (gRPC's)
    pair = (Path(certificate.key_file).read_bytes(), Path(certificate.chain_file).read_bytes())
    roots = Path(clients_of).read_bytes() if clients_of else None
    return grpc.ssl_server_credentials([pair], roots, require_client_auth=bool(clients_of))
