"""Which calls a list wants, and which page of it (CD-6, CD-9).

DateCreated=gte:2027-01-01 00:00:00;lte:2027-01-31 23:59:59   Duration=gte:10s;lte:45s   Price=eq:0
"""

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

from agentstream.api.forms import Form, refuse
from agentstream.api.settings import ApiSettings
from agentstream.base.ids import AccountSid, CallSid
from agentstream.store.call_query import CallQuery, Place

PAGE_SIZE: Final = 50
PAGE_LIMIT: Final = 100
SIDS_LIMIT: Final = 100
NUMBERS_LIMIT: Final = 5
STATUSES: Final = (
    "queued",
    "ringing",
    "in-progress",
    "completed",
    "failed",
    "busy",
    "no-answer",
    "canceled",
)
DIRECTIONS: Final = {
    "inbound": ("inbound",),
    "outbound-api": ("outbound-api", "outbound"),
    "outbound-dial": ("outbound-dial",),
}
PRICE: Final = Decimal(0)  # of every call
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_COMPARISON: Final = re.compile(r"(gte|lte|gt|lt|eq):(.+)", re.IGNORECASE)
_SECONDS: Final = re.compile(r"(\d{1,6})\s*s?", re.ASCII | re.IGNORECASE)
_CURSOR: Final = re.compile(r"(\d{1,17})-([\w-]{1,64})", re.ASCII)
_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "gte": operator.ge,
    "lte": operator.le,
    "gt": operator.gt,
    "lt": operator.lt,
    "eq": operator.eq,
}


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list: what it may hold, how many, and from where on it is read."""

    calls: CallQuery  # without a place, in the order of the list
    size: int = PAGE_SIZE
    after: Place | None = None
    before: Place | None = None
    is_empty: bool = False  # no call can be in it

    def reading(self) -> CallQuery:
        """Return what to read: one call more than the page has, from its place on."""
        query = replace(self.calls, limit=self.size + 1)
        newest_first = query.order == "newest"
        if self.after:
            return _beyond(query, self.after, is_older=newest_first)
        if self.before:  # towards the beginning, so that the nearest are read
            turned = replace(query, order="oldest" if newest_first else "newest")
            return _beyond(turned, self.before, is_older=not newest_first)
        return query


def read_page(form: Form, account_sid: AccountSid, settings: ApiSettings) -> Page:
    """Return the page that a query asks for; ApiError 400 naming the filter that is wrong."""
    after, before = _place(form, "After"), _place(form, "Before")
    if after and before:
        refuse("Before", "and After exclude each other")
    query = CallQuery(
        account_sid,
        sids=tuple(CallSid(sid.lower()) for sid in form.texts("Sid", SIDS_LIMIT)),
        statuses=_words(form, "Status", {status: (status,) for status in STATUSES}),
        directions=_words(form, "Direction", DIRECTIONS),
        from_numbers=_numbers(form, "From", settings),
        to_numbers=_numbers(form, "To", settings),
        account_numbers=_numbers(form, "PhoneNumber", settings),
        order=_order(form),
        **_created(form, settings),
        **_talk(form),
    )
    size = form.whole("PageSize", 1, PAGE_LIMIT) or PAGE_SIZE
    return Page(query, size, after, before, is_empty=not _is_price(form))


def cursor(place: Place) -> str:
    """Return what After and Before take, of the call at a page's end."""
    return f"{(place.created_at - _EPOCH) // timedelta(microseconds=1)}-{place.sid}"


def _beyond(query: CallQuery, place: Place, *, is_older: bool) -> CallQuery:
    if is_older:
        return replace(query, older_than=place)
    return replace(query, newer_than=place)


def _place(form: Form, name: str) -> Place | None:
    text = form.text(name)
    if not text:
        return None
    found = _CURSOR.fullmatch(text)
    if found is None:
        refuse(name, "is taken from NextPageUri or PrevPageUri")
    return Place(_EPOCH + timedelta(microseconds=int(found[1])), found[2])


def _numbers(form: Form, name: str, settings: ApiSettings) -> tuple[str, ...]:
    return tuple(settings.normalised(text) for text in form.texts(name, NUMBERS_LIMIT))


def _words(form: Form, name: str, words: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    wanted = [text.lower() for text in form.texts(name, len(words))]
    for text in wanted:
        if text not in words:
            refuse(name, f"is one of {', '.join(words)}, not {text[:40]!r}")
    return tuple(meant for text in wanted for meant in words[text])


def _order(form: Form) -> Literal["newest", "oldest"]:
    words = {"datecreated:asc": "oldest", "datecreated:desc": "newest", "datecreated": "newest"}
    return "oldest" if form.word("SortBy", words, "newest") == "oldest" else "newest"


def _comparisons(form: Form, name: str) -> Iterator[tuple[str, str]]:
    for part in filter(None, (part.strip() for part in form.text(name).split(";"))):
        found = _COMPARISON.fullmatch(part)
        if found is None:
            refuse(name, f"has comparisons such as gte:..., lte:... or eq:..., not {part[:40]!r}")
        yield found[1].lower(), found[2].strip()


def _created(form: Form, settings: ApiSettings) -> dict[str, Any]:
    low: list[datetime] = []
    high: list[datetime] = []
    for sign, text in _comparisons(form, "DateCreated"):
        start, end = _span(text, settings)
        if sign in {"gte", "gt", "eq"}:
            low.append(end if sign == "gt" else start)
        if sign in {"lte", "lt", "eq"}:
            high.append(start if sign == "lt" else end)
    return {"created_from": max(low, default=None), "created_until": min(high, default=None)}


def _span(text: str, settings: ApiSettings) -> tuple[datetime, datetime]:
    """Return the second, or the day, that a text names, and the first moment after it."""
    try:
        start = datetime.fromisoformat(text)
        if start.tzinfo is None:
            start = start.replace(tzinfo=settings.zone)
        length = timedelta(days=1) if len(text) == len("2027-01-01") else timedelta(seconds=1)
        return start.astimezone(UTC), start.astimezone(UTC) + length
    except (ValueError, OverflowError):
        refuse("DateCreated", f"has times such as 2027-01-31 23:59:59, not {text[:40]!r}")


def _talk(form: Form) -> dict[str, Any]:
    """Return the range of milliseconds; the seconds of a call are whole, begun ones counted."""
    low: list[int] = []
    high: list[int] = []
    for sign, text in _comparisons(form, "Duration"):
        found = _SECONDS.fullmatch(text)
        if found is None:
            refuse("Duration", f"has seconds such as 10s, not {text[:40]!r}")
        seconds = int(found[1])
        if sign in {"gte", "gt", "eq"}:
            least = seconds + (sign == "gt")
            low.append((least - 1) * 1000 + 1 if least else 0)
        if sign in {"lte", "lt", "eq"}:
            high.append((seconds - (sign == "lt")) * 1000 + 1)
    return {"talk_from_ms": max(low, default=None), "talk_until_ms": min(high, default=None)}


def _is_price(form: Form) -> bool:
    for sign, text in _comparisons(form, "Price"):
        try:
            wanted = Decimal(text)
        except InvalidOperation:
            refuse("Price", f"has amounts such as 0.10, not {text[:40]!r}")
        if wanted.is_nan():
            refuse("Price", "has amounts such as 0.10")
        if not _OPERATORS[sign](PRICE, wanted):
            return False
    return True
