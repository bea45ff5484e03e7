"""Finds the roads of a leg: whose trunk is meant, which of its roads are up."""

from collections.abc import Callable
from typing import Final

from agentstream.base.clock import Clock
from agentstream.base.errors import PeerError
from agentstream.base.ids import LegSid
from agentstream.base.values import dataclass, replace
from agentstream.base.weight import Draw
from agentstream.calls.commands import DialSpec
from agentstream.calls.record import CallSetup
from agentstream.sip.bindings import Binding
from agentstream.sip.headers import parse_name_addr
from agentstream.store.trunk_book import TrunkBook, TrunkEntry
from agentstream.switch.caller_id import Owns, alias_of
from agentstream.switch.road_states import RoadStates
from agentstream.switch.roads import Origin, Road, Roads
from agentstream.switch.routing import TOKEN, find_roads
from agentstream.switch.trunk_roads import trunk_roads

_SIP: Final = ("sip:", "sips:")


@dataclass(frozen=True, slots=True)
class RoadFinder:
    """What every leg of this house is routed with."""

    roads: Roads
    trunks: Callable[[], TrunkBook]
    states: RoadStates
    phones: Callable[[str], tuple[Binding, ...]]  # that registered with us, by trunk
    owns: Owns
    draw: Draw
    clock: Clock

    def find(self, spec: DialSpec, setup: CallSetup, leg_sid: LegSid) -> tuple[Road, ...]:
        """Return the roads in the order in which they are tried; raises NoRoadError."""
        entry = self._trunk(spec, setup)
        if entry is not None:
            phones = self.phones(entry.sid)
            found = trunk_roads(entry, spec, (setup, leg_sid), self.roads, self.draw, phones)
        else:
            found = find_roads(spec, self.roads, self._origin(setup), self.draw)
            found = tuple(map(self._by_service_route, found))
        if len(found) == 1:
            return found
        up = tuple(road for road in found if not road.key or self.states.is_up(road.key))
        # A state is a guess of seconds ago: where all are said to be down a call still finds out.
        return up or found

    def _by_service_route(self, road: Road) -> Road:
        """Return a carrier's road by the way that its registrar has told us (RFC 3608 §6.1)."""
        routes = self.states.routes(road.key) if road.key else ()
        return replace(road, routes=routes) if routes and all(map(_is_loose, routes)) else road

    def _trunk(self, spec: DialSpec, setup: CallSetup) -> TrunkEntry | None:
        """Return the account's own trunk that is meant; another's is as good as none (FL-3)."""
        destination = spec.destination.strip()
        name = spec.trunk
        if destination.lower().startswith(_SIP):
            name = destination.partition(":")[2]
        if not name or not TOKEN.fullmatch(name):
            return None
        return self.trunks().of_account(setup.account_sid, name)

    def _origin(self, setup: CallSetup) -> Origin:
        forwards = setup.direction == "inbound"
        origin = Origin(setup.account_number, forwards=forwards, at=self.clock.wall())
        if not (forwards and setup.trunk_sid):
            return origin
        came_by = self.trunks().of_account(setup.account_sid, setup.trunk_sid)
        if came_by is None:
            return origin
        # It is an outbound call of its customer, which nobody forwards (FL-1).
        return replace(
            origin,
            alias=alias_of(came_by, self.owns),
            nso_code=came_by.trunk.nso_code,
            forwards=False,
        )


def _is_loose(route: str) -> bool:
    """Tell whether a Route leaves the Request-URI alone (RFC 3261 §19.1.1); others are ignored."""
    try:
        return parse_name_addr(route).sip_uri().is_loose_router
    except PeerError:
        return False
