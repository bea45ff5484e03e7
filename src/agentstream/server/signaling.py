"""Builds signalling: the engine with its listeners, the gate before it, the roads that it knows."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from agentstream.base.clock import Clock
from agentstream.base.ids import RandomTokens
from agentstream.base.values import replace
from agentstream.flows.document import FlowDocument
from agentstream.net.egress import EgressPolicy
from agentstream.net.sip_engine import Listener, SipConfig, SipEngine, Trace
from agentstream.server.config import Config
from agentstream.server.config_carriers import carrier_settings
from agentstream.server.config_roads import tls_profiles, trunk_hosts
from agentstream.sip.bindings import RegistrarPolicy
from agentstream.sip.settings import SipSettings
from agentstream.store.directory import Directory
from agentstream.store.trunk_book import TrunkBook
from agentstream.switch.gatekeeper import Gatekeeper
from agentstream.switch.known_roads import KnownRoads
from agentstream.switch.registrants import registrants
from agentstream.switch.rejections import Rejections
from agentstream.switch.trunk_gate import TrunkGate
from agentstream.switch.trunk_load import TrunkLoad


@dataclass(frozen=True, slots=True)
class Signaling:
    """What was built."""

    engine: SipEngine
    gate: Gatekeeper
    roads: KnownRoads
    load: TrunkLoad


def open_signaling(
    config: Config,
    clock: Clock,
    directory: Directory[FlowDocument],
    stack: AsyncExitStack,
    trace: Trace | None = None,
) -> Signaling:
    """Build signalling, to be closed with the stack; nothing listens yet."""

    def book() -> TrunkBook:
        return directory.trunks

    load = TrunkLoad(lambda: clock.wall().date())
    judge = TrunkGate(config.gate(), book, directory, load)
    gate = Gatekeeper(judge, Rejections(), clock, config.sip.scanners)
    engine = SipEngine(_sip_config(config, book), clock=clock, trace=trace, gate=gate)
    gate.strike = engine.strike
    stack.push_async_callback(engine.stop, 2_000)
    settings = carrier_settings(config.trunks, tls_profiles(config.trunks))
    roads = KnownRoads(engine, clock, RandomTokens(), settings, book)
    stack.callback(roads.close)
    return Signaling(engine, gate, roads, load)


def _sip_config(config: Config, book: Callable[[], TrunkBook]) -> SipConfig:
    wanted = config.sip
    settings = SipSettings(transactions=wanted.max_transactions)
    if wanted.registrar:  # SIP-37
        settings = replace(settings, registrar=RegistrarPolicy(registrants(book)))
    return SipConfig(
        listeners=tuple(
            Listener(listener.transport, listener.host, listener.port)
            for listener in wanted.listeners
        ),
        public_host=wanted.public_host,
        allow=wanted.allow,
        deny=wanted.deny,
        admission=wanted.admission(),
        settings=settings,
        streams=wanted.stream_limits(),
        tls=wanted.tls_files(tls_profiles(config.trunks)),
        origins=wanted.websocket_origins,
        egress=_sip_egress(config),
        trusted=frozenset(trunk_hosts(config.trunks)),
    )


def _sip_egress(config: Config) -> EgressPolicy:
    """Return where names of SIP may lead; which of them may be dialled at all is [dial]'s."""
    allow = (*config.egress.allow, *config.dial.sip_hosts)
    return EgressPolicy("open", allow, config.egress.deny)
