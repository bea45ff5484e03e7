"""Which calls are meant: one question for rows in SQL, rows in memory, and calls that still live.

oldest ─────────────── created_at, then sid ─────────────── newest
         after a place ──▶                ◀── before a place
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
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
    """Return those of these calls that are meant, in the wanted order; `limit` does not matter."""
    tests = _tests(query)
    found = [call for call in calls if all(test(call) for test in tests)]
    found.sort(key=_in_order, reverse=query.order == "newest")
    return found


_Test = Callable[[Queried], bool]
_in_order = attrgetter("created_at", "sid")


def _tests(query: CallQuery) -> list[_Test]:
    """Return what a call must pass: little for a query that asks for little."""
    return [*_among(query), *_in_time(query)]


def _among(query: CallQuery) -> Iterator[_Test]:
    sids, prefix = query.sids, query.sid_prefix
    if query.account_sid is not None:
        yield lambda call: call.account_sid == query.account_sid
    if sids:
        yield lambda call: call.sid in sids
    if prefix:
        yield lambda call: call.sid.startswith(prefix)
    if query.from_numbers:
        yield lambda call: call.from_number in query.from_numbers
    if query.to_numbers:
        yield lambda call: call.to_number in query.to_numbers
    if query.account_numbers:
        yield lambda call: call.account_number in query.account_numbers
    if query.statuses:
        yield lambda call: call.status in query.statuses
    if query.directions:
        yield lambda call: call.direction in query.directions


def _in_time(query: CallQuery) -> Iterator[_Test]:
    older, newer = query.older_than, query.newer_than
    before, start, end = query.before, query.created_from, query.created_until
    least_ms, most_ms = query.talk_from_ms, query.talk_until_ms
    if before is not None:
        yield lambda call: call.created_at < before
    if start is not None:
        yield lambda call: call.created_at >= start
    if end is not None:
        yield lambda call: call.created_at < end
    if least_ms is not None:
        yield lambda call: call.duration_ms >= least_ms
    if most_ms is not None:
        yield lambda call: call.duration_ms < most_ms
    if older is not None:
        yield lambda call: place_of(call) < older
    if newer is not None:
        yield lambda call: place_of(call) > newer
