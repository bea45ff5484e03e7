"""How many calls of a second a key has begun: a bucket that holds one second's worth."""

from collections import OrderedDict
from typing import Final

KEYS_LIMIT: Final = 10_000  # beyond, whoever has begun nothing for longest is forgotten


class SecondRates:
    """Buckets by key, each of a rate that its caller knows; times are `now_ms`."""

    def __init__(self) -> None:
        # What is left, and when that was.
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def draw(self, key: str, rate: int, now_ms: int) -> bool:
        """Take one of a second's `rate`; False when they are used up. A rate of 0 is no limit."""
        if not rate:
            return True
        left, since_ms = self._buckets.get(key, (float(rate), now_ms))
        left = min(rate, left + (now_ms - since_ms) * rate / 1000)
        if left < 1:
            return False
        self._buckets[key] = left - 1, now_ms
        self._buckets.move_to_end(key)
        if len(self._buckets) > KEYS_LIMIT:
            self._buckets.popitem(last=False)
        return True
