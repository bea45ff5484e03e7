"""Sends the events of legs: at once, from memory, with the patience of leg events (EV-30 to EV-39).

tell() ─▶ the leg's LegQueue ─Attempt▶ a task, so many at one host ─Answered▶ LegQueue
                                └─Settled▶ settled(row): into the history
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
from agentstream.calls.commands import HttpRequest
from agentstream.hooks.leg_queue import Answered, Attempt, LegQueue, Output, Patience, Settled, Told
from agentstream.hooks.posting import Sender, post
from agentstream.store.legs import LegEventRow

WAITING_LIMIT: Final = 20_000  # events of all legs; full: the newest is dropped, and says so
ANSWER_LIMIT: Final = 65_536  # bytes; nobody reads them (EV-31)
ERROR_LIMIT: Final = 300  # characters of what is kept of a failure
SLOW_SHARE: Final = 0.7  # of the time that an attempt has: from there on we warn
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


class LegDelivery:
    """One for a process. `settled` and `tell` return at once."""

    def __init__(
        self,
        web: Sender,
        allow_of: Callable[[AccountSid], tuple[str, ...]],
        settled: Callable[[LegEventRow], None],
        clock: Clock,
        rules: DeliveryRules | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`allow_of` returns the hosts that an account's URLs may reach in any case."""
        self.counts = DeliveryCounts()
        self._web = web
        self._allow_of = allow_of
        self._settled = settled
        self._clock = clock
        self._rules = rules or DeliveryRules()
        self._chance = chance
        self._queues: dict[str, LegQueue] = {}  # by leg, or by event where order does not matter
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: Counter[str] = Counter()  # attempts by host
        self._ready: dict[str, deque[tuple[str, Attempt]]] = {}  # what waits for room, by host
        self._waiting = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    @property
    def waiting(self) -> int:
        """How many events are not settled."""
        return self._waiting

    def tell(self, row: LegEventRow) -> None:
        """Send an event to its endpoint, after those of its leg that wait."""
        if self._waiting >= WAITING_LIMIT:
            error = f"{WAITING_LIMIT} events wait already"
            self._settle(replace(row, state="dropped", error=error))
            return
        key = row.subject if self._rules.keeps_order else row.sid
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = LegQueue(self._rules.patience, self._chance)
        self._waiting += 1
        self._is_idle.clear()
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

    def _perform(self, key: str, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Attempt(row=row):
                    host = _host(row.endpoint)
                    self._ready.setdefault(host, deque()).append((key, output))
                    self._begin(host)
                case Settled(row=row):
                    self._waiting -= 1
                    self._settle(row)
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

    def _begin(self, host: str) -> None:
        """Begin what waits for a host, as far as there is room."""
        rules, ready = self._rules, self._ready.get(host)
        while ready and self._running[host] < rules.per_host and len(self._tasks) < rules.at_once:
            key, attempt = ready.popleft()
            self._running[host] += 1
            task = asyncio.create_task(self._attempt(key, host, attempt), name="leg event")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if not ready:
            self._ready.pop(host, None)

    async def _attempt(self, key: str, host: str, attempt: Attempt) -> None:
        began_ms = self._clock.now_ms()
        try:
            status, error = await self._send(attempt)
        except Exception:
            # The top of a task: a bug of ours must not keep the leg's other events waiting.
            _log.exception("leg_event_broke_off", event_sid=attempt.row.sid)
            status, error = 0, "a fault in the server"
        finally:
            self._running[host] -= 1
            if not self._running[host]:
                del self._running[host]
        self._note(attempt, status, error, self._clock.now_ms() - began_ms)
        answer = Answered(status, error, self._clock.wall())
        # This task is over, but still counts: the next of the leg may take its place.
        task = asyncio.current_task()
        assert task is not None
        self._tasks.discard(task)
        self._perform(key, self._queues[key].receive(answer, self._clock.now_ms()))
        for waiting in tuple(self._ready):
            self._begin(waiting)

    async def _send(self, attempt: Attempt) -> tuple[int, str]:
        """Return the status, 0 if no answer came, and what went wrong."""
        row, rules = attempt.row, self._rules
        request = HttpRequest(
            row.endpoint,
            "POST",
            headers=(
                ("User-Agent", rules.user_agent),
                ("X-Exotel-Event-Sid", row.sid),
                ("X-Exotel-Request-Id", f"{row.sid}-{attempt.number}"),
            ),
            body=row.body,
            content_type="application/json",
            timeout_ms=rules.timeout_ms,
            max_bytes=ANSWER_LIMIT,
        )
        return await post(
            self._web,
            request,
            allow=self._allow_of(row.account_sid),
            message_id=row.sid,
            error_chars=ERROR_LIMIT,
        )

    def _note(self, attempt: Attempt, status: int, error: str, elapsed_ms: int) -> None:
        row = attempt.row
        if error:
            self.counts.failed_attempts += 1
            _log.warning(
                "leg_event_failed",
                event_sid=row.sid,
                leg_sid=row.leg_sid,
                name=row.name,
                attempt=attempt.number,
                status=status,
                error=error,
            )
        elif elapsed_ms > SLOW_SHARE * self._rules.timeout_ms:
            self.counts.slow += 1
            # Acknowledge first, work then: a little slower, and it comes again or is dropped.
            _log.warning(
                "leg_event_slow", leg_sid=row.leg_sid, name=row.name, elapsed_ms=elapsed_ms
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


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
