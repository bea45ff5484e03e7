"""Whose trunk a message is of: the order of SIP-25, and trunks that share an address."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agentstream.sip.flow import Flow
from agentstream.sip.gate import Arrival, Login
from agentstream.store.trunk_book import TrunkEntry
from agentstream.switch.caller_id import (
    CliSource,
    alias_of,
    asserted_numbers,
    shown_number,
    user_number,
)
from agentstream.switch.trunk_claims import Claim, claim_of
from agentstream.testing.trunk_books import book_with, trunk, trunk_sid

ONE, TWO = "+918000000001", "+918000000002"
BOOK = book_with(
    trunk("one", networks=("192.0.2.0/24",), users={"ann": "x"}, numbers={ONE: "pstn"}),
    trunk("two", networks=("192.0.2.0/24", "2001:db8::/32"), numbers={TWO: "pstn"}),
    trunk("far", users={"bob": "y"}),
    trunk("twin", domain="far.pstn.test", users={"eve": "z"}, numbers={"+918000000003": "pstn"}),
)


def claim(source: str = "203.0.113.7", *, reads_trunk_header: bool = False, **fields: Any) -> str:
    found = find(source, reads_trunk_header=reads_trunk_header, **fields)
    names = {trunk_sid(name): name for name in ("one", "two", "far", "twin")}
    return f"{names[found.entry.sid]} by {found.by}" if found else ""


def find(source: str, *, reads_trunk_header: bool = False, **fields: Any) -> Claim | None:
    usual: dict[str, Any] = {
        "method": "INVITE",
        "request_uri": "sip:+14155550100@edge.test",
        "from_uri": "sip:x@y.test",
        "flow": Flow("udp", "192.0.2.10", 5060, source, 5060),
    }
    arrival = Arrival(**{**usual, **fields})
    return claim_of(BOOK, arrival, "91", reads_trunk_header=reads_trunk_header)


def test_a_login_comes_before_the_source_before_from_before_the_request_uri() -> None:
    """SIP-25."""
    login = (Login("bob", "far.pstn.test"),)
    everything: dict[str, Any] = {
        "from_uri": f"sip:{TWO}@two.pstn.test",
        "request_uri": "sip:+14155550100@one.pstn.test",
    }
    assert claim("192.0.2.1", logins=login, **everything) == "far by digest"
    assert claim("192.0.2.1", **everything) == "two by acl"
    assert claim(**everything) == "two by domain"
    assert claim(from_uri=f"sip:{TWO}@y.test", request_uri="sip:1@one.pstn.test") == "two by number"
    assert claim(request_uri="sip:+14155550100@ONE.pstn.test") == "one by target"
    assert claim() == ""
    assert claim(from_uri="tel:+15550100", request_uri="urn:x") == ""


def test_only_what_any_stranger_may_show_is_weak() -> None:
    cases: tuple[tuple[dict[str, Any], bool], ...] = (
        ({"from_uri": f"sip:{TWO}@y.test"}, True),
        ({"request_uri": "sip:1@one.pstn.test"}, True),
        ({"from_uri": "sip:x@one.pstn.test"}, False),
    )
    for fields, is_weak in cases:
        found = find("203.0.113.7", **fields)
        assert found is not None
        assert found.is_weak is is_weak
        assert not found.is_listed


def test_trunks_of_one_address_are_told_apart_by_the_number_of_from() -> None:
    """SIP-25."""
    for number, name in ((ONE, "one"), (TWO, "two"), (TWO[1:], "two"), ("+15550100", "one")):
        assert claim("192.0.2.1", from_uri=f"sip:{number}@y.test") == f"{name} by acl"


def test_the_trunk_header_tells_them_apart_only_where_the_setting_permits() -> None:
    """SIP-25."""
    headers = (("X-Exotel-Trunksid", trunk_sid("two").upper()),)
    assert claim("192.0.2.1", headers=headers) == "one by acl"
    assert claim("192.0.2.1", headers=headers, reads_trunk_header=True) == "two by acl"


def test_who_names_his_own_domain_is_not_taken_for_whoever_listed_the_address() -> None:
    """An egress that many accounts share proves nothing of which of them calls."""
    assert claim("192.0.2.1", from_uri="sip:x@far.pstn.test") == "far by domain"


def test_trunks_of_one_domain_are_told_apart_by_user_or_number() -> None:
    assert claim(logins=(Login("eve", "far.pstn.test"),)) == "twin by digest"
    assert claim(from_uri="sip:+918000000003@far.pstn.test") == "twin by domain"
    assert claim(from_uri="sip:x@far.pstn.test") == "far by domain"


def test_a_realm_claims_its_trunk_whoever_the_user_is() -> None:
    """SIP-35: else what comes back would tell users from others."""
    for user in ("ann", "nobody", ""):
        assert claim(logins=(Login(user, "one.pstn.test"),)) == "one by digest"
    assert claim(logins=(Login("ann", "elsewhere.test"),)) == ""


def test_ipv6_sources_are_found_in_lists() -> None:
    assert claim("2001:db8::7") == "two by acl"


@given(st.text(), st.text(), st.text(max_size=40), st.text())
def test_whatever_is_written_there_is_a_claim_or_none(
    from_uri: str, request_uri: str, realm: str, asserted: str
) -> None:
    headers = (("P-Asserted-Identity", asserted), ("X-Exotel-TrunkSid", asserted))
    for prefix in ("", "sip:", "sip:+"):
        find(
            "192.0.2.1",
            from_uri=prefix + from_uri,
            request_uri=prefix + request_uri,
            logins=(Login(from_uri, realm),),
            headers=headers,
            reads_trunk_header=True,
        )
        shown_caller(CLI, prefix + from_uri, headers, ("pai",))


# --- which number is shown (SIP-26) --------------------------------------------------------------

SHOWING = book_with(
    trunk("cli", numbers={ONE: "pstn", TWO: "pstn"}, trunk_external_alias="+918000000009"),
    trunk("plain", numbers={"+918000000005": "pstn"}),
)
CLI, PLAIN = (SHOWING.entries[trunk_sid(name)] for name in ("cli", "plain"))
ALIAS = "+918000000009"


def shown_caller(
    entry: TrunkEntry,
    uri: str,
    headers: tuple[tuple[str, str], ...],
    fallback: tuple[CliSource, ...],
    *,
    is_outbound: bool = False,
    owned: tuple[str, ...] = (ALIAS,),
) -> str:
    """Return what a call with these headers shows, where the account has these numbers."""
    alias = alias_of(entry, lambda _, number: number in owned)
    asserted = asserted_numbers(headers, "91")
    claimed = user_number(uri, "91")
    return shown_number(entry, claimed, asserted, fallback, alias, is_outbound=is_outbound)


PAI = (("P-Asserted-Identity", f'"B" <sip:{TWO}@x.test>, <tel:+15550100>'),)


def test_the_shown_number_is_from_then_the_asserted_then_the_alias_then_the_first() -> None:
    """SIP-26."""
    usual: tuple[CliSource, ...] = ("pai", "alias", "first")
    for uri in (f"sip:{TWO}@x.test", f"sip:{TWO[1:]};cpc=x@y.test", "sip:08000000002@x"):
        assert shown_caller(CLI, uri, (), usual) == TWO
    assert shown_caller(CLI, "sip:eve@x.test", PAI, usual) == TWO
    assert shown_caller(CLI, "sip:eve@x.test", (), usual) == "+918000000009"
    assert shown_caller(PLAIN, "sip:eve@x.test", PAI, usual) == "+918000000005"
    assert shown_caller(CLI, "sip:eve@x.test", PAI, ()) == ""
    assert shown_caller(PLAIN, "sip:eve@x.test", (), ("pai", "alias")) == ""


def test_the_telephone_network_is_shown_the_alias_whatever_is_claimed_tr_71() -> None:
    """TR-71 before SIP-26, and only for who may call: nothing found is still a refusal."""
    usual: tuple[CliSource, ...] = ("pai", "alias", "first")
    for uri in (f"sip:{ONE}@x.test", f"sip:{TWO}@x.test", "sip:eve@x.test"):
        assert shown_caller(CLI, uri, (), usual, is_outbound=True) == ALIAS
    assert shown_caller(PLAIN, "sip:eve@x.test", (), usual, is_outbound=True) == "+918000000005"
    assert shown_caller(CLI, "sip:eve@x.test", (), (), is_outbound=True) == ""


def test_an_alias_that_is_no_number_of_the_account_any_more_is_not_shown() -> None:
    """TR-71: it may have been let go after it was set, and be somebody else's now."""
    usual: tuple[CliSource, ...] = ("pai", "alias", "first")
    uri = f"sip:{TWO}@x.test"
    assert shown_caller(CLI, uri, (), usual, is_outbound=True, owned=()) == TWO
    assert shown_caller(CLI, "sip:eve@x.test", (), ("alias",), owned=()) == ""


def test_what_cannot_be_read_shows_nothing() -> None:
    broken = (("P-Asserted-Identity", "<sip:"),)
    assert shown_caller(CLI, "urn:x", broken, ("pai",)) == ""
    assert user_number("sip:x.test", "91") == ""
