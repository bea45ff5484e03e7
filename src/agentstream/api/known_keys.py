"""Keys that were found right a moment ago, so that not every request asks the database.

A key that is revoked, or gets another role, is known for so long at most.
"""

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from agentstream.base.clock import Clock
from agentstream.store.protocols import Accounts
from agentstream.store.values import KeyHolder

KNOWN_MS: Final = 2_000
KEYS_LIMIT: Final = 10_000  # the one that was found first is forgotten


@dataclass(frozen=True, slots=True)
class _Known:
    holder: KeyHolder
    until_ms: int


class KnownKeys:
    """Verifies credentials; what was wrong is asked again each time."""

    def __init__(self, accounts: Accounts, clock: Clock) -> None:
        self._accounts = accounts
        self._clock = clock
        self._secret = secrets.token_bytes(32)  # no token is kept, nor what others could find it by
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    async def verify(self, user: str, token: str) -> KeyHolder | None:
        """Return whose key and token these are; see `Accounts.verify`."""
        given = f"{len(user)}:{user}:{token}".encode("utf-8", "surrogatepass")
        name = hashlib.blake2b(given, key=self._secret, digest_size=32).digest()
        now_ms = self._clock.now_ms()
        known = self._known.get(name)
        if known is not None and known.until_ms > now_ms:
            return known.holder
        holder = await self._accounts.verify(user, token)
        self._known.pop(name, None)
        if holder is not None:
            self._known[name] = _Known(holder, now_ms + KNOWN_MS)
            if len(self._known) > KEYS_LIMIT:
                self._known.popitem(last=False)
        return holder
