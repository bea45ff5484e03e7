"""gRPC calls against real gRPC servers, over channels to checked addresses only (LD-1 to LD-6)."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import uvloop

from agentstream.base.errors import ConfigError
from agentstream.net import grpc_client
from agentstream.net.egress import Egress, EgressError, EgressPolicy
from agentstream.net.grpc_client import GrpcAnswer, GrpcClient, GrpcSettings, parse_target
from agentstream.testing.certificates import Authority
from agentstream.testing.grpc_receiver import HOST, grpc_receiver
from agentstream.testing.ports import free_port
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration
METHOD = "/acme.Events/Tell"


class Names:
    """A resolver that knows every name, and says what it was asked."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses or (HOST,)
        self.asked: list[str] = []

    async def lookup(self, host: str) -> tuple[str, ...]:
        self.asked.append(host)
        return self.addresses


@asynccontextmanager
async def a_client(
    names: Names | None = None, mode: Any = "open", **settings: Any
) -> AsyncIterator[GrpcClient]:
    egress = Egress(EgressPolicy(mode), names or Names())
    client = GrpcClient(egress, GrpcSettings(**settings))
    try:
        yield client
    finally:
        await client.close()


async def ask(client: GrpcClient, url: str, timeout_ms: int = 5_000, **more: Any) -> GrpcAnswer:
    return await client.ask(url, METHOD, b"\x0a\x01e", timeout_ms=timeout_ms, **more)


async def test_a_server_on_this_machine_is_called_in_clear_text_ld_1_ld_5() -> None:
    async with grpc_receiver() as receiver, a_client(user_agent="Acme/1") as client:
        url = receiver.url().replace("//", "//user:secret@")
        answer = await ask(client, url, metadata=(("x-exotel-event-sid", "ev1"),))
        again = await ask(client, receiver.url(host="localhost"))
    assert (answer.is_ok, again.is_ok) == (True, True)
    assert receiver.methods == [METHOD, METHOD]
    assert receiver.bodies[0] == b"\x0a\x01e"
    told = receiver.metadata[0]
    assert told["x-exotel-event-sid"] == "ev1"
    assert told["authorization"] == "Basic dXNlcjpzZWNyZXQ="
    assert told["user-agent"].startswith("Acme/1 ")
    assert "authorization" not in receiver.metadata[1]


async def test_calls_of_one_authority_share_a_connection_ld_6() -> None:
    async with grpc_receiver() as receiver, a_client() as client:
        answers = await asyncio.gather(*[ask(client, receiver.url()) for _ in range(20)])
        assert client.channels == 1
    assert all(answer.is_ok for answer in answers)
    assert len(set(receiver.peers)) == 1


async def test_elsewhere_it_is_tls_and_the_certificate_is_the_names_ld_1(tmp_path: Path) -> None:
    authority = Authority.found(tmp_path / "ca")
    certificate, names = authority.issue("events.example.test"), Names()
    async with (
        grpc_receiver(certificate) as receiver,
        a_client(names, ca_file=authority.ca_file) as client,
        a_client(names) as stranger,
    ):
        right = await ask(client, receiver.url(host="events.example.test"))
        wrong = await ask(client, receiver.url("grpcs", "other.example.test"))
        unknown = await ask(stranger, receiver.url(host="events.example.test"))
    assert right.is_ok
    assert [answer.status for answer in (wrong, unknown)] == ["UNAVAILABLE"] * 2
    assert len(receiver.bodies) == 1
    assert names.asked == ["events.example.test", "other.example.test", "events.example.test"]


async def test_grpcs_is_tls_on_this_machine_too_ld_1(tmp_path: Path) -> None:
    authority = Authority.found(tmp_path / "ca")
    certificate = authority.issue("localhost", HOST)
    async with (
        grpc_receiver(certificate) as receiver,
        a_client(ca_file=authority.ca_file) as client,
    ):
        assert (await ask(client, receiver.url("grpcs"))).is_ok
        assert (await ask(client, receiver.url("grpcs", "localhost"))).is_ok
        assert not (await ask(client, receiver.url("grpc"))).is_ok


async def test_hosts_of_the_setting_are_called_in_clear_text_ld_1() -> None:
    hosts = ("*.internal", "192.0.2.0/24")
    async with grpc_receiver() as receiver, a_client(cleartext_hosts=hosts) as client:
        assert (await ask(client, receiver.url(host="events.internal"))).is_ok
        assert (await ask(client, receiver.url(host="192.0.2.7"))).is_ok
        assert (await ask(client, receiver.url(host="events.example"))).status == "UNAVAILABLE"


async def test_a_server_may_ask_who_we_are_ld_6(tmp_path: Path) -> None:
    authority = Authority.found(tmp_path / "ca")
    ours, theirs = authority.issue("agentstream"), authority.issue("localhost")
    known: dict[str, Any] = {"certificate_file": ours.chain_file, "key_file": ours.key_file}
    async with (
        grpc_receiver(theirs, clients_of=authority.ca_file) as receiver,
        a_client(ca_file=authority.ca_file, **known) as client,
        a_client(ca_file=authority.ca_file) as nobody,
    ):
        assert (await ask(client, receiver.url("grpcs", "localhost"))).is_ok
        assert (await ask(nobody, receiver.url("grpcs", "localhost"))).status == "UNAVAILABLE"


