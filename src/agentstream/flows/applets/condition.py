"""Condition: two ways, by what is known of the call (AP-59)."""

from collections.abc import Mapping
from typing import ClassVar, Final, Self

from pydantic import Field, model_validator

from agentstream.flows.applet import Applet, AppletInput, Leave, Settings, Step, wired
from agentstream.flows.context import Context
from agentstream.flows.template import Template

VALUES_LIMIT: Final = 500
_TESTS: Final = ("equals", "one_of", "starts_with", "contains", "at_least", "at_most", "is_empty")


class ConditionSettings(Settings):
    """Choose between two ways by a value of the call."""

    kind: ClassVar[str] = "condition"
    takes_time: ClassVar[bool] = False

    value: Template = Field(
        min_length=1, max_length=1000, description="What is looked at, such as `{CustomField}`."
    )
    equals: Template | None = Field(default=None, description="True when the value is this.")
    one_of: list[str] | None = Field(
        default=None,
        min_length=1,
        max_length=VALUES_LIMIT,
        description="True when the value is one of these.",
    )
    starts_with: Template | None = Field(
        default=None, min_length=1, description="True when the value begins so."
    )
    contains: Template | None = Field(
        default=None, min_length=1, description="True when this is somewhere in the value."
    )
    at_least: float | None = Field(
        default=None, description="True when the value is a number and not less than this."
    )
    at_most: float | None = Field(
        default=None, description="True when the value is a number and not more than this."
    )
    is_empty: bool | None = Field(
        default=None, description="True when the value is empty, or with false, when it is not."
    )
    ignore_case: bool = Field(
        default=False, description="Take capital and small letters for the same."
    )
    on_true: str | None = Field(default=None, description="The applet that follows when it is so.")
    on_false: str | None = Field(
        default=None, description="The applet that follows when it is not so."
    )

    @model_validator(mode="after")
    def _has_one_test(self) -> Self:
        if len([name for name in _TESTS if getattr(self, name) is not None]) != 1:
            raise ValueError(f"give one of {', '.join(_TESTS)}")
        return self

    def exits(self) -> Mapping[str, str]:
        """Return the exits that are wired."""
        return wired(on_true=self.on_true, on_false=self.on_false)

    def applet(self, context: Context) -> Applet:
        """Return a machine for one visit."""
        return Condition(self, context)


class Condition:
    """One look."""

    wake_at_ms: int | None = None

    def __init__(self, settings: ConditionSettings, context: Context) -> None:
        self._settings = settings
        self._context = context

    def enter(self, now_ms: int) -> list[Step]:
        """Look, and leave."""
        return [Leave("on_true" if self._is_true(now_ms) else "on_false")]

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Have left already."""
        return []

    def wake(self, now_ms: int) -> list[Step]:
        """Have no timer."""
        return []

    def _is_true(self, now_ms: int) -> bool:
        settings, fill = self._settings, self._filled
        value = fill(settings.value, now_ms)
        if settings.at_least is not None:
            number = number_of(value)
            return number is not None and number >= settings.at_least
        if settings.at_most is not None:
            number = number_of(value)
            return number is not None and number <= settings.at_most
        if settings.is_empty is not None:
            return (value == "") is settings.is_empty
        if settings.one_of is not None:
            return value in [self._folded(one) for one in settings.one_of]
        if settings.starts_with is not None:
            return value.startswith(fill(settings.starts_with, now_ms))
        if settings.contains is not None:
            return fill(settings.contains, now_ms) in value
        return value == fill(settings.equals or "", now_ms)

    def _filled(self, template: str, now_ms: int) -> str:
        return self._folded(self._context.text(template, now_ms))

    def _folded(self, text: str) -> str:
        return text.casefold() if self._settings.ignore_case else text


def number_of(text: str) -> float | None:
    """Return the number that a text is; None when it is none."""
    try:
        return float(text)
    except ValueError:
        return None
