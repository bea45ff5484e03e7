"""First results of requests that may be sent again: what an Idempotency-Key stands for (OC-6).

claim() ─▶ a row ─▶ keep(): its result ─▶ for a day the answer to all that come again
             └────▶ release(): the row goes, as nothing was made; the next one may try
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from agentstream.base.ids import AccountSid

KEPT_DAYS: Final = 1  # LG-42
KEPT: Final = timedelta(days=KEPT_DAYS)
KEY_CHARS: Final = 255
FORGET_ROWS: Final = 1_000  # in one transaction, so that nobody waits long for it


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request that has a key; `kind` and `key` are the account's own."""

    account_sid: AccountSid
    kind: str  # what it makes: "call", "leg", "bridge"
    key: str  # 1 to KEY_CHARS characters
    fingerprint: str  # tells it from a request that says something else
    at: datetime


@dataclass(frozen=True, slots=True)
class FirstResult:
    """What is known of the first request with a key."""

    fingerprint: str
    at: datetime
    result: str | None  # JSON; None: it runs, or its process broke off


class FirstResults(Protocol):
    """The door; see `protocols` for its errors. Processes on one database see one another."""

    async def claim(self, request: KeyedRequest) -> bool:
        """Note this as the first request with its key in a day; False when it is not."""

    async def find(self, request: KeyedRequest) -> FirstResult | None:
        """Return the first request with this key in the last day."""

    async def keep(self, request: KeyedRequest, result: str) -> None:
        """Write down what a claimed request made."""

    async def release(self, request: KeyedRequest) -> None:
        """Take a claim back: nothing was made."""

    async def forget(self, before: datetime) -> int:
        """Drop some that are older than this; return how many."""
