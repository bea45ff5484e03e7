"""By which of the operator's trunks a number goes out, and how each of them wants it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from agentstream.base.values import replace
from agentstream.calls.causes import Cause
from agentstream.calls.commands import DialSpec
from agentstream.flows.hours import read_hours
from agentstream.sip.signaling import Dial
from agentstream.switch.dialling import order_of
from agentstream.switch.number_rules import NumberRule
from agentstream.switch.roads import NoRoadError, Origin, Road, Roads, Route, RouteTrunk, Trunk
from agentstream.switch.routing import find_roads

ME, THEM, ALIAS = "+918040000002", "+918040000009", "+918000000077"
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
A, B, C = (Trunk(name, f"sip:{name}.carrier.test") for name in "abc")
ORIGIN = Origin(ME, at=NOON)
OFFICE = read_hours("UTC", {"mon-fri": ["09:00-18:00"]}, ())


def roads_with(*routes: Route, default: str = "", **trunks: Trunk) -> Roads:
    known = {one.name: one for one in (A, B, C)} | trunks
    return Roads(known, default, country_code="91", routes=routes)


def names(roads: Roads, number: str = THEM, origin: Origin = ORIGIN, **fields: Any) -> list[str]:
    found = find_roads(DialSpec(number, **fields), roads, origin, lambda most: most)
    return [road.key for road in found]


def road_by(trunk: Trunk, origin: Origin = ORIGIN, **fields: Any) -> Road:
    roads = Roads({trunk.name: trunk}, trunk.name, country_code="91")
    return find_roads(DialSpec(THEM, **fields), roads, origin, lambda most: most)[0]


def order_by(trunk: Trunk, origin: Origin = ORIGIN, **fields: Any) -> Dial:
    return order_of(road_by(trunk, origin, **fields), "192.0.2.10", 30_000)


def test_a_route_gives_its_trunks_one_after_the_other() -> None:
    roads = roads_with(Route((RouteTrunk("b", 1), RouteTrunk("a", 0), RouteTrunk("c", 2))))
    assert names(roads) == ["a", "b", "c"]


def test_the_longest_beginning_of_a_number_decides() -> None:
    roads = roads_with(
        Route((RouteTrunk("a"),), ("+91",)),
        Route((RouteTrunk("b"),), ("+9180", "+9144")),
        default="c",
    )
    assert names(roads, "+919876500001") == ["a"]
    assert names(roads, "080 4000 0009") == ["b"]
    assert names(roads, "+14155550100") == ["c"]
    assert names(roads_with(default="c")) == ["c"]


def test_a_trunk_that_is_asked_for_is_the_only_one() -> None:
    roads = roads_with(Route((RouteTrunk("a"), RouteTrunk("b"))))
    assert names(roads, trunk="C") == ["c"]
    with pytest.raises(NoRoadError, match="no default trunk"):
        names(roads_with(Route((RouteTrunk("a"),), ("+1",))))


def test_a_route_is_open_at_its_hours() -> None:
    roads = roads_with(Route((RouteTrunk("a"),), ("+91",), hours=OFFICE), default="b")
    assert names(roads) == ["a"]
    assert names(roads, origin=replace(ORIGIN, at=NOON.replace(hour=22))) == ["b"]


def test_the_code_of_an_accounts_trunk_chooses_its_routes_tr_37() -> None:
    roads = roads_with(
        Route((RouteTrunk("a"),)), Route((RouteTrunk("b"),), ("+91",), nso_code="KA-BLR")
    )
    assert names(roads) == ["a"]
    assert names(roads, origin=replace(ORIGIN, nso_code="ANY-ANY")) == ["a"]
    assert names(roads, origin=replace(ORIGIN, nso_code="KA-BLR")) == ["b"]
    assert names(roads, origin=replace(ORIGIN, nso_code="NO-ONE")) == ["a"]
    assert names(roads, trunk="KA-BLR") == ["b"]
    with pytest.raises(NoRoadError, match="no trunk named 'NO-ONE'"):
        names(roads, trunk="NO-ONE")


def test_a_trunk_that_cannot_take_a_number_is_passed_over() -> None:
    narrow = replace(A, name="narrow", called_rules=(NumberRule("", THEM),))
    roads = roads_with(Route((RouteTrunk("narrow"), RouteTrunk("b", 1))), narrow=narrow)
    assert names(roads) == ["b"]
    roads = roads_with(Route((RouteTrunk("narrow"),)), narrow=narrow)
    with pytest.raises(NoRoadError, match="number rules of the trunk narrow") as caught:
        names(roads)
    assert caught.value.cause is Cause.NUMBER_INCOMPLETE


def test_numbers_are_written_as_the_carrier_wants_them() -> None:
    rules = (NumberRule("+91", "+91", "0"),)
    road = road_by(replace(A, called_rules=rules, caller_rules=rules))
    assert (road.target.user, road.caller) == ("08040000009", "08040000002")


@pytest.mark.parametrize(
    ("trunk", "origin", "spec", "shown"),
    [
        (A, ORIGIN, "", ME),
        (A, ORIGIN, "+918040000005", "+918040000005"),
        (A, replace(ORIGIN, alias=ALIAS), "+918040000005", "+918040000005"),
        (replace(A, caller_id_rule="alias", caller_id="+911"), ORIGIN, "+912", "+911"),
        (replace(A, caller_id_rule="alias"), replace(ORIGIN, alias=ALIAS), "+912", ALIAS),
        (
            replace(A, caller_id_rule="fixed", caller_id="+911"),
            replace(ORIGIN, alias=ALIAS),
            "+912",
            "+911",
        ),
    ],
)
def test_whom_a_carrier_is_shown_tr_71(trunk: Trunk, origin: Origin, spec: str, shown: str) -> None:
    assert road_by(trunk, origin, caller_id=spec).caller == shown


def test_the_number_stands_where_the_carrier_looks_for_it() -> None:
    account = replace(A, from_user="acct")
    assert order_by(account).from_uri == "sip:acct@192.0.2.10"
    assert order_by(replace(account, identity="from")).from_uri == f"sip:{ME}@192.0.2.10"
    order = order_by(replace(account, identity="pai"))
    assert order.from_uri == "sip:acct@192.0.2.10"
    assert order.headers == (("P-Asserted-Identity", f"<sip:{ME}@192.0.2.10>"),)
    ((name, value),) = order_by(replace(A, identity="rpid")).headers
    assert name == "Remote-Party-ID"
    assert value.startswith(f"<sip:{ME}@192.0.2.10>")


def test_a_private_trunk_shows_the_callee_nobody_and_the_carrier_the_number() -> None:
    """RFC 3323 section 4.1, RFC 3325 section 9.3."""
    order = order_by(replace(A, is_private=True, from_user="acct"))
    assert (order.from_uri, order.from_display) == (
        "sip:anonymous@anonymous.invalid",
        "Anonymous",
    )
    assert order.headers == (
        ("P-Asserted-Identity", f"<sip:{ME}@192.0.2.10>"),
        ("Privacy", "id"),
    )


def test_a_forwarded_call_says_by_whom_where_that_is_wanted() -> None:
    """RFC 5806."""
    forwarded = replace(ORIGIN, forwards=True)
    told = order_by(replace(A, tells_diversion=True), forwarded, caller_id="+912240000017")
    assert told.headers == (("Diversion", f"<sip:{ME}@192.0.2.10>;reason=unconditional"),)
    assert order_by(replace(A, tells_diversion=True)).headers == ()
    assert order_by(A, forwarded).headers == ()


def test_an_ipv6_address_of_ours_has_its_brackets() -> None:
    order = order_of(road_by(replace(A, identity="pai")), "2001:db8::1", 30_000)
    assert order.from_uri == f"sip:{ME}@[2001:db8::1]"
    assert order.headers[0][1] == f"<sip:{ME}@[2001:db8::1]>"
