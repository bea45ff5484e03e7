"""baresip and the node talk in SRTP: who calls, how keys are offered, over TLS and UDP."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from agentstream.flows.direct import DirectBot, bot
from agentstream.switch.feed import SrtpAgreed
from agentstream.testing.certificates import Authority
from agentstream.testing.echo import echo_bot
from agentstream.testing.node import RTP, running_node
from agentstream.testing.peers import running_baresip
from agentstream.testing.ports import HOST, media_range
from agentstream.testing.scripted_bot import scripted_bot
from agentstream.testing.sound import from_pcm, likeness, read_wav, speech, with_silence, write_wav
from agentstream.testing.waiting import until

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("baresip") is None, reason="baresip is not installed"),
]
PAD_MS = 8_000  # silence after the sentence: the phone would hang up at the end of its file
RATE_HZ = 8_000
LEAST_DB = 30.0
SUITE = "AES_CM_128_HMAC_SHA1_80"


@pytest.mark.parametrize(
    ("mediaenc", "transport", "srtp", "suite"),
    [
        ("srtp-mand", "tls", "required", SUITE),
        ("srtp-mand", "udp", "preferred", SUITE),
        ("srtp", "tls", "preferred", SUITE),
        ("srtp", "udp", "required", SUITE),
        ("srtp", "udp", "off", ""),
        ("", "tls", "preferred", ""),
    ],
)
async def test_it_calls_and_hears_itself(
    mediaenc: str, transport: str, srtp: str, suite: str, tmp_path: Path
) -> None:
    """SIP-42, PN-8: RTP/SAVP and RTP/AVP with keys, answered as the house wants it."""
    source = speech(RATE_HZ)
    spoken = write_wav(tmp_path / "source.wav", with_silence(source, RATE_HZ, PAD_MS), RATE_HZ)
    authority = Authority.found(tmp_path / "authority")
    async with (
        echo_bot() as bot,
        running_node(
            tmp_path / "node",
            bot.url(RATE_HZ),
            transports=("udp", "tls"),
            certificate=authority.issue(HOST),
            rtp={**RTP, "srtp": srtp},
        ) as node,
        running_baresip(
            tmp_path / "phone",
            spoken,
            codec="pcma/8000/1",
            transport=transport,
            ca_file=authority.ca_file,
            mediaenc=mediaenc,
            rtp_ports=media_range(10),
        ) as phone,
    ):
        await phone.dial(node.address(transport))
        conversation = await bot.call()
        await conversation.hears(source.size * 1000 // RATE_HZ + 1_000)
        await phone.order("hold")
        await phone.order("resume")
        await phone.order("hangup")
        await node.records()
        await phone.until("CALL_CLOSED")
        assert await node.is_idle()
    (leg,) = node.legs
    assert leg.srtp == suite
    assert (leg.srtp_rejected <= 1, leg.srtp_replayed) == (True, 0)  # its RTCP BYE is in clear
    told = [(one.suite, one.is_readable) for one in node.events if isinstance(one, SrtpAgreed)]
    assert told == ([(suite, transport == "udp")] if suite else [])
    to_bot = likeness(source, from_pcm(conversation.audio), RATE_HZ)
    to_phone = likeness(source, read_wav(phone.heard()), RATE_HZ)
    assert to_bot.snr_db > LEAST_DB, to_bot
    assert to_phone.snr_db > LEAST_DB, to_phone


@pytest.mark.parametrize(
    ("mediaenc", "transport", "options", "suite"),
    [
        ("srtp-mand", "tls", {"srtp": "required"}, SUITE),
        ("srtp", "tls", {"srtp": "preferred"}, SUITE),
        ("srtp-mand", "udp", {"srtp": "required", "allow": True}, SUITE),
        ("", "tls", {"srtp": "preferred"}, ""),
        ("", "udp", {"srtp": "preferred"}, ""),
    ],
)
async def test_it_is_called_and_talks(
    mediaenc: str, transport: str, options: dict[str, Any], suite: str, tmp_path: Path
) -> None:
    """SIP-42, SIP-43, PN-8: keys are offered over TLS, or where that is allowed; else in clear."""
    source = speech(RATE_HZ)
    spoken = write_wav(tmp_path / "source.wav", with_silence(source, RATE_HZ, 20_000), RATE_HZ)
    authority = Authority.found(tmp_path / "authority")
    certificate = authority.issue(HOST)
    async with (
        running_baresip(
            tmp_path / "phone",
            spoken,
            transport=transport,
            ca_file=authority.ca_file,
            certificate=certificate,
            mediaenc=mediaenc,
            rtp_ports=media_range(10),
        ) as phone,
        scripted_bot() as robot,
        running_node(
            tmp_path / "node",
            robot.url,
            sip={
                "listeners": (f"udp://{HOST}:0", f"tls://{HOST}:0"),
                "tls_certificate": certificate.chain_file,
                "tls_key": certificate.key_file,
                "tls_ca_file": authority.ca_file,
                "allow_sdes_cleartext": "allow" in options,
            },
            rtp={**RTP, "srtp": options["srtp"]},
        ) as node,
    ):
        await node.place(phone.uri, follow=bot(DirectBot(url=robot.url, preconnects=True)))
        await phone.until("CALL_INCOMING")
        await until(lambda: node.saw("StreamHeld"))
        await phone.order("accept")
        await until(lambda: len(robot.call.audio()) > 2 * source.size, 20_000)
        await phone.order("hangup")
        (record,) = await node.records()
        await phone.until("CALL_CLOSED")
        assert await node.is_idle()
        await robot.ended()
    assert record.status == "completed"
    (leg,) = node.legs
    assert (leg.srtp, leg.srtp_replayed) == (suite, 0)
    heard = likeness(source, from_pcm(robot.call.audio()), RATE_HZ)
    assert heard.snr_db > LEAST_DB, heard
