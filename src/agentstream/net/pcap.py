"""Packets into a pcap file (draft-ietf-opsawg-pcap: microseconds, raw IP), and SIP into packets.

Messages are given the addresses and times that they had; UDP goes as it was, TCP and TLS as one
stream for each connection whose sequence numbers are made up and whole. What TLS carried is plain.
"""

import struct
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from agentstream.base.values import dataclass
from agentstream.sip.kept import Address, KeptMessage

_MAGIC: Final = 0xA1B2C3D4
_LINKTYPE_RAW: Final = 101  # IPv4 or IPv6, no link layer
_SNAP: Final = 65_535
_FILE_HEADER: Final = 24
_RECORD: Final = 16
_UDP: Final = 17
_TCP: Final = 6
_HOP_LIMIT: Final = 64
_SEGMENT: Final = 1_400  # bytes of a TCP segment
_DATAGRAM: Final = 65_000  # bytes of a UDP datagram; a kept message is always shorter
_TLS_PORT: Final = 5_061
_PLAIN_PORT: Final = 5_060  # where readers look for SIP in TCP


@dataclass(frozen=True, slots=True)
class Packet:
    """One IP packet."""

    at_us: int  # microseconds since 1970, UTC
    data: bytes


def pcap_file(packets: Iterable[Packet]) -> bytes:
    """Return a whole file; packets in the order of time."""
    parts = [struct.pack("<IHHiIII", _MAGIC, 2, 4, 0, 0, _SNAP, _LINKTYPE_RAW)]
    for packet in sorted(packets, key=lambda one: one.at_us):
        seconds, micros = divmod(packet.at_us, 1_000_000)
        kept = packet.data[:_SNAP]
        parts += [struct.pack("<IIII", seconds, micros, len(kept), len(packet.data)), kept]
    return b"".join(parts)


def sip_packets(messages: Iterable[KeptMessage]) -> Iterator[Packet]:
    """Yield the packets of SIP messages, given in the order of time."""
    sent: dict[tuple[Address, Address], int] = {}  # the next sequence number of each direction
    for one in messages:
        source, target = (one.local, one.remote) if one.is_ours else (one.remote, one.local)
        if one.transport == "udp":
            yield Packet(one.at_us, udp_packet(source, target, one.data[:_DATAGRAM]))
            continue
        if one.transport == "tls":
            source, target = _plain(source), _plain(target)
        yield from _segments(one, source, target, sent)


def udp_packet(source: Address, target: Address, payload: bytes) -> bytes:
    """Return an IP packet with one datagram, its checksums right (RFC 768, RFC 8200)."""
    size = 8 + len(payload)
    head = struct.pack("!HHHH", source[1], target[1], size, 0)
    sum16 = _checksum(_pseudo(source, target, size, _UDP) + head + payload) or 0xFFFF
    return _ip(source, target, _UDP, head[:6] + struct.pack("!H", sum16) + payload)


def _segments(
    message: KeptMessage, source: Address, target: Address, sent: dict[tuple[Address, Address], int]
) -> Iterator[Packet]:
    for start in range(0, len(message.data), _SEGMENT):
        payload = message.data[start : start + _SEGMENT]
        number = sent.get((source, target), 1)
        sent[source, target] = number + len(payload)
        heard = sent.get((target, source), 1)
        head = struct.pack(
            "!HHIIBBHHH", source[1], target[1], number, heard, 0x50, 0x18, 65_535, 0, 0
        )
        pseudo = _pseudo(source, target, len(head) + len(payload), _TCP)
        sum16 = _checksum(pseudo + head + payload)
        head = head[:16] + struct.pack("!H", sum16) + head[18:]
        yield Packet(message.at_us, _ip(source, target, _TCP, head + payload))


def _plain(address: Address) -> Address:
    """Return an address with the port of SIP over TCP for that over TLS: nothing is encrypted."""
    host, port = address
    return host, _PLAIN_PORT if port == _TLS_PORT else port


def _ip(source: Address, target: Address, protocol: int, payload: bytes) -> bytes:
    ours, theirs = _both(source, target)
    if isinstance(ours, IPv6Address):
        head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, _HOP_LIMIT)
        return head + ours.packed + theirs.packed + payload
    size = 20 + len(payload)
    head = struct.pack("!BBHHHBBH", 0x45, 0, size, 0, 0x4000, _HOP_LIMIT, protocol, 0)
    head += ours.packed + theirs.packed
    return head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + payload


def _pseudo(source: Address, target: Address, size: int, protocol: int) -> bytes:
    ours, theirs = _both(source, target)
    if isinstance(ours, IPv6Address):
        return ours.packed + theirs.packed + struct.pack("!II", size, protocol)
    return ours.packed + theirs.packed + struct.pack("!BBH", 0, protocol, size)


def _both(
    source: Address, target: Address
) -> tuple[IPv4Address, IPv4Address] | tuple[IPv6Address, IPv6Address]:
    """Return two addresses of one family; one that is not known is that family's nothing."""
    ours, theirs = _address(source[0]), _address(target[0])
    if isinstance(ours, IPv6Address) or isinstance(theirs, IPv6Address):
        return _as_six(ours), _as_six(theirs)
    return ours or IPv4Address(0), theirs or IPv4Address(0)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _as_six(address: IPv4Address | IPv6Address | None) -> IPv6Address:
    if isinstance(address, IPv4Address):
        return IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed)
    return address or IPv6Address(0)


def _checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def read_packets(file: bytes) -> Iterator[Packet]:
    """Yield the packets of a file of ours; one that breaks off gives what is whole."""
    if file[:4] != struct.pack("<I", _MAGIC):
        return
    at = _FILE_HEADER
    while at + _RECORD <= len(file):
        seconds, micros, kept, _ = struct.unpack_from("<IIII", file, at)
        at += _RECORD
        if kept > _SNAP or at + kept > len(file):
            return
        yield Packet(seconds * 1_000_000 + micros, file[at : at + kept])
        at += kept
