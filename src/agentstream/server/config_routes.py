"""Which trunks numbers go out by, and how a trunk wants numbers: the tables of [dial] and [trunks].

[[dial.routes]]
prefix = "+91"
trunks = ["a", {name = "b", priority = 1}]
hours = {"mon-fri" = ["09:00-18:00"]}

[[trunks.a.called_rules]]
begins = "+91"
strip = "+91"
add = "0"
"""

import re
from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from agentstream.flows.hours import Hours, read_hours
from agentstream.server.config_section import Section, Texts
from agentstream.switch.number_rules import RULES_LIMIT, NumberRule
from agentstream.switch.roads import Route, RouteTrunk

ROUTES_LIMIT = 256
_PREFIX = re.compile(r"(\+?[0-9]{1,15})?", re.ASCII)
_CODE = re.compile(r"([A-Z0-9]{1,16}-[A-Z0-9]{1,16})?", re.ASCII)

Rank = Annotated[int, Field(ge=0, le=65_535)]  # RFC 2782


class WindowSection(Section):
    """Hours of the week, in a time zone; without any, always."""

    hours: Mapping[str, Texts] = Field(default_factory=dict)  # "mon-fri": "09:00-18:00"
    timezone: str = "UTC"

    @model_validator(mode="after")
    def _are_hours(self) -> Self:
        self.window()  # a ValueError names the text that means nothing
        return self

    def window(self) -> Hours | None:
        """Return the hours as the switch takes them."""
        if not self.hours:
            return None
        return read_hours(self.timezone, {day: list(at) for day, at in self.hours.items()}, ())


class NumberRuleConfig(Section):
    """What one beginning of numbers becomes; the first rule that is meant for a number counts."""

    begins: str = ""
    strip: str = ""
    add: str = ""

    @model_validator(mode="after")
    def _is_a_rule(self) -> Self:
        if mistake := self.rule().mistake():
            raise ValueError(mistake)
        return self

    def rule(self) -> NumberRule:
        """Return the rule as the switch takes it."""
        return NumberRule(self.begins, self.strip, self.add)


NumberRules = Annotated[tuple[NumberRuleConfig, ...], Field(max_length=RULES_LIMIT)]


class RouteTrunkConfig(Section):
    """A trunk of a route."""

    name: str
    priority: Rank = 0  # lower first
    weight: Rank = 1  # its share among those of one priority


def _named(value: object) -> object:
    """Let a trunk be its name alone: then each is tried after the one before."""
    if not isinstance(value, list | tuple):
        return value
    return [
        {"name": one, "priority": place} if isinstance(one, str) else one
        for place, one in enumerate(value)
    ]


def _prefixes(prefixes: tuple[str, ...]) -> tuple[str, ...]:
    for prefix in prefixes:
        if not _PREFIX.fullmatch(prefix):
            raise ValueError(f"{prefix[:40]!r} is no beginning of a number: write it as +91")
    return prefixes


class RouteConfig(WindowSection):
    """By which trunks some numbers go out."""

    prefix: Annotated[Texts, AfterValidator(_prefixes)] = ()  # none: every number
    nso_code: str = ""  # of accounts' trunks whose calls it is for; "": all (TR-37)
    trunks: Annotated[
        tuple[RouteTrunkConfig, ...], BeforeValidator(_named), Field(min_length=1, max_length=16)
    ]

    @model_validator(mode="after")
    def _is_a_code(self) -> Self:
        if not _CODE.fullmatch(self.nso_code) or self.nso_code == "ANY-ANY":
            raise ValueError("nso_code is two words of A-Z 0-9 with - between, not ANY-ANY")
        names = [one.name.lower() for one in self.trunks]
        if len(set(names)) < len(names):
            raise ValueError("trunks names one twice")
        return self

    def route(self) -> Route:
        """Return the route as the switch takes it."""
        members = (RouteTrunk(one.name.lower(), one.priority, one.weight) for one in self.trunks)
        return Route(tuple(members), self.prefix or ("",), self.nso_code, self.window())


Routes = Annotated[tuple[RouteConfig, ...], Field(max_length=ROUTES_LIMIT)]
