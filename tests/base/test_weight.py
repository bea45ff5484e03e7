"""The order of RFC 2782: every one once, by priority, in proportion to weight."""

from collections import Counter
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.ids import CountedTokens, RandomTokens
from agentstream.base.weight import by_weight, draw_by

RANKED = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 65_535), st.text(max_size=2)))


def order(items: list[tuple[int, int, str]], luck: int) -> list[tuple[int, int, str]]:
    return by_weight(items, lambda one: one[:2], lambda most: luck % (most + 1))


@given(RANKED, st.integers(0, 2**32))
def test_everyone_comes_once_and_no_priority_before_a_lower_one_sip_17(
    items: list[tuple[int, int, str]], luck: int
) -> None:
    ordered = order(items, luck)
    assert Counter(ordered) == Counter(items)
    assert [one[0] for one in ordered] == sorted(one[0] for one in items)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_each_is_first_as_often_as_its_weight_sip_17(weights: list[int]) -> None:
    """Every draw that there can be, once: the shares are the weights themselves."""
    items = list(enumerate(weights))
    total = sum(weights)
    firsts = Counter(
        by_weight(items, lambda one: (0, one[1]), partial(min, at))[0] for at in range(total)
    )
    assert firsts == Counter({(place, weight): weight for place, weight in items})


def test_equal_weights_share_evenly_sip_18() -> None:
    draw = draw_by(RandomTokens())
    firsts = Counter(by_weight("ab", lambda _: (0, 1), draw)[0] for _ in range(4_000))
    assert 1_700 < firsts["a"] < 2_300


def test_one_of_weight_0_wins_on_0_alone() -> None:
    ranks = {"spare": (0, 0), "heavy": (0, 3), "light": (0, 1)}
    firsts = [by_weight(ranks, ranks.__getitem__, partial(min, at))[0] for at in range(5)]
    assert firsts == ["spare", "heavy", "heavy", "heavy", "light"]


def test_where_there_is_no_choice_nothing_is_drawn() -> None:
    tokens = CountedTokens()
    assert by_weight("ab", lambda one: (ord(one), 1), draw_by(tokens)) == ["a", "b"]
    assert tokens.hex(1) == "01"
