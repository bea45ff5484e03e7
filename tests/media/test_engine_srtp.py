"""Legs with keys: heard by a telephone with an SRTP of its own, bridged, rekeyed, attacked."""

import base64
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from agentstream import _media
from agentstream.media.crypto import SUITES
from agentstream.media.plan import SrtpPlan
from agentstream.testing.srtp import SrtpEnd

SIZES = dict(zip(SUITES, (30, 30, 46, 46, 28, 44), strict=True))
MOST = 0.7
LOUD, QUIET = b"\x10" * 160, b"\xff" * 160


def keys(suite: str = SUITES[0], ours: int = 1, theirs: int = 2) -> SrtpPlan:
    size = SIZES[suite]  # type: ignore[index]
    return SrtpPlan(suite, bytes([ours]) * size, bytes([theirs]) * size)  # type: ignore[arg-type]


def opened(end: SrtpEnd, datagrams: list[bytes]) -> list[bytes]:
    """What a telephone makes of the packets that it got; all must be authentic."""
    packets = [end.open(datagram) for datagram in datagrams]
    assert None not in packets
    return [packet[12:] for packet in packets if packet is not None]


def kept(said: bytes, heard: bytes) -> float:
    """The share of what was said that was heard unchanged; a busy machine makes packets late."""
    frames = [said[at : at + 160] for at in range(0, len(said), 160)]
    return sum(frame in heard for frame in frames) / len(frames)


def seals(phone: Any, end: SrtpEnd) -> None:
    """Let a telephone of the rig seal what it sends."""
    send = phone.transport.sendto
    phone.transport = Sealing(phone.transport, send, end)


@dataclass
class Sealing:
    transport: Any
    send: Any
    end: SrtpEnd

    def sendto(self, packet: bytes, to: tuple[str, int]) -> None:
        self.send(self.end.seal(packet), to)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)


@pytest.mark.parametrize("suite", SUITES)
async def test_both_hear_each_other_in_every_suite(rig: Any, suite: str) -> None:
    """RFC 3711, 6188, 7714: sound, keys and reports; nothing is in clear on the wire."""
    plan = keys(suite)
    end = SrtpEnd(plan)
    phone, bot, leg = await rig.phone(), await rig.bot(rig.echo), rig.leg()
    seals(phone, end)
    leg.connect(rig.remote(phone, srtp=plan, dtmf_payload_type=101))
    leg.open_stream(rig.stream(bot.port))
    await rig.until(_media.StreamOpen)
    said = rig.mulaw_noise(160 * 50)
    await phone.speak(said + QUIET * 10, leg.rtp_port)
    await phone.press(5, leg.rtp_port)
    digit = await rig.until(_media.Digit)
    leg.close()
    stats = (await rig.until(_media.LegClosed)).stats
    heard = b"".join(opened(end, phone.heard))
    assert kept(said, heard) > MOST
    assert not any(said[at : at + 160] in packet for packet in phone.heard for at in (800, 1_600))
    assert digit.digit == "5"
    assert (stats.srtp, stats.srtp_rejected, stats.srtp_replayed) == (suite, 0, 0)
    assert stats.packets_lost == 0


async def test_bridged_legs_with_different_keys_pass_sound_and_no_key(rig: Any) -> None:
    """Decision 0011's short way: what one leg got is sealed anew for the other, byte by byte."""
    ends, phones, legs = [], [], []
    plans = (keys(SUITES[0], 1, 2), keys(SUITES[4], 3, 4), None)
    for name, plan in zip("abc", plans, strict=True):
        phone = await rig.phone(ssrc=ord(name))
        leg = rig.leg(leg_sid=name, group="g")
        leg.connect(rig.remote(phone, srtp=plan))
        ends.append(SrtpEnd(plan) if plan else None)
        if plan:
            seals(phone, SrtpEnd(plan))
        phones.append(phone)
        legs.append(leg)
    for one, other in ((0, 1), (1, 2)):
        legs[one].bridge(legs[other])
        for phone in phones:
            phone.heard.clear()
        said = rig.mulaw_noise(160 * 60, seed=one + 5)
        await phones[one].speak(said, legs[one].rtp_port)
        heard = phones[other].heard
        far = ends[other]
        sound = b"".join(opened(far, heard) if far else [packet[12:] for packet in heard])
        assert kept(said, sound) > MOST
    legs[1].close()
    closed = await rig.until(_media.LegClosed, lambda event: event.leg_sid == "b")
    assert closed.stats.bridge_passed > 30


