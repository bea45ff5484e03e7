"""How many calls of a minute a trunk and an account have begun (TR-83): a window that slides."""

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Final

WINDOW_MS: Final = 60_000
PER_MINUTE_LIMIT: Final = 10_000  # of a setting: so many times are kept for a key
KEYS_LIMIT: Final = 10_000  # beyond, whoever has begun nothing for longest is forgotten


class MinuteRates:
    """Remembers when calls were begun, by a key; no more times than the limit needs."""

    def __init__(self) -> None:
        self._begun: OrderedDict[str, deque[int]] = OrderedDict()

    def is_full(self, key: str, limit: int, now_ms: int) -> bool:
        """Tell whether so many calls were begun within the last minute; a limit of 0 is none."""
        begun = self._begun.get(key)
        if not limit or begun is None:
            return False
        while begun and begun[0] <= now_ms - WINDOW_MS:
            begun.popleft()
        return len(begun) >= limit

    def note(self, key: str, limit: int, now_ms: int) -> None:
        """Take it that one is begun; without a limit nothing is kept."""
        if not limit:
            return
        begun = self._begun.get(key)
        if begun is None:
            begun = self._begun[key] = deque()
            if len(self._begun) > KEYS_LIMIT:
                self._begun.popitem(last=False)
        self._begun.move_to_end(key)
        begun.append(now_ms)
        while len(begun) > limit:
            begun.popleft()

    def refusal(self, limits: Sequence[tuple[str, str, int]], now_ms: int) -> str:
        """Take a call of several keys, each with a name for people and its limit.

        Returns which of them is full, then it counts for none; "" when it was taken.
        """
        for key, name, limit in limits:
            if self.is_full(key, limit, now_ms):
                return f"{name} begins {limit} calls in a minute, and no more"
        for key, _, limit in limits:
            self.note(key, limit, now_ms)
        return ""
