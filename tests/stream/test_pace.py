"""A wrong sample rate is told by its pace, and speech of the right one never: US-3, AS-158."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.stream.messages import Audio
from agentstream.stream.pace import GAP_MS, LIVE_STRETCH_MS, Pace

PCM_8, PCM_16, PCM_24 = Audio(), Audio("pcm16", 16000), Audio("pcm16", 24000)
ULAW = Audio("mulaw")


def steady(pace: Pace, bytes_per_ms: float, ms: int, every_ms: int = 1_000) -> list[str]:
    """Send audio steadily; return what was told."""
    told = [pace.note(at, int(at * bytes_per_ms)) for at in range(0, ms + 1, every_ms)]
    return list(filter(None, told))


@pytest.mark.parametrize("every_ms", [20, 100, 1_000])
@pytest.mark.parametrize(
    ("stream", "sent_bytes_per_ms", "kind"),
    [
        (PCM_8, 32, "16-bit PCM at 16000 Hz"),
        (PCM_8, 48, "16-bit PCM at 24000 Hz"),
        (PCM_8, 88.2, "16-bit PCM at 44100 Hz"),
        (PCM_8, 96, "16-bit PCM at 48000 Hz"),
        (PCM_8, 8, "µ-law at 8000 Hz"),
        (PCM_16, 16, "16-bit PCM at 8000 Hz"),
        (PCM_16, 48, "16-bit PCM at 24000 Hz"),
        (PCM_16, 8, "µ-law at 8000 Hz"),
        (PCM_24, 32, "16-bit PCM at 16000 Hz"),
        (ULAW, 16, "16-bit PCM at 8000 Hz"),
        (ULAW, 32, "16-bit PCM at 16000 Hz"),
    ],
)
def test_audio_of_another_rate_is_recognised_us_3(
    stream: Audio, sent_bytes_per_ms: float, kind: str, every_ms: int
) -> None:
    (text,) = steady(Pace(stream), sent_bytes_per_ms, LIVE_STRETCH_MS + 999, every_ms)
    assert f"is it {kind}?" in text
    is_slow = sent_bytes_per_ms > stream.bytes_per_ms
    assert text.endswith("slow and deep" if is_slow else "fast and high")


def test_the_text_says_how_fast_it_comes_us_3() -> None:
    (text,) = steady(Pace(PCM_8), 32, 5_000)
    assert text == (
        "the audio comes steadily at 2 times the pace of 16-bit PCM at 8000 Hz: is it 16-bit PCM "
        "at 16000 Hz? The caller hears it slow and deep"
    )
    assert "of µ-law at 8000 Hz" in steady(Pace(ULAW), 16, 5_000)[0]


@pytest.mark.parametrize("stream", [PCM_8, PCM_16, PCM_24, ULAW])
@pytest.mark.parametrize("early", [1.0, 1 / 0.9])
def test_audio_in_time_is_right_us_3(stream: Audio, early: float) -> None:
    assert steady(Pace(stream), stream.bytes_per_ms * early, 60_000, 100) == []


@pytest.mark.parametrize("early", [1 / 0.9, 0.97])
def test_bots_need_not_keep_time_exactly_us_3(early: float) -> None:
    (text,) = steady(Pace(PCM_8), 32 * early, 4_900, 100)
    assert "16000 Hz" in text


def test_a_stretch_must_be_long_and_is_told_again_us_3() -> None:
    assert steady(Pace(PCM_8), 32, LIVE_STRETCH_MS - 1_000) == []
    assert len(steady(Pace(PCM_8), 32, 9_000)) == 2
    assert len(steady(Pace(PCM_8, 1_800), 32, 1_900, 100)) == 1


def test_a_pause_begins_anew_us_3() -> None:
    pace, at_ms, total = Pace(PCM_8), 0, 0
    for _ in range(20):
        for _ in range(3):
            at_ms, total = at_ms + 1_000, total + 32_000
            assert pace.note(at_ms, total) == ""
        at_ms += GAP_MS + 1


def test_a_greeting_in_one_piece_is_no_other_rate_as_158() -> None:
    pace = Pace(PCM_8)
    assert [pace.note(at, 160_000) for at in range(0, 10_000, 500)] == [""] * 20


def test_bursts_of_speech_are_not_taken_for_another_rate_us_3() -> None:
    """Sentences as they are made: each in bursts, at any speed, with pauses between them."""
    chance = random.Random(7)
    pace, at_ms, total = Pace(PCM_8), 0, 0
    for _ in range(20_000):
        for _ in range(chance.randrange(1, 6)):
            at_ms += chance.randrange(20, 600)
            total += chance.randrange(1, 40) * 1_600
            assert pace.note(at_ms, total) == ""
        at_ms += chance.randrange(500, 4_000)


@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 1 << 20))))
def test_any_pace_can_be_noted_us_3(steps: list[tuple[int, int]]) -> None:
    pace, at_ms, total = Pace(PCM_8, 0), 0, 0
    for ms, count in steps:
        at_ms, total = at_ms + ms, total + count
        assert isinstance(pace.note(at_ms, total), str)


def test_a_steady_pace_of_nothing_known_is_left_alone_us_3() -> None:
    assert steady(Pace(PCM_8), 22, 20_000) == []
    assert steady(Pace(PCM_8), 0, 20_000) == []
