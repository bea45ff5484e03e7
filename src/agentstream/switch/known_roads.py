"""The roads of this house as they are: asked by OPTIONS, registered with, told by calls.

`is_up` and `note` are for whoever dials; `states` and `registrations` are for people.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Final

import structlog

from agentstream.base.clock import Clock
from agentstream.base.errors import PeerError
from agentstream.base.ids import Tokens
from agentstream.base.values import dataclass, replace
from agentstream.net.driver import Driver
from agentstream.sip.reports import (
    OutsideRef,
    OutsideReport,
    Probed,
    Registered,
    RegistrationFailed,
    Unregistered,
)
from agentstream.sip.signaling import ProbePlan, RegistrationPlan, SignalingEngine
from agentstream.sip.uri import parse_uri
from agentstream.store.trunk_book import TrunkBook, TrunkEntry
from agentstream.switch.road_states import Outcome, destination_key
from agentstream.switch.road_watch import (
    AskRoad,
    CallTried,
    RoadAnswered,
    RoadChanged,
    RoadWatch,
    Watch,
    WatchedRoad,
    WatchInput,
    WatchOutput,
)

log = structlog.get_logger()

FOLLOW_MS: Final = 2_000  # how soon a changed row of a trunk counts here


@dataclass(frozen=True, slots=True)
class CarrierSettings:
    """The operator's trunks: which are asked, and which we register with (by name)."""

    watched: tuple[WatchedRoad, ...] = ()
    registrations: Mapping[str, RegistrationPlan] | None = None


@dataclass(frozen=True, slots=True)
class RoadState:
    """One watched road, for people. `status` 0: it did not answer; None: not asked yet."""

    key: str
    is_up: bool
    since: datetime
    status: int | None
    text: str
    round_trip_ms: int | None
    failures: int  # in a row
    rests_ms: int  # how long calls still leave it alone after a failure


@dataclass(frozen=True, slots=True)
class RegistrationState:
    """One registration, for people. `status` is SIP's of the last answer; 0: none yet."""

    trunk: str
    is_registered: bool
    since: datetime  # of `is_registered`, as far as anything was told
    status: int = 0
    text: str = ""
    contact: str = ""
    valid_until: datetime | None = None
    again_at: datetime | None = None  # the next REGISTER
    service_route: tuple[str, ...] = ()


class KnownRoads:
    """Implements `RoadStates`; make it and use it on one event loop."""

    def __init__(
        self,
        signaling: SignalingEngine,
        clock: Clock,
        tokens: Tokens,
        settings: CarrierSettings,
        book: Callable[[], TrunkBook],
    ) -> None:
        self._signaling = signaling
        self._clock = clock
        self._settings = settings
        self._book = book
        self._followed: TrunkBook | None = None
        self._watch = RoadWatch(tokens)
        self._asked: dict[OutsideRef, str] = {}  # open probes -> key
        self._trunks: dict[OutsideRef, str] = {}  # registrations -> name
        self._registered: dict[str, RegistrationState] = {}
        self._driver: Driver[WatchInput, WatchOutput] = Driver(
            self._watch, clock, self._perform, _failed
        )

    # Life

    def listen(self) -> None:
        """Hear what signalling says; before it starts."""
        self._signaling.on_outside(self._told)

    def start(self) -> None:
        """Register and begin to ask; once signalling has started."""
        self.follow()
        now = self._clock.wall()
        for name, plan in (self._settings.registrations or {}).items():
            self._registered[name] = RegistrationState(name, is_registered=False, since=now)
            self._trunks[self._signaling.register(plan)] = name

    def follow(self) -> None:
        """Look whether an account's trunks have changed."""
        book = self._book()
        if book is not self._followed:
            self._followed = book
            roads = (*self._settings.watched, *_destinations(book))
            self._driver.feed(Watch(roads))
            if self._watch.counts.not_watched:
                log.warning("roads_not_watched", roads=self._watch.counts.not_watched)

    async def run(self) -> None:
        """Follow the trunks of accounts, until cancelled."""
        while True:
            await asyncio.sleep(FOLLOW_MS / 1000)
            self.follow()

    def leave(self) -> None:
        """Take every registration back: no new calls are wanted."""
        for ref in self._trunks:
            self._signaling.unregister(ref)

    def close(self) -> None:
        """Ask no more."""
        self._driver.close()

    # Who dials

    def is_up(self, key: str) -> bool:
        """Tell whether calls should take this road; one that nobody knows is up."""
        return self._watch.is_up(key, self._clock.now_ms())

    def note(self, key: str, outcome: Outcome, rest_ms: int = 0) -> None:
        """Take note of what became of a call by this road; once per attempt.

        After a call that got no answer the others leave the road alone for 10 to 30 s, until one
        reaches it (RFC 3263 §4.3); where it said for how long (Retry-After), for that time.
        """
        self._driver.feed(CallTried(key, outcome, rest_ms))

    def routes(self, key: str) -> tuple[str, ...]:
        """Return the Service-Route of a carrier's registration, while it holds (RFC 3608 §5)."""
        known = self._registered.get(key)
        if known is None or not _as_of(known, self._clock.wall()).is_registered:
            return ()
        return known.service_route

    # People

    def states(self) -> tuple[RoadState, ...]:
        """Return every watched road."""
        now_ms, wall = self._clock.now_ms(), self._clock.wall()
        return tuple(
            RoadState(
                key,
                known.is_up,
                wall - timedelta(milliseconds=now_ms - known.since_ms),
                known.status,
                known.text,
                known.round_trip_ms,
                known.failures,
                self.rests_ms(key),
            )
            for key, known in self._watch.records.items()
        )

    def rests_ms(self, key: str) -> int:
        """Return how long calls still leave a road alone, watched or not; 0: they do not."""
        now_ms = self._clock.now_ms()
        return max(0, self._watch.rests_until_ms(key, now_ms) - now_ms)

    def registrations(self) -> tuple[RegistrationState, ...]:
        """Return every registration; one whose time is over is none, whatever was told last."""
        wall = self._clock.wall()
        return tuple(_as_of(one, wall) for one in self._registered.values())

    def counts(self) -> dict[str, int]:
        """Return what happened since the start, and how many roads are watched and down now."""
        records = self._watch.records.values()
        return {
            **asdict(self._watch.counts),
            "watched": len(records),
            "down": sum(not one.is_up for one in records),
        }

    # Signalling

    def _perform(self, output: WatchOutput) -> None:
        match output:
            case AskRoad(road):
                self._asked[self._signaling.probe(road.plan)] = road.key
            case RoadChanged(is_up=True):
                log.info("road_up", road=output.key, status=output.status, down_ms=output.for_ms)
                for ref, name in self._trunks.items():
                    if name == output.key:  # a carrier that was down may have forgotten us
                        self._signaling.refresh(ref)
            case RoadChanged():
                log.warning("road_down", road=output.key, status=output.status, text=output.text)

    def _told(self, report: OutsideReport) -> None:
        if isinstance(report, Probed):
            key = self._asked.pop(report.ref, None)
            if key is not None:
                answered = RoadAnswered(key, report.status, report.text, report.elapsed_ms)
                self._driver.feed(answered)
            return
        name = self._trunks.get(report.ref)
        if name is None:
            return
        before = self._registered[name]
        after = _after(before, report, self._clock.wall())
        self._registered[name] = after
        if isinstance(report, Unregistered):
            del self._trunks[report.ref]
        _log_change(before, after)


