"""Roads that are asked whether they live, in virtual time: when, and what makes one down or up."""

import pytest

from agentstream.base.ids import CountedTokens
from agentstream.sip.signaling import ProbePlan
from agentstream.switch.road_states import Outcome
from agentstream.switch.road_watch import (
    AGAIN_MS,
    DOWN_AFTER,
    REFUSALS,
    REST_MS,
    ROADS_LIMIT,
    WANTED_REST_MS,
    AskRoad,
    CallTried,
    RoadAnswered,
    RoadChanged,
    RoadWatch,
    Watch,
    WatchedRoad,
    WatchInput,
    WatchOutput,
)
from agentstream.testing.script import Script

KEY = "carrier"
OTHER = "trmum1#7"
MINUTE = 60_000


def road(key: str = KEY, interval_ms: int = MINUTE, *, busy_is_down: bool = False) -> WatchedRoad:
    return WatchedRoad(key, ProbePlan("sip:carrier.example"), interval_ms, busy_is_down)


def watching(*roads: WatchedRoad) -> tuple[Script[WatchInput, WatchOutput], RoadWatch]:
    watch = RoadWatch(CountedTokens())
    script = Script(watch)
    script.feed(Watch(roads or (road(),)))
    return script, watch


def ask(script: Script[WatchInput, WatchOutput], status: int, wait_ms: int) -> None:
    """Wait until the road is asked, and answer."""
    script.wait(wait_ms)
    script.take(AskRoad)
    script.feed(RoadAnswered(KEY, status, "x", 20))


def is_up(script: Script[WatchInput, WatchOutput], watch: RoadWatch, key: str = KEY) -> bool:
    return watch.is_up(key, script.now_ms)


def test_a_road_is_asked_soon_and_then_at_its_interval() -> None:
    """SIP-51."""
    script, watch = watching()
    ask(script, 200, AGAIN_MS)
    script.wait(MINUTE - 1)
    script.expect_nothing()
    ask(script, 200, 1)
    known = watch.records[KEY]
    assert (known.status, known.round_trip_ms, known.is_up, known.since_ms) == (200, 20, True, 0)


@pytest.mark.parametrize("status", [200, 404, 401, 486, 500, 503, 603])
def test_any_final_answer_shows_life(status: int) -> None:
    """SIP-51."""
    script, watch = watching()
    for _ in range(DOWN_AFTER + 1):
        ask(script, status, MINUTE)
    script.expect_nothing()
    assert is_up(script, watch)


def test_a_setting_may_call_503_down() -> None:
    script, watch = watching(road(busy_is_down=True))
    for _ in range(DOWN_AFTER):
        ask(script, 503, AGAIN_MS)
    assert script.take(RoadChanged).status == 503
    assert not is_up(script, watch)


def test_silence_several_times_in_a_row_is_down_and_one_answer_is_up() -> None:
    script, watch = watching()
    ask(script, 200, AGAIN_MS)
    ask(script, 0, MINUTE)
    for _ in range(DOWN_AFTER - 1):
        assert is_up(script, watch)
        ask(script, 0, AGAIN_MS)  # is it down, or was it the net?
    down = script.take(RoadChanged)
    assert (down.key, down.is_up, down.status, down.text) == (KEY, False, 0, "x")
    assert not is_up(script, watch)
    ask(script, 0, MINUTE)
    script.expect_nothing()  # told once
    ask(script, 200, MINUTE)
    assert script.take(RoadChanged) == RoadChanged(
        KEY, is_up=True, status=200, text="x", for_ms=2 * MINUTE
    )
    assert is_up(script, watch)
    assert (watch.counts.went_down, watch.counts.came_up) == (1, 1)


def test_one_answer_between_failures_begins_the_count_anew() -> None:
    script, watch = watching()
    for _ in range(3):
        for status in (0, 0, 200):
            ask(script, status, MINUTE)
    script.expect_nothing()
    assert is_up(script, watch)


