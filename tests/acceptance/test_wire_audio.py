"""Sound and keys between a caller and its bot, through the whole of the audio path."""

import asyncio
import random
from base64 import b64decode, b64encode
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from agentstream.testing.file_calls import file_calls
from agentstream.testing.scripted_bot import BotCall, listen, scripted_bot
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance

Samples = npt.NDArray[np.float64]


def tone(hertz: float, rate_hz: int, ms: int, peak: float = 8_000.0) -> bytes:
    """Return a sine as 16-bit samples."""
    at = np.arange(rate_hz * ms // 1_000)
    sine = peak * np.sin(2 * np.pi * hertz * at / rate_hz)
    return bytes(sine.astype("<i2").tobytes())


def samples(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def pitch(sound: Samples, rate_hz: int) -> float:
    """Return the strongest frequency in Hz."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.argmax(spectrum)) * rate_hz / len(sound)


def noise(count: int, seed: int = 7) -> bytes:
    """Return bytes of sound in which no sample is silence."""
    chance = random.Random(seed)
    pcm = bytes(chance.randrange(1, 128) for _ in range(count + count % 2))
    return pcm[:count]


@pytest.mark.parametrize("frame_ms", [20, 40, 60, 100])
async def test_media_has_the_frame_length_of_the_setting(tmp_path: Path, frame_ms: int) -> None:
    """AS-75 to AS-82, CX-2, CX-10, CX-21: numbered, timed in ms, padded base64, no header."""

    async def hear(call: BotCall) -> None:
        await call.until("media", 5)
        await call.close()

    async with scripted_bot(hear) as bot, file_calls(tmp_path) as house:
        await house.dial(f"{bot.url}?frame-ms={frame_ms}").record()
    media = bot.call.said("media")
    assert [m["sequence_number"] for m in media] == ["2", "3", "4", "5", "6"]
    assert [m["media"]["chunk"] for m in media] == ["1", "2", "3", "4", "5"]
    assert [m["media"]["timestamp"] for m in media] == [str(n * frame_ms) for n in range(1, 6)]
    assert {m["stream_sid"] for m in media} == {bot.call.start["stream_sid"]}
    for message in media:
        pcm = b64decode(message["media"]["payload"], validate=True)
        assert len(pcm) == 16 * frame_ms
        assert len(pcm) % 320 == 0, "AS-81"
        assert pcm == bytes(len(pcm)), "AS-82: silence is sent as audio"


async def test_the_frame_length_of_all_bots_is_a_setting(tmp_path: Path) -> None:
    """AS-80, CX-10: 100 ms unless set."""

    async def hear(call: BotCall) -> None:
        await call.until("media")
        await call.close()

    async with scripted_bot(hear) as bot:
        async with file_calls(tmp_path) as house:
            await house.dial(bot.url).record()
        async with file_calls(tmp_path, stream={"frame_ms": 20}) as house:
            await house.dial(bot.url).record()
    assert [len(call.audio()) for call in bot.calls] == [1600, 320]


async def test_silence_is_a_clock_without_gaps(tmp_path: Path) -> None:
    """AS-82: a caller who says nothing is one frame after the other, in real time."""
    took: list[float] = []

    async def hear(call: BotCall) -> None:
        await call.until("media", 1)
        begun = asyncio.get_running_loop().time()
        await call.until("media", 51)
        took.append(asyncio.get_running_loop().time() - begun)
        await call.close()

    async with scripted_bot(hear) as bot, file_calls(tmp_path) as house:
        await house.dial(bot.url + "?frame-ms=20").record()
    stamps = [int(m["media"]["timestamp"]) for m in bot.call.said("media")]
    assert stamps == list(range(20, 20 * 52, 20))
    assert not any(bot.call.audio())
    assert took[0] > 0.5, "1 s of sound comes in real time"


async def test_the_bot_hears_the_caller_and_only_the_caller(tmp_path: Path) -> None:
    """AS-82, AS-140: 16-bit little-endian at 8000 Hz; what the bot says does not come back."""
    said = tone(1_000, 8_000, 4_000)

    async def talk(call: BotCall) -> None:
        await call.media(tone(300, 8_000, 1_000))
        await call.until("media", 10)
        await call.close()

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        await house.dial(bot.url, say=said).record()
    heard = samples(bot.call.audio())[:4_800]
    assert pitch(heard[1_600:4_000], 8_000) == pytest.approx(1_000, abs=5)
    spectrum = np.abs(np.fft.rfft(heard[1_600:4_000] * np.hanning(2_400)))
    assert spectrum[90] < spectrum[300] / 100, "300 Hz, the bot's own voice"


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000])
@pytest.mark.parametrize("key", ["sample-rate", "sample_rate"])
async def test_one_rate_holds_in_both_directions(tmp_path: Path, rate_hz: int, key: str) -> None:
    """AS-140 to AS-143, CX-4, CX-6: resampled without clicks at the frames' borders."""
    said = tone(500, 8_000, 4_000)

    async def talk(call: BotCall) -> None:
        await call.media(tone(700, rate_hz, 1_000))
        await call.until("media", 10)
        await call.close()

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        call = house.dial(f"{bot.url}?{key}={rate_hz}", say=said)
        heard = samples(await call.heard())
    assert bot.call.start["media_format"]["sample_rate"] == str(rate_hz)
    sizes = {len(b64decode(m["media"]["payload"])) for m in bot.call.said("media")}
    assert sizes == {rate_hz // 10 * 2}

    up = samples(bot.call.audio())[rate_hz // 5 : rate_hz * 9 // 10]
    assert pitch(up, rate_hz) == pytest.approx(500, abs=5)
    assert is_smooth(up, 500, rate_hz)

    loud = np.flatnonzero(np.abs(heard) > 1_000)
    down = heard[loud[0] + 800 : loud[0] + 6_400]
    assert pitch(down, 8_000) == pytest.approx(700, abs=5)
    assert is_smooth(down, 700, 8_000)


def is_smooth(sound: Samples, hertz: float, rate_hz: int) -> bool:
    """Whether a sine is nothing but itself: a click would stand out of what remains of it."""
    at = 2 * np.pi * hertz * np.arange(len(sound)) / rate_hz
    basis = np.stack([np.sin(at), np.cos(at)], axis=1)
    rest = sound - basis @ np.linalg.lstsq(basis, sound, rcond=None)[0]
    return bool(np.max(np.abs(rest)) < 0.02 * np.max(np.abs(sound)))


@pytest.mark.parametrize("rate", ["44100", "16000.0", "fast", ""])
async def test_any_other_rate_is_8000(tmp_path: Path, rate: str) -> None:
    """AS-141."""

    async def hear(call: BotCall) -> None:
        await call.until("media")
        await call.close()

    async with scripted_bot(hear) as bot, file_calls(tmp_path) as house:
        call = house.dial(f"{bot.url}?sample-rate={rate}")
        await call.record()
    assert bot.call.start["media_format"]["sample_rate"] == "8000"
    assert len(bot.call.audio()) == 1_600
    assert any("sample-rate" in text for text in call.warnings)


async def test_keys_are_told_once_each_in_nested_messages(tmp_path: Path) -> None:
    """AS-90 to AS-92, CX-20, ST-9."""
    keys = "0123456789*#AD"

    async def hear(call: BotCall) -> None:
        await call.until("dtmf", len(keys))
        await call.close()

    presses = tuple((200 + 60 * n, key) for n, key in enumerate(keys))
    async with scripted_bot(hear) as bot, file_calls(tmp_path) as house:
        await house.dial(bot.url + "?frame-ms=20", digits=presses).record()
    told = bot.call.said("dtmf")
    assert [message["dtmf"]["digit"] for message in told] == list(keys)
    for message in told:
        assert set(message) == {"event", "sequence_number", "stream_sid", "dtmf"}
        assert set(message["dtmf"]) == {"digit", "duration"}
        assert int(message["dtmf"]["duration"]) > 0
    numbers = [int(m["sequence_number"]) for m in bot.call.messages[1:]]
    assert numbers == list(range(1, len(numbers) + 1)), "AS-79: one counter for all"
    assert not any(bot.call.audio()), "AS-93: a key is not heard as a tone"


async def test_a_key_does_not_silence_the_bot(tmp_path: Path) -> None:
    """AS-130."""
    said = noise(16_000)

    async def talk(call: BotCall) -> None:
        await call.media(said)
        await call.mark("end")
        await call.until("mark")
        await call.close()

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        call = house.dial(bot.url, digits=((300, "1"), (500, "#")))
        heard = await call.heard()
    assert [m["dtmf"]["digit"] for m in bot.call.said("dtmf")] == ["1", "#"]
    assert said in heard


async def test_payloads_of_every_size_are_heard_bit_exactly(tmp_path: Path) -> None:
    """AS-153, AS-154, CX-7, CX-8: pieces are joined; an odd byte waits for its other half."""
    small = (2, 319, 320, 640, 3_200, 4_096, 1)
    parts = {"small": small, "limit": (99_840,), "above": (100_001, 1)}
    said = {name: noise(sum(sizes), seed) for seed, (name, sizes) in enumerate(parts.items())}

    async def talk(call: BotCall) -> None:
        name = call.target.partition("case=")[2]
        at = 0
        for size in parts[name]:
            await call.media(said[name][at : at + size])
            at += size
        await call.mark("end")
        await call.until("mark")
        await call.close()

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        calls = {
            name: house.dial(f"{bot.url}?sample-rate=16000&case={name}", rate_hz=16_000)
            for name in parts
        }
        heard = {name: await call.heard() for name, call in calls.items()}
    for name, pcm in said.items():
        at = heard[name].find(pcm)
        assert at >= 0, name
        assert not any(heard[name][:at] + heard[name][at + len(pcm) :]), "nothing else but silence"


async def test_a_burst_is_heard_completely(tmp_path: Path) -> None:
    """AS-125, AS-158: a greeting in one frame, much faster than real time."""
    said = noise(32_000)

    async def talk(call: BotCall) -> None:
        await call.media(said[:24_000])
        for at in range(24_000, 32_000, 320):
            await call.media(said[at : at + 320])
        await call.mark("end")
        await call.until("mark")
        await call.close()

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        heard = await house.dial(bot.url).heard()
    assert said in heard


async def test_a_gap_between_two_sentences_is_silence_and_no_error(tmp_path: Path) -> None:
    """AS-131: the clock towards the bot does not move by it."""
    first, second = noise(3_200, 1), noise(3_200, 2)

    async def talk(call: BotCall) -> None:
        await call.media(first)
        await call.mark("first")
        await call.until("mark")
        await call.until("media", len(call.said("media")) + 5)
        await call.media(second)
        await call.mark("second")
        await call.until("mark", 2)
        await call.close()

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        call = house.dial(bot.url + "?frame-ms=20")
        heard, stats = await call.heard(), await call.stats()
    gap = heard[heard.index(first) + len(first) : heard.index(second)]
    assert len(gap) >= 4 * 320
    assert not any(gap)
    assert stats.underruns == 1
    stamps = [int(m["media"]["timestamp"]) for m in bot.call.said("media")]
    assert stamps == list(range(20, 20 * len(stamps) + 1, 20))
    assert (await call.stream()).outcome.status == "completed"


async def test_a_recording_holds_both_directions(tmp_path: Path) -> None:
    """AP-66: one mixed channel, or one for each party by setting."""
    document = (
        'name: r\nstart: t\napplets: {t: {type: voicebot, url: "%s", record: true, '
        "recording_channels: %s}}\n"
    )
    said = tone(400, 8_000, 4_000)

    async def talk(call: BotCall) -> None:
        await call.media(tone(900, 8_000, 400))
        await call.mark("end")
        await call.until("mark")
        await call.close()

    kept: dict[str, Samples] = {}
    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        for channels in ("mono", "stereo"):
            record = await house.dial(document % (bot.url, channels), say=said).record()
            recording = record.recordings[0]
            assert recording.error == ""
            kept[channels] = samples(await asyncio.to_thread(Path(recording.path).read_bytes))[22:]
    begun = np.flatnonzero(np.abs(kept["stereo"][1::2]) > 1_000)[0] + 400
    left, right = (kept["stereo"][side::2][begun : begun + 2_400] for side in (0, 1))
    assert pitch(left, 8_000) == pytest.approx(400, abs=5)
    assert pitch(right, 8_000) == pytest.approx(900, abs=5)
    mixed = np.abs(np.fft.rfft(kept["mono"] * np.hanning(len(kept["mono"]))))
    loudest = np.flatnonzero(mixed > mixed.max() / 20) * 8_000 / len(kept["mono"])
    assert {int(round(hertz, -2)) for hertz in loudest} == {400, 900}


async def test_one_way_of_writing_base64_is_sent(tmp_path: Path) -> None:
    """AS-76: padded, one line, the standard alphabet."""
    said = noise(64_000, 5)

    async with scripted_bot(listen) as bot, file_calls(tmp_path) as house:
        call = house.dial(bot.url + "?frame-ms=20&sample-rate=8000", say=said)
        await until(lambda: bot.calls and len(bot.call.said("media")) >= 20, 20_000)
        call.hang_up()
        await call.record()
    for message in bot.call.said("media"):
        payload = message["media"]["payload"]
        assert b64encode(b64decode(payload, validate=True)).decode() == payload
    heard = bot.call.audio()
    assert any(heard)
    assert heard[:3_200] in said, "raw samples, exactly those of the line"
