"""Opening hours: days, times, nights, holidays, zones."""

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.flows.hours import Span, read_days, read_hours, read_span, read_zone

WEEK = {"mon-fri": ["09:00-13:00", "14:00-18:00"], "sat": ["10:00-14:00"]}


def are_open(
    moment: str, hours: dict[str, list[str]], holidays: tuple[str, ...] = (), zone: str = "UTC"
) -> bool:
    return read_hours(zone, hours, holidays).are_open(datetime.fromisoformat(moment))


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2027-02-15T09:00:00Z", True),  # a Monday, to the minute
        ("2027-02-15T08:59:59Z", False),
        ("2027-02-15T12:59:59Z", True),
        ("2027-02-15T13:00:00Z", False),
        ("2027-02-15T15:00:00Z", True),
        ("2027-02-19T17:59:00Z", True),  # Friday
        ("2027-02-20T17:00:00Z", False),  # Saturday has its own time
        ("2027-02-20T11:00:00Z", True),
        ("2027-02-21T11:00:00Z", False),  # Sunday has none
    ],
)
def test_each_weekday_has_its_times(moment: str, is_open: bool) -> None:
    assert are_open(moment, WEEK) is is_open


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2027-02-19T21:59:00Z", False),
        ("2027-02-19T22:00:00Z", True),  # Friday night
        ("2027-02-20T05:59:00Z", True),  # is still Friday's
        ("2027-02-20T06:00:00Z", False),
        ("2027-02-20T22:30:00Z", False),  # Saturday night is nobody's
        ("2027-02-19T03:00:00Z", False),  # nor the night before
    ],
)
def test_a_night_belongs_to_the_day_when_it_begins(moment: str, is_open: bool) -> None:
    assert are_open(moment, {"fri": ["22:00-06:00"]}) is is_open


def test_a_whole_day_is_open_to_its_end_and_no_longer() -> None:
    hours = {"tue": ["00:00-24:00"]}
    assert are_open("2027-02-16T00:00:00Z", hours)
    assert are_open("2027-02-16T23:59:59Z", hours)
    assert not are_open("2027-02-17T00:00:00Z", hours)


def test_holidays_are_closed_once_or_every_year() -> None:
    hours = {"mon-sun": ["00:00-24:00"]}
    holidays = ("2027-03-22", "01-26", "02-29")
    assert not are_open("2027-03-22T12:00:00Z", hours, holidays)
    assert are_open("2028-03-22T12:00:00Z", hours, holidays)
    assert not are_open("2027-01-26T12:00:00Z", hours, holidays)
    assert not are_open("2031-01-26T12:00:00Z", hours, holidays)
    assert not are_open("2028-02-29T12:00:00Z", hours, holidays)


def test_the_time_is_the_one_of_the_place() -> None:
    hours = {"mon": ["09:00-10:00"]}
    assert are_open("2027-02-15T03:30:00Z", hours, zone="Asia/Kolkata")
    assert are_open("2027-02-15T03:30:00Z", hours, zone="+05:30")
    assert are_open("2027-02-15T14:30:00Z", hours, zone="-05:00")
    assert are_open("2027-07-05T07:30:00Z", hours, zone="Europe/Berlin")  # in summer
    assert are_open("2027-02-15T08:30:00Z", hours, zone="Europe/Berlin")  # and in winter


def test_a_range_of_days_may_go_over_the_end_of_the_week() -> None:
    assert read_days("sat-mon") == [5, 6, 0]
    assert read_days("wed") == [2]
    assert read_days("mon-sun") == list(range(7))


def test_days_that_are_named_twice_have_all_their_times() -> None:
    hours = {"mon-fri": ["09:00-12:00"], "fri": ["13:00-14:00"]}
    assert are_open("2027-02-19T10:00:00Z", hours)
    assert are_open("2027-02-19T13:30:00Z", hours)


@pytest.mark.parametrize(
    ("zone", "hours", "holidays", "why"),
    [
        ("Asia/Nowhere", WEEK, (), "'Asia/Nowhere' is no time zone"),
        ("America", WEEK, (), "'America' is no time zone"),
        ("../etc/passwd", WEEK, (), "is no time zone"),
        ("+15:00", WEEK, (), "is no time zone"),
        ("", WEEK, (), "is no time zone"),
        ("UTC", {"monday": []}, (), "'monday' is no weekday; say mon, or mon-fri"),
        ("UTC", {"mon": ["9-17"]}, (), "'9-17' is no time; say 09:00-17:30"),
        ("UTC", {"mon": ["09:60-17:00"]}, (), "a day is from 00:00 to 24:00"),
        ("UTC", {"mon": ["24:00-17:00"]}, (), "a day is from 00:00 to 24:00"),
        ("UTC", {"mon": ["09:00-24:01"]}, (), "a day is from 00:00 to 24:00"),
        ("UTC", {"mon": ["09:00-09:00"]}, (), "a whole day is 00:00-24:00"),
        ("UTC", WEEK, ("02-30",), "'02-30' is no date; say 2027-01-26, or 01-26"),
        ("UTC", WEEK, ("2027-02-29",), "'2027-02-29' is no date"),
    ],
)
def test_what_means_nothing_is_named(
    zone: str, hours: dict[str, list[str]], holidays: tuple[str, ...], why: str
) -> None:
    with pytest.raises(ValueError, match=why.replace("+", r"\+")):
        read_hours(zone, hours, holidays)


@given(st.integers(0, 1439), st.integers(1, 1439), st.integers(0, 7 * 1440))
def test_a_span_is_open_for_exactly_its_length(start: int, length: int, later: int) -> None:
    end = (start + length) % 1440
    text = f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
    hours = read_hours("UTC", {"wed": [text]}, ())
    wednesday = datetime(2027, 2, 17, tzinfo=UTC)
    monday = datetime(2027, 2, 15, tzinfo=UTC)
    moment = monday + timedelta(minutes=later)
    since = (moment - wednesday).total_seconds() // 60 - start
    assert hours.are_open(moment) is (0 <= since < length)


@given(st.text("0123456789:-+monfri/", max_size=12))
def test_any_text_is_a_value_or_a_value_error(text: str) -> None:
    for read in (read_zone, read_days, read_span):
        with contextlib.suppress(ValueError):
            read(text)
    assert read_span("09:00-24:00") == Span(540, 1440)
