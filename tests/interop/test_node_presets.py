"""baresip as an exchange: a trunk to it by one command, then calls both ways (PN-57, PN-63)."""

import shutil
from pathlib import Path

import pytest

from agentstream.sip.uri import parse_uri
from agentstream.testing.partner_world import DID, PERSON, partner_world
from agentstream.testing.peers import running_baresip
from agentstream.testing.ports import HOST, media_range
from agentstream.testing.sound import speech, with_silence, write_wav
from agentstream.testing.waiting import until

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("baresip") is None, reason="baresip is not installed"),
]
ANSWERS = ("host=pbx.example.net", "network=127.0.0.1/32")
PAD_MS = 20_000  # silence after the sentence: the phone would hang up at the end of its file


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_an_exchange_is_called_and_calls_after_one_command(
    tmp_path: Path, transport: str
) -> None:
    spoken = with_silence(speech(8_000), 8_000, PAD_MS)
    sound = write_wav(tmp_path / "voice.wav", spoken, 8_000)
    folder = tmp_path / "phone"
    account = f"<sip:{DID}@{HOST};transport={transport}>;regint=0;audio_codecs=pcmu/8000/1\n"
    async with running_baresip(
        folder, sound, transport=transport, rtp_ports=media_range(4), account=account
    ) as phone:
        place = parse_uri(phone.uri)
        ports = {transport: place.port}
        async with partner_world(tmp_path, "pbx", *ANSWERS, ports=ports) as there:
            calling = there.rings()
            await phone.until("CALL_INCOMING")
            await phone.order("accept")
            call = await calling
            await until(lambda: there.node.saw("LegUp"))
            await until(lambda: call.hears.done())
            await call.hang_up()
            await phone.until("CALL_CLOSED")
            await there.record()
            there.node.facts.clear()
            phone.events.clear()

            host, port = there.node.address(transport).split(":")
            await phone.order("dial", f"sip:{PERSON}@{host}:{port}")
            await phone.until("CALL_ESTABLISHED")
            await there.hears(there.carriers_phone)
            (invited,) = there.carrier.calls.values()
            assert parse_uri(invited.request_uri).user == PERSON
            assert parse_uri(invited.from_uri).user == DID
            await phone.order("hangup")
            record = await there.record()
            assert record.setup.trunk_sid == there.trunk["sid"]
