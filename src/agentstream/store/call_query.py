"""Which calls are meant: one question for rows in SQL, rows in memory, and calls that still live.

oldest ─────────────── created_at, then sid ─────────────── newest
         after a place ──▶                ◀── before a place
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeVar

from agentstream.base.ids import AccountSid, CallSid


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a call stands among others: by its beginning, then by its sid."""

    created_at: datetime
    sid: str


@dataclass(frozen=True, slots=True)
class CallQuery:
    """Which call records to read; newest first. None, "" and () ask for all."""

    account_sid: AccountSid | None = None
    limit: int = 50
    before: datetime | None = None
    sid_prefix: str = ""  # only sids that begin so
    sids: tuple[CallSid, ...] = ()
    created_from: datetime | None = None
    created_until: datetime | None = None  # this moment is not one of them
    from_numbers: tuple[str, ...] = ()
    to_numbers: tuple[str, ...] = ()
    account_numbers: tuple[str, ...] = ()  # the account's own number in the call
    statuses: tuple[str, ...] = ()
    directions: tuple[str, ...] = ()
    talk_from_ms: int | None = None  # from the answer to the end
    talk_until_ms: int | None = None  # this length is not one of them
    older_than: Place | None = None
    newer_than: Place | None = None
    order: Literal["newest", "oldest"] = "newest"  # which come first, and are read


class Queried(Protocol):
    """What is asked of a call."""

    @property
    def sid(self) -> CallSid:
        """Its sid."""

    @property
    def account_sid(self) -> AccountSid:
        """Whose it is."""

    @property
    def created_at(self) -> datetime:
        """When it began."""

    @property
    def from_number(self) -> str:
        """Who calls, or is dialled first."""

    @property
    def to_number(self) -> str:
        """Who is called."""

    @property
    def account_number(self) -> str:
        """Return the account's own number in the call."""

    @property
    def status(self) -> str:
        """How it stands."""

    @property
    def direction(self) -> str:
        """Which way it goes."""

    @property
    def duration_ms(self) -> int:
        """How long it has been talked, in milliseconds."""


AnyCall = TypeVar("AnyCall", bound=Queried)


def place_of(call: Queried) -> Place:
    """Return where a call stands among others."""
    return Place(call.created_at, call.sid)


def chosen(calls: Iterable[AnyCall], query: CallQuery) -> list[AnyCall]:
    """Return those of these calls that are meant, in the wanted order, at most `limit`."""
    found = sorted(
        (call for call in calls if is_meant(call, query)),
        key=place_of,
        reverse=query.order == "newest",
    )
    return found[: query.limit]


def is_meant(call: Queried, query: CallQuery) -> bool:
    """Whether this is one of the calls; the limit and the order do not matter."""
    return (
        _is_among(call, query)
        and _is_in_time(call, query)
        and call.sid.startswith(query.sid_prefix)
    )


def _is_among(call: Queried, query: CallQuery) -> bool:
    asked = (
        (query.sids, call.sid),
        (query.from_numbers, call.from_number),
        (query.to_numbers, call.to_number),
        (query.account_numbers, call.account_number),
        (query.statuses, call.status),
        (query.directions, call.direction),
    )
    is_theirs = query.account_sid in (None, call.account_sid)
    return is_theirs and all(not wanted or value in wanted for wanted, value in asked)


def _is_in_time(call: Queried, query: CallQuery) -> bool:
    at, place, talk_ms = call.created_at, place_of(call), call.duration_ms
    return (
        (query.before is None or at < query.before)
        and (query.created_from is None or at >= query.created_from)
        and (query.created_until is None or at < query.created_until)
        and (query.talk_from_ms is None or talk_ms >= query.talk_from_ms)
        and (query.talk_until_ms is None or talk_ms < query.talk_until_ms)
        and (query.older_than is None or place < query.older_than)
        and (query.newer_than is None or place > query.newer_than)
    )
