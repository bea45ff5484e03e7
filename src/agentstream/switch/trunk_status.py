"""How trunks are doing now: destinations, registrations, live calls against limits, minutes today.

For people and for the trunks API; nothing here decides anything about a call.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Literal

from agentstream.base.clock import Clock
from agentstream.base.ids import AccountSid, TrunkSid
from agentstream.base.values import dataclass
from agentstream.sip.bindings import Binding
from agentstream.store.trunk_book import TrunkBook, TrunkEntry, book_of
from agentstream.store.trunks import TrunkParts
from agentstream.store.values import Account
from agentstream.switch.known_roads import KnownRoads, RegistrationState, RoadState
from agentstream.switch.rejections import Rejection, Rejections
from agentstream.switch.road_limits import RoadLimits
from agentstream.switch.road_states import destination_key
from agentstream.switch.roads import Trunk
from agentstream.switch.trunk_load import TrunkLoad

# up, down: by OPTIONS; resting: a call got no answer a moment ago; unasked: nobody asks, calls try.
Health = Literal["up", "down", "resting", "unasked"]
SHOWN_LIMIT: Final = 1_000  # trunks in one picture


@dataclass(frozen=True, slots=True)
class RoadHealth:
    """One road that calls take."""

    name: str  # "sip:sip.bot.example:5061", or an operator's trunk
    health: Health
    since: datetime | None = None  # of `health`, where it is known
    status: int | None = None  # of the last OPTIONS; 0: no answer, None: not asked
    text: str = ""
    round_trip_ms: int | None = None
    failures: int = 0  # in a row
    rests_ms: int = 0  # how long calls still leave it alone


@dataclass(frozen=True, slots=True)
class TrunkStatus:
    """An account's trunk. A limit of 0 is none."""

    sid: TrunkSid
    name: str
    account_sid: AccountSid
    is_active: bool
    destinations: tuple[tuple[int, RoadHealth], ...]  # with their ids
    phones: int  # that are registered with us now (SIP-37)
    calls_in: int  # live calls that came from it
    calls_out: int  # live legs that go to it
    max_calls: int  # of the two together
    cps: int
    minutes_today: float  # of calls from it, in UTC
    daily_minutes: int
    rejected: int  # kept requests of it that were turned away


@dataclass(frozen=True, slots=True)
class CarrierStatus:
    """An operator's trunk."""

    name: str
    road: RoadHealth
    registration: RegistrationState | None  # None: it has none
    calls: int
    max_calls: int
    cps: int


@dataclass(frozen=True, slots=True)
class TrunkWatch:
    """Looks at what the others keep."""

    book: Callable[[], TrunkBook]
    roads: KnownRoads
    load: TrunkLoad
    limits: RoadLimits
    kept: Rejections
    phones: Callable[[str], tuple[Binding, ...]]
    operators: Sequence[Trunk]
    clock: Clock
    daily_minutes: int = 0  # of a trunk without a number of its own

    def trunks(self, account_sid: AccountSid | None) -> Sequence[TrunkStatus]:
        """Return the trunks of an account, None: of all; no more than `SHOWN_LIMIT`."""
        states = {one.key: one for one in self.roads.states()}
        entries = [
            entry
            for entry in self.book().entries.values()
            if account_sid in (None, entry.account.sid)
        ]
        return [self._status(entry, states) for entry in entries[:SHOWN_LIMIT]]

    def trunk(self, account: Account, parts: TrunkParts) -> TrunkStatus:
        """Return one trunk of an account."""
        entry = book_of([parts], {account.sid: account}).entries[parts.trunk.sid]
        return self._status(entry, {one.key: one for one in self.roads.states()})

    def carriers(self) -> Sequence[CarrierStatus]:
        """Return the operator's trunks."""
        states = {one.key: one for one in self.roads.states()}
        registered = {one.trunk: one for one in self.roads.registrations()}
        return [
            CarrierStatus(
                trunk.name,
                self._health(trunk.name, trunk.name, states),
                registered.get(trunk.name),
                self.limits.live(trunk.name),
                trunk.limit.calls,
                trunk.limit.per_second,
            )
            for trunk in self.operators
        ]

    def rejections(self, account_sid: AccountSid | None, trunk_sid: str = "") -> list[Rejection]:
        """Return what was turned away, newest first; None: of everybody, and of nobody's trunk."""
        if account_sid is not None:
            return self.kept.recent(account_sid, trunk_sid)
        return self.kept.all(trunk_sid)

    def _status(self, entry: TrunkEntry, states: dict[str, RoadState]) -> TrunkStatus:
        sid, options = entry.sid, entry.options
        return TrunkStatus(
            sid,
            entry.trunk.name,
            entry.account.sid,
            entry.trunk.is_active,
            tuple(self._destinations(entry.parts, states)),
            len(self.phones(sid)),
            self.load.calls_of(sid),
            self.limits.live(sid),
            options.max_calls,
            options.cps,
            round(self.load.minutes_today(sid, self.clock.now_ms()), 1),
            options.daily_minutes or self.daily_minutes,
            len(self.kept.recent(entry.account.sid, sid)),
        )

    def _destinations(
        self, parts: TrunkParts, states: dict[str, RoadState]
    ) -> list[tuple[int, RoadHealth]]:
        return [
            (one.id, self._health(one.uri, destination_key(parts.trunk.sid, one.id), states))
            for one in parts.destinations
        ]

    def _health(self, name: str, key: str, states: dict[str, RoadState]) -> RoadHealth:
        known = states.get(key)
        if known is None:
            rests_ms = self.roads.rests_ms(key)
            return RoadHealth(name, "resting" if rests_ms else "unasked", rests_ms=rests_ms)
        health: Health = "up" if known.is_up else "down"
        if known.is_up and known.rests_ms:
            health = "resting"
        elif known.is_up and known.status is None:
            health = "unasked"
        return RoadHealth(
            name,
            health,
            known.since,
            known.status,
            known.text,
            known.round_trip_ms,
            known.failures,
            known.rests_ms,
        )
