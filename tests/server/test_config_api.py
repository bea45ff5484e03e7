"""The section [api] of the configuration."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from agentstream.api.rate_limit import RateLimits
from agentstream.base.phone import NumberStyle
from agentstream.server.config import Config
from agentstream.server.config_api import ApiConfig

NOON = datetime(2027, 1, 12, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("Asia/Kolkata", "2027-01-12 17:30:00"),
        ("UTC", "2027-01-12 12:00:00"),
        ("Europe/Berlin", "2027-01-12 13:00:00"),
    ],
)
def test_times_have_the_zone_that_is_set_cc_47(zone: str, shown: str) -> None:
    assert ApiConfig(timezone=zone).settings(NumberStyle()).moment(NOON) == shown


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "", "+25:00"])
def test_a_zone_that_is_none_is_named(zone: str) -> None:
    with pytest.raises(ValidationError, match="is no time zone; say Asia/Kolkata or"):
        ApiConfig(timezone=zone)


def test_limits_and_forms_reach_the_api_er_7_kx_1() -> None:
    config = Config.model_validate(
        {"country_code": "91", "api": {"strict": True, "calls_per_minute": 0}}
    )
    assert config.api.rate_limits() == RateLimits(orders=0, reads=300, numbers=50)
    settings = config.api.settings(config.numbers())
    assert (settings.is_strict, settings.country_code) == (True, "91")


def test_national_numbers_need_a_country() -> None:
    with pytest.raises(ValidationError, match="national0 needs country_code"):
        Config.model_validate({"api": {"number_format": "national0"}})
