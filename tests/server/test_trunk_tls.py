"""A trunk of the configuration calls its carrier over TLS with a certificate of its own (PN-50)."""

from pathlib import Path

import pytest

from agentstream.net.sip_engine import Listener, SipConfig, SipEngine
from agentstream.net.tls import ClientCheck, TlsFiles
from agentstream.testing.answering import Answering
from agentstream.testing.certificates import Authority
from agentstream.testing.echo import echo_bot
from agentstream.testing.node import running_node
from agentstream.testing.ports import HOST

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("shows_its_own", [True, False])
async def test_a_carrier_is_shown_the_certificate_of_its_trunk(
    shows_its_own: bool, tmp_path: Path
) -> None:
    theirs, ours = Authority.found(tmp_path / "theirs"), Authority.found(tmp_path / "ours")
    issued = theirs.issue("customer.example")
    files = TlsFiles((theirs.issue(HOST),), client_check=ClientCheck(theirs.ca_file))
    carrier = SipEngine(SipConfig((Listener("tls", HOST, 0),), tls=files))
    product = Answering(carrier, rings=True)
    await carrier.start()
    target = f"sip:{HOST}:{carrier.addresses[0][2]};transport=tls"
    trunk: dict[str, object] = {"target": target, "tls_ca_file": theirs.ca_file}
    if shows_its_own:
        trunk |= {"tls_certificate": issued.chain_file, "tls_key": issued.key_file}
    async with (
        echo_bot() as bot,
        running_node(
            tmp_path / "node",
            bot.url(),
            transports=("tls",),
            certificate=ours.issue("node.example"),
            trunks={"carrier": trunk},
            dial={"trunk": "carrier", "countries": ["*"]},
        ) as node,
    ):
        await node.place("+12025550123")
        if shows_its_own:
            await product.told("Confirmed", 1)
            flow = carrier._endpoint.flow_of(product.refs[0])
            assert flow is not None
            assert flow.peer_names == ("customer.example",)
            carrier.hang_up(product.refs[0])
        (record,) = await node.records()
        assert record.status == ("completed" if shows_its_own else "failed")
        assert await node.is_idle()
    await carrier.stop(500)
