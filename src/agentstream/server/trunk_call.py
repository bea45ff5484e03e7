"""A real call by a trunk, to hear whether sound goes both ways: tone bursts out, their echo back.

Whoever is called should answer and say our sound back (an echo number); otherwise what they say is
counted alone.
"""

import asyncio
import math
import random
import tempfile
import wave
from array import array
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from agentstream import _media
from agentstream.base.errors import AgentStreamError
from agentstream.calls.commands import DialSpec
from agentstream.media.plan import EnginePlan
from agentstream.net.sip_engine import Listener, SipConfig, SipEngine, TlsFiles
from agentstream.net.sip_sockets import local_host_towards
from agentstream.net.tls import Certificate
from agentstream.server.caller import PlacedCall, ScriptedCaller
from agentstream.server.check import Finding
from agentstream.server.config import Config
from agentstream.server.config_roads import trunk_hosts
from agentstream.server.trunk_doctor import Patient, lookup_policy
from agentstream.sip.flow import TransportName, hop_of
from agentstream.sip.uri import parse_uri
from agentstream.switch.dialling import order_of
from agentstream.switch.ladder import sdp_facts
from agentstream.switch.routing import Road, find_road

RATE_HZ: Final = 8_000
FRAME: Final = 160  # samples of an envelope's step, 20 ms
BURSTS: Final = 25  # steps of 100 ms, each loud or not
ECHO_STEPS: Final = 100  # the longest echo that is looked for, 2 s
LIKE: Final = 0.6  # a correlation from which on it is our own sound
ANSWER_S: Final = 45
_PORTS: Final = 8


async def call_by(patient: Patient, number: str, config: Config) -> AsyncIterator[Finding]:
    """Call a number by a trunk; yields what came of it."""
    try:
        road = _road(patient, number, config)
        media = _open_media(config)
    except AgentStreamError as error:
        yield Finding("call", "error", str(error))
        return
    hop = hop_of(parse_uri(road.proxy) if road.proxy else road.target)
    host = config.rtp.public_host or config.sip.public_host or local_host_towards(hop.host)
    signaling = SipEngine(_sip_config(config, hop.transport or "udp", hop.host))
    with tempfile.TemporaryDirectory() as folder:
        said, heard = Path(folder) / "said.wav", Path(folder) / "heard.wav"
        write_bursts(said)
        async with ScriptedCaller(signaling, media, host) as caller:
            order = replace(order_of(road, host, ANSWER_S * 1_000), offer=None)
            try:
                call = await caller.place(order, heard, ANSWER_S)
            except (AgentStreamError, TimeoutError) as error:
                rang = f" after {', '.join(map(str, caller.rang))}" if caller.rang else ""
                text = str(error) or f"not answered in {ANSWER_S} s"
                yield Finding("call", "error", f"{text}{rang}")
                return
            yield Finding("call", "ok", f"answered by {road.target}")
            async for finding in _talk(call, said, heard):
                yield finding


async def _talk(call: PlacedCall, said: Path, heard: Path) -> AsyncIterator[Finding]:
    accepted = sdp_facts(call.answered.result().sdp or "")
    if accepted is not None:
        yield Finding("their SDP", "ok", str(accepted))
    await call.say(said)
    await asyncio.sleep(1)  # the end of an echo is still on its way
    await call.hang_up()
    stats = call.closed.result()
    if not stats.packets_received:
        text = (
            f"media received: no ({stats.packets_sent} packets sent): their RTP does not reach us"
        )
        yield Finding("sound", "error", f"{text}, or nobody is there to talk")
        return
    text = (
        f"{stats.codec}, {stats.packets_received} packets in and {stats.packets_sent} out,"
        f" {stats.packets_lost} lost, jitter {stats.jitter_ms:.1f} ms, MOS {stats.mos:.1f}"
    )
    yield Finding("sound", "ok", text)
    delay_ms = await asyncio.to_thread(echo_delay_ms, heard)
    if delay_ms is None:
        yield Finding("echo", "warning", "not heard: sound comes in, whether ours arrives is open")
    else:
        yield Finding("echo", "ok", f"our own sound came back after {delay_ms} ms")


def write_bursts(path: Path) -> None:
    """Write bursts of a tone in an order that nobody speaks in."""
    loud = random.Random(7)  # noqa: S311  (the same each time, and no secret)
    samples = array("h")
    for _ in range(BURSTS):
        peak = 9_000 if loud.random() < 0.5 else 0
        samples.extend(
            round(peak * math.sin(2 * math.pi * 620 * at / RATE_HZ)) for at in range(FRAME * 5)
        )
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.tobytes())


def echo_delay_ms(recording: Path) -> int | None:
    """Return how late the left side says what the right one said; None: it does not."""
    with wave.open(str(recording), "rb") as file:
        step = file.getframerate() * FRAME // RATE_HZ
        samples = array("h", file.readframes(file.getnframes()))
    heard, said = _envelope(samples[0::2], step), _envelope(samples[1::2], step)
    scores = [_likeness(said, heard[lag:]) for lag in range(min(ECHO_STEPS, len(heard)))]
    best = max(scores, default=0.0)
    return scores.index(best) * FRAME * 1_000 // RATE_HZ if best >= LIKE else None


def _envelope(samples: Sequence[int], step: int) -> list[float]:
    return [
        math.sqrt(sum(value * value for value in samples[at : at + step]) / step)
        for at in range(0, len(samples) - step + 1, step)
    ]


def _likeness(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the correlation of two envelopes, -1 to 1."""
    size = min(len(one), len(other))
    if size < BURSTS:
        return 0.0
    left, right = one[:size], other[:size]
    mean_left, mean_right = sum(left) / size, sum(right) / size
    across = sum((a - mean_left) * (b - mean_right) for a, b in zip(left, right, strict=True))
    power = sum((a - mean_left) ** 2 for a in left) * sum((b - mean_right) ** 2 for b in right)
    return across / math.sqrt(power) if power else 0.0


def _road(patient: Patient, number: str, config: Config) -> Road:
    roads = config.roads()
    if patient.is_operators:
        return find_road(DialSpec(number, trunk=patient.name), roads, "")
    if not patient.goals:
        raise AgentStreamError(f"{patient.name} has no destination to call")
    uri = parse_uri(patient.goals[0].target)
    return Road(replace(uri, user=number) if not uri.user else uri, "agentstream")


def _open_media(config: Config) -> _media.Engine:
    """Open a few RTP ports: ours where no server has them, else those behind."""
    rtp, low = config.rtp, config.rtp.port_low
    for first in (low, rtp.port_high + 1, rtp.port_high + 101):
        try:
            last = min(first + _PORTS - 1, 65_535)
            return _media.Engine(EnginePlan(rtp.host, first, last, workers=1, port_rest_ms=0))
        except (_media.MediaError, ValueError):
            continue
    raise AgentStreamError("no RTP port is free for a call")


def _sip_config(config: Config, transport: TransportName, far: str) -> SipConfig:
    sip = config.sip
    files = TlsFiles()
    if sip.tls_certificate and sip.tls_key:
        certificate = Certificate(str(sip.tls_certificate), str(sip.tls_key))
        files = TlsFiles((certificate,), ca_file=str(sip.tls_ca_file or ""))
    any_host = "::" if ":" in far else "0.0.0.0"  # noqa: S104  (the far end answers from outside)
    return SipConfig(
        listeners=(Listener(transport, any_host, 0),),
        public_host=sip.public_host,
        tls=files,
        egress=lookup_policy(config),
        trusted=frozenset(trunk_hosts(config.trunks)),
    )