async def test_a_status_is_an_answer_with_what_the_server_said_ld_4() -> None:
    async with grpc_receiver() as receiver, a_client() as client:
        receiver.statuses = [grpc.StatusCode.PERMISSION_DENIED]
        answer = await ask(client, receiver.url())
    assert answer == GrpcAnswer("PERMISSION_DENIED", "as the test said")


async def test_a_server_that_comes_back_is_called_at_the_very_next_attempt() -> None:
    async with a_client() as client:
        port = free_port()
        url = f"grpc://{HOST}:{port}"
        assert (await ask(client, url)).status == "UNAVAILABLE"
        async with grpc_receiver(port=port):
            await asyncio.sleep(0.2)  # the first rest of an event (EV-36)
            assert (await ask(client, url)).is_ok
        assert (await ask(client, url)).status == "UNAVAILABLE"


async def test_a_connection_that_has_gone_silent_is_given_up() -> None:
    async with grpc_receiver() as receiver, a_client() as client:
        assert (await ask(client, receiver.url())).is_ok
        receiver.delay_ms = 500
        late = await ask(client, receiver.url(), timeout_ms=50)
        assert (late.status, client.channels) == ("DEADLINE_EXCEEDED", 0)
        receiver.delay_ms = 0
        assert (await ask(client, receiver.url())).is_ok
    assert len(set(receiver.peers)) == 2


async def test_a_slow_call_costs_a_connection_that_answers_others_nothing() -> None:
    async with grpc_receiver() as receiver, a_client() as client:
        receiver.delay_ms = 600
        slow = asyncio.create_task(ask(client, receiver.url(), timeout_ms=500))
        await asyncio.sleep(0.1)
        receiver.delay_ms = 0
        assert (await ask(client, receiver.url())).is_ok
        assert (await slow).status == "DEADLINE_EXCEEDED"
        assert client.channels == 1


async def test_the_policy_is_asked_before_each_call_and_nothing_else_resolves() -> None:
    names = Names()
    async with grpc_receiver() as receiver, a_client(names, "closed") as client:
        url = receiver.url(host="localhost")
        with pytest.raises(EgressError, match="the egress policy does not allow it"):
            await ask(client, url)
        assert (await ask(client, url, allow=("localhost",))).is_ok
        with pytest.raises(EgressError):  # an open channel is no way around it
            await ask(client, url)
        names.addresses = ("169.254.169.254",)
        with pytest.raises(EgressError, match="metadata"):
            await ask(client, url, allow=("localhost",))
    assert len(receiver.bodies) == 1


async def test_a_name_that_moves_is_followed() -> None:
    names, port = Names("127.0.0.2"), free_port()
    async with grpc_receiver(port=port), a_client(names, cleartext_hosts=("x.test",)) as client:
        assert (await ask(client, f"grpc://x.test:{port}")).status == "UNAVAILABLE"
        names.addresses = (HOST,)
        assert (await ask(client, f"grpc://x.test:{port}")).is_ok


async def test_so_many_channels_are_open_and_the_oldest_gives_way() -> None:
    async with grpc_receiver() as one, grpc_receiver() as two, a_client(channels=1) as client:
        for receiver in (one, two, one):
            assert (await ask(client, receiver.url())).is_ok
            assert client.channels == 1


async def test_a_name_that_is_not_looked_up_in_time_is_a_deadline() -> None:
    class Slow(Names):
        async def lookup(self, host: str) -> tuple[str, ...]:
            await asyncio.sleep(10)
            return await super().lookup(host)

    async with a_client(Slow()) as client:
        answer = await ask(client, "grpc://x.test", timeout_ms=20)
    assert answer == GrpcAnswer("DEADLINE_EXCEEDED", "the name was not looked up in time")


async def test_a_call_whose_channel_is_closed_under_it_is_an_answer() -> None:
    async with grpc_receiver() as receiver, a_client() as client:
        receiver.delay_ms = 2_000
        running = asyncio.create_task(ask(client, receiver.url()))
        await until(lambda: receiver.bodies)
        await client.close()
        assert (await running).status == "UNAVAILABLE"


def test_it_runs_on_the_loop_of_the_server() -> None:
    async def call() -> None:
        async with grpc_receiver() as receiver, a_client() as client:
            assert (await ask(client, receiver.url())).is_ok

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(call(), 20))


def test_a_server_without_such_endpoints_does_not_load_it() -> None:
    found = (
        "import agentstream.server.run, sys; print({'grpc', 'google.protobuf'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", found], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_the_port_of_grpc_is_443_ev_52() -> None:
    target = parse_target("grpc://events.example.test")
    assert (target.port, target.host_header) == (443, "events.example.test")
    with pytest.raises(EgressError, match="is all that a server needs"):
        parse_target("grpc://events.example.test/path")


@pytest.mark.parametrize(
    ("addresses", "where"),
    [
        (("192.0.2.1", "2001:db8::1", "192.0.2.2"), "ipv4:192.0.2.1:443,192.0.2.2:443"),
        (("2001:db8::1", "192.0.2.1"), "ipv6:[2001:db8::1]:443"),
    ],
)
def test_a_channel_is_made_for_addresses_of_one_family(
    addresses: tuple[str, ...], where: str
) -> None:
    assert grpc_client._where(addresses, 443) == where


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    egress, missing = Egress(EgressPolicy(), Names()), str(tmp_path / "none.pem")
    with pytest.raises(ConfigError, match=r"none.pem: No such file"):
        GrpcClient(egress, GrpcSettings(ca_file=missing))
    with pytest.raises(ConfigError, match="belong together"):
        GrpcClient(egress, GrpcSettings(certificate_file=__file__))
