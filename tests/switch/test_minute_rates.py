"""Calls of a minute, counted in a window that slides."""

from hypothesis import given
from hypothesis import strategies as some

from agentstream.switch.minute_rates import KEYS_LIMIT, WINDOW_MS, MinuteRates


@given(some.lists(some.integers(0, 30_000), max_size=60), some.integers(1, 5))
def test_no_minute_has_more_than_the_limit(gaps_ms: list[int], limit: int) -> None:
    rates, taken, now_ms = MinuteRates(), list[int](), 0
    for gap_ms in gaps_ms:
        now_ms += gap_ms
        recent = [at_ms for at_ms in taken if at_ms > now_ms - WINDOW_MS]
        why = rates.refusal([("one", "this trunk", limit)], now_ms)
        assert bool(why) is (len(recent) >= limit)
        if not why:
            taken.append(now_ms)


def test_who_is_refused_by_one_counts_for_none() -> None:
    rates = MinuteRates()
    both = [("trunk", "this trunk", 2), ("account", "this account", 1)]
    assert rates.refusal(both, 0) == ""
    assert "this account begins 1 calls" in rates.refusal(both, 1)
    assert rates.refusal([("trunk", "this trunk", 2)], 2) == ""
    assert "this trunk" in rates.refusal([("trunk", "this trunk", 2)], 3)


def test_without_a_limit_nothing_is_kept_and_keys_have_a_bound() -> None:
    rates = MinuteRates()
    assert rates.refusal([("one", "this trunk", 0)], 0) == ""
    assert not rates._begun
    for number in range(KEYS_LIMIT + 5):
        rates.note(str(number), 1, 0)
    assert len(rates._begun) == KEYS_LIMIT