async def test_new_keys_count_at_once_and_what_was_on_its_way_is_heard(rig: Any) -> None:
    """SIP-42: a re-INVITE with another a=crypto line."""
    first, second = keys(ours=1, theirs=2), keys(ours=3, theirs=4)
    phone, bot, leg = await rig.phone(), await rig.bot(rig.listen), rig.leg()
    plain = phone.transport
    seals(phone, SrtpEnd(first))
    leg.connect(rig.remote(phone, srtp=first))
    leg.open_stream(rig.stream(bot.port))
    await rig.until(_media.StreamOpen)
    await phone.speak(QUIET * 20, leg.rtp_port)
    leg.connect(rig.remote(phone, srtp=second))
    await phone.speak(QUIET * 5, leg.rtp_port)  # it has not heard of it yet
    phone.transport = plain
    seals(phone, SrtpEnd(second))
    phone.heard.clear()
    await phone.speak(QUIET * 20, leg.rtp_port)
    assert len(opened(SrtpEnd(second), phone.heard)) > 10
    leg.close()
    stats = (await rig.until(_media.LegClosed)).stats
    assert (stats.packets_received, stats.packets_lost) == (45, 0)
    assert (stats.srtp_rejected, stats.srtp_replayed) == (0, 0)


async def test_packets_without_the_key_reset_no_timeout_and_are_told(rig: Any) -> None:
    """SIP-45: media that nobody can hear is no media."""
    phone = await rig.phone()
    leg = rig.leg(first_packet_timeout_ms=1_500)
    leg.connect(rig.remote(phone, srtp=keys()))
    await phone.speak(LOUD * 60, leg.rtp_port)  # in clear
    told = await rig.until(_media.SrtpRefused)
    lost = await rig.until(_media.RtpTimeout)
    assert (told.rejected, told.ever_accepted, lost.ever_received) == (50, False, False)
    assert not [event for event in rig.all(_media.MediaStarted) if event.direction == "in"]
    leg.close()
    stats = (await rig.until(_media.LegClosed)).stats
    assert (stats.packets_received, stats.packets_foreign, stats.srtp_rejected) == (0, 0, 60)
    assert rig.engine.stats().srtp_refused == 60


async def test_keys_of_the_wrong_length_send_nothing_in_clear(rig: Any) -> None:
    phone, leg = await rig.phone(), rig.leg()
    leg.connect(rig.remote(phone, srtp=replace(keys(), our_key=b"short")))
    other = await rig.phone()
    second = rig.leg(leg_sid="l2")
    second.connect(rig.remote(other))
    await rig.until_true(lambda: len(other.heard) > 10)
    assert phone.heard == []


# rtpbleed and injection: who may do what, before the far end has spoken and after.


