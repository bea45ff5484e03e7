"""Which way the requests inside a dialog go: the connection, or where the Contact says."""

import pytest

from agentstream.sip.client_side import contact
from agentstream.sip.dialog import destination
from agentstream.sip.flow import Flow, Hop
from agentstream.sip.uri import parse_uri

TLS = Flow(
    *("tls", "192.0.2.10", 40_000, "8.8.4.4", 5061, 3),
    *("sbc.carrier.example", "carrier", ("sbc.carrier.example", "edge.carrier.example")),
)
WSS = Flow("wss", "192.0.2.10", 443, "203.0.113.9", 51_000, 4)


def goes(uri: str, flow: Flow) -> Flow | Hop:
    return destination(parse_uri(uri), flow)


@pytest.mark.parametrize(
    "uri",
    [
        "sip:sbc.carrier.example:5061;transport=tls",
        "sips:EDGE.carrier.example",
        "sip:8.8.4.4:5061;transport=tls",
        "sip:10.0.0.1:5060",
    ],
)
def test_a_host_that_the_certificate_proved_is_reached_by_its_connection(uri: str) -> None:
    """SIP-6: RFC 5923 section 4."""
    assert goes(uri, TLS) is TLS


def test_another_host_is_called_with_the_certificate_of_the_same_trunk() -> None:
    """PN-22: a dialog is not bound to the address that the name led to."""
    other = goes("sip:media7.carrier.example:5061;transport=tls", TLS)
    assert other == Hop("tls", "media7.carrier.example", 5061, "media7.carrier.example", "carrier")
    numeric = goes("sip:8.8.4.8:5061;transport=tls", TLS)
    assert numeric == Hop("tls", "8.8.4.8", 5061, "8.8.4.8", "carrier")
    assert goes("sip:media7.carrier.example", TLS) == Hop("", "media7.carrier.example")


@pytest.mark.parametrize(
    "uri", ["sip:k3j@a8sd.invalid;transport=ws", "sip:k3j@a8sd.invalid", "sips:b@h.example"]
)
def test_a_browser_is_reached_by_its_websocket_whatever_host_it_made_up(uri: str) -> None:
    """RFC 7118 section 5."""
    assert goes(uri, WSS) is WSS


def test_a_contact_of_another_transport_is_called_there() -> None:
    assert goes("sip:198.51.100.4:5060;transport=udp", WSS) == Hop("udp", "198.51.100.4", 5060)


def test_our_contact_over_both_websockets_says_ws() -> None:
    """RFC 7118 section 5.2; PN-6a: host and port are always there."""
    assert contact("wss", "sip.example", 443) == "<sip:sip.example:443;transport=ws>"
    assert contact("ws", "2001:db8::1", 80) == "<sip:[2001:db8::1]:80;transport=ws>"
    assert contact("tls", "sip.example", 5061) == "<sip:sip.example:5061;transport=tls>"
