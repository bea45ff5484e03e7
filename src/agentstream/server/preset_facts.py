"""What platforms are told of this server: host, address, port, transport; and what is amiss."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from ipaddress import IPv4Address, ip_address
from typing import Final

from agentstream.base.errors import BusyError, PeerError
from agentstream.net.egress import Lookup
from agentstream.server.config import Config
from agentstream.server.config_sip import Listener
from agentstream.server.first_run import own_address, reachable
from agentstream.server.presets import FilledPreset
from agentstream.sip.uri import parse_uri

STALE: Final = timedelta(days=180)  # after so long, what others have published may be another


@dataclass(frozen=True, slots=True)
class OurFacts:
    """How one platform reaches this server."""

    values: Mapping[str, str]  # our_host, our_address, our_port, our_transport
    warnings: tuple[str, ...]


async def our_facts(config: Config, filled: FilledPreset, lookup: Lookup, today: date) -> OurFacts:
    """Return what the platform's form is told; by TLS where both can, else what it does best."""
    preset = filled.preset
    listener = listener_for(config.sip.listeners, preset.speaks)
    public = config.sip.public_host
    host = public or reachable(listener.host, own_address())
    address = await _address(host, lookup)
    warnings = []
    if listener.transport not in preset.speaks:
        theirs, ours = ", ".join(preset.speaks), listener.transport
        warnings.append(
            f"{preset.title} speaks {theirs}, and we listen to {ours} alone: add a listener to"
            " [sip] listeners (agentstream print-config)"
        )
    spoken = {one.transport for one in config.sip.listeners}
    for transport in dict.fromkeys(parse_uri(goal.uri).transport for goal in filled.destinations):
        if transport and transport not in spoken:
            warnings.append(
                f"calls go there by {transport}, which no listener of [sip] speaks: add one"
            )
    if not public and _is_private(host):
        warnings.append(
            f"{host} is an address of this network alone: set [sip] public_host to the name or"
            " address that the world knows"
        )
    if today - preset.checked_on > STALE:
        warnings.append(
            f"this was looked up on {preset.checked_on}: compare it with the platform's pages"
        )
    values = {
        "our_host": host,
        "our_address": address,
        "our_port": str(listener.port),
        "our_transport": listener.transport,
    }
    return OurFacts(values, tuple(warnings))


def listener_for(ours: Sequence[Listener], theirs: Sequence[str]) -> Listener:
    """Return the listener that suits best; any one if none does."""
    for transport in theirs:
        for listener in ours:
            if listener.transport == transport:
                return listener
    return ours[0] if ours else Listener(transport="udp", host="0.0.0.0", port=5060)  # noqa: S104


async def _address(host: str, lookup: Lookup) -> str:
    """Return the IPv4 address of a host, which platforms that list gateways ask for (PN-41)."""
    try:
        found = await lookup.lookup(host)
    except (PeerError, BusyError):
        found = ()
    numeric = (one for one in found if isinstance(ip_address(one), IPv4Address))
    return next(numeric, f"the IPv4 address of {host}")


def _is_private(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return False
