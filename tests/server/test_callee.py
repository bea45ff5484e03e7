"""The scripted phone: called by the scripted caller over real SIP and RTP."""

from pathlib import Path

import pytest

from agentstream.base.errors import CommandError
from agentstream.server.callee import Manners
from agentstream.testing.node import scripted_caller, scripted_phone
from agentstream.testing.sound import likeness, read_wav, speech, with_silence, write_wav

pytestmark = pytest.mark.integration


async def test_a_phone_answers_and_both_hear_each_other(tmp_path: Path) -> None:
    source = speech(8_000)[:16_000]
    spoken = write_wav(tmp_path / "spoken.wav", with_silence(source, 8_000, 300), 8_000)
    manners = Manners(ring_ms=50, record_to=tmp_path / "phone.wav")
    async with scripted_phone(manners) as (phone, address), scripted_caller() as caller:
        call = await caller.dial(f"sip:ann@{address}", record_to=tmp_path / "caller.wav")
        taken = await phone.called()
        await call.say(spoken)
        await taken.say(spoken)
        await taken.hang_up()
        ended = await call.wait_ended()
    assert ended.by == "remote"
    assert phone.invited[0].request_uri.startswith("sip:ann@")
    for name in ("phone.wav", "caller.wav"):
        assert likeness(source, read_wav(tmp_path / name), 8_000).snr_db > 30


@pytest.mark.parametrize("ring_ms", [0, 50])
async def test_a_phone_refuses_at_once_or_after_it_rang(ring_ms: int) -> None:
    async with (
        scripted_phone(Manners(486, ring_ms)) as (phone, address),
        scripted_caller() as caller,
    ):
        with pytest.raises(CommandError, match="486"):
            await caller.dial(f"sip:ann@{address}")
    assert len(phone.invited) == 1
