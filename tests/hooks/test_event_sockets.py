"""Events over WebSockets that we open, to real servers (LD-8)."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from agentstream.base.clock import SystemClock
from agentstream.base.ids import AccountSid
from agentstream.hooks import event_sockets
from agentstream.hooks.event_sockets import SocketEvents, SocketRules, acknowledged, rest_ms
from agentstream.hooks.event_transport import EventPost, Outcome
from agentstream.net.dns import Resolver
from agentstream.net.egress import Egress, EgressPolicy
from agentstream.net.socket_dialler import Dialler
from agentstream.net.tls import web_context
from agentstream.testing.certificates import Authority, serving
from agentstream.testing.ports import free_port
from agentstream.testing.socket_receiver import HOST, socket_receiver
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration


def post(endpoint: str, sid: str = "ev1", age_ms: int = 0) -> EventPost:
    return EventPost(
        endpoint=endpoint,
        account_sid=AccountSid("acme7"),
        event_sid=sid,
        body=f'{{"event_sid": "{sid}", "kept": "as it is"}}',
        number=1,
        at=SystemClock().wall() - timedelta(milliseconds=age_ms),
    )


@asynccontextmanager
async def sending(
    mode: Any = "open", ca_file: str | None = None, **rules: int
) -> AsyncIterator[SocketEvents]:
    resolver, clock = Resolver(), SystemClock()
    egress = Egress(EgressPolicy(mode), resolver, clock)
    dialler = Dialler(egress, web_context(True, ca_file), user_agent="Acme/1")
    events = SocketEvents(dialler, lambda _: (), clock, SocketRules(**rules))
    try:
        yield events
    finally:
        await events.stop()
        resolver.close()


async def test_an_event_is_told_in_a_frame_and_acknowledged_ld_7_ld_8() -> None:
    async with socket_receiver() as receiver, sending() as events:
        url = receiver.url("/legs?k=v").replace("//", "//user:secret@")
        outcomes = [await events.send(post(url, sid)) for sid in ("ev1", "ev2")]
        assert events.open_sockets == 1
    assert [outcome.error for outcome in outcomes] == ["", ""]
    assert receiver.frames[0] == (
        '{"type":"event","event":{"event_sid": "ev1", "kept": "as it is"}}'
    )
    [connection] = receiver.connections
    assert connection.request is not None
    assert connection.request.path == "/legs?k=v"
    assert connection.request.headers["Authorization"] == "Basic dXNlcjpzZWNyZXQ="
    assert connection.request.headers["User-Agent"] == "Acme/1"
    assert connection.close_code == 1001  # we went away


async def test_an_event_without_acknowledgement_is_worth_another_attempt_ld_8() -> None:
    async with socket_receiver() as receiver, sending(ack_ms=50) as events:
        receiver.acknowledges = False
        outcome = await events.send(post(receiver.url()))
        assert outcome == Outcome("no acknowledgement in 50 ms", elapsed_ms=outcome.elapsed_ms)
        receiver.acknowledges = True
        assert not (await events.send(post(receiver.url()))).error
    assert len(receiver.connections) == 1


async def test_an_acknowledgement_that_comes_late_counts_for_the_next_attempt() -> None:
    async with socket_receiver() as receiver, sending(ack_ms=50) as events:
        receiver.delay_ms = 100
        assert (await events.send(post(receiver.url()))).error
        await asyncio.sleep(0.2)
        assert not (await events.send(post(receiver.url()))).error
    assert len(receiver.frames) == 1


async def test_what_was_not_acknowledged_is_told_again_after_a_reconnect_ld_8() -> None:
    async with socket_receiver() as receiver, sending() as events:
        receiver.closes_after = 2
        outcomes = [await events.send(post(receiver.url(), sid)) for sid in ("ev1", "ev2")]
    assert [outcome.error for outcome in outcomes] == ["", ""]
    assert [event["event_sid"] for event in receiver.events] == ["ev1", "ev2", "ev2"]
    assert len(receiver.connections) == 2


async def test_an_event_waits_for_a_receiver_that_is_not_there_yet_ld_8() -> None:
    port = free_port()
    async with sending() as events:
        telling = asyncio.create_task(events.send(post(f"ws://{HOST}:{port}/")))
        await until(lambda: events.counts.refused)
        async with socket_receiver(port=port) as receiver:
            assert not (await telling).error
    assert len(receiver.frames) == 1


async def test_it_waits_no_longer_than_it_may_and_says_why() -> None:
    async with sending(hold_ms=20) as events:
        url = f"ws://user:secret@{HOST}:{free_port()}/"
        first = asyncio.create_task(events.send(post(url)))
        await until(lambda: events.counts.refused)
        second = await events.send(post(url, "ev2", age_ms=10_000))
        assert second.is_final
        assert "Connection refused" in second.error
        assert "secret" not in second.error
        first.cancel()


async def test_events_that_may_not_wait_still_have_the_socket_dialled() -> None:
    port = free_port()
    url = f"ws://{HOST}:{port}/"
    async with sending(hold_ms=0) as events:
        first = asyncio.create_task(events.send(post(url)))
        await until(lambda: events.counts.refused)
        first.cancel()
        assert (await events.send(post(url, "ev2"))).is_final
        async with socket_receiver(port=port) as receiver:
            await until(lambda: events.open_sockets)
            assert not (await events.send(post(url, "ev3"))).error
    assert [event["event_sid"] for event in receiver.events] == ["ev3"]


async def test_a_receiver_that_opens_and_closes_for_ever_is_given_up() -> None:
    async with socket_receiver() as receiver, sending(hold_ms=100) as events:
        receiver.closes_after = 1
        outcome = await events.send(post(receiver.url()))
    assert outcome.is_final
    assert 1 <= len(receiver.frames) < 10


async def test_events_of_many_legs_share_the_socket_and_do_not_wait_for_each_other() -> None:
    async with socket_receiver() as receiver, sending() as events:
        sending_all = [events.send(post(receiver.url(), f"ev{number}")) for number in range(50)]
        outcomes = await asyncio.gather(*sending_all)
    assert {outcome.error for outcome in outcomes} == {""}
    assert len(receiver.connections) == 1


async def test_wss_checks_the_certificate(tmp_path: Path) -> None:
    authority = Authority.found(tmp_path / "ca")
    tls = serving(authority.issue("localhost"))
    async with (
        socket_receiver(tls) as receiver,
        sending(ca_file=authority.ca_file) as events,
        sending(hold_ms=1) as strangers,
    ):
        assert not (await events.send(post(receiver.url(scheme="wss", host="localhost")))).error
        telling = asyncio.create_task(
            strangers.send(post(receiver.url(scheme="wss", host="localhost")))
        )
        await until(lambda: strangers.counts.refused)
        late = await strangers.send(post(receiver.url(scheme="wss", host="localhost"), age_ms=9))
        telling.cancel()
    assert "certificate verify failed" in late.error


async def test_a_redirect_is_a_failure_and_the_policy_is_asked_ev_36() -> None:
    def elsewhere(_: ServerConnection, request: Request) -> Response:
        response = _.respond(HTTPStatus.FOUND, "")
        response.headers["Location"] = "/there" if request.path == "/moved" else "ws://other.test/"
        return response

    async with socket_receiver(process_request=elsewhere) as receiver, sending(hold_ms=1) as events:
        for path in ("/moved", "/gone"):
            error = await refusal(events, receiver.url(path))
            assert error == "no socket: it answered with a redirect"
    assert not receiver.frames
    async with sending("closed", hold_ms=1) as events:
        assert "the egress policy does not allow it" in await refusal(events, "ws://localhost:9001")


async def refusal(events: SocketEvents, url: str) -> str:
    before = events.counts.refused
    first = asyncio.create_task(events.send(post(url)))
    await until(lambda: events.counts.refused > before)
    outcome = await events.send(post(url, age_ms=9_000))
    first.cancel()
    assert outcome.is_final
    return outcome.error


async def test_a_socket_without_events_is_closed_and_opened_again() -> None:
    async with socket_receiver() as receiver, sending(idle_ms=50) as events:
        assert not (await events.send(post(receiver.url()))).error
        await until(lambda: not events.open_sockets)
        assert not (await events.send(post(receiver.url(), "ev2"))).error
    assert len(receiver.connections) == 2


@pytest.mark.parametrize("limit", ["SOCKETS_LIMIT", "ACCOUNT_LIMIT"])
async def test_so_many_sockets_are_open_and_an_idle_one_gives_way(
    monkeypatch: Any, limit: str
) -> None:
    monkeypatch.setattr(event_sockets, limit, 1)
    async with socket_receiver() as receiver, sending() as events:
        assert not (await events.send(post(receiver.url("/one")))).error
        assert not (await events.send(post(receiver.url("/two"), "ev2"))).error
        receiver.acknowledges = False
        telling = asyncio.create_task(events.send(post(receiver.url("/two"), "ev3")))
        await until(lambda: len(receiver.frames) == 3)
        full = await events.send(post(receiver.url("/one"), "ev4"))
        telling.cancel()
    assert full == Outcome("too many sockets for events are at work already")


async def test_a_bug_does_not_keep_an_endpoint_from_being_dialled_again() -> None:
    class Broken:
        async def open(self, url: str, *, timeout_ms: int, allow: tuple[str, ...]) -> Any:
            raise RuntimeError(url)

    clock = SystemClock()
    events = SocketEvents(Broken(), lambda _: (), clock, SocketRules(hold_ms=1))
    telling = asyncio.create_task(events.send(post("ws://a.test")))
    await until(lambda: events.counts.refused == 2)
    telling.cancel()
    await events.stop()


async def test_what_is_no_acknowledgement_means_nothing() -> None:
    async def chatty(connection: ServerConnection) -> None:
        event = json.loads(await connection.recv())["event"]
        for text in ("no JSON", "[]", '{"type":"hello"}', '{"type":"ack","event_sid":7}'):
            await connection.send(text)
        await connection.send(b'{"type":"ack","event_sid":"other"}')
        await connection.send(json.dumps({"type": "ack", "event_sid": event["event_sid"]}))
        await connection.wait_closed()

    async with serve(chatty, HOST, 0) as server, sending() as events:
        port = next(iter(server.sockets)).getsockname()[1]
        assert not (await events.send(post(f"ws://{HOST}:{port}/"))).error


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_rests_grow_from_a_quarter_of_a_second_to_five_ld_8(failures: int, chance: float) -> None:
    assert 125 <= rest_ms(failures, chance) <= 5_000
    assert [rest_ms(number, 1.0) for number in (1, 2, 3, 5, 6)] == [250, 500, 1_000, 4_000, 5_000]


@given(st.text() | st.binary())
def test_any_bytes_are_an_acknowledgement_or_nothing(said: str | bytes) -> None:
    assert isinstance(acknowledged(said), str)
