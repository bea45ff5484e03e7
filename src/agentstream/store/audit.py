"""The audit log: who changed what, and when. Rows are added, and forgotten in time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

FORGET_ROWS: Final = 1_000  # in one transaction, so that nobody waits long for it
TEXT_LIMIT: Final = 1_000  # characters of `what`; the rest is cut


@dataclass(frozen=True, slots=True)
class Change:
    """One change, or the attempt at one."""

    sid: str
    at: datetime
    account_sid: str  # whose; "": the server's own
    who: str  # "key 51e0...", "operator", "command line (root)"
    what: str  # "POST /v1/Accounts/greenleaf1/Calls/connect", "keys revoke 51e0..."
    outcome: str  # "200", "409"; "done" of a command; "broke off": a bug of ours, nobody knows
    about: str = ""  # what came of it: "call 51e0...", "flow 9f3c..."


@dataclass(frozen=True, slots=True)
class ChangeQuery:
    """Which changes; "" and None leave everything in."""

    account_sid: str = ""
    who: str = ""  # whose name begins so
    since: datetime | None = None
    limit: int = 50


class Audit(Protocol):
    """The door; see `protocols` for its errors."""

    async def write(self, rows: Sequence[Change]) -> int:
        """Write rows in one transaction and return how many were new."""

    async def list(self, query: ChangeQuery) -> Sequence[Change]:
        """Return changes, newest first."""

    async def forget(self, before: datetime) -> int:
        """Drop some that are older than this; return how many."""