def _after(before: RegistrationState, report: OutsideReport, wall: datetime) -> RegistrationState:
    """Return a registration's state after a report."""
    match report:
        case Registered():
            return RegistrationState(
                before.trunk,
                True,
                before.since if before.is_registered else wall,
                200,
                "",
                report.contact,
                wall + timedelta(seconds=report.granted_s),
                wall + timedelta(milliseconds=report.refresh_in_ms),
                report.service_route,
            )
        case RegistrationFailed():
            still = report.valid_for_ms > 0
            return replace(
                before,
                is_registered=still,
                since=before.since if before.is_registered is still else wall,
                status=report.status,
                text=report.text,
                valid_until=wall + timedelta(milliseconds=report.valid_for_ms) if still else None,
                again_at=wall + timedelta(milliseconds=report.retry_in_ms),
            )
        case _:
            return RegistrationState(before.trunk, is_registered=False, since=wall)


def _as_of(state: RegistrationState, wall: datetime) -> RegistrationState:
    until = state.valid_until
    if state.is_registered and until is not None and until <= wall:
        return replace(state, is_registered=False, since=until)
    return state


def _log_change(before: RegistrationState, after: RegistrationState) -> None:
    """Say it once: a refresh that goes well, or fails as the one before, is no news."""
    if after.status == 200 and before.status != 200:
        log.info("registered", trunk=after.trunk, contact=after.contact)
    elif after.status and (after.status, after.text) != (before.status, before.text):
        if after.status != 200:
            log.warning(
                "registration_failed",
                trunk=after.trunk,
                status=after.status,
                text=after.text,
                still_registered=after.is_registered,
            )
    elif not after.status:
        log.info("unregistered", trunk=after.trunk)


def _destinations(book: TrunkBook) -> Iterator[WatchedRoad]:
    """Yield the destinations of accounts' trunks that are to be asked (SIP-51)."""
    for entry in book.entries.values():
        interval_ms = entry.options.options_interval_s * 1000
        if entry.trunk.is_active and interval_ms:
            for destination in entry.parts.destinations:
                plan = ProbePlan(_with_transport(destination.uri, entry))
                yield WatchedRoad(destination_key(entry.sid, destination.id), plan, interval_ms)


def _with_transport(uri: str, entry: TrunkEntry) -> str:
    """Return a destination with the trunk's transport, where it names none."""
    wanted = entry.options.transport
    try:
        parsed = parse_uri(uri)
    except PeerError:
        return uri  # a row of another release: the probe says what is wrong with it
    if not wanted or parsed.transport or parsed.scheme != "sip":
        return uri
    return str(parsed.with_params(transport=wanted))


def _failed(error: Exception) -> None:
    log.error("roads_bug", error=repr(error), exc_info=error)
