"""Opening hours: which weekdays, from when to when, which holidays, in which time zone."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from agentstream.base.values import dataclass

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES: Final = 24 * 60

_DAYS: Final = re.compile(r"(mon|tue|wed|thu|fri|sat|sun)(?:-(mon|tue|wed|thu|fri|sat|sun))?")
_SPAN: Final = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")
_OFFSET: Final = re.compile(r"([+-])(\d\d):(\d\d)")
_YEARLY: Final = re.compile(r"\d\d-\d\d")
_LEAP_YEAR: Final = 2024  # so that 02-29 is a day

# What most calls of this trade need works without the time zone files of the machine; India has
# had one offset since 1945.
_FIXED: Final[Mapping[str, tzinfo]] = {
    "UTC": timezone.utc,  # noqa: UP017 - beside the others
    "Asia/Kolkata": timezone(timedelta(hours=5, minutes=30)),
}


@dataclass(frozen=True, slots=True)
class Span:
    """A time of the day, in minutes from midnight; `end` before `start` is on the next day."""

    start: int
    end: int

    def holds(self, minute: int) -> bool:
        """Tell whether this is open on its own day."""
        return self.start <= minute < (self.end if self.end > self.start else DAY_MINUTES)

    def holds_next_day(self, minute: int) -> bool:
        """Tell whether this is still open on the day after."""
        return self.end <= self.start and minute < self.end


@dataclass(frozen=True, slots=True)
class Hours:
    """When somebody is there. A holiday is closed, but a night that began before it goes on."""

    zone: tzinfo
    days: Mapping[int, tuple[Span, ...]]  # 0 is Monday
    dates: frozenset[date] = frozenset()  # closed once
    yearly: frozenset[tuple[int, int]] = field(default=frozenset())  # month, day: every year

    def are_open(self, moment: datetime) -> bool:
        """Tell whether somebody is there at this moment."""
        there = moment.astimezone(self.zone)
        minute = there.hour * 60 + there.minute
        today, before = there.date(), there.date() - timedelta(days=1)
        return any(span.holds(minute) for span in self._spans(today)) or any(
            span.holds_next_day(minute) for span in self._spans(before)
        )

    def _spans(self, day: date) -> tuple[Span, ...]:
        if day in self.dates or (day.month, day.day) in self.yearly:
            return ()
        return self.days.get(day.weekday(), ())


def read_hours(zone: str, hours: Mapping[str, list[str]], holidays: Iterable[str]) -> Hours:
    """Return the hours that texts mean; raises ValueError naming the text that means nothing."""
    days: dict[int, tuple[Span, ...]] = {}
    for name, texts in hours.items():
        spans = tuple(read_span(text) for text in texts)
        for day in read_days(name):
            days[day] = days.get(day, ()) + spans
    dates: set[date] = set()
    yearly: set[tuple[int, int]] = set()
    for text in holidays:
        if _YEARLY.fullmatch(text):
            day_of_year = read_date(f"{_LEAP_YEAR}-{text}", text)
            yearly.add((day_of_year.month, day_of_year.day))
        else:
            dates.add(read_date(text, text))
    return Hours(read_zone(zone), days, frozenset(dates), frozenset(yearly))


def read_zone(name: str) -> tzinfo:
    """Return a time zone by its name, `Asia/Kolkata`, or its offset, `+05:30`."""
    if name in _FIXED:
        return _FIXED[name]
    offset = _OFFSET.fullmatch(name)
    if offset and int(offset[2]) <= 14 and int(offset[3]) < 60:
        away = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-away if offset[1] == "-" else away)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"'{name}' is no time zone; say Asia/Kolkata or +05:30") from error


def read_days(name: str) -> list[int]:
    """Return the weekdays of `mon` or `mon-fri`; `sat-mon` goes over the week's end."""
    found = _DAYS.fullmatch(name)
    if found is None:
        raise ValueError(f"'{name}' is no weekday; say mon, or mon-fri")
    first = WEEKDAYS.index(found[1])
    last = WEEKDAYS.index(found[2] or found[1])
    return [(first + away) % 7 for away in range((last - first) % 7 + 1)]


def read_span(text: str) -> Span:
    """Return the time of `09:00-17:30`; `22:00-06:00` ends on the next day."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is no time; say 09:00-17:30")
    hours = (int(found[1]), int(found[3]))
    minutes = (int(found[2]), int(found[4]))
    start, end = (hour * 60 + minute for hour, minute in zip(hours, minutes, strict=True))
    if max(minutes) >= 60 or start >= DAY_MINUTES or end > DAY_MINUTES:
        raise ValueError(f"'{text}' is no time; a day is from 00:00 to 24:00")
    if start == end:
        raise ValueError(f"'{text}' is no time at all; a whole day is 00:00-24:00")
    return Span(start, end)


def read_date(text: str, written: str) -> date:
    """Return the day of `2027-01-26`."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(
            f"'{written}' is no date; say 2027-01-26, or 01-26 for every year"
        ) from error
