"""Which side of a leg a bot is sent: what is said, what is heard, the two mixed, or both apart."""

import asyncio
import base64
import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import resample_poly

from agentstream import _media
from agentstream.media.plan import CHUNK, PAYLOAD, SEQ, TIMESTAMP_MS, TRACK
from agentstream.testing.sound import as_ulaw, from_pcm, strength

FRAME = 160
MEDIA = (
    f'{{"event":"media","n":"{SEQ}","media":{{"track":"{TRACK}","chunk":"{CHUNK}",'
    f'"timestamp":"{TIMESTAMP_MS}","payload":"{PAYLOAD}"}}}}'
)
TRACKS = ("inbound", "outbound", "mixed", "both")


def tone(hz: float, seconds: float, level: int = 6000) -> NDArray[np.float64]:
    angles = np.arange(int(8000 * seconds)) * (2 * np.pi * hz / 8000)
    return np.asarray(np.sin(angles) * level, np.float64)


def sound(rig: Any, bot: Any, track: str, encoding: str = "pcm16") -> NDArray[np.float64]:
    """All that the bot was sent of a track."""
    payloads = [
        base64.b64decode(message["media"]["payload"])
        for message in bot.said("media")
        if message["media"]["track"] == track
    ]
    data = b"".join(payloads)
    return from_pcm(rig.pcm_of(data) if encoding == "mulaw" else data)


async def all_heard(rig: Any, **bots: Any) -> None:
    """Wait until each stream has ended and its bot has read all that it was sent."""
    for sid, bot in bots.items():
        closed = await rig.until(_media.StreamClosed, lambda e, sid=sid: e.stream_sid == sid)
        await rig.until_true(
            lambda bot=bot, closed=closed: len(bot.said("media")) == closed.stats.media_sent
        )


async def two_sides(rig: Any) -> tuple[Any, Any, Any, Any]:
    """Two bridged telephones and their legs."""
    a, b = await rig.phone(), await rig.phone(ssrc=8)
    leg_a, leg_b = rig.leg(leg_sid="a"), rig.leg(leg_sid="b")
    leg_a.connect(rig.remote(a))
    leg_b.connect(rig.remote(b))
    leg_a.bridge(leg_b)
    return a, leg_a, b, leg_b


