"""Business hours: open, closed (AP-59)."""

import pytest
from pydantic import ValidationError

from agentstream.flows.applet import Leave
from agentstream.flows.applets.business_hours import BusinessHoursSettings
from agentstream.testing.applets import press, visit


def way(**fields: object) -> str:
    """Return the exit at 15:56:26 in India on Tuesday, 2027-02-16."""
    settings = BusinessHoursSettings.model_validate(fields)
    assert settings.leaves_at_once()
    script, _ = visit(settings)
    left = script.take(Leave)
    script.feed(*press("1"))
    script.expect_nothing()
    assert script.machine.wake(5) == []
    return left.exit


@pytest.mark.parametrize(
    ("fields", "exit_name"),
    [
        ({"hours": {"mon-fri": ["09:00-18:00"]}}, "on_open"),
        ({"hours": {"mon-fri": ["09:00-15:56"]}}, "on_closed"),
        ({"hours": {"mon-fri": ["09:00-15:56"]}, "timezone": "UTC"}, "on_open"),
        ({"hours": {"tue": ["09:00-18:00"]}, "holidays": ["2027-02-16"]}, "on_closed"),
    ],
)
def test_the_clock_chooses_the_way(fields: dict[str, object], exit_name: str) -> None:
    assert way(**fields) == exit_name


def test_each_way_has_its_exit() -> None:
    settings = BusinessHoursSettings(hours={"mon": ["09:00-18:00"]}, on_open="a", on_closed="b")
    assert settings.exits() == {"on_open": "a", "on_closed": "b"}


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"hours": {}}, "at least 1"),
        ({"hours": {"monday": ["09:00-18:00"]}}, "'monday' is no weekday"),
        ({"hours": {"mon": ["09:00-18:00"]}, "timezone": "Mars"}, "'Mars' is no time zone"),
        ({"hours": {"mon": ["09:00-18:00"]}, "holidays": ["x"]}, "'x' is no date"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        BusinessHoursSettings.model_validate(fields)
