"""Audio of bridged legs over real sockets: a codec that changes in mid-call, what is counted."""

from pathlib import Path

import numpy as np
import pytest

from agentstream.switch.feed import LegCounted
from agentstream.testing.node import running_node
from agentstream.testing.raw_sip import SDP, header, raw_sip
from agentstream.testing.rtp_phone import RtpPhone, rtp_phone
from agentstream.testing.scripted_callee import scripted_callee
from agentstream.testing.sound import as_alaw, as_ulaw, from_alaw, from_ulaw, strength
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration
CONNECT = """
name: any
start: talk
applets:
  talk: {type: connect, numbers: ["%s"], next: bye}
  bye: {type: hangup}
"""
TIME = np.arange(8_000) / 8_000
ANNS, BOBS = 500, 900  # Hz; whole periods fit into a second
A_LAW = SDP.replace("RTP/AVP 0 101", "RTP/AVP 8 101").replace("1 1 IN", "1 2 IN")


def tone(hz: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return 8_000 * np.sin(2 * np.pi * hz * TIME)


async def hears(phone: RtpPhone, hz: int) -> None:
    """Wait until the last half second of what it hears is this tone, and cleanly so."""
    read = from_alaw if phone.audio_type == 8 else from_ulaw

    def is_heard() -> bool:
        sound = b"".join(payload for _, payload in phone.heard[-25:])
        if len(sound) < 4_000:
            return False
        samples = read(sound[-4_000:])
        rest = strength(samples, ANNS + BOBS - hz)
        return strength(samples, hz) > 6_000 and rest < 300

    await until(is_heard, 5_000)


@pytest.mark.parametrize("who", ["caller", "callee"])
async def test_a_codec_that_changes_in_mid_call_is_spoken_and_heard_both_ways(
    tmp_path: Path, who: str
) -> None:
    """RFC 3264 section 8.3.2: PCMU to PCMA on one leg alone; the other goes on as it was."""
    async with (
        rtp_phone(as_ulaw(tone(ANNS))) as ann,
        rtp_phone(as_ulaw(tone(BOBS))) as bob,
        raw_sip() as caller,
        scripted_callee(lambda _: "answers", audio_port=bob.port) as callee,
        running_node(tmp_path, "ws://unused/", pairs=4) as node,
    ):
        await node.flow(CONNECT % callee.uri("bob"))
        host, _, port = node.address().rpartition(":")
        caller.node = (host, int(port))
        await caller.call("1000", ann.port)
        await hears(ann, BOBS)
        await hears(bob, ANNS)
        phone, hz = (ann, ANNS) if who == "caller" else (bob, BOBS)
        if who == "caller":
            body = A_LAW.format(host=host, port=ann.port)
            caller.say("INVITE", "Content-Type: application/sdp", body)
            answer = await caller.until("SIP/2.0 200")
            caller.say("ACK")
        else:
            (ref,) = callee.live
            offer = callee.sdp(2).replace("AVP 0 101", "AVP 8 101").replace("0 PCMU", "8 PCMA")
            callee.engine.update_media(ref, offer)
            await until(lambda: callee.answers)
            answer = callee.answers[-1]
        assert "m=audio" in answer
        assert "RTP/AVP 8 101" in answer
        phone.audio_type, phone.sound = 8, as_alaw(tone(hz))
        phone.heard.clear()
        await hears(ann, BOBS)
        await hears(bob, ANNS)
        caller.say("BYE")
        await node.records()
        assert await node.is_idle()


async def test_each_leg_is_counted_with_its_dialog_and_its_first_packets_sd_6(
    tmp_path: Path,
) -> None:
    async with (
        rtp_phone(as_ulaw(tone(ANNS))) as ann,
        rtp_phone(as_ulaw(tone(BOBS))) as bob,
        raw_sip() as caller,
        scripted_callee(lambda _: "answers", audio_port=bob.port) as callee,
        running_node(tmp_path, "ws://unused/", pairs=4) as node,
    ):
        await node.flow(CONNECT % callee.uri("bob"))
        host, _, port = node.address().rpartition(":")
        caller.node = (host, int(port))
        ok = await caller.call("1000", ann.port)
        await hears(bob, ANNS)
        caller.say("BYE")
        (record,) = await node.records()
        counted = {one.leg_sid: one for one in node.events if isinstance(one, LegCounted)}
        first, second = (counted[leg.leg_sid] for leg in record.legs)
        assert first.sip_call_id == header(ok, "Call-ID")
        assert second.sip_call_id == callee.calls[next(iter(callee.calls))].sip_call_id
        for one in (first, second):
            assert one.stats.codec == "PCMU"
            assert one.first_in_ms is not None
            assert one.first_out_ms is not None
            assert 0 <= min(one.first_in_ms, one.first_out_ms) < record.hung_up_ms
        assert await node.is_idle()
