"""Sends the events of legs: at once, from memory, with the patience of leg events (EV-30 to EV-39).

tell() ─▶ the leg's LegQueue ─Attempt▶ a task, so many at one host ─Answered▶ LegQueue
                                └─Settled▶ dropped? once more by the fallback's LegQueue (LD-10)
                                         └▶ settled(row): into the history
"""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urlsplit

import structlog

from agentstream.base.clock import Clock
from agentstream.base.ids import AccountSid
from agentstream.hooks.event_transport import (
    EventPost,
    EventTransport,
    Outcome,
    waits_for_its_socket,
)
from agentstream.hooks.leg_queue import Answered, Attempt, LegQueue, Output, Patience, Settled, Told
from agentstream.store.legs import LegEventRow

WAITING_LIMIT: Final = 20_000  # events of all legs; full: the newest is dropped, and says so
SOCKET_LIMIT: Final = 1_000  # of an account that wait for its sockets (LD-8); likewise
SLOW_SHARE: Final = 0.7  # of the time that an attempt has: from there on we warn
_FALLBACK: Final = "fallback "  # before the key of a queue
_log = structlog.get_logger("leg_events")


@dataclass(frozen=True, slots=True)
class DeliveryRules:
    """How events are sent."""

    timeout_ms: int = 1_000  # EV-32
    patience: Patience = field(default_factory=Patience)
    at_once: int = 512
    per_host: int = 128  # so that a dead receiver leaves room for the others
    user_agent: str = "AgentStream"  # EV-35
    keeps_order: bool = True  # EV-39


@dataclass(slots=True)
class DeliveryCounts:
    """Since the start, for metrics."""

    delivered: int = 0
    failed_attempts: int = 0
    dropped: int = 0
    slow: int = 0  # acknowledged, but nearly too late
    fell_back: int = 0  # dropped by their endpoint, and told to the fallback


