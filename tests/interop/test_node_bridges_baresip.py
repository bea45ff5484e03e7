"""A caller and a baresip whom the node dialled hear each other; both ways are compared."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample_poly

from agentstream.base.ids import LegSid
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import Bridge, Dial, DialSpec
from agentstream.calls.events import CallStarted
from agentstream.testing.node import RTP
from agentstream.testing.peers import running_baresip
from agentstream.testing.ports import media_range
from agentstream.testing.scene import scene
from agentstream.testing.sound import likeness, read_wav, speech, with_silence, write_wav
from agentstream.testing.waiting import until

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("baresip") is None, reason="baresip is not installed"),
]
AGENT = LegSid("agent")
RATE_HZ = 8_000


@pytest.mark.parametrize("codec", ["pcmu/8000/1", "opus/48000/2"])
async def test_the_caller_and_the_callee_hear_each_other(codec: str, tmp_path: Path) -> None:
    """SIP-40: of two codecs each hears its own."""
    phone_hz = int(codec.split("/")[1])
    source = speech(RATE_HZ)
    said = write_wav(tmp_path / "said.wav", with_silence(source, RATE_HZ, 500), RATE_HZ)
    # The phone begins with its file when it is answered: silence first, until the bridge is there.
    first = np.zeros(3 * RATE_HZ)
    sound = with_silence(np.concatenate([first, source]), RATE_HZ, 10_000)
    sound = resample_poly(sound, phone_hz, RATE_HZ)
    channels = int(codec.split("/")[2])
    spoken = write_wav(tmp_path / "spoken.wav", sound, phone_hz, channels)
    heard = tmp_path / "heard.wav"
    async with (
        running_baresip(
            tmp_path / "phone", spoken, codec=codec, rtp_ports=media_range(10)
        ) as phone,
        scene(tmp_path / "node", rtp={**RTP, "codecs": ["PCMU", "OPUS"]}) as night,
    ):
        call = await night.dial(record_to=heard)
        await until(lambda: night.bot.said("media"))
        started = next(one for one in night.node.events if isinstance(one, CallStarted))
        board = night.node.house.parts.switchboard
        await board.ask(started.call_sid, Dial(AGENT, DialSpec(phone.uri)))
        await phone.until("CALL_INCOMING")
        await phone.order("accept")
        await until(lambda: night.node.saw("LegUp"))
        await board.ask(started.call_sid, Bridge(started.leg_sid, AGENT))
        for _ in range(2):  # the phone's sentence begins later and is as long
            assert await call.say(said)
        await phone.order("hangup")
        await until(lambda: night.node.saw("LegGone"))
        assert night.node.saw("LegsUnbridged")
        await call.hang_up()
        record = await night.record()
        await phone.until("CALL_CLOSED")
    assert (record.legs[1].cause, record.legs[1].ended_by) == (Cause.NORMAL, Party.CALLEE)
    to_phone = likeness(source, resample_poly(read_wav(phone.heard()), RATE_HZ, phone_hz), RATE_HZ)
    to_caller = likeness(source, read_wav(heard, channel=0), RATE_HZ)
    least_db = 25 if channels == 1 else 8  # Opus keeps what is heard and not the waveform
    assert to_phone.snr_db > least_db, to_phone
    assert to_caller.snr_db > least_db, to_caller
