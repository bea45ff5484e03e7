"""Who is asked first: by priority, by chance in proportion to weight inside one (RFC 2782)."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from agentstream.base.ids import Tokens

T = TypeVar("T")
Draw = Callable[[int], int]  # a whole number from 0 to the given one, both included


def draw_by(tokens: Tokens) -> Draw:
    """Return a draw whose chance comes from tokens; for numbers below 2**32."""
    return lambda highest: int(tokens.hex(4), 16) % (highest + 1)


def by_weight(items: Iterable[T], rank: Callable[[T], tuple[int, int]], draw: Draw) -> list[T]:
    """Return every item once; `rank` says its priority (lower first) and its weight (0 or more).

    One of weight 0 stands a small chance beside others, as the RFC wants it. Without such a one
    shares are exact: equal weights take turns evenly (SIP-18).
    """
    # Those of weight 0 stand first, so that they are drawn only when the draw is 0.
    waiting = sorted(((*rank(item), item) for item in items), key=lambda one: (one[0], one[1] > 0))
    ordered: list[T] = []
    while waiting:
        same = [one for one in waiting if one[0] == waiting[0][0]]
        chosen = same[_drawn([weight for _, weight, _ in same], draw)]
        ordered.append(chosen[2])
        waiting.remove(chosen)
    return ordered


def _drawn(weights: list[int], draw: Draw) -> int:
    """Return the place of the one that is drawn; a single one costs no chance."""
    if len(weights) == 1:
        return 0
    least = 0 if weights[0] == 0 else 1
    left = least + draw(sum(weights) - least)
    for place, weight in enumerate(weights):
        left -= weight
        if left <= 0:
            return place
    raise AssertionError("the draw is at most the sum")
