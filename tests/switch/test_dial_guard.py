"""Numbers that may be dialled: of which countries, and none that cost a fortune."""

import pytest

from agentstream.calls.causes import Cause
from agentstream.calls.commands import DialSpec
from agentstream.switch.dial_guard import DialGuard
from agentstream.switch.routing import NoRoadError, Roads, Trunk, find_road

INDIA = DialGuard(frozenset({"91"}))


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("+918040000009", ""),
        ("+14155550100", "[dial] countries"),
        ("+8821612345678", "[dial] countries"),  # satellite phones
        ("1000", ""),  # an extension behind the trunk
        ("*97", ""),
    ],
)
def test_numbers_of_other_countries_are_refused_until_they_are_named(number: str, why: str) -> None:
    told = INDIA.why_not(number)
    assert (why in told) if why else told == ""


@pytest.mark.parametrize("number", ["+19005550100", "+449098790000", "+499001234567"])
def test_premium_numbers_are_refused_unless_they_are_wanted(number: str) -> None:
    assert "premium" in DialGuard().why_not(number)
    assert DialGuard(premium=True).why_not(number) == ""


def test_beginnings_of_numbers_can_be_denied_within_a_country() -> None:
    guard = DialGuard(frozenset({"91"}), denied=("+91804",))
    assert "denied_prefixes" in guard.why_not("+918040000009")
    assert guard.why_not("+912240000017") == ""


def test_what_is_no_number_at_all_is_left_to_the_trunk() -> None:
    assert DialGuard().why_not("+0") == ""
    assert DialGuard().why_not("+99999999999999999999") == ""


def test_a_trunk_dials_no_number_that_the_guard_refuses_however_it_is_written() -> None:
    roads = Roads(
        {"carrier": Trunk("carrier", "sip:192.0.2.7", has_plus=False)},
        "carrier",
        country_code="91",
        guard=INDIA,
    )
    for destination in ("+1 415 555 0100", "0014155550100", "tel:+14155550100", "sip:carrier"):
        with pytest.raises(NoRoadError) as caught:
            find_road(DialSpec(destination, to_number="+14155550100"), roads, "+918040000002")
        assert caught.value.cause is Cause.REJECTED
    assert find_road(DialSpec("08040000009"), roads, "").target.user == "918040000009"
