import pytest

from agentstream.sip.flow import Flow, Hop, hop_of, is_address, is_private, is_same_way
from agentstream.sip.uri import parse_uri


@pytest.mark.parametrize(
    ("uri", "hop"),
    [
        ("sip:a@192.0.2.1", Hop("udp", "192.0.2.1", 0)),
        ("sip:a@192.0.2.1:5070;transport=tcp", Hop("tcp", "192.0.2.1", 5070)),
        ("sip:a@[2001:db8::1]:5070", Hop("udp", "2001:db8::1", 5070)),
        ("sip:a@carrier.example", Hop("", "carrier.example", 0)),
        ("sip:a@carrier.example:5080", Hop("udp", "carrier.example", 5080)),
        ("sips:a@carrier.example", Hop("tls", "carrier.example", 0, "carrier.example")),
        ("sip:a@c.example;transport=tls", Hop("tls", "c.example", 0, "c.example")),
        ("sip:a@c.example;transport=ws", Hop("ws", "c.example", 0)),
        ("sips:a@c.example:8443;transport=ws", Hop("wss", "c.example", 8443, "c.example")),
        ("sip:a@c.example;transport=wss", Hop("wss", "c.example", 0, "c.example")),
        ("sip:a@c.example;maddr=192.0.2.9;transport=udp", Hop("udp", "192.0.2.9", 0)),
    ],
)
def test_where_a_uri_leads_before_any_dns(uri: str, hop: Hop) -> None:
    """RFC 3263 section 4, RFC 7118 section 5.2."""
    assert hop_of(parse_uri(uri)) == hop


def test_defaults_are_filled_in() -> None:
    assert Hop("", "192.0.2.1").settled() == Hop("udp", "192.0.2.1", 5060)
    assert Hop("tls", "192.0.2.1", 0, "x").settled() == Hop("tls", "192.0.2.1", 5061, "x")
    assert Hop("ws", "192.0.2.1").settled().port == 80
    assert Hop("wss", "192.0.2.1", 0, "x", "y").settled() == Hop("wss", "192.0.2.1", 443, "x", "y")


def test_flows_and_hops_are_written_for_people() -> None:
    assert str(Flow("udp", "::", 5060, "2001:db8::1", 5070)) == "udp:[2001:db8::1]:5070"
    assert str(Hop("", "carrier.example")) == "any:carrier.example:0"
    assert str(Hop("tls", "2001:db8::1", 5061)) == "tls:[2001:db8::1]:5061"


def test_one_connection_is_one_way_and_so_is_one_address() -> None:
    one = Flow("tcp", "192.0.2.10", 5060, "192.0.2.1", 40_000, 1)
    assert is_same_way(one, one)
    assert not is_same_way(one, Flow("tcp", "192.0.2.10", 5060, "192.0.2.1", 40_000, 2))
    assert not is_same_way(one, Flow("tls", "192.0.2.10", 5060, "192.0.2.1", 40_000, 1))
    assert is_same_way(Hop("udp", "192.0.2.1", 5060), Flow("udp", "", 0, "192.0.2.1", 5060))
    assert not is_same_way(Hop("udp", "192.0.2.1", 5060), Hop("udp", "192.0.2.1", 5061))
    ours = Hop("tls", "192.0.2.1", 5061, "a.example", "carrier")
    assert is_same_way(ours, ours.as_flow())
    assert not is_same_way(ours, Hop("tls", "192.0.2.1", 5061, "a.example"))


def test_addresses_are_told_from_names() -> None:
    assert is_address("192.0.2.1")
    assert is_address("2001:db8::1")
    assert not is_address("carrier.example")
    assert not is_address("sip1")
    assert is_private("10.0.0.1")
    assert not is_private("8.8.8.8")
    assert not is_private("carrier.example")
