"""Whom a certificate names, by RFC 5922 §7."""

from hypothesis import given
from hypothesis import strategies as st

from agentstream.net.tls_names import identities, is_wildcard_of, names_host

LABEL = st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True)


def shown(*alternatives: tuple[str, str], common_name: str = "") -> dict[str, object]:
    found: dict[str, object] = {"subjectAltName": alternatives} if alternatives else {}
    return {**found, "subject": ((("commonName", common_name),),)}


def test_dns_names_and_addresses_are_identities() -> None:
    found = identities(shown(("DNS", "SIP.Example"), ("IP Address", "2001:DB8:0:0:0:0:0:1")))
    assert found == ("sip.example", "2001:db8::1")


def test_a_sip_uri_goes_before_every_dns_name_and_one_with_a_user_is_nobody() -> None:
    """SIP-36: RFC 5922 §7.1."""
    both = shown(("DNS", "host.example"), ("URI", "sip:example.com"), ("URI", "https://x.example"))
    assert identities(both) == ("example.com",)
    person = shown(("URI", "sip:ann@example.com"), ("DNS", "host.example"))
    assert identities(person) == ("host.example",)
    assert identities(shown(("URI", "sip:b.example;lr"))) == ("b.example",)


def test_the_common_name_counts_only_when_asked_for_and_alone() -> None:
    assert identities(shown(common_name="pbx.example")) == ()
    assert identities(shown(common_name="PBX.example"), or_common_name=True) == ("pbx.example",)
    other = shown(("DNS", "a.example"), common_name="b.example")
    assert identities(other, or_common_name=True) == ("a.example",)


def test_a_star_stands_for_one_label_of_a_name_and_never_for_part_of_an_address() -> None:
    names = ("*.carrier.example", "*.0.0.1")
    assert names_host(names, "EDGE.carrier.example.")
    assert not names_host(names, "carrier.example")
    assert not names_host(names, "a.b.carrier.example")
    assert not names_host(names, "127.0.0.1")
    assert names_host(("2001:db8::1",), "[2001:DB8::1]")
    assert not names_host(("*.com",), "example.com"), "a star under a top-level domain is too much"


@given(st.lists(LABEL, min_size=3, max_size=5))
def test_a_name_fits_itself_and_the_star_of_its_parent_and_nothing_else(labels: list[str]) -> None:
    name = ".".join(labels)
    parent = ".".join(labels[1:])
    assert names_host((name,), name)
    assert is_wildcard_of(f"*.{parent}", name)
    assert not names_host((f"x{name}", f"{name}x", f"*.{name}"), name)
