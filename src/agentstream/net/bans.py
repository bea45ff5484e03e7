"""Sources that are not heard for a while: those that did often what no honest source does."""

from collections import OrderedDict

from agentstream.base.values import dataclass


@dataclass(frozen=True, slots=True)
class BanLimits:
    """When a source is banned, and for how long; `strikes` 0: never."""

    strikes: int = 10  # within the window
    window_ms: int = 60_000
    ban_ms: int = 600_000
    banned: int = 16_384  # at once; beyond, the oldest ban ends
    suspects: int = 16_384  # sources with strikes; beyond, the one longest quiet is forgotten


class Bans:
    """Pure: the strikes and the bans, by source."""

    def __init__(self, limits: BanLimits | None = None) -> None:
        self._limits = limits or BanLimits()
        self._until_ms: OrderedDict[str, int] = OrderedDict()
        self._strikes: OrderedDict[str, tuple[int, int]] = OrderedDict()  # how many, since when
        self.given = 0

    def __len__(self) -> int:
        return len(self._until_ms)

    def is_banned(self, source: str, now_ms: int) -> bool:
        """Tell whether a source is not to be heard now."""
        if not self._until_ms:
            return False
        until_ms = self._until_ms.get(source)
        if until_ms is None:
            return False
        if now_ms < until_ms:
            return True
        del self._until_ms[source]
        return False

    def strike(self, source: str, now_ms: int) -> bool:
        """Count a strike; tell whether it was the last one, and the source is banned."""
        limits = self._limits
        if not limits.strikes:
            return False
        count, since_ms = self._strikes.pop(source, (0, now_ms))
        if now_ms - since_ms > limits.window_ms:
            count, since_ms = 0, now_ms
        if count + 1 >= limits.strikes:
            self._ban(source, now_ms + limits.ban_ms)
            return True
        self._strikes[source] = count + 1, since_ms
        if len(self._strikes) > limits.suspects:
            self._strikes.popitem(last=False)
        return False

    def _ban(self, source: str, until_ms: int) -> None:
        self._until_ms.pop(source, None)
        self._until_ms[source] = until_ms
        self.given += 1
        if len(self._until_ms) > self._limits.banned:
            self._until_ms.popitem(last=False)
