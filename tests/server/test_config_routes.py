"""Routes, rules for numbers and limits of trunks in the configuration."""

import tomllib
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from agentstream.server.config import Config, as_toml
from agentstream.switch.number_rules import NumberRule
from agentstream.switch.road_limits import RoadLimit
from agentstream.switch.roads import RouteTrunk

FILE = """
country_code = "91"

[trunks.a]
target = "sip:a.carrier.example"
caller_id = "+918040000005"
caller_id_rule = "fixed"
identity = "pai"
privacy = true
diversion = true
early_media = "ignore"
failover_timeout_ms = 900
max_calls = 30
calls_per_second = 5

[[trunks.a.called_rules]]
begins = "+91"
strip = "+91"
add = "0"

[[trunks.a.caller_rules]]
strip = "+"

[trunks.b]
target = "sip:b.carrier.example"
hours = {mon-fri = ["09:00-18:00"], sat = "10:00-12:00"}
timezone = "Asia/Kolkata"

[dial]
trunk = "b"
follow_redirects = true

[[dial.routes]]
prefix = "+91"
trunks = ["a", "B"]

[[dial.routes]]
prefix = ["+1", "+44"]
nso_code = "ABROAD-A"
trunks = [{name = "a", weight = 3}, {name = "b"}]
hours = {mon-sun = "00:00-24:00"}
"""


def config(text: str) -> Config:
    return Config.model_validate(tomllib.loads(text))


def test_a_trunk_says_how_its_carrier_wants_calls() -> None:
    roads = config(FILE).roads()
    a, b = roads.trunks["a"], roads.trunks["b"]
    assert (a.caller_id_rule, a.identity, a.is_private, a.tells_diversion) == (
        "fixed",
        "pai",
        True,
        True,
    )
    assert a.called_rules == (NumberRule("+91", "+91", "0"),)
    assert a.caller_rules == (NumberRule("", "+", ""),)
    assert (a.early_media, a.failover_ms, a.limit) == ("ignore", 900, RoadLimit(30, 5))
    hours = b.limit.hours
    assert hours is not None
    assert hours.are_open(datetime(2026, 3, 4, 4, tzinfo=UTC))  # a Wednesday, 09:30 there
    assert not hours.are_open(datetime(2026, 3, 4, 3, tzinfo=UTC))
    assert (b.early_media, b.failover_ms, b.identity, b.caller_id_rule) == (
        "pass",
        4_000,
        "none",
        "as-is",
    )


def test_routes_name_trunks_in_order_or_with_weights() -> None:
    roads = config(FILE).roads()
    india, abroad = roads.routes
    assert india.prefixes == ("+91",)
    assert india.trunks == (RouteTrunk("a", 0), RouteTrunk("b", 1))
    assert (india.nso_code, india.hours) == ("", None)
    assert abroad.prefixes == ("+1", "+44")
    assert abroad.trunks == (RouteTrunk("a", 0, 3), RouteTrunk("b", 0, 1))
    assert abroad.nso_code == "ABROAD-A"
    assert abroad.hours is not None
    assert roads.follows_redirects


def test_the_configuration_can_be_written_down_and_read_again() -> None:
    first = config(FILE)
    assert config(as_toml(first.shown())).roads() == first.roads()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[[dial.routes]]\ntrunks = ["nowhere"]', "dial.routes.0.trunks is 'nowhere'"),
        ("[[dial.routes]]\ntrunks = []", "at least 1 item"),
        ('[[dial.routes]]\ntrunks = ["a", "A"]', "names one twice"),
        ('[[dial.routes]]\ntrunks = ["a"]\nprefix = "India"', "no beginning of a number"),
        ('[[dial.routes]]\ntrunks = ["a"]\nnso_code = "any"', "nso_code"),
        ('[[dial.routes]]\ntrunks = ["a"]\nnso_code = "ANY-ANY"', "not ANY-ANY"),
        ('[[dial.routes]]\ntrunks = ["a"]\nhours = {mon = "9-18"}', "is no time"),
        ('[[dial.routes]]\ntrunks = [{name = "a", weight = 65536}]', "less than or equal to 65535"),
        ('[trunks.c]\ntarget = "sip:c"\ncaller_id_rule = "fixed"', "needs caller_id"),
        ('[trunks.c]\ntarget = "sip:c"\nidentity = "maybe"', "'none', 'pai', 'rpid' or 'from'"),
        (
            '[trunks.c]\ntarget = "sip:c"\nhours = {mon = "09:00-18:00"}\ntimezone = "X"',
            "time zone",
        ),
        ('[trunks.c]\ntarget = "sip:c"\nfailover_timeout_ms = 50', "greater than or equal to 100"),
        ('[trunks.c]\ntarget = "sip:c"\ncalled_rules = [{begins = "+91"}]', "strip or add"),
        ('[trunks.c]\ntarget = "sip:c"\ncaller_rules = [{strip = ".*"}]', "strip is at most 15"),
    ],
)
def test_a_mistake_is_named(text: str, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        config(f'[trunks.a]\ntarget = "sip:a.carrier.example"\n{text}\n')