@pytest.mark.parametrize("outcome", ["silent", "unreachable"])
def test_calls_without_an_answer_let_the_road_rest_ever_longer(outcome: Outcome) -> None:
    """RFC 3263 section 4.3: the next call does not wait for it."""
    script, watch = watching()
    for key in (KEY, OTHER):
        for times in (1, 2, 3, 3):
            script.feed(CallTried(key, outcome))
            assert not is_up(script, watch, key)
            script.wait(times * REST_MS - 1)
            assert not is_up(script, watch, key)
            script.wait(1)
            assert is_up(script, watch, key)


def test_one_5xx_may_be_about_the_number_and_several_are_about_the_road() -> None:
    script, watch = watching()
    for _ in range(REFUSALS):
        assert is_up(script, watch)
        script.feed(CallTried(KEY, "refused"))
    assert not is_up(script, watch)


def test_a_call_that_reaches_the_road_ends_the_rest() -> None:
    script, watch = watching()
    script.feed(CallTried(KEY, "silent"), CallTried(KEY, "reached"))
    assert is_up(script, watch)
    script.feed(CallTried(KEY, "silent"))
    script.wait(REST_MS)
    assert is_up(script, watch)


def test_an_answer_to_options_ends_the_rest() -> None:
    script, watch = watching()
    script.feed(CallTried(KEY, "silent"))
    ask(script, 200, AGAIN_MS)
    assert is_up(script, watch)


def test_a_road_rests_as_long_as_it_wants_within_a_bound() -> None:
    """RFC 3261 section 21.5.4: Retry-After of a 503, at the first; what it answers is no news."""
    script, watch = watching()
    script.feed(CallTried(KEY, "refused", 45_000))
    assert not is_up(script, watch)
    ask(script, 200, AGAIN_MS)
    assert watch.rests_until_ms(KEY, script.now_ms) == 45_000
    script.feed(CallTried(KEY, "silent"))  # a shorter rest does not end it
    assert watch.rests_until_ms(KEY, script.now_ms) == 45_000
    script.feed(CallTried(KEY, "refused", 10**9))
    assert watch.rests_until_ms(KEY, script.now_ms) == script.now_ms + WANTED_REST_MS
    script.feed(CallTried(KEY, "reached"))
    assert is_up(script, watch)


def test_a_road_that_nobody_knows_is_up() -> None:
    script, watch = watching()
    assert is_up(script, watch, OTHER)


def test_a_road_without_an_interval_is_never_asked() -> None:
    script, watch = watching(road(interval_ms=0))
    script.wait(10 * MINUTE)
    script.expect_nothing()
    assert is_up(script, watch)


def test_what_is_known_of_a_road_outlives_a_change_of_others() -> None:
    script, watch = watching()
    for _ in range(DOWN_AFTER):
        ask(script, 0, AGAIN_MS)
    script.take(RoadChanged)
    script.feed(Watch((road(), road(OTHER))))
    assert not is_up(script, watch)
    script.feed(Watch((road(OTHER),)))
    assert is_up(script, watch)
    script.wait(AGAIN_MS)
    assert script.take(AskRoad).road.key == OTHER
    script.wait(MINUTE)
    script.expect_nothing()


def test_a_road_that_is_no_longer_asked_counts_as_up() -> None:
    script, watch = watching()
    for _ in range(DOWN_AFTER):
        ask(script, 0, AGAIN_MS)
    script.take(RoadChanged)
    script.feed(Watch((road(interval_ms=0),)))
    assert is_up(script, watch)
    script.wait(MINUTE)
    script.expect_nothing()


def test_an_answer_that_nobody_waits_for_is_nothing() -> None:
    script, watch = watching()
    script.feed(RoadAnswered(KEY, 0, "", 0), RoadAnswered(OTHER, 0, "", 0))
    script.expect_nothing()
    assert watch.counts.unanswered == 0


def test_roads_and_rests_have_a_bound() -> None:
    roads = tuple(road(f"trmum1#{n}") for n in range(ROADS_LIMIT + 2))
    script, watch = watching(*roads)
    assert (len(watch.records), watch.counts.not_watched) == (ROADS_LIMIT, 2)
    for one in roads:
        script.feed(CallTried(one.key, "silent"))
    assert is_up(script, watch, roads[0].key)
    assert not is_up(script, watch, roads[-1].key)
