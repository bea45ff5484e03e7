"""Whose an IP address is: everybody's, ours, a cloud's, or nobody's."""

import ipaddress
from collections.abc import Iterable
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Where clouds answer questions about the machine itself; some of these look like any other address.
_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
        "fd00:42::42",
        "fd00:ec2::23",
        "fd00:ec2::254",
        "fd20:ce::254",
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052
# What Python's own tables lack, or say otherwise from version to version.
_INSIDE = tuple(
    ipaddress.ip_network(text)
    for text in (
        "100.64.0.0/10",  # RFC 6598: a carrier's own inside
        "3fff::/20",  # RFC 9637: documentation
        "fec0::/10",  # RFC 3879: the site-local addresses of old
    )
)
_NOWHERE = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # RFC 1122: this network
        "192.88.99.0/24",  # RFC 7526: the 6to4 relays of old
        "64:ff9b:1::/48",  # RFC 8215: somebody's own NAT64; whose IPv4 address it is, it decides
        "100::/64",  # RFC 6666: discarded
        "2001::/32",  # RFC 4380: Teredo, which has an IPv4 address inside
        "5f00::/16",  # RFC 9602: segment routing
    )
)


class AddressClass(Enum):
    """Whose an address is."""

    GLOBAL = "global"
    PRIVATE = "private"
    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    METADATA = "metadata"
    OTHER = "multicast or reserved"


def classify(address: Address) -> AddressClass:
    """Return whose an address is; one IPv4 address inside an IPv6 one counts as that address."""
    address = unwrapped(_without_zone(address))
    if address in _METADATA:
        return AddressClass.METADATA
    if address.is_loopback:
        return AddressClass.LOOPBACK
    if address.is_link_local:
        return AddressClass.LINK_LOCAL
    if address.is_multicast or address.is_reserved or is_in(address, _NOWHERE):
        return AddressClass.OTHER
    if address.is_private or is_in(address, _INSIDE):
        return AddressClass.PRIVATE
    return AddressClass.GLOBAL if address.is_global else AddressClass.OTHER


def parse_address(text: str) -> Address:
    """Return an address without its zone; raises ValueError."""
    return _without_zone(ipaddress.ip_address(text))


def _without_zone(address: Address) -> Address:
    """Return an address without its zone, with which it is equal to no other."""
    if isinstance(address, IPv6Address) and address.scope_id:
        return IPv6Address(int(address))
    return address


def is_in(address: Address, networks: Iterable[Network]) -> bool:
    """Whether one of these networks has the address."""
    return any(address in network for network in networks)


def unwrapped(address: Address) -> Address:
    """Return the IPv4 address inside an IPv6 one (mapped, 6to4, NAT64); else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in _NAT64:
        inner = IPv4Address(int(address) & 0xFFFF_FFFF)
    return inner or address
