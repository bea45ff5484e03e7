"""The outbox: what customers' servers are still to be told, from the moment in which it is true.

Calls.write ─▶ waiting ─claim()─▶ an attempt ─settle()─▶ delivered: the row goes
                  ▲                                 ├──▶ waiting, for the next attempt
                  └──────────redeliver()── dead ◀───┘
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from agentstream.base.ids import AccountSid
from agentstream.store.values import Webhook, WebhookState

FORGET_ROWS = 500  # in one transaction, so that nobody waits long for it


@dataclass(frozen=True, slots=True)
class Claim:
    """What a process would deliver now."""

    now: datetime
    until: datetime  # if it has settled nothing by then, anybody may claim it again
    limit: int
    per_host: int  # attempts at one host at once, with those that run
    running: Mapping[str, int] = field(default_factory=dict)  # by host

    @property
    def full(self) -> list[str]:
        """The hosts that get no more."""
        return [host for host, count in self.running.items() if count >= self.per_host]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt."""

    webhook: Webhook  # as it was claimed
    at: datetime
    status: int  # of HTTP; 0: no answer came
    error: str  # "": it is delivered
    next_at: datetime | None = None  # of the next attempt; None: there is none

    @property
    def state(self) -> WebhookState:
        """Where the webhook stands after it."""
        if not self.error:
            return "delivered"
        return "dead" if self.next_at is None else "waiting"


@dataclass(frozen=True, slots=True)
class WebhookQuery:
    """Which webhooks to read; the newest first. None and () ask for all."""

    account_sid: AccountSid | None = None
    states: tuple[WebhookState, ...] = ()
    subject: str = ""
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Census:
    """How much lies there."""

    waiting: int = 0
    dead: int = 0
    oldest_at: datetime | None = None  # when the oldest of those that wait was written


class Outbox(Protocol):
    """The door; see `protocols` for its errors. New webhooks come in by `Calls.write`."""

    async def claim(self, wish: Claim) -> Sequence[Webhook]:
        """Take the webhooks whose time has come, of each subject its first one only."""

    async def settle(self, outcomes: Sequence[Outcome], *, keep: bool = False) -> None:
        """Write down what became of them, in one transaction; `keep` leaves delivered rows."""

    async def find(self, sid: str) -> Webhook | None:
        """Return one."""

    async def list(self, query: WebhookQuery) -> Sequence[Webhook]:
        """Return webhooks, the newest first."""

    async def redeliver(self, sids: Collection[str] | None, now: datetime) -> int:
        """Let these be sent again from the first attempt on (None: all that are dead).

        Returns how many there were. One that waits is due at once.
        """

    async def census(self) -> Census:
        """Count."""

    async def forget(self, before: datetime, rows: int = FORGET_ROWS) -> int:
        """Drop some that were over before this time; return how many."""
