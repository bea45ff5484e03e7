"""The trunks API's way into the house, built from the configuration; the command line's too."""

from agentstream.api.v2.trunk_doors import TrunkDoor, TrunkWatcher
from agentstream.net.egress import Egress, EgressPolicy, Lookup
from agentstream.server.config import Config
from agentstream.server.signaling import Signaling
from agentstream.store.protocols import Store
from agentstream.switch.trunk_status import TrunkWatch
from agentstream.switch.wiring import Wiring


def open_trunks(
    config: Config, store: Store, lookup: Lookup, watch: TrunkWatcher | None = None
) -> TrunkDoor:
    """Return what requests for trunks need; `watch` is a running server's."""
    unknown = config.api.unknown_trunk_status or (403 if config.compat.is_strict else 404)
    return TrunkDoor(
        rows=store.trunks,
        numbers=store.numbers,
        reach=Egress(_policy(config), lookup),
        rules=config.trunk.rules(config.compat),
        duplicate_status=config.api.duplicate_http_status,
        unknown_status=unknown,
        watch=watch,
    )


def watch_trunks(config: Config, wiring: Wiring, signals: Signaling) -> TrunkWatch:
    """Return how trunks are doing, from what a running house keeps of them."""
    return TrunkWatch(
        lambda: wiring.directory.trunks,
        signals.roads,
        signals.load,
        wiring.road_limits,
        signals.gate.rejections,
        signals.engine.bindings,
        tuple(wiring.roads.trunks.values()),
        wiring.clock,
        config.sip.trunk_daily_minutes,
    )


def _policy(config: Config) -> EgressPolicy:
    """Return where calls of accounts' trunks may be sent (TR-67); every port may be SIP's."""
    takes_private = config.trunk.takes_private(config.compat, config.egress.mode)
    allow, deny = config.egress.allow, config.egress.deny
    return EgressPolicy("open" if takes_private else "closed", allow, deny, ((1, 65_535),))
