"""Packets are what readers of them expect: checksums, lengths, one stream for each connection."""

import struct
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from agentstream.net.pcap import pcap_file, sip_packets, udp_packet
from agentstream.sip.kept import KeptMessage


def sum16(data: bytes) -> int:
    """RFC 1071, the other way: what is whole sums up to all ones."""
    total = sum(
        data[at] * 256 + (data[at + 1] if at + 1 < len(data) else 0)
        for at in range(0, len(data), 2)
    )
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@given(
    st.binary(max_size=600), st.sampled_from([("192.0.2.1", "192.0.2.2"), ("::1", "2001:db8::2")])
)
def test_checksums_of_datagrams_are_right(payload: bytes, hosts: tuple[str, str]) -> None:
    packet = udp_packet((hosts[0], 5060), (hosts[1], 5070), payload)
    if packet[0] >> 4 == 4:
        assert sum16(packet[:20]) == 0xFFFF
        pseudo, rest = packet[12:20], packet[20:]
    else:
        pseudo, rest = packet[8:40], packet[40:]
    assert sum16(pseudo + struct.pack("!HH", 17, len(rest)) + rest) == 0xFFFF
    assert rest[8:] == payload


def test_a_connections_messages_are_one_stream() -> None:
    def one(at_us: int, is_ours: bool, size: int, kind: Literal["tcp", "tls"]) -> KeptMessage:
        data = b"x" * size
        return KeptMessage(at_us, is_ours, kind, ("::1", 5061), ("::1", 4000), data, size)

    packets = [
        *sip_packets([one(5, True, 3_000, "tls"), one(6, False, 10, "tls"), one(7, True, 1, "tls")])
    ]
    heads = [struct.unpack("!HHII", packet.data[40:52]) for packet in packets]
    assert [head[2] for head in heads] == [1, 1_401, 2_801, 1, 3_001]
    assert heads[3] == (4000, 5060, 1, 3_001)  # where readers look for SIP
    file = pcap_file(packets)
    assert file[:4] == b"\xd4\xc3\xb2\xa1"
    assert len(file) == 24 + sum(16 + len(packet.data) for packet in packets)


def test_an_address_that_is_not_known_is_nothing_of_the_others_family() -> None:
    assert udp_packet(("", 0), ("2001:db8::1", 1), b"")[0] >> 4 == 6
    assert udp_packet(("", 0), ("192.0.2.1", 1), b"")[12:16] == b"\0\0\0\0"
    assert (
        udp_packet(("192.0.2.1", 1), ("2001:db8::1", 1), b"")[18:24] == b"\xff\xff\xc0\x00\x02\x01"
    )