@contextmanager
def stranger(host: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((host, 0))
        udp.setblocking(False)
        yield udp


def rtp(number: int, ssrc: int = 99, sound: bytes = LOUD) -> bytes:
    return struct.pack("!BBHII", 0x80, 0, number & 0xFFFF, number * 160 & 0xFFFFFFFF, ssrc) + sound


def report(ssrc: int) -> bytes:
    """All of our packets are lost, says somebody (RFC 3550 section 6.4.2)."""
    return struct.pack("!BBHIIIIIII", 0x81, 201, 7, 99, ssrc, 0xFF0000FF, 9, 9, 9, 9)


GARBAGE = (
    b"",
    b"x",
    b"\x80" * 11,
    b"\xff" * 300,
    b"\x80\xc8\x00\x01",
    bytes(172),
    b"\x90" + bytes(30),
)
ATTACKS = (
    "stranger, same host",
    "stranger, other host",
    "right SSRC and numbers",
    "replay",
    "forged RTCP",
    "garbage",
    "forged, from its very address",
)
# Nothing in plain RTP tells a forged source address (RFC 3711 is the answer to that), and a far end
# behind NAT looks like a stranger who comes first: there a burst must be shorter than what proves.
SPRAYED = 3


def wave(attack: str, count: int, captured: list[bytes], first: int, ours: int) -> list[bytes]:
    """The datagrams of an attack; `captured` is what the far end sent, `ours` our SSRC."""
    match attack:
        case "replay":
            return (captured or [rtp(first)])[-count:]
        case "forged RTCP":
            return [report(ours)] * count
        case "garbage":
            return list(GARBAGE)
        case "right SSRC and numbers" | "forged, from its very address":
            return [rtp(first + number, ssrc=7) for number in range(count)]
        case _:
            return [rtp(number) for number in range(count)]


@dataclass
class Cell:
    """What became of one attack."""

    heard: int  # messages to the bot with the attacker's sound
    taken: int  # packets that counted as the far end's
    leaked: int  # packets that the attacker got from us
    learnt: int
    lost: int  # of the far end's own
    believed: float  # what its report made us think

    @property
    def is_safe(self) -> bool:
        return self == Cell(0, 0, 0, 0, 0, 0.0)


@dataclass
class Tapped:
    """A telephone's socket, and what went out of it."""

    socket: Any
    end: SrtpEnd | None
    captured: list[bytes] = field(default_factory=list)

    def sendto(self, packet: bytes, to: tuple[str, int]) -> None:
        datagram = self.end.seal(packet) if self.end else packet
        self.captured.append(datagram)
        self.socket.sendto(datagram, to)


async def attack(rig: Any, kind: str, *, secure: bool, locked: bool) -> Cell:
    """Let somebody attack a leg while a bot listens to it."""
    plan, sid = keys() if secure else None, f"{kind} {secure} {locked}"
    phone, bot, leg = await rig.phone(), await rig.bot(rig.listen), rig.leg(leg_sid=sid)
    leg.connect(rig.remote(phone, srtp=plan))
    leg.open_stream(rig.stream(bot.port))
    await rig.until(_media.StreamOpen, lambda event: event.leg_sid == sid)
    await rig.until_true(lambda: phone.heard)
    (ours,) = struct.unpack("!I", phone.heard[0][8:12])
    own = phone.transport
    phone.transport = tap = Tapped(own, SrtpEnd(plan) if plan else None)
    if locked:
        await phone.speak(QUIET * 10, leg.rtp_port)
    there = ("127.0.0.1", leg.rtp_port)
    # RTCP of plain RTP has a port of its own, and is believed from any port of the far end's host.
    is_hard = secure or (locked and kind != "forged RTCP")
    with stranger(host_of(kind, is_hard=is_hard)) as udp:
        is_near = udp.getsockname()[0] == "127.0.0.1"
        count = 40 if secure or locked else 1 if is_near else SPRAYED
        for datagram in wave(kind, count, tap.captured, phone.sequence + 1, ours):
            own.sendto(datagram, there) if kind == ATTACKS[-1] else udp.sendto(datagram, there)
        await phone.speak(QUIET * 15, leg.rtp_port)
        heard, leaked = loud(bot), datagrams_in(udp)
    await phone.speak(LOUD * 5 + QUIET * 5, leg.rtp_port)
    await rig.until_true(lambda: loud(bot))  # so that what is loud would have been noticed
    leg.close()
    stats = (await rig.until(_media.LegClosed, lambda event: event.leg_sid == sid)).stats
    learnt = [event for event in rig.all(_media.SourceChanged) if event.leg_sid == sid]
    taken = stats.packets_received - len(tap.captured)
    return Cell(heard, taken, leaked, len(learnt), stats.packets_lost, stats.remote_loss)


def host_of(kind: str, *, is_hard: bool) -> str:
    """Where an attack comes from: the far end's own host where that must not help."""
    is_near = kind == ATTACKS[0] or (is_hard and kind != ATTACKS[1])
    return "127.0.0.1" if is_near else "127.0.0.2"


def loud(bot: Any) -> int:
    sound = base64.b64encode(bytes((0x84, 0xC1)) * 30).decode()  # LOUD, decoded
    return sum(sound in message["media"]["payload"] for message in bot.said("media"))


def datagrams_in(udp: socket.socket) -> int:
    count = 0
    with suppress(BlockingIOError):
        while True:
            udp.recv(2_000)
            count += 1
    return count


async def test_no_attack_is_heard_answered_or_believed(rig: Any) -> None:
    """The rtpbleed and injection matrix; prints its table (pytest -s)."""
    rows = []
    for kind in ATTACKS:
        row = []
        for secure in (False, True):
            for locked in (False, True):
                if kind == ATTACKS[-1] and not secure:
                    row.append("-")
                    continue
                cell = await attack(rig, kind, secure=secure, locked=locked)
                row.append("safe" if cell.is_safe else str(cell))
        rows.append((kind, *row))
    head = ("", "plain, before", "plain, after", "SRTP, before", "SRTP, after")
    for cells in (head, *rows):
        line = "  ".join(
            f"{cell:<30}" if at == 0 else f"{cell:<14}" for at, cell in enumerate(cells)
        )
        sys.stdout.write(line + "\n")
    assert {cell for row in rows for cell in row[1:]} == {"safe", "-"}