class LegDelivery:
    """One for a process. `settled` and `tell` return at once."""

    def __init__(
        self,
        transport: EventTransport,
        settled: Callable[[LegEventRow], None],
        clock: Clock,
        rules: DeliveryRules | None = None,
        chance: Callable[[], float] = random.random,
        fallback_of: Callable[[AccountSid], str] = lambda _: "",
    ) -> None:
        """`fallback_of` returns where an account's events go that their endpoint did not take."""
        self.counts = DeliveryCounts()
        self._transport = transport
        self._fallback_of = fallback_of
        self._settled = settled
        self._clock = clock
        self._rules = rules or DeliveryRules()
        self._chance = chance
        self._queues: dict[str, LegQueue] = {}  # by leg, or by event where order does not matter
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: Counter[str] = Counter()  # attempts by host
        self._at_once = 0  # attempts at hosts
        self._ready: dict[str, deque[tuple[str, Attempt]]] = {}  # what waits for room, by host
        self._waiting = 0
        self._by_socket: Counter[AccountSid] = Counter()  # events that go by WebSocket
        self._untaken: dict[str, LegEventRow] = {}  # by sid, while the fallback is told of them
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    @property
    def waiting(self) -> int:
        """How many events are not settled."""
        return self._waiting

    def tell(self, row: LegEventRow) -> None:
        """Send an event to its endpoint, after those of its leg that wait."""
        error = self._why_full(row)
        if error:
            self._settle(replace(row, state="dropped", error=error))
            return
        self._waiting += 1
        self._is_idle.clear()
        self._queue(row.subject if self._rules.keeps_order else row.sid, row)

    def _why_full(self, row: LegEventRow) -> str:
        if self._waiting >= WAITING_LIMIT:
            return f"{WAITING_LIMIT} events wait already"
        if waits_for_its_socket(row.endpoint) and self._by_socket[row.account_sid] >= SOCKET_LIMIT:
            return f"{SOCKET_LIMIT} events of this account wait for its sockets already"
        return ""

    def _queue(self, key: str, row: LegEventRow) -> None:
        if waits_for_its_socket(row.endpoint):
            self._by_socket[row.account_sid] += 1
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = LegQueue(self._rules.patience, self._chance)
        self._perform(key, queue.receive(Told(row), self._clock.now_ms()))

    async def stop(self, timeout_ms: int) -> None:
        """Let what waits be told, within the time; the rest keeps waiting in its rows."""
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await self._is_idle.wait()
        except TimeoutError:
            _log.warning("leg_events_given_up", waiting=self._waiting)
        for timer in self._timers.values():
            timer.cancel()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._transport.stop()

    def _perform(self, key: str, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Attempt(row=row):
                    self._try(key, output, row.endpoint)
                case Settled(row=row):
                    self._over(key, row)
        queue = self._queues[key]
        if not queue.waiting:
            del self._queues[key]
        elif queue.wake_at_ms is not None and key not in self._timers:
            rest_ms = max(0, queue.wake_at_ms - self._clock.now_ms())
            loop = asyncio.get_running_loop()
            self._timers[key] = loop.call_later(rest_ms / 1000, self._wake, key)
        if not self._waiting:
            self._is_idle.set()

    def _wake(self, key: str) -> None:
        del self._timers[key]
        queue = self._queues[key]
        self._perform(key, queue.wake(self._clock.now_ms()))

    def _over(self, key: str, row: LegEventRow) -> None:
        """Let the fallback have what an endpoint did not take, else settle it (LD-10)."""
        if waits_for_its_socket(row.endpoint):
            self._leave_socket(row.account_sid)
        first = self._untaken.pop(row.sid, None)
        if first is not None:
            row = _of_both(first, row)
        elif row.state == "dropped" and self._falls_back(key, row):
            return
        self._waiting -= 1
        self._settle(row)

    def _falls_back(self, key: str, row: LegEventRow) -> bool:
        fallback = self._fallback_of(row.account_sid)
        again = replace(row, endpoint=fallback, state="waiting", attempts=0, error="")
        if fallback in ("", row.endpoint) or self._why_full(again):
            return False
        self.counts.fell_back += 1
        self._untaken[row.sid] = row
        self._queue(_FALLBACK + key, again)
        return True

    def _leave_socket(self, account_sid: AccountSid) -> None:
        self._by_socket[account_sid] -= 1
        if not self._by_socket[account_sid]:
            del self._by_socket[account_sid]

    def _try(self, key: str, attempt: Attempt, endpoint: str) -> None:
        if waits_for_its_socket(endpoint):
            self._start(key, None, attempt)
            return
        host = _host(endpoint)
        self._ready.setdefault(host, deque()).append((key, attempt))
        self._begin(host)

    def _begin(self, host: str) -> None:
        """Begin what waits for a host, as far as there is room."""
        rules, ready = self._rules, self._ready.get(host)
        while ready and self._running[host] < rules.per_host and self._at_once < rules.at_once:
            key, attempt = ready.popleft()
            self._running[host] += 1
            self._at_once += 1
            self._start(key, host, attempt)
        if not ready:
            self._ready.pop(host, None)

    def _start(self, key: str, host: str | None, attempt: Attempt) -> None:
        task = asyncio.create_task(self._attempt(key, host, attempt), name="leg event")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _attempt(self, key: str, host: str | None, attempt: Attempt) -> None:
        try:
            outcome = await self._transport.send(_post(attempt))
        except Exception:
            # The top of a task: a bug of ours must not keep the leg's other events waiting.
            _log.exception("leg_event_broke_off", event_sid=attempt.row.sid)
            outcome = Outcome("a fault in the server")
        finally:
            self._leave(host)
        self._note(attempt, outcome)
        answer = Answered(outcome.error, outcome.is_final, self._clock.wall())
        self._perform(key, self._queues[key].receive(answer, self._clock.now_ms()))
        for waiting in tuple(self._ready):
            self._begin(waiting)

    def _leave(self, host: str | None) -> None:
        if host is not None:
            self._at_once -= 1
            self._running[host] -= 1
            if not self._running[host]:
                del self._running[host]

    def _note(self, attempt: Attempt, outcome: Outcome) -> None:
        row = attempt.row
        if outcome.error:
            self.counts.failed_attempts += 1
            _log.warning(
                "leg_event_failed",
                event_sid=row.sid,
                leg_sid=row.leg_sid,
                name=row.name,
                attempt=attempt.number,
                error=outcome.error,
            )
        elif outcome.elapsed_ms > SLOW_SHARE * self._rules.timeout_ms:
            self.counts.slow += 1
            # Acknowledge first, work then: a little slower, and it comes again or is dropped.
            _log.warning(
                "leg_event_slow",
                leg_sid=row.leg_sid,
                name=row.name,
                elapsed_ms=outcome.elapsed_ms,
            )

    def _settle(self, row: LegEventRow) -> None:
        if row.state == "delivered":
            self.counts.delivered += 1
        else:
            self.counts.dropped += 1
            _log.error(
                "leg_event_dropped",
                event_sid=row.sid,
                leg_sid=row.leg_sid,
                name=row.name,
                attempts=row.attempts,
                error=row.error,
            )
        self._settled(row)


def _post(attempt: Attempt) -> EventPost:
    row = attempt.row
    return EventPost(
        endpoint=row.endpoint,
        account_sid=row.account_sid,
        event_sid=row.sid,
        body=row.body,
        number=attempt.number,
        at=row.at,
    )


def _of_both(first: LegEventRow, second: LegEventRow) -> LegEventRow:
    """Return what became of an event that the fallback was told of after its own endpoint."""
    if second.state == "delivered":
        error = f"{first.error}; the fallback took it"
    else:
        error = f"{first.error}; the fallback: {second.error}"
    attempts = first.attempts + second.attempts
    return replace(second, endpoint=first.endpoint, attempts=attempts, error=error)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
