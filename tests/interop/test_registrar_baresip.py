"""baresip as a phone that registers with us and is then called by the way it came by."""

import shutil
from pathlib import Path

import pytest

from agentstream.net.sip_engine import Listener, SipConfig, SipEngine
from agentstream.sip.bindings import Registrant, RegistrarPolicy
from agentstream.sip.digest import to_stored
from agentstream.sip.settings import SipSettings
from agentstream.sip.signaling import Dial
from agentstream.testing.answering import SDP, Answering
from agentstream.testing.peers import running_baresip
from agentstream.testing.ports import HOST, media_range
from agentstream.testing.sound import speech, write_wav
from agentstream.testing.waiting import until

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("baresip") is None, reason="baresip is not installed"),
]
DOMAIN = "acme7.example"
ANN = Registrant("trmum1", "ann", DOMAIN, to_stored("ann", DOMAIN, "hunter2"))


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_phone_registers_refreshes_and_is_called(transport: str, tmp_path: Path) -> None:
    """SIP-37: its account says our domain and sends by us; 401, MD5, the time that we grant."""
    policy = RegistrarPolicy(lambda user, _: ANN if user == "ann" else None, min_expires_s=1)
    listeners = Listener("udp", HOST, 0), Listener("tcp", HOST, 0)
    engine = SipEngine(SipConfig(listeners, settings=SipSettings(registrar=policy)))
    told = Answering(engine)
    await engine.start()
    port = next(port for name, _, port in engine.addresses if name == transport)
    account = (
        f"<sip:ann@{DOMAIN};transport={transport}>;auth_pass=hunter2;regint=3"
        f';outbound="sip:{HOST}:{port};transport={transport}"'
    )
    sound = write_wav(tmp_path / "sound.wav", speech(8_000), 8_000)
    async with running_baresip(
        tmp_path / "phone", sound, rtp_ports=media_range(10), account=account
    ) as phone:
        await phone.until("REGISTER_OK")
        await until(lambda: engine.counters.get("registers_200", 0) >= 2)  # it refreshes
        (binding,) = engine.bindings("trmum1")
        assert binding.flow.transport == transport
        offer = SDP.format(host=HOST, version=1)
        dial = Dial(binding.contact, f"sip:bot@{HOST}", offer, flow=binding.flow)
        ref = engine.place(dial)
        await phone.until("CALL_INCOMING")
        await phone.order("accept")
        await told.told("Accepted", 1)
        engine.hang_up(ref)
        await phone.until("CALL_CLOSED")
    await until(lambda: engine.bindings("trmum1") == ())
    await engine.stop(2_000)
    assert "bugs" not in engine.counters