async def two_tones(rig: Any, **settings: Any) -> Any:
    """A leg whose far end says 500 Hz and hears 1300 Hz from another leg; its stream's bot."""
    a, leg_a, b, leg_b = await two_sides(rig)
    bot = await rig.bot(rig.listen)
    plan = {"media_template": MEDIA, "two_way": False, "frame_ms": 20} | settings
    leg_a.open_stream(rig.stream(bot.port, **plan))
    await rig.until(_media.StreamOpen)
    await asyncio.gather(
        a.speak(as_ulaw(tone(500, 0.8)), leg_a.rtp_port),
        b.speak(as_ulaw(tone(1300, 0.8)), leg_b.rtp_port),
    )
    leg_a.close()
    await all_heard(rig, s1=bot)
    return bot


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 24_000])
@pytest.mark.parametrize("encoding", ["pcm16", "mulaw"])
@pytest.mark.parametrize("track", TRACKS)
async def test_a_track_holds_its_side_and_no_other(
    rig: Any, track: str, encoding: str, rate_hz: int
) -> None:
    """BX-2, AS-182: 500 Hz is what the far end says, 1300 Hz what it hears."""
    bot = await two_tones(rig, track=track, encoding=encoding, rate_hz=rate_hz)
    parts = {"both": ("inbound", "outbound")}.get(track, (track,))
    assert {message["media"]["track"] for message in bot.said("media")} == set(parts)
    for part in parts:
        samples = sound(rig, bot, part, encoding)
        middle = samples[rate_hz * 2 // 5 : rate_hz * 3 // 5]
        said, heard = strength(middle, 500, rate_hz), strength(middle, 1300, rate_hz)
        assert (said > 5000) == (part in {"inbound", "mixed"}), part
        assert (heard > 5000) == (part in {"outbound", "mixed"}), part
        assert min(said, heard) < 200 or part == "mixed"


async def test_both_tracks_are_numbered_alike(rig: Any) -> None:
    """One message per track and frame, inbound first; chunk and timestamp say the same moment."""
    bot = await two_tones(rig, track="both", frame_ms=40)
    media = [message["media"] for message in bot.said("media")]
    pairs = list(zip(media[::2], media[1::2], strict=False))
    assert len(pairs) > 12
    for number, (one, other) in enumerate(pairs, start=1):
        assert (one["track"], other["track"]) == ("inbound", "outbound")
        assert one["chunk"] == other["chunk"] == str(number)
        assert one["timestamp"] == other["timestamp"] == str(number * 40)
    numbers = [int(message["n"]) for message in bot.said("media")]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    closed = await rig.until(_media.StreamClosed)
    assert closed.stats.media_sent == len(media)
    assert closed.stats.bytes_sent == len(media) * 640


async def test_a_track_that_begins_in_mid_bridge_misses_nothing(rig: Any) -> None:
    """The leg says at the other's beat before, and at its own afterwards: every chunk is whole."""
    a, leg_a, b, leg_b = await two_sides(rig)
    bot = await rig.bot(rig.listen)
    for number in range(5):
        await asyncio.gather(
            *(
                phone.speak(b"\xff" * FRAME * 8, leg.rtp_port)
                for phone, leg in ((a, leg_a), (b, leg_b))
            )
        )
        plan = {"stream_sid": f"s{number}", "media_template": MEDIA, "track": "both"}
        leg_a.open_stream(rig.stream(bot.port, **plan))
        opened = len(rig.all(_media.StreamOpen))
        await rig.until_true(lambda opened=opened: len(rig.all(_media.StreamOpen)) > opened)
        await a.speak(b"\xff" * FRAME * 3, leg_a.rtp_port)
        leg_a.close_stream(f"s{number}", 1000, "", None)
        await rig.until_true(lambda n=number: len(rig.all(_media.StreamClosed)) > n)
    sizes = {len(base64.b64decode(message["media"]["payload"])) for message in bot.said("media")}
    assert sizes == {2 * FRAME}


async def test_the_mixed_track_is_the_sum_of_the_others_sample_by_sample(rig: Any) -> None:
    """AS-182, against numpy: loud sides clip, quiet ones add."""
    a, leg_a, b, leg_b = await two_sides(rig)
    bots = {}
    for track in ("both", "mixed"):
        bots[track] = await rig.bot(rig.listen)
        plan = {"media_template": MEDIA, "two_way": False, "track": track, "stream_sid": track}
        leg_a.open_stream(rig.stream(bots[track].port, **plan))
    await rig.until_true(lambda: len(rig.all(_media.StreamOpen)) == 2)
    said = [as_ulaw(tone(hz, 0.8, 24_000)) for hz in (310, 470)]
    await asyncio.gather(a.speak(said[0], leg_a.rtp_port), b.speak(said[1], leg_b.rtp_port))
    leg_a.close()
    await all_heard(rig, **bots)
    parts = [sound(rig, bots["both"], part) for part in ("inbound", "outbound")]
    mixed = sound(rig, bots["mixed"], "mixed")
    expected = np.clip(parts[0] + parts[1], -32_768, 32_767)
    assert np.count_nonzero(np.abs(expected) > 32_000) > 100
    # The two streams opened some frames apart.
    lags = [lag * FRAME for lag in range(-10, 11)]
    fits = [lag for lag in lags if same(expected, mixed, lag)]
    assert len(fits) == 1


def same(one: NDArray[np.float64], other: NDArray[np.float64], lag: int) -> bool:
    one, other = (one[lag:], other) if lag >= 0 else (one, other[-lag:])
    length = min(one.size, other.size)
    return length > 4000 and bool(np.array_equal(one[:length], other[:length]))


async def test_the_outbound_track_holds_prompts_and_the_bots_own_voice(rig: Any) -> None:
    """It is what the far end hears, wherever that comes from."""

    async def talk(socket: Any, bot: Any) -> None:
        await socket.send(rig.media(np.asarray(tone(700, 1.0), "<i2").tobytes()))
        async for text in socket:
            bot.heard.append(json.loads(text))

    phone, leg, bot = await rig.call(talk, track="outbound", media_template=MEDIA)
    await phone.speak(b"\xff" * FRAME * 60, leg.rtp_port)
    samples = sound(rig, bot, "outbound")
    assert max(strength(samples[at : at + 1600], 700, 8000) for at in range(0, 6400, 400)) > 5000


async def test_four_forks_hear_the_same_and_one_that_never_reads_disturbs_nobody(rig: Any) -> None:
    """ST-46, ST-45: bounded per stream, counted, and the call goes on."""

    async def deaf(socket: Any, _bot: Any) -> None:
        socket.transport.pause_reading()
        await socket.wait_closed()

    async def gone(socket: Any, _bot: Any) -> None:
        await socket.close(1011)

    phone, leg = await rig.phone(), rig.leg()
    leg.connect(rig.remote(phone))
    bots = [await rig.bot(talk) for talk in (rig.listen, deaf, gone, rig.listen)]
    for number, bot in enumerate(bots):
        plan = {
            "stream_sid": f"s{number}",
            "two_way": False,
            "media_template": MEDIA,
            "track": TRACKS[number],
            "send_buffer_bytes": 4_000_000,
        }
        leg.open_stream(rig.stream(bot.port, **plan))
    await rig.until_true(lambda: len(rig.all(_media.StreamOpen)) == 4)
    # The kernel takes 2 to 4 MB; what is left is more than media may wait behind.
    for _ in range(82):
        leg.send_text("s1", json.dumps({"event": "x", "filler": "x" * 100_000}))
    phone.heard.clear()
    phone.heard_at.clear()
    await phone.speak(as_ulaw(tone(500, 1.2)), leg.rtp_port)
    waits = np.diff(phone.heard_at)
    assert (len(phone.heard) > 55, float(np.median(waits)) < 0.022) == (True, True)
    leg.close()
    await rig.until(_media.LegClosed)
    await all_heard(rig, s0=bots[0], s3=bots[3])
    closed = {event.stream_sid: event for event in rig.all(_media.StreamClosed)}
    assert closed["s2"].code == 1011
    assert closed["s1"].stats.media_dropped_out > 40
    assert closed["s0"].stats.media_dropped_out == closed["s3"].stats.media_dropped_out == 0
    inbound = [sound(rig, bots[0], "inbound"), sound(rig, bots[3], "inbound")]
    assert strength(inbound[0][3200:4800], 500, 8000) > 5000
    assert inbound[0].size == inbound[1].size


async def test_a_resampled_track_is_what_scipy_makes_of_it(rig: Any) -> None:
    """The far end's words at the bot's 24 kHz, compared with another resampler."""
    bot = await two_tones(rig, track="outbound", rate_hz=24_000)
    samples = sound(rig, bot, "outbound")
    reference = np.asarray(resample_poly(tone(1300, 1.0), 3, 1), np.float64)
    part = samples[12_000:14_400]
    window = reference[9_600 : 9_600 + 6_000]
    fits = [
        float(np.corrcoef(part, window[at : at + part.size])[0, 1])
        for at in range(window.size - part.size)
    ]
    assert max(fits) > 0.999
