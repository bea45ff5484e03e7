"""A gRPC server that AgentStream tells the events of legs: prints them, and can be looked at.

    pip install 'agentstream[grpc]' grpcio-reflection
    python examples/leg_event_server.py                     # listens on 127.0.0.1:9001
    curl .../legs -d '{..., "leg_event_endpoint": "grpc://127.0.0.1:9001"}'

In another language, make your server of the contract: http://127.0.0.1:8080/docs/leg_events.proto.
Reflection is on, so grpcurl and its like find the service without it.
"""

import asyncio
import sys
from collections import OrderedDict

import grpc.aio
from google.protobuf.json_format import MessageToJson
from grpc_reflection.v1alpha import reflection

from agentstream.net.leg_events_v1 import leg_events_pb2 as contract
from agentstream.net.leg_events_v1 import leg_events_pb2_grpc as service

SEEN_LIMIT = 10_000


class LegEvents(service.LegEventsServicer):
    """Takes each event once: one that we were too slow to acknowledge comes again."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._working: set[asyncio.Task[None]] = set()

    async def TriggerCallbackEvent(  # noqa: N802  (the contract's name)
        self, event: contract.CallbackEvent, _context: grpc.aio.ServicerContext
    ) -> contract.CallbackAck:
        """Acknowledge at once, and work afterwards: there is one second."""
        if event.event_sid not in self._seen:
            self._seen[event.event_sid] = None
            if len(self._seen) > SEEN_LIMIT:
                self._seen.popitem(last=False)
            task = asyncio.create_task(self.work(event))
            self._working.add(task)
            task.add_done_callback(self._working.discard)
        return contract.CallbackAck(accepted=True)

    async def work(self, event: contract.CallbackEvent) -> None:
        """Do whatever your program does; what the leg does next is a request to the Legs API."""
        print(MessageToJson(event, preserving_proto_field_name=True), flush=True)


async def main(where: str = "127.0.0.1:9001") -> None:
    """Serve until interrupted."""
    server = grpc.aio.server()
    service.add_LegEventsServicer_to_server(LegEvents(), server)  # type: ignore[no-untyped-call]
    names = (contract.DESCRIPTOR.services_by_name["LegEvents"].full_name, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    port = server.add_insecure_port(where)
    await server.start()
    print(f"events: grpc://{where.rpartition(':')[0]}:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:2]))
