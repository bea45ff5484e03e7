"""The double of the media engine does what the engine does, as far as it goes without sound."""

import random
import select
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentstream import _media
from agentstream.media.engine import MediaEngine, MediaLeg
from agentstream.media.plan import (
    EnginePlan,
    FileLegPlan,
    PromptPlan,
    RecordPlan,
    RtpLegPlan,
    StreamPlan,
)
from agentstream.testing.fake_media import FakeLeg, FakeMedia

PATIENCE_S = 10


def real() -> MediaEngine:
    for _ in range(50):
        low = random.randrange(20_000, 32_000, 2)
        try:
            return _media.Engine(EnginePlan("127.0.0.1", low, low + 7, workers=1))
        except _media.MediaError:
            continue
    raise AssertionError("no free ports on the loopback interface")


@pytest.fixture(params=[FakeMedia, real], ids=["double", "engine"])
def media(request: pytest.FixtureRequest) -> Iterator[MediaEngine]:
    make: Callable[[], MediaEngine] = request.param
    engine = make()
    yield engine
    engine.close()


def until_closed(media: MediaEngine, count: int = 1) -> list[_media.Event]:
    """Everything that is told until so many legs have ended."""
    events: list[_media.Event] = []
    deadline = time.monotonic() + PATIENCE_S
    while sum(isinstance(event, _media.LegClosed) for event in events) < count:
        assert time.monotonic() < deadline
        select.select([media.fd], [], [], 0.05)
        events += media.events()
    return events


def two(media: MediaEngine) -> tuple[MediaLeg, MediaLeg]:
    one, other = (media.open_rtp_leg(RtpLegPlan(sid, group="call")) for sid in ("a", "b"))
    return one, other


def test_a_leg_cannot_be_bridged_with_itself(media: MediaEngine) -> None:
    leg, _ = two(media)
    with pytest.raises(_media.MediaError, match="other: a cannot be bridged with itself"):
        leg.bridge(leg)


def test_bridges_may_be_changed_and_left_at_any_time(media: MediaEngine) -> None:
    """Nobody is told: whoever bridges knows."""
    a, b = two(media)
    c = media.open_rtp_leg(RtpLegPlan("c"))
    a.unbridge()
    a.bridge(b)
    a.bridge(c, relays_digits=False)
    b.unbridge()
    c.close()
    a.bridge(c)
    a.bridge(b)
    for leg in (a, b):
        leg.close()
    events = until_closed(media, 3)
    closed = {event.leg_sid for event in events if isinstance(event, _media.LegClosed)}
    assert (closed, len(events)) == ({"a", "b", "c"}, 3)


def test_links_have_their_limits_and_may_be_cut_at_any_time(media: MediaEngine) -> None:
    """One way each; the end of either leg ends them, and nobody is told."""
    a, b = two(media)
    with pytest.raises(_media.MediaError, match="other"):
        a.hear(a)
    a.unhear(b)
    a.hear(b, relays_digits=True)
    a.hear(b)
    b.hear(a)
    a.bridge(b)
    a.unhear(b)
    b.close()
    a.hear(b)
    a.close()
    assert len(until_closed(media, 2)) == 2


def test_orders_about_unknown_things_are_ignored(media: MediaEngine) -> None:
    leg, _ = two(media)
    leg.begin_stream("nobody")
    leg.press_stream("nobody", "5", 100)
    leg.set_stream_rate("nobody", 16_000, "{}")
    leg.pause_recording("nobody")
    leg.resume_recording("nobody")
    leg.stop_recording("nobody")
    leg.watch_silence(0)
    leg.close()
    assert [type(event) for event in until_closed(media)] == [_media.LegClosed]


