"""How many requests accounts and keys may make in a minute, and what answers say of it (ER-7).

count() ─▶ Allowance, or 429 with Retry-After ─▶ X-RateLimit-* headers of the answer
"""

from collections import Counter, OrderedDict
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentstream.base.ids import AccountSid

Kind = Literal["orders", "reads", "numbers", "legs", "trunks"]
WINDOW_MS: Final = 60_000
WINDOWS_LIMIT: Final = 10_000  # of accounts and kinds; the one that began first is forgotten
_SCOPE: Final = "agentstream.allowance"
# Of a WebSocket: its 101, or the refusal of it.
_ANSWERS: Final = frozenset(
    {"http.response.start", "websocket.accept", "websocket.http.response.start"}
)


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Requests in one minute for each account (ER-7); 0: no limit."""

    orders: int = 200  # what changes something: POST, PUT, DELETE
    reads: int = 300
    numbers: int = 50  # of the account's phone numbers
    legs: int = 0  # of every kind (LG-13)
    trunks: int = 0  # of every kind (TR-3)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left after one more request."""

    limit: int
    remaining: int  # below 0: this one was too many
    reset_ms: int  # until it begins anew

    @property
    def reset_s(self) -> int:
        """Whole seconds until it begins anew, at least 1."""
        return max(1, -(-self.reset_ms // 1000))


@dataclass(slots=True)
class _Window:
    ends_ms: int
    used: int = 0


class RateLimiter:
    """Counts the requests of each account, and of keys with a rate, in windows of a minute."""

    def __init__(self, limits: RateLimits | None = None) -> None:
        limits = limits or RateLimits()
        self._limits: Mapping[Kind, int] = {
            "orders": limits.orders,
            "reads": limits.reads,
            "numbers": limits.numbers,
            "legs": limits.legs,
            "trunks": limits.trunks,
        }
        self._windows: OrderedDict[tuple[str, Kind | Literal["key"]], _Window] = OrderedDict()
        self.refused: Counter[str] = Counter()

    def count(self, account_sid: AccountSid, kind: Kind, now_ms: int) -> Allowance | None:
        """Count one request; None where there is no limit."""
        limit = self._limits[kind]
        return self._count(account_sid, kind, limit, now_ms) if limit else None

    def count_key(self, key: str, limit: int, now_ms: int) -> Allowance:
        """Count one request of a key that has a rate of its own."""
        return self._count(key, "key", limit, now_ms)

    def _count(self, owner: str, kind: Kind | Literal["key"], limit: int, now_ms: int) -> Allowance:
        window = self._windows.get((owner, kind))
        if window is None or window.ends_ms <= now_ms:
            self._windows.pop((owner, kind), None)
            window = self._windows[owner, kind] = _Window(now_ms + WINDOW_MS)
            if len(self._windows) > WINDOWS_LIMIT:
                self._windows.popitem(last=False)
        window.used += 1
        if window.used > limit:
            self.refused[kind] += 1
        return Allowance(limit, limit - window.used, window.ends_ms - now_ms)


class RateHeaders:
    """Writes the allowance of a request into its answer, whichever that is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a place for its allowance."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        noted: list[tuple[Allowance, int]] = []

        async def told(message: Message) -> None:
            if message["type"] in _ANSWERS and noted:
                allowance, now_s = min(noted, key=lambda one: one[0].remaining)
                headers = MutableHeaders(scope=message)
                headers["X-RateLimit-Limit"] = str(allowance.limit)
                headers["X-RateLimit-Remaining"] = str(max(0, allowance.remaining))
                headers["X-RateLimit-Reset"] = str(now_s + allowance.reset_s)
            await send(message)

        await self._app({**scope, _SCOPE: noted}, receive, told)


def note(scope: MutableMapping[str, Any], allowance: Allowance, now_s: int) -> None:
    """Let the answer of this request tell its allowance; `now_s` counts from 1970."""
    scope[_SCOPE].append((allowance, now_s))
