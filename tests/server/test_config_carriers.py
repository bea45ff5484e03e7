"""Registrations and OPTIONS of trunks in the configuration."""

from typing import Any

import pytest
from pydantic import ValidationError

from agentstream.server.check import registrations
from agentstream.server.config import Config
from agentstream.server.config_carriers import carrier_settings, registered_users
from agentstream.server.config_roads import tls_profiles, trunk_hosts
from agentstream.sip.signaling import Credentials, ProbePlan, RegistrationPlan
from agentstream.switch.road_watch import WatchedRoad

TRUNK = {
    "target": "sip:sbc.carrier.example:5080;transport=tcp",
    "user": "acct",
    "password": "hunter2",
}


def config(**trunk: Any) -> Config:
    return Config.model_validate({"trunks": {"carrier": {**TRUNK, **trunk}}})


def test_a_trunk_registers_only_when_it_is_told_to() -> None:
    """SIP-1: the hosted platform has no registration."""
    trunks = config().trunks
    assert carrier_settings(trunks).registrations == {}
    assert registered_users(trunks) == frozenset()
    (road,) = carrier_settings(trunks).watched
    assert road.interval_ms == 0


def test_the_target_is_the_registrar_and_the_account_is_who_is_called() -> None:
    trunks = config(register=True).trunks
    assert carrier_settings(trunks).registrations == {
        "carrier": RegistrationPlan(
            "sip:sbc.carrier.example:5080;transport=tcp",
            "sip:acct@sbc.carrier.example",
            "acct",
            Credentials("acct", "hunter2"),
        )
    }
    assert registered_users(trunks) == {"acct"}


def test_a_trunk_with_tls_of_its_own_shows_it_beside_calls_too() -> None:
    trunks = config(register=True, tls_verify=False).trunks
    found = carrier_settings(trunks, tls_profiles(trunks))
    assert found.watched[0].plan.tls_profile == "carrier"
    assert (found.registrations or {})["carrier"].tls_profile == "carrier"


def test_registrar_proxy_time_and_contact_may_be_said() -> None:
    trunks = config(
        register=True,
        registrar="sip:carrier.example",
        proxy="sip:edge.carrier.example",
        register_expires_s=600,
        contact_user="house7",
        user="acct@customers.example",
    ).trunks
    assert (carrier_settings(trunks).registrations or {})["carrier"] == RegistrationPlan(
        "sip:carrier.example",
        "sip:acct@customers.example",
        "house7",
        Credentials("acct@customers.example", "hunter2"),
        "sip:edge.carrier.example",
        600,
    )
    assert set(trunk_hosts(trunks)) == {
        "sbc.carrier.example",
        "edge.carrier.example",
        "carrier.example",
    }


@pytest.mark.parametrize(("said", "interval_ms"), [(True, 60_000), (False, 0), (30, 30_000)])
def test_options_are_sent_at_the_interval_that_is_said(said: object, interval_ms: int) -> None:
    """SIP-51: off by default, 60 s when it is on."""
    trunks = config(options_interval_s=said, options_503_is_down=True).trunks
    plan = ProbePlan("sip:sbc.carrier.example:5080;transport=tcp")
    assert carrier_settings(trunks).watched == (
        WatchedRoad("carrier", plan, interval_ms, busy_is_down=True),
    )


@pytest.mark.parametrize(
    ("trunk", "says"),
    [
        ({"register": True, "user": ""}, "register needs user"),
        ({"register": True, "user": "@a.example"}, "register needs contact_user"),
        ({"registrar": "carrier.example"}, "write it as"),
        ({"register_expires_s": 29}, "greater than or equal to 30"),
        ({"options_interval_s": 3_601}, "less than or equal to 3600"),
        ({"contact_user": "a b"}, "letters, digits"),
    ],
)
def test_a_mistake_is_named(trunk: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        config(**trunk)


def test_the_password_is_not_shown() -> None:
    assert "hunter2" not in repr(config(register=True).shown())
    assert "hunter2" not in repr(carrier_settings(config(register=True).trunks))


@pytest.mark.parametrize(
    ("trunk", "verdict", "says"),
    [
        ({}, "ok", "sbc.carrier.example over tcp, calls for acct"),
        ({"password": ""}, "warning", "without a password"),
        ({"proxy": "sips:edge.example"}, "error", "no listener of [sip] speaks tls"),
    ],
)
def test_check_shows_each_registration(trunk: dict[str, object], verdict: str, says: str) -> None:
    (finding,) = registrations(config(register=True, **trunk))
    assert (finding.name, finding.verdict) == ("registration carrier", verdict)
    assert says in finding.text
    assert list(registrations(config(**trunk))) == []
