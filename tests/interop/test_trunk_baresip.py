"""Two baresips through a node by an account's trunk: one logs in and calls, the other is called.

Both take SRTP alone, over TLS, with keys of their own on each side of the node.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.signal import resample_poly

from agentstream.switch.feed import SrtpAgreed
from agentstream.testing.certificates import Authority
from agentstream.testing.peers import running_baresip
from agentstream.testing.ports import HOST, media_range
from agentstream.testing.sound import likeness, read_wav, speech, with_silence, write_wav
from agentstream.testing.trunk_node import DID, trunk_node
from agentstream.testing.trunks import DOMAIN, TRUNK_SID
from agentstream.testing.waiting import until

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("baresip") is None, reason="baresip is not installed"),
]
SUITE = "AES_CM_128_HMAC_SHA1_80"
COMPARED_HZ = 8_000
CONNECT = f"""
name: any
start: talk
applets:
  talk: {{type: connect, numbers: ["sip:{TRUNK_SID}"], next: bye}}
  bye: {{type: hangup}}
"""


@pytest.mark.parametrize(
    ("codec", "rate_hz", "least_db"),
    [("pcma/8000/1", 8_000, 25.0), ("opus/48000/2", 48_000, 6.0)],  # Opus keeps no waveform
)
async def test_they_talk_through_the_trunk_in_srtp_both_ways(
    codec: str, rate_hz: int, least_db: float, tmp_path: Path
) -> None:
    """SIP-30, SIP-40, SIP-42, FL-2, FL-3: digest in, SDES out, over TLS, both ways."""
    authority = Authority.found(tmp_path / "authority")
    certificate = authority.issue(HOST)
    source = speech(rate_hz)
    # Silence before it, as they begin to speak before they hear each other, and behind it, as a
    # phone hangs up at the end of its file.
    sound = with_silence(np.concatenate([np.zeros(2 * rate_hz), source]), rate_hz, 20_000)
    channels = 2 if codec.endswith("/2") else 1
    spoken = write_wav(tmp_path / "source.wav", sound, rate_hz, channels)
    sip = {
        "listeners": f"udp://{HOST}:0,tls://{HOST}:0",
        "tls_certificate": certificate.chain_file,
        "tls_key": certificate.key_file,
        "tls_ca_file": authority.ca_file,
    }
    phone: Any = {"codec": codec, "ca_file": authority.ca_file, "mediaenc": "srtp-mand"}
    async with trunk_node(
        tmp_path / "node",
        numbers={DID: "flow"},
        users={"ann": "secret"},
        settings={"as_srtp": "required", "as_codecs": codec.partition("/")[0].upper()},
        sip=sip,
        rtp={"host": HOST, "workers": 1, "port_rest_ms": 0, "codecs": ["PCMU", "PCMA", "OPUS"]},
    ) as here:
        await here.flow(DID, CONNECT)
        node = here.node.address("tls")
        login = (
            f"<sip:ann@{DOMAIN};transport=tls>;regint=0;auth_user=ann;auth_pass=secret"
            f';outbound="sip:{node};transport=tls"'
        )
        async with (
            running_baresip(
                tmp_path / "bob",
                spoken,
                transport="tls",
                certificate=certificate,
                rtp_ports=media_range(10),
                **phone,
            ) as bob,
            running_baresip(
                tmp_path / "ann",
                spoken,
                transport="tls",
                account=login,
                rtp_ports=media_range(10),
                **phone,
            ) as ann,
        ):
            await here.change(lambda trunk: trunk.destination(bob.uri))
            await ann.dial(node, DID)
            await bob.until("CALL_INCOMING")
            await bob.order("accept")
            await until(lambda: here.node.saw("LegsBridged"))
            await until(lambda: len(here.node.saw("SrtpAgreed")) == 2)
            packets = 2 * 50 * (source.size // rate_hz + 5)  # of both, until all has been said
            media = here.node.house.parts.media
            await until(lambda: media.stats().packets_received > packets, 20_000)
            await ann.order("hangup")
            (record,) = await here.node.records()
            await ann.until("CALL_CLOSED")
            await bob.until("CALL_CLOSED")
            assert await here.node.is_idle()
    assert record.setup.trunk_sid == TRUNK_SID
    agreed = [one for one in here.node.events if isinstance(one, SrtpAgreed)]
    assert [(one.suite, one.is_readable) for one in agreed] == [(SUITE, False)] * 2
    assert [(leg.srtp, leg.srtp_replayed) for leg in here.node.legs] == [(SUITE, 0)] * 2
    for who in (ann, bob):
        sounds = (source, read_wav(who.heard()))
        wanted, heard = (np.asarray(resample_poly(one, COMPARED_HZ, rate_hz)) for one in sounds)
        alike = likeness(wanted, heard, COMPARED_HZ)
        assert alike.snr_db > least_db, (who.folder.name, alike)
