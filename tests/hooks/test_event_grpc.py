"""Events by gRPC, to a real server (LD-3 to LD-5)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest

from agentstream.base.clock import SystemClock
from agentstream.base.errors import ConfigError
from agentstream.base.ids import AccountSid
from agentstream.hooks.event_grpc import Contract, GrpcEvents
from agentstream.hooks.event_transport import EventPost
from agentstream.hooks.grpc_contract import OwnContract
from agentstream.net.dns import Resolver
from agentstream.net.egress import Egress, EgressPolicy
from agentstream.net.grpc_client import GrpcClient
from agentstream.testing.grpc_receiver import grpc_receiver

pytestmark = pytest.mark.integration
BODY = '{"event_sid":"ev1","event_name":"leg_answered","data":{"leg_sid":"leg1"},"sequence":3}'


def post(endpoint: str, number: int = 1) -> EventPost:
    return EventPost(
        endpoint=endpoint,
        account_sid=AccountSid("acme7"),
        event_sid="ev1",
        body=BODY,
        number=number,
        at=datetime(2027, 1, 12, tzinfo=UTC),
    )


@asynccontextmanager
async def sending(
    contract: Contract | None = None, timeout_ms: int = 5_000, mode: str = "open"
) -> AsyncIterator[GrpcEvents]:
    resolver, clock = Resolver(), SystemClock()
    policy = EgressPolicy("open" if mode == "open" else "closed")
    client = GrpcClient(Egress(policy, resolver, clock), None, clock)
    events = GrpcEvents(client, contract or OwnContract(), lambda _: (), clock, timeout_ms)
    try:
        yield events
    finally:
        await events.stop()
        resolver.close()


async def test_an_event_names_itself_and_its_attempt_ld_5() -> None:
    async with grpc_receiver() as receiver, sending() as events:
        outcome = await events.send(post(receiver.url().replace("//", "//u:p@"), 2))
    assert (outcome.error, outcome.is_final) == ("", False)
    [event] = receiver.events
    assert (event.event_sid, event.sequence, event.attempt) == ("ev1", 3, 2)
    assert event.leg.leg_sid == "leg1"
    [told] = receiver.metadata
    assert (told["x-exotel-event-sid"], told["x-exotel-request-id"]) == ("ev1", "ev1-2")
    assert told["authorization"] == "Basic dTpw"


@pytest.mark.parametrize("status", [one for one in grpc.StatusCode if one.value[0]])
async def test_some_statuses_are_worth_another_attempt_ld_4(status: grpc.StatusCode) -> None:
    again = ["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "INTERNAL", "ABORTED"]
    async with grpc_receiver() as receiver, sending() as events:
        receiver.statuses = [status]
        outcome = await events.send(post(receiver.url()))
    assert outcome.error == f"it answered {status.name}: as the test said"
    assert outcome.is_final == (status.name not in again)


async def test_another_method_by_setting_ld_3() -> None:
    async with grpc_receiver() as receiver, sending(OwnContract("/acme.Calls/Told")) as events:
        assert not (await events.send(post(receiver.url()))).error
    assert receiver.methods == ["/acme.Calls/Told"]


async def test_a_receiver_that_is_too_slow_is_a_deadline_ld_4() -> None:
    async with grpc_receiver() as receiver, sending(timeout_ms=50) as events:
        receiver.delay_ms = 1_000
        outcome = await events.send(post(receiver.url()))
    assert outcome.error.startswith("it answered DEADLINE_EXCEEDED")
    assert not outcome.is_final


async def test_an_address_that_must_not_be_reached_says_so_without_credentials() -> None:
    async with sending(mode="closed") as events:
        outcome = await events.send(post("grpc://user:secret@localhost:9001"))
    assert "the egress policy does not allow it" in outcome.error
    assert "secret" not in outcome.error


async def test_a_message_that_cannot_be_made_is_final(tmp_path: Path) -> None:
    class Broken:
        method = "/a.B/C"

        def message(self, _: EventPost) -> bytes:
            raise ConfigError("the mapping does not fit")

    async with sending(Broken()) as events:
        outcome = await events.send(post("grpc://localhost:9001"))
    assert (outcome.error, outcome.is_final) == ("the mapping does not fit", True)
