"""Business hours: one way while somebody is there, another when nobody is (AP-59)."""

from collections.abc import Mapping
from typing import ClassVar, Final, Self

from pydantic import Field, model_validator

from agentstream.flows.applet import Applet, AppletInput, Leave, Settings, Step, wired
from agentstream.flows.context import Context
from agentstream.flows.hours import Hours, read_hours

HOLIDAYS_LIMIT: Final = 366


class BusinessHoursSettings(Settings):
    """Choose the way by the time of the day and of the week."""

    kind: ClassVar[str] = "business_hours"
    takes_time: ClassVar[bool] = False

    timezone: str = Field(
        default="Asia/Kolkata",
        max_length=64,
        description="The time zone by its name, such as Europe/Berlin, or its offset, +05:30.",
    )
    hours: dict[str, list[str]] = Field(
        min_length=1,
        max_length=49,
        description=(
            "The weekdays, `mon` or `mon-fri`, and their times, `09:00-17:30`; `22:00-06:00` ends"
            " on the next day, `00:00-24:00` is all day."
        ),
    )
    holidays: list[str] = Field(
        default_factory=list,
        max_length=HOLIDAYS_LIMIT,
        description="Closed days: `2027-03-22`, or `01-26` for every year.",
    )
    on_open: str | None = Field(
        default=None, description="The applet that follows during these hours."
    )
    on_closed: str | None = Field(
        default=None, description="The applet that follows outside of them."
    )

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        self.opening()
        return self

    def opening(self) -> Hours:
        """Return the hours as values."""
        return read_hours(self.timezone, self.hours, self.holidays)

    def exits(self) -> Mapping[str, str]:
        """Return the exits that are wired."""
        return wired(on_open=self.on_open, on_closed=self.on_closed)

    def applet(self, context: Context) -> Applet:
        """Return a machine for one visit."""
        return BusinessHours(self, context)


class BusinessHours:
    """One look at the clock."""

    wake_at_ms: int | None = None

    def __init__(self, settings: BusinessHoursSettings, context: Context) -> None:
        self._settings = settings
        self._context = context

    def enter(self, now_ms: int) -> list[Step]:
        """Look, and leave."""
        is_open = self._settings.opening().are_open(self._context.wall(now_ms))
        return [Leave("on_open" if is_open else "on_closed")]

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Have left already."""
        return []

    def wake(self, now_ms: int) -> list[Step]:
        """Have no timer."""
        return []
