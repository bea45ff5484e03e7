"""Which roads are up (SIP-51): whom to ask by OPTIONS and when, and what answers and calls show.

UNKNOWN, counted as up --N failures in a row--> DOWN --one success--> UP
calls that got no answer: the road rests for a short time, asked or not (RFC 3263 §4.3)
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from agentstream.base.ids import Tokens
from agentstream.base.values import dataclass
from agentstream.sip.signaling import ProbePlan
from agentstream.sip.timers import Alarm, WakeQueue
from agentstream.switch.road_states import Outcome

DOWN_AFTER: Final = 3  # failures in a row
AGAIN_MS: Final = 5_000  # after a failure that is not yet the last: is it down, or was it the net?
REST_MS: Final = 10_000  # after a call that got no answer; twice and three times it after more
REST_STEPS: Final = 3
WANTED_REST_MS: Final = 300_000  # the longest Retry-After that is believed
REFUSALS: Final = 3  # 5xx in a row: one may be about the number, several are about the road
ROADS_LIMIT: Final = (
    4_096  # watched, or resting; beyond, more are not watched, the oldest forgotten
)
SILENT: Final = 0  # a status: no final answer came


@dataclass(frozen=True, slots=True)
class WatchedRoad:
    """A road to ask, by its key: see `road_states`."""

    key: str
    plan: ProbePlan
    interval_ms: int  # 0: never asked; only what calls show counts
    busy_is_down: bool = False  # 503 is an answer, but one that counts as none


@dataclass(frozen=True, slots=True)
class Watch:
    """Ask these from now on, and no others."""

    roads: tuple[WatchedRoad, ...]


@dataclass(frozen=True, slots=True)
class RoadAnswered:
    """What came of an `AskRoad`; `status` 0: nothing."""

    key: str
    status: int
    text: str
    elapsed_ms: int


@dataclass(frozen=True, slots=True)
class CallTried:
    """What became of a call by this road; once per attempt."""

    key: str
    outcome: Outcome
    rest_ms: int = 0  # how long it wants to be left alone; 0: it does not say


@dataclass(frozen=True, slots=True)
class AskRoad:
    """Send OPTIONS; one `RoadAnswered` must follow."""

    road: WatchedRoad


@dataclass(frozen=True, slots=True)
class RoadChanged:
    """A road went down, or came up after `for_ms` in the other state."""

    key: str
    is_up: bool
    status: int
    text: str
    for_ms: int


WatchInput = Watch | RoadAnswered | CallTried
WatchOutput = AskRoad | RoadChanged


@dataclass(slots=True)
class RoadRecord:
    """What is known of one watched road."""

    road: WatchedRoad
    since_ms: int  # of `is_up`
    wake_at_ms: int | None = None  # when to ask
    alarm: Alarm | None = None
    is_up: bool = True
    is_asking: bool = False
    failures: int = 0  # in a row
    status: int | None = None  # of the last answer; None: not yet asked
    text: str = ""
    round_trip_ms: int | None = None  # of the last answer


@dataclass(slots=True)
class _Rest:
    """The failures in a row of calls by one road, and until when it is left alone."""

    failures: int = 0
    until_ms: int = 0
    is_wanted: bool = False  # by the road itself: that it answers OPTIONS is no news


@dataclass(slots=True)
class WatchCounts:
    """Since the start, for metrics."""

    answered: int = 0
    unanswered: int = 0
    went_down: int = 0
    came_up: int = 0
    rested: int = 0
    not_watched: int = 0  # beyond the limit, at the last `Watch`


class RoadWatch:
    """A Machine[WatchInput, WatchOutput]."""

    def __init__(self, tokens: Tokens) -> None:
        self.records: dict[str, RoadRecord] = {}
        self.counts = WatchCounts()
        self._tokens = tokens
        self._queue = WakeQueue()
        self._rests: OrderedDict[str, _Rest] = OrderedDict()

    @property
    def wake_at_ms(self) -> int | None:
        """When the next road is to be asked."""
        return self._queue.wake_at_ms

    def receive(self, happening: WatchInput, now_ms: int) -> list[WatchOutput]:
        """Take one happening; return what follows."""
        match happening:
            case Watch(roads):
                self._watch(roads, now_ms)
                return []
            case RoadAnswered():
                return self._answered(happening, now_ms)
            case CallTried(key, outcome, rest_ms):
                self._tried(key, outcome, min(rest_ms, WANTED_REST_MS), now_ms)
                return []

    def wake(self, now_ms: int) -> list[WatchOutput]:
        """Ask the roads whose time has come."""
        asked: list[WatchOutput] = []
        for sleeper in self._queue.due(now_ms):
            assert isinstance(sleeper, RoadRecord)  # nobody else sleeps here
            sleeper.wake_at_ms, sleeper.is_asking = None, True
            asked.append(AskRoad(sleeper.road))
        return asked

    def is_up(self, key: str, now_ms: int) -> bool:
        """Tell whether calls should take this road; one that nobody knows is up."""
        known = self.records.get(key)
        return (known is None or known.is_up) and not self.rests_until_ms(key, now_ms)

    def rests_until_ms(self, key: str, now_ms: int) -> int:
        """Return until when a road rests after a call's failure; 0: it does not."""
        rest = self._rests.get(key)
        return rest.until_ms if rest is not None and rest.until_ms > now_ms else 0

    def _watch(self, roads: Iterable[WatchedRoad], now_ms: int) -> None:
        before, self.records = self.records, {}
        self.counts.not_watched = 0
        for road in roads:
            if len(self.records) >= ROADS_LIMIT:
                self.counts.not_watched += 1
                continue
            known = before.pop(road.key, None)
            if known is None or known.road != road:
                known = self._renewed(known, road, now_ms)
            self.records[road.key] = known
        for gone in before.values():
            self._queue.forget(gone)

    def _renewed(self, known: RoadRecord | None, road: WatchedRoad, now_ms: int) -> RoadRecord:
        if known is None:
            known = RoadRecord(road, now_ms)
        known.road = road
        if not road.interval_ms:
            known.wake_at_ms = None
            if not known.is_up:  # nobody would ever say that it is again
                known.is_up, known.since_ms, known.failures = True, now_ms, 0
        elif not known.is_asking:
            # The first time of many is spread, so that they are not asked all at once.
            spread_ms = min(road.interval_ms, AGAIN_MS)
            known.wake_at_ms = now_ms + int(self._tokens.hex(4), 16) % spread_ms
        self._queue.watch(known)
        return known

    def _answered(self, answered: RoadAnswered, now_ms: int) -> list[WatchOutput]:
        known = self.records.get(answered.key)
        if known is None or not known.is_asking:
            return []
        road = known.road
        known.is_asking = False
        known.status, known.text = answered.status, answered.text
        is_alive = answered.status != SILENT and not (answered.status == 503 and road.busy_is_down)
        if is_alive:
            self.counts.answered += 1
            known.failures, known.round_trip_ms = 0, answered.elapsed_ms
            if not (rest := self._rests.get(road.key)) or not rest.is_wanted:
                self._rests.pop(road.key, None)
        else:
            self.counts.unanswered += 1
            known.failures += 1
        is_doubted = not is_alive and known.is_up and known.failures < DOWN_AFTER
        if road.interval_ms:
            wait_ms = min(road.interval_ms, AGAIN_MS) if is_doubted else road.interval_ms
            known.wake_at_ms = now_ms + wait_ms
            self._queue.watch(known)
        if is_doubted or is_alive is known.is_up:
            return []
        return [self._changed(known, now_ms, is_up=is_alive)]

    def _changed(self, known: RoadRecord, now_ms: int, *, is_up: bool) -> RoadChanged:
        for_ms = now_ms - known.since_ms
        known.is_up, known.since_ms = is_up, now_ms
        if is_up:
            self.counts.came_up += 1
        else:
            self.counts.went_down += 1
        return RoadChanged(known.road.key, is_up, known.status or SILENT, known.text, for_ms)

    def _tried(self, key: str, outcome: Outcome, wanted_ms: int, now_ms: int) -> None:
        rest = self._rests.pop(key, None)
        if outcome == "reached":
            return
        if rest is None:
            rest = _Rest()
        self._rests[key] = rest
        if len(self._rests) > ROADS_LIMIT:
            self._rests.popitem(last=False)
        rest.failures += 1
        if outcome == "refused" and rest.failures < REFUSALS and not wanted_ms:
            return
        self.counts.rested += 1
        rest.is_wanted = bool(wanted_ms)
        usual_ms = REST_MS * min(rest.failures, REST_STEPS)
        rest.until_ms = max(rest.until_ms, now_ms + (wanted_ms or usual_ms))
