"""Buckets of one second's calls, and how many of them are remembered."""

from agentstream.switch.second_rates import KEYS_LIMIT, SecondRates


def test_the_rates_that_are_remembered_are_bounded() -> None:
    rates = SecondRates()
    for count in range(KEYS_LIMIT + 5):
        assert rates.draw(str(count), 1, 0)
    assert len(rates._buckets) <= KEYS_LIMIT


def test_whoever_began_something_last_is_remembered_longest() -> None:
    rates = SecondRates()
    assert rates.draw("a", 2, 0)
    for count in range(KEYS_LIMIT - 1):
        assert rates.draw(str(count), 1, 0)
    assert rates.draw("a", 2, 0)
    assert rates.draw("new", 1, 0)
    assert not rates.draw("a", 2, 0)


def test_a_rate_may_change_and_none_is_no_limit() -> None:
    rates = SecondRates()
    assert [rates.draw("a", 2, 0) for _ in range(3)] == [True, True, False]
    assert all(rates.draw("a", 0, 0) for _ in range(100))
    assert [rates.draw("a", 10, 100) for _ in range(2)] == [True, False]
