"""The trunks API's way into the house, built from the configuration; the command line's too."""

from agentstream.api.v2.trunk_doors import TrunkDoor
from agentstream.net.egress import Egress, EgressPolicy, Lookup
from agentstream.server.config import Config
from agentstream.store.protocols import Store


def open_trunks(config: Config, store: Store, lookup: Lookup) -> TrunkDoor:
    """Return what requests for trunks need."""
    unknown = config.api.unknown_trunk_status or (403 if config.compat.is_strict else 404)
    return TrunkDoor(
        rows=store.trunks,
        numbers=store.numbers,
        reach=Egress(_policy(config), lookup),
        rules=config.trunk.rules(config.compat),
        duplicate_status=config.api.duplicate_http_status,
        unknown_status=unknown,
    )


def _policy(config: Config) -> EgressPolicy:
    """Return where calls of accounts' trunks may be sent (TR-67); every port may be SIP's."""
    takes_private = config.trunk.takes_private(config.compat, config.egress.mode)
    allow, deny = config.egress.allow, config.egress.deny
    return EgressPolicy("open" if takes_private else "closed", allow, deny, ((1, 65_535),))
