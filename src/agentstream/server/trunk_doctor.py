"""Looks a trunk over, step by step: names, connections, certificates, OPTIONS, addresses (SD-4).

Each finding says what was seen and, when it is wrong, what to do. No call is placed here.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from agentstream.base.clock import Clock
from agentstream.base.errors import AgentStreamError, CommandError, PeerError
from agentstream.base.ids import Tokens
from agentstream.net import sip_probe
from agentstream.net.dns import Resolver
from agentstream.net.egress import Egress, EgressPolicy
from agentstream.net.locate import PREFERENCE, Locator, Naptr, SipDns, Srv
from agentstream.net.sip_dns import SystemSipDns
from agentstream.net.sip_probe import CertificateFacts, Line, OptionsFacts, ProbeError
from agentstream.net.sip_sockets import local_host_towards
from agentstream.server.check import Finding
from agentstream.server.config import Config
from agentstream.server.config_roads import trunk_hosts
from agentstream.sip.flow import Hop, hop_of
from agentstream.sip.signaling import Credentials
from agentstream.sip.uri import parse_uri
from agentstream.store.trunk_book import TrunkBook, TrunkEntry
from agentstream.switch.routing import NoRoadError, check_uri

HOPS: Final = 6  # of one destination that are looked at
DESTINATIONS: Final = 16
SOON_DAYS: Final = 14
_ALIVE: Final = "any answer shows that SIP is spoken there"


@dataclass(frozen=True, slots=True)
class Goal:
    """One place where calls of a trunk go."""

    target: str  # a SIP URI
    via: str = ""  # a proxy in front of it


@dataclass(frozen=True, slots=True)
class Patient:
    """The trunk that is looked at."""

    name: str
    goals: tuple[Goal, ...]
    credentials: Credentials | None = None
    from_user: str = "agentstream"
    is_operators: bool = False  # its hosts are trusted, wherever they are
    entry: TrunkEntry | None = None  # an account's trunk


@dataclass(slots=True)
class Visit:
    """What a trunk is looked at with, and what was learnt on the way for the last lines."""

    patient: Patient
    config: Config
    clock: Clock
    tokens: Tokens
    resolver: Resolver
    ours: set[str] = field(default_factory=set)  # addresses that packets leave from
    seen_as: set[str] = field(default_factory=set)  # and that far ends saw
    is_answering: bool = False  # some destination answered OPTIONS


def patient_of(name: str, config: Config, book: TrunkBook) -> Patient:
    """Return the trunk that is meant: an operator's by name, an account's by sid, or a SIP URI."""
    if name.lower().startswith(("sip:", "sips:")):
        try:
            check_uri(name, config.roads())
        except NoRoadError as error:
            raise CommandError(str(error)) from error
        return Patient(name, (Goal(name),))
    trunk = config.trunks.get(name.lower())
    if trunk is not None:
        road = trunk.trunk(name.lower())
        goal = Goal(road.target, road.proxy)
        user = road.from_user or (road.credentials.user if road.credentials else "agentstream")
        return Patient(road.name, (goal,), road.credentials, user, is_operators=True)
    entry = book.find(name)
    if entry is None:
        entry = _only(name, [each for each in book.entries.values() if each.trunk.name == name])
    if entry is None:
        known = ", ".join(config.trunks) or "none"
        raise CommandError(f"no trunk {name[:64]}: the configuration has {known}; or give its sid")
    ordered = sorted(entry.parts.destinations, key=lambda one: (one.priority, -one.weight))
    return Patient(entry.trunk.name, tuple(Goal(one.uri) for one in ordered), entry=entry)


def _only(name: str, found: list[TrunkEntry]) -> TrunkEntry | None:
    if len(found) > 1:
        sids = ", ".join(entry.sid for entry in found)
        raise CommandError(f"several accounts have a trunk {name}: {sids}")
    return found[0] if found else None


async def examine(
    patient: Patient, config: Config, clock: Clock, tokens: Tokens, dns: SipDns | None = None
) -> AsyncIterator[Finding]:
    """Yield what is found, in the order in which a call would meet it."""
    if not patient.goals:
        yield Finding("destinations", "warning", "it has none: calls come in by it, none go out")
    resolver = Resolver(clock=clock)
    visit = Visit(patient, config, clock, tokens, resolver)
    try:
        for goal in patient.goals[:DESTINATIONS]:
            asked = _Told(dns or SystemSipDns(resolver))
            async for finding in _goal(visit, goal, asked):
                yield finding
    finally:
        resolver.close()
    if patient.goals and not visit.is_answering:
        yield Finding("in all", "error", "no destination answered: calls would fail")
    for finding in _ours(visit):
        yield finding


async def _goal(visit: Visit, goal: Goal, asked: "_Told") -> AsyncIterator[Finding]:
    patient, config = visit.patient, visit.config
    hop = hop_of(parse_uri(goal.via or goal.target))
    through = f" by way of {goal.via}" if goal.via else ""
    yield Finding("destination", "ok", f"{goal.target}{through}")
    trusted = frozenset(trunk_hosts(config.trunks)) if patient.is_operators else frozenset()
    screen = Egress(lookup_policy(config), visit.resolver, visit.clock).addresses
    locate = Locator(asked, lambda highest: highest // 2, PREFERENCE, screen, trusted)
    try:
        hops = await locate(hop)
    except AgentStreamError as error:
        for text in asked.told:
            yield Finding("DNS", "ok", text)
        yield Finding("DNS", "error", f"{error}: is the name right, and does it have a record?")
        return
    for text in asked.told:
        yield Finding("DNS", "ok", text)
    if len(hops) > HOPS:
        yield Finding("DNS", "warning", f"{len(hops)} addresses; the first {HOPS} are looked at")
    spoken = {listener.transport for listener in config.sip.listeners}
    for transport in dict.fromkeys(one.transport or "udp" for one in hops):
        if transport not in spoken:
            text = f"no listener of [sip] speaks {transport}: calls cannot go there. Add one"
            yield Finding("transport", "error", text)
    for one in hops[:HOPS]:
        async for finding in _hop(visit, goal, one):
            yield finding


async def _hop(visit: Visit, goal: Goal, hop: Hop) -> AsyncIterator[Finding]:
    patient, config, clock = visit.patient, visit.config, visit.clock
    ca_file = str(config.sip.tls_ca_file or "")
    shown = str(hop)
    visit.ours.add(local_host_towards(hop.host))
    login = patient.credentials
    try:
        async with sip_probe.opened(hop, clock, ca_file) as line:
            for finding in _connection(line, clock):
                yield finding
            host = patient.entry.trunk.domain_name if patient.entry else _in_uri(line.local[0])
            who = f"sip:{patient.from_user}@{host}"
            try:
                found = await sip_probe.options(line, goal.target, who, clock, visit.tokens, login)
            except ProbeError as error:
                yield Finding(f"OPTIONS {shown}", "error", f"{error}: {_silent(hop)}")
                return
    except PeerError as error:
        yield Finding(f"connect {shown}", "error", f"{error}: {_closed(hop)}")
        return
    visit.is_answering = True
    if found.seen_as:
        visit.seen_as.add(found.seen_as.rpartition(":")[0].strip("[]"))
    for finding in _answer(found, shown, has_login=login is not None):
        yield finding


def _connection(line: Line, clock: Clock) -> list[Finding]:
    shown, findings = str(line.hop), []
    if line.hop.transport != "udp":
        text = f"connected in {line.connect_ms} ms, from {line.local[0]}"
        findings.append(Finding(f"connect {shown}", "ok", text))
    if line.tls is not None:
        certificate = line.tls.certificate
        findings.append(Finding(f"TLS {shown}", "ok", f"{line.tls.version}, {line.tls.cipher}"))
        findings.append(_trust(certificate, line.hop, clock))
    return findings


def _trust(certificate: CertificateFacts, hop: Hop, clock: Clock) -> Finding:
    days = certificate.days_left(clock.wall())
    names = ", ".join(certificate.names) or certificate.subject
    text = f"for {names}, by {certificate.issuer}, {days} more days"
    if certificate.trust:
        wanted = hop.tls_name or hop.host
        do = f"it must name {wanted} and come from an authority that we trust ([sip] tls_ca_file)"
        return Finding("certificate", "error", f"{certificate.trust} ({text}): {do}")
    if days < SOON_DAYS:
        return Finding("certificate", "warning", f"{text}: it ends soon, they must renew it")
    return Finding("certificate", "ok", text)


def _answer(found: OptionsFacts, shown: str, *, has_login: bool) -> list[Finding]:
    name = f"OPTIONS {shown}"
    text = f"{found.status} {found.reason} in {found.took_ms} ms"
    if found.server:
        text += f", {found.server}"
    findings = []
    if found.challenged:
        realms = ", ".join(found.challenged)
        if found.has_answered and found.status in {401, 407}:
            text = (
                f"they refused our credentials (realm {realms}): user, password or realm is wrong"
            )
            return [Finding(name, "ok", f"{found.status}"), Finding("digest", "error", text)]
        if found.has_answered:
            findings.append(Finding("digest", "ok", f"asked for by {realms}, and answered"))
        elif has_login:
            text_ = f"asked for by {realms}, which is not the realm of our credentials"
            findings.append(Finding("digest", "error", text_))
        else:
            text_ = f"they ask for credentials (realm {realms}), and the trunk has none"
            findings.append(Finding("digest", "warning", text_))
    if found.status >= 300 and not found.challenged:
        text += f" ({_ALIVE})"
    findings.insert(0, Finding(name, "ok" if found.status < 500 else "warning", text))
    if found.allow:
        findings.append(Finding("they allow", "ok", found.allow))
    return findings


def _ours(visit: Visit) -> list[Finding]:
    """Tell by which addresses we are known: what a firewall, an ACL and a form want."""
    if not visit.ours:
        return []
    ours = ", ".join(sorted(visit.ours))
    findings = [Finding("our address", "ok", f"packets leave from {ours}")]
    public = visit.config.sip.public_host
    outside = visit.seen_as - visit.ours
    if outside:
        shown = ", ".join(sorted(outside))
        if public in outside:
            text = f"the far end sees {shown}, as [sip] public_host says"
            findings.append(Finding("NAT", "ok", text))
        else:
            said = public or "not set"
            text = f"the far end sees {shown}: set public_host in [sip] to it (it is {said})"
            findings.append(Finding("NAT", "warning", text))
    elif not public and all(map(_is_private, visit.ours)) and visit.ours != _loopback(visit.ours):
        text = "ours is a private one: behind a NAT, set public_host in [sip]"
        findings.append(Finding("NAT", "warning", text))
    return findings


def paste_facts(patient: Patient, config: Config, seen_as: str = "") -> Mapping[str, str]:
    """Return what partners' forms want to be told, by the names of `presets.FACTS`."""
    host = config.sip.public_host or seen_as or local_host_towards("")
    secure = next((each for each in config.sip.listeners if each.transport == "tls"), None)
    best = secure or next(iter(config.sip.listeners), None)
    facts = {"our_host": host, "our_address": host}
    if best is not None:
        facts |= {"our_port": str(best.port), "our_transport": best.transport}
    if patient.entry is not None:
        entry = patient.entry
        facts |= {
            "domain_name": entry.trunk.domain_name,
            "account_sid": entry.account.sid,
            "trunk_sid": entry.sid,
            "number": next(iter(entry.numbers), "?"),
            "user": next((one.user_name for one in entry.parts.credentials), "?"),
            "password": "(as it was given when the user was made)",
        }
    return facts


