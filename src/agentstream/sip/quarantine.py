"""Targets that failed a moment ago: the next request tries the others first (RFC 3263 §4.3).

None is left out: when all have failed they are tried in the order of DNS, as if nothing was known.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from agentstream.sip.flow import Flow, Hop

QUARANTINE_MS: Final = 30_000  # what one lost server costs: a late call each half minute
QUARANTINE_LIMIT_MS: Final = 300_000  # a longer Retry-After counts as this
TARGETS_LIMIT: Final = 4_096  # beyond, the one that failed longest ago is forgotten

Target = tuple[str, str, int]


class Quarantine:
    """Pure; bounded. A target is a transport, a numeric host and a port."""

    def __init__(self) -> None:
        self._until_ms: OrderedDict[Target, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until_ms)

    def failed(self, to: Flow | Hop, now_ms: int, for_ms: int = 0) -> None:
        """Remember that there was no answer from there, or 503; for 30 s unless it said longer."""
        target = _target(to)
        for_ms = min(max(for_ms, QUARANTINE_MS), QUARANTINE_LIMIT_MS)
        self._until_ms.pop(target, None)
        self._until_ms[target] = now_ms + for_ms
        if len(self._until_ms) > TARGETS_LIMIT:
            self._until_ms.popitem(last=False)

    def answered(self, to: Flow | Hop) -> None:
        """Forget that it failed."""
        if self._until_ms:
            self._until_ms.pop(_target(to), None)

    def in_order(self, hops: Iterable[Hop], now_ms: int) -> list[Hop]:
        """Return the hops, those that failed lately last; otherwise in the order given."""
        found = list(hops)
        if not self._until_ms:
            return found
        found.sort(key=lambda hop: self._until_ms.get(_target(hop), 0) > now_ms)
        return found


def _target(to: Flow | Hop) -> Target:
    if isinstance(to, Hop):
        return to.transport, to.host, to.port
    return to.transport, to.remote_host, to.remote_port
