"""SRTP written a second time, in Python, for telephones of tests. Needs `cryptography`.

It shares nothing with the audio path but the RFCs: 3711, 6188 and 7714. One stream each way, whose
sequence numbers do not come round.
"""

import hmac
import struct
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from agentstream.media.plan import SrtpPlan, SrtpSuite

HEADER_BYTES = 12
ENCRYPTED = 1 << 31


@dataclass
class SrtpEnd:
    """The far end of a leg that has this plan: it sends with their key and hears with ours."""

    plan: SrtpPlan
    _reports: int = 0
    _sends: "_Keys" = field(init=False)
    _hears: "_Keys" = field(init=False)

    def __post_init__(self) -> None:
        self._sends = _Keys(self.plan.suite, self.plan.their_key)
        self._hears = _Keys(self.plan.suite, self.plan.our_key)

    def seal(self, packet: bytes) -> bytes:
        """Encrypt and sign an RTP packet."""
        return self._sends.seal_rtp(packet)

    def open(self, datagram: bytes) -> bytes | None:
        """Return the RTP packet in a datagram; None when its tag is wrong."""
        return self._hears.open_rtp(datagram)

    def seal_report(self, packet: bytes) -> bytes:
        """Encrypt and sign an RTCP packet."""
        self._reports += 1
        return self._sends.seal_rtcp(packet, self._reports)


class _Keys:
    """The session keys of one direction."""

    def __init__(self, suite: SrtpSuite, master: bytes) -> None:
        self._is_gcm = suite.startswith("AEAD")
        size = 32 if "256" in suite else 16
        self._tag_bytes = 4 if suite.endswith("_32") else 10
        self._key, self._salt = master[:size], master[size:]
        self._keys = [self._derive(label) for label in range(6)]

    def _derive(self, label: int) -> bytes:
        sizes = (len(self._key), 20, len(self._salt))
        block = bytearray(self._salt.ljust(16, b"\0"))
        block[7] ^= label
        return _ctr(self._key, bytes(block), bytes(sizes[label % 3]))

    def seal_rtp(self, packet: bytes) -> bytes:
        index, ssrc = struct.unpack("!H4xI", packet[2:HEADER_BYTES])
        header, payload = packet[:HEADER_BYTES], packet[HEADER_BYTES:]
        if self._is_gcm:
            return header + AESGCM(self._keys[0]).encrypt(
                self._nonce(2, ssrc, index), payload, header
            )
        sealed = header + _ctr(self._keys[0], self._block(2, ssrc, index), payload)
        return sealed + self._tag(1, sealed + bytes(4))[: self._tag_bytes]

    def open_rtp(self, datagram: bytes) -> bytes | None:
        index, ssrc = struct.unpack("!H4xI", datagram[2:HEADER_BYTES])
        header = datagram[:HEADER_BYTES]
        if self._is_gcm:
            nonce = self._nonce(2, ssrc, index)
            try:
                return header + AESGCM(self._keys[0]).decrypt(
                    nonce, datagram[HEADER_BYTES:], header
                )
            except InvalidTag:
                return None
        sealed, tag = datagram[: -self._tag_bytes], datagram[-self._tag_bytes :]
        if not hmac.compare_digest(self._tag(1, sealed + bytes(4))[: self._tag_bytes], tag):
            return None
        return header + _ctr(self._keys[0], self._block(2, ssrc, index), sealed[HEADER_BYTES:])

    def seal_rtcp(self, packet: bytes, index: int) -> bytes:
        header, body = packet[:8], packet[8:]
        (ssrc,) = struct.unpack("!I", header[4:])
        word = struct.pack("!I", index | ENCRYPTED)
        if self._is_gcm:
            nonce = self._nonce(5, ssrc, index)
            return header + AESGCM(self._keys[3]).encrypt(nonce, body, header + word) + word
        sealed = header + _ctr(self._keys[3], self._block(5, ssrc, index), body) + word
        return sealed + self._tag(4, sealed)[:10]

    def _tag(self, label: int, text: bytes) -> bytes:
        return hmac.digest(self._keys[label], text, "sha1")

    def _block(self, label: int, ssrc: int, index: int) -> bytes:
        value = int.from_bytes(self._keys[label]) ^ ssrc << 48 ^ index
        return value.to_bytes(14) + bytes(2)

    def _nonce(self, label: int, ssrc: int, index: int) -> bytes:
        return (int.from_bytes(self._keys[label]) ^ ssrc << 48 ^ index).to_bytes(12)


def _ctr(key: bytes, block: bytes, text: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.CTR(block)).encryptor().update(text)