def test_a_recording_that_was_paused_is_finished_like_any_other(
    media: MediaEngine, tmp_path: Path
) -> None:
    leg, _ = two(media)
    leg.record(RecordPlan("r1", str(tmp_path / "r.wav")))
    leg.pause_recording("r1")
    leg.resume_recording("r1")
    leg.stop_recording("r1")
    deadline = time.monotonic() + PATIENCE_S
    ready: list[_media.Event] = []
    while not ready:
        assert time.monotonic() < deadline
        select.select([media.fd], [], [], 0.05)
        ready = media.events()
    assert [type(event) for event in ready] == [_media.RecordingReady]


def test_a_prompt_that_is_stopped_is_told_before_the_end(
    media: MediaEngine, tmp_path: Path
) -> None:
    path = tmp_path / "p.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(160_000))
    leg, other = two(media)
    leg.bridge(other)
    leg.play(PromptPlan("p1", str(path)))
    leg.stop_play()
    leg.close()
    finished, closed = until_closed(media)
    assert isinstance(finished, _media.PlayFinished)
    assert (finished.prompt_id, finished.completed) == ("p1", False)
    assert isinstance(closed, _media.LegClosed)


def test_a_silence_is_told_if_it_is_watched(media: MediaEngine, tmp_path: Path) -> None:
    leg = media.open_file_leg(FileLegPlan("a", None, None))
    leg.watch_silence(60)
    leg.start()
    deadline = time.monotonic() + PATIENCE_S
    silences: list[_media.Silence] = []
    while not silences:
        assert time.monotonic() < deadline
        if isinstance(leg, FakeLeg):
            leg.fall_silent()
        select.select([media.fd], [], [], 0.05)
        silences = [event for event in media.events() if isinstance(event, _media.Silence)]
    assert (silences[0].leg_sid, silences[0].silent_ms) == ("a", 60)


def test_the_double_shows_what_it_was_told() -> None:
    media = FakeMedia()
    a, b = (media.open_rtp_leg(RtpLegPlan(sid, group="call")) for sid in ("a", "b"))
    assert (a.plan and a.plan.group) == "call"
    plan = StreamPlan("s1", (), False, "", "", "/", track="both", holds_opening=True)
    a.open_stream(plan)
    a.begin_stream("s1")
    a.press_stream("s1", "5", 100)
    a.set_stream_rate("s1", 16_000, "{}")
    assert media.events() == [_media.RateSet("a", media.now_ms, "s1", 16_000)]
    assert (a.stream_keys, a.texts) == ([("s1", "5", 100)], ["{}"])
    a.record(RecordPlan("r1", "r.wav"))
    a.pause_recording("r1")
    a.resume_recording("r1")
    assert (a.streams, a.begun_streams) == ([plan], ["s1"])
    assert (a.paused_recordings, a.resumed_recordings) == (["r1"], ["r1"])
    a.bridge(b)
    assert (a.bridged, b.bridged) == (b, a)
    a.press("5")
    assert b.digits == ["5"]
    b.close()
    assert (a.bridged, b.bridged) == (None, None)
    a.press("6")
    a.fall_silent()
    kinds = [type(event) for event in media.events()]
    assert kinds == [_media.Digit, _media.LegClosed, _media.Digit]
    media.close()


def test_the_double_shows_who_hears_whom() -> None:
    media = FakeMedia()
    a, b, c = (media.open_rtp_leg(RtpLegPlan(sid)) for sid in "abc")
    a.hear(b, relays_digits=True)
    a.hear(c)
    assert (a.ears, b.ears) == ({"b", "c"}, set())
    b.press("5")
    c.press("6")
    assert a.digits == ["5"]
    a.unhear(c)
    a.unhear(c)
    a.bridge(c)
    assert (a.ears, c.ears) == ({"b", "c"}, {"a"})
    b.close()
    a.hear(b)
    assert a.ears == {"c"}
    with pytest.raises(_media.MediaError, match="cannot hear itself"):
        a.hear(a)
    for number in range(16):
        a.hear(media.open_rtp_leg(RtpLegPlan(f"n{number}")))
    with pytest.raises(_media.MediaError, match="hears 16 legs"):
        a.hear(c)
    media.close()