def form_lines(patient: Patient, config: Config) -> list[tuple[str, str]]:
    """Return what to write into any partner's form: names and values."""
    facts = paste_facts(patient, config)
    listeners = ", ".join(
        f"{each.transport.upper()} {facts['our_host']}:{each.port}" for each in config.sip.listeners
    )
    lines = [
        ("SIP server", listeners),
        ("their firewall lets in", f"SIP and RTP from {facts['our_host']}"),
        ("RTP ports", f"UDP {config.rtp.port_low} to {config.rtp.port_high}"),
        ("codecs", ", ".join(config.rtp.codecs)),
        ("keys", "RFC 4733, telephone-event"),
    ]
    if patient.entry is not None:
        lines.append(("domain, digest realm", facts["domain_name"]))
        lines.append(("number", facts["number"]))
        lines.append(("user", facts["user"]))
    return lines


def lookup_policy(config: Config) -> EgressPolicy:
    """Return where names may lead, as calls have it."""
    return EgressPolicy("open", (*config.egress.allow, *config.dial.sip_hosts), config.egress.deny)


class _Told:
    """Asks DNS, and keeps what was asked and answered as sentences."""

    def __init__(self, dns: SipDns) -> None:
        self._dns = dns
        self.told: list[str] = []

    async def naptr(self, name: str) -> tuple[Naptr, ...]:
        """Return the NAPTR records of a name."""
        found = await self._dns.naptr(name)
        for one in found:
            self.told.append(
                f"NAPTR {name}: {one.order} {one.preference} {one.service} {one.replacement}"
            )
        return found

    async def srv(self, name: str) -> tuple[Srv, ...]:
        """Return the SRV records of a name."""
        found = await self._dns.srv(name)
        for one in found:
            goal = f"{one.target or '.'}:{one.port}"
            self.told.append(f"SRV {name}: priority {one.priority}, weight {one.weight}, {goal}")
        return found

    async def addresses(self, name: str) -> tuple[str, ...]:
        """Return the addresses of a name, best first."""
        found = await self._dns.addresses(name)
        self.told.append(f"{name} is {', '.join(found)}")
        return found


def _silent(hop: Hop) -> str:
    if hop.transport == "udp":
        return "wrong address or port, a firewall, or they answer known addresses only"
    return "the connection stands, but nobody speaks SIP to us there"


def _closed(hop: Hop) -> str:
    return f"is {hop.transport} right, and is port {hop.port} open for our address?"


def _in_uri(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_private(host: str) -> bool:
    return ip_address(host).is_private


def _loopback(hosts: set[str]) -> set[str]:
    return {host for host in hosts if ip_address(host).is_loopback}
