"""Registrations and probes over real sockets, and the fake engine that tests of the product use."""

import asyncio

import pytest

from agentstream.net.sip_engine import Listener, SipConfig, SipEngine
from agentstream.sip.commands import Probe, Register, Unregister
from agentstream.sip.reports import (
    OutsideReport,
    Probed,
    Registered,
    RegistrationFailed,
    Unregistered,
)
from agentstream.sip.signaling import ProbePlan, RegistrationPlan, SignalingEngine
from agentstream.testing.fake_signaling import FakeSignaling
from agentstream.testing.outside import Heard
from agentstream.testing.ports import HOST, free_port

pytestmark = pytest.mark.integration


def plan(port: int) -> RegistrationPlan:
    return RegistrationPlan(f"sip:{HOST}:{port}", f"sip:acct@{HOST}", "acct", patience_ms=500)


async def test_two_engines_ask_each_other_over_udp_and_tcp() -> None:
    """SIP-51, both sides."""
    engines = [
        SipEngine(SipConfig((Listener("udp", HOST, 0), Listener("tcp", HOST, 0)))) for _ in "ab"
    ]
    heard = Heard(engines[0])
    for engine in engines:
        await engine.start()
    for transport, _, port in engines[1].addresses:
        ref = engines[0].probe(ProbePlan(f"sip:{HOST}:{port};transport={transport}"))
        told = await heard.until(Probed, len(heard.of(Probed)) + 1)
        assert (told.ref, told.status) == (ref, 200)
    for engine in engines:
        await engine.stop(500)


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_nobody_there_is_told_soon_and_never_before_the_ref_is_known(transport: str) -> None:
    engine = SipEngine(SipConfig((Listener("udp", HOST, 0), Listener("tcp", HOST, 0))))
    heard = Heard(engine)
    await engine.start()
    target = f"sip:{HOST}:{free_port()};transport={transport}"
    ref = engine.probe(ProbePlan(target, patience_ms=300))
    assert heard.reports == []
    told = await heard.until(Probed)
    assert (told.ref, told.status) == (ref, 0)
    await engine.stop(500)


async def test_who_does_not_take_registrations_refuses_ours() -> None:
    engines = [SipEngine(SipConfig((Listener("udp", HOST, 0),))) for _ in "ab"]
    heard = Heard(engines[0])
    for engine in engines:
        await engine.start()
    ref = engines[0].register(plan(engines[1].addresses[0][2]))
    failed = await heard.until(RegistrationFailed)
    assert (failed.ref, failed.status) == (ref, 405)
    engines[0].unregister(ref)
    assert (await heard.until(Unregistered)).ref == ref
    for engine in engines:
        await engine.stop(500)


async def test_stopping_does_not_wait_for_a_registrar_that_is_gone() -> None:
    engine = SipEngine(SipConfig((Listener("udp", HOST, 0),)))
    heard = Heard(engine)
    await engine.start()
    engine.register(plan(free_port()))
    await heard.until(RegistrationFailed)
    async with asyncio.timeout(2):
        await engine.stop(10_000)
    await asyncio.sleep(0)
    assert heard.of(Unregistered)


def test_the_fake_engine_keeps_the_same_contract() -> None:
    """What the tests above show of the real one: a ref, then reports of it, then no more."""
    fake = FakeSignaling()
    engine: SignalingEngine = fake
    told: list[OutsideReport] = []
    engine.on_outside(told.append)
    probe = engine.probe(ProbePlan("sip:a.example"))
    assert fake.outside.popleft() == Probe(probe, ProbePlan("sip:a.example"))
    fake.tell(Probed(probe, 200, "OK", 1))
    with pytest.raises(KeyError):
        fake.tell(Probed(probe, 200, "OK", 1))
    ref = engine.register(plan(5060))
    assert fake.outside.popleft() == Register(ref, plan(5060))
    fake.tell(Registered(ref, 60, 40_000))
    engine.unregister(ref)
    assert fake.outside.popleft() == Unregister(ref)
    fake.tell(Unregistered(ref))
    with pytest.raises(AssertionError):
        fake.tell(Registered(ref, 60, 40_000))
    assert [type(report) for report in told] == [Probed, Registered, Unregistered]
