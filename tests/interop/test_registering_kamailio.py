"""Kamailio as a carrier that we register with: digest, short times, calls by the registration."""

import re
import shutil
from pathlib import Path

import pytest

from agentstream.net.dns import Resolver
from agentstream.net.locate import Locator
from agentstream.net.sip_dns import SystemSipDns
from agentstream.net.sip_engine import Listener, SipConfig, SipEngine
from agentstream.sip.reports import Probed, Registered, RegistrationFailed, Unregistered
from agentstream.sip.signaling import Credentials, ProbePlan, RegistrationPlan
from agentstream.testing.echo import echo_bot
from agentstream.testing.name_server import name_server
from agentstream.testing.node import running_node, scripted_caller
from agentstream.testing.outside import Heard
from agentstream.testing.peers import Kamailio, running_kamailio
from agentstream.testing.ports import HOST
from agentstream.testing.waiting import until

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("kamailio") is None, reason="kamailio is not installed"),
]
REGISTRAR = Path(__file__).parent / "sipp" / "registrar.cfg"


def plan(address: str, transport: str = "udp", **options: object) -> RegistrationPlan:
    values: dict[str, object] = {
        "credentials": Credentials("acct", "hunter2"),
        "expires_s": 60,
        **options,
    }
    return RegistrationPlan(
        f"sip:{address};transport={transport}",
        f"sip:acct@{HOST}",
        "acct",
        **values,  # type: ignore[arg-type]
    )


def took(kamailio: Kamailio) -> list[str]:
    """Return the times that were asked for, of every REGISTER that it believed."""
    text = (kamailio.folder / "kamailio.log").read_text(errors="replace")
    return re.findall(r"expires (\d+) of", text)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_registration_is_granted_refreshed_in_time_and_taken_back(
    transport: str, tmp_path: Path
) -> None:
    """RFC 3261 section 10.2; the carrier grants 4 s of the 60 that we want."""
    engine = SipEngine(SipConfig((Listener("udp", HOST, 0), Listener("tcp", HOST, 0))))
    heard = Heard(engine)
    await engine.start()
    async with running_kamailio(REGISTRAR, tmp_path, f"{HOST}:1") as kamailio:
        engine.register(plan(kamailio.address, transport))
        first = await heard.until(Registered)
        assert first.granted_s == 4
        assert 2_600 <= first.refresh_in_ms <= 3_000
        assert first.contact.startswith(f"sip:acct@{HOST}:")
        await heard.until(Registered, 2)
        assert kamailio.passed("REGISTER") == 2
        await engine.stop(2_000)
        await until(lambda: took(kamailio) == ["60", "60", "0"])
    assert [type(report) for report in heard.reports[-1:]] == [Unregistered]
    assert engine.counters["registrations_now"] == 0
    assert "bugs" not in engine.counters


async def test_too_short_a_time_and_a_wrong_password(tmp_path: Path) -> None:
    """RFC 3261 section 10.2.8: 423 says the least."""
    engine = SipEngine(SipConfig((Listener("udp", HOST, 0),)))
    heard = Heard(engine)
    await engine.start()
    async with running_kamailio(REGISTRAR, tmp_path, f"{HOST}:1") as kamailio:
        engine.register(plan(kamailio.address, expires_s=1))
        assert (await heard.until(Registered)).granted_s == 3
        assert took(kamailio) == ["1", "3"]
        wrong = plan(kamailio.address, credentials=Credentials("acct", "hunter3"))
        ref = engine.register(wrong)
        failed = await heard.until(RegistrationFailed)
        assert (failed.ref, failed.status) == (ref, 401)
        assert failed.retry_in_ms > 600_000
        engine.probe(ProbePlan(f"sip:{kamailio.address}"))
        assert (await heard.until(Probed)).status == 200
        await engine.stop(2_000)


async def test_the_second_server_of_a_name_takes_over_and_the_first_is_left_alone(
    tmp_path: Path,
) -> None:
    """SIP-5, RFC 3263: SRV by priority; who was silent a moment ago is asked last."""
    async with (
        running_kamailio(REGISTRAR, tmp_path / "one", f"{HOST}:1") as one,
        running_kamailio(REGISTRAR, tmp_path / "two", f"{HOST}:1") as two,
    ):
        ports = [kamailio.address.rpartition(":")[2] for kamailio in (one, two)]
        zone = {
            ("_sip._udp.carrier.example.", "SRV"): (
                f"1 0 {ports[0]} s1.carrier.example.",
                f"2 0 {ports[1]} s2.carrier.example.",
            )
        }
        resolver = Resolver(ask=lambda _: (HOST,))
        async with name_server(zone) as (asker, _):
            locate = Locator(SystemSipDns(resolver, asker), lambda _: 0)
            engine = SipEngine(SipConfig((Listener("udp", HOST, 0),)), locate=locate)
            heard = Heard(engine)
            await engine.start()
            wanted = RegistrationPlan(
                "sip:carrier.example;transport=udp",
                f"sip:acct@{HOST}",
                "acct",
                Credentials("acct", "hunter2"),
                patience_ms=1_000,
            )
            engine.register(wanted)
            await heard.until(Registered)
            assert (one.passed("REGISTER"), two.passed("REGISTER")) == (1, 0)
            await one.stop()
            await heard.until(Registered, 3)
            assert two.passed("REGISTER") == 2
            assert heard.of(RegistrationFailed) == []
            await engine.stop(2_000)
        resolver.close()


async def test_a_call_comes_by_the_registration_and_finds_its_number(tmp_path: Path) -> None:
    """RFC 7315 section 4.2: the Request-URI is our Contact, the number is said elsewhere."""
    async with (
        running_kamailio(REGISTRAR, tmp_path / "carrier", f"{HOST}:1") as kamailio,
        echo_bot(closes_after_ms=300) as bot,
        running_node(
            tmp_path / "node",
            bot.url(),
            trunks={
                "carrier": {
                    "target": f"sip:{kamailio.address}",
                    "user": f"acct@{HOST}",
                    "password": "hunter2",
                    "register": True,
                    "options_interval_s": 1,
                }
            },
        ) as node,
        scripted_caller() as caller,
    ):
        roads = node.house.parts.roads
        await until(lambda: roads.registrations()[0].is_registered)
        call = await caller.dial(f"sip:+918040000002@{kamailio.address}")
        await call.wait_ended()
        (record,) = await node.records()
        await until(lambda: roads.states()[0].status == 200)
        state = roads.states()[0]
        assert (state.key, state.is_up) == ("carrier", True)
        assert state.round_trip_ms is not None
    assert record.setup.to_number == "+918040000002"
    assert took(kamailio)[-1] == "0"
