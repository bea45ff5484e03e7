"""Which end of an attempt leads to the next road (SIP-17)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.sip.reports import Ended, SipCallRef
from agentstream.sip.signaling import Credentials
from agentstream.sip.uri import parse_uri
from agentstream.switch.attempts import ATTEMPTS_LIMIT, REDIRECTS_LIMIT, Attempts, outcome_of
from agentstream.switch.dial_guard import DialGuard
from agentstream.switch.roads import Road, Roads, Trunk

REF = SipCallRef("out-1")
A = Road(
    parse_uri("sip:+918040000009@192.0.2.1"),
    "+918040000002",
    credentials=Credentials("acct", "secret"),
    headers=(("X-Account", "secret"),),
    key="a",
    name="trunk a",
)
B = Road(parse_uri("sip:+918040000009@192.0.2.2"), "+918040000002", key="b", name="trunk b")
FOLLOWS = Roads(follows_redirects=True)


def attempts(*roads: Road, rules: Roads = FOLLOWS, ring_ms: int = 30_000) -> Attempts:
    made = Attempts(roads, rules, ring_ms, 1_000)
    made.next(1_000)
    return made


def moved(*contacts: str) -> Ended:
    return Ended(REF, "remote", 302, headers=tuple(("Contact", one) for one in contacts))


@pytest.mark.parametrize("status", [408, 430, 480, 500, 502, 503, 504, 580, 599])
def test_what_is_only_this_roads_trouble_leads_on(status: int) -> None:
    assert attempts(A, B).leads_on(Ended(REF, "remote", status), A)


@pytest.mark.parametrize(
    "status", [400, 401, 403, 404, 407, 410, 484, 486, 487, 488, 600, 603, 604]
)
def test_what_another_road_would_say_too_is_the_end(status: int) -> None:
    assert not attempts(A, B).leads_on(Ended(REF, "remote", status), A)


def test_no_connection_and_no_answer_lead_on_and_our_own_wish_does_not() -> None:
    assert attempts(A, B).leads_on(Ended(REF, "network", 503), A)
    assert attempts(A, B).leads_on(Ended(REF, "network", 408), A)
    for status in (0, 408, 487):
        assert not attempts(A, B).leads_on(Ended(REF, "local", status), A)


@given(st.integers(0, 699))
def test_every_status_is_judged(status: int) -> None:
    assert attempts(A, B).leads_on(Ended(REF, "remote", status), A) in (True, False)
    assert outcome_of(Ended(REF, "remote", status)) in ("reached", "refused")


def test_all_attempts_together_ring_no_longer_than_the_leg_may() -> None:
    short = Road(B.target, B.caller, ring_ms=5_000)
    tried = Attempts((A, short, B), FOLLOWS, 30_000, 1_000)
    assert tried.next(1_000) is A
    assert tried.ring_ms(A, 1_000) == 30_000
    assert tried.next(21_000) is short
    assert tried.ring_ms(short, 21_000) == 5_000
    assert tried.ring_ms(short, 28_000) == 3_000
    assert tried.next(31_000) is None


def test_a_leg_has_a_bound_of_attempts() -> None:
    tried = Attempts((B,) * 40, FOLLOWS, 30_000, 0)
    assert sum(tried.next(0) is not None for _ in range(40)) == ATTEMPTS_LIMIT


def test_a_redirect_is_the_end_where_it_is_not_followed() -> None:
    assert not attempts(A, B, rules=Roads()).leads_on(moved("<sip:x@192.0.2.9>"), A)


def test_a_redirect_is_followed_the_best_address_first_before_other_roads() -> None:
    tried = attempts(A, B)
    contacts = "<sip:+91@192.0.2.8>;q=0.2, <sip:+92@192.0.2.9:5070;transport=tcp>;q=0.9"
    assert tried.leads_on(moved(contacts), A)
    first, second = tried.next(2_000), tried.next(2_000)
    assert first is not None
    assert second is not None
    assert str(first.target) == "sip:+92@192.0.2.9:5070;transport=tcp"
    assert str(second.target) == "sip:+91@192.0.2.8"
    assert tried.next(2_000) is B


def test_what_a_carrier_is_told_in_confidence_goes_to_nobody_else() -> None:
    tried = attempts(A)
    assert tried.leads_on(moved("<sip:+91@192.0.2.9>", "<sip:+91@192.0.2.1:5080>"), A)
    other, same = tried.next(2_000), tried.next(2_000)
    assert other is not None
    assert (other.credentials, other.headers, other.key) == (None, (), "")
    assert same is not None
    assert (same.credentials, same.headers, same.key) == (A.credentials, A.headers, "a")


@pytest.mark.parametrize(
    "contact",
    [
        "<sip:trdev1a0b1c2d3e4f5a6b7c8z1n0>",  # a trunk of somebody
        "<sip:carrier>",
        "<tel:+918040000009>",
        "<mailto:ann@example.net>",
        "<sip:ann@169.254.169.254>",
        "<sip:ann@denied.example>",
        "<sip:ann:password@192.0.2.9>",
        "<sip:ann@192.0.2.9?Replaces=1>",
        "<sip:+19005550100@192.0.2.9>",
        "*",
        "<<<",
        "",
    ],
)
def test_a_redirect_leads_nowhere_that_could_not_be_dialled(contact: str) -> None:
    rules = Roads(
        {"carrier": Trunk("carrier", "sip:192.0.2.1")},
        follows_redirects=True,
        denied=("denied.example",),
        guard=DialGuard(denied=("+1900",)),
    )
    assert not attempts(A, B, rules=rules).leads_on(moved(contact), A)


def test_redirects_are_bounded() -> None:
    tried = attempts(A)
    many = [f"<sip:u{count}@192.0.2.9>" for count in range(10)]
    for _ in range(REDIRECTS_LIMIT):
        assert tried.leads_on(moved(*many), A)
    assert not tried.leads_on(moved(*many), A)
    assert len(tried._waiting) == REDIRECTS_LIMIT**2


def test_what_became_of_a_road_is_told_in_one_word() -> None:
    assert outcome_of(Ended(REF, "network", 408)) == "silent"
    assert outcome_of(Ended(REF, "network", 503)) == "unreachable"
    assert outcome_of(Ended(REF, "remote", 503)) == "refused"
    assert outcome_of(Ended(REF, "remote", 486)) == "reached"
