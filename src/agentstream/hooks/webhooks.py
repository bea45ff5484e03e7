"""Webhooks: what lies in the outbox goes to the customers' servers, in order, at least once.

outbox ─claim─▶ attempts, so many at once and at one host ─▶ outcomes ─settle─▶ outbox
  ▲ wake(): something was written                                │
  └──── each POLL_MS: what is due again, other processes' ◀──────┘

Nothing but what is being attempted is in memory. A crash loses no webhook: one that was claimed is
claimed again, later; its receiver may then have got it twice, with the same name.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from agentstream.base.clock import Clock
from agentstream.base.ids import AccountSid
from agentstream.calls.commands import HttpRequest
from agentstream.hooks.posting import Sender, post
from agentstream.store.outbox import Census, Claim, Outbox, Outcome
from agentstream.store.protocols import StoreError
from agentstream.store.values import Webhook

POLL_MS = 2_000
CENSUS_MS = 5_000
CLAIM_SPARE_MS = 5_000  # beyond an attempt's own time, until somebody else may try
DATABASE_REST_MS = 1_000  # before a database that did not answer is asked again
ANSWER_LIMIT: Final = 1_048_576  # bytes; nobody reads them, but some servers send a page
ERROR_LIMIT: Final = 500  # characters of what is kept of a failure
_log = structlog.get_logger("webhooks")


@dataclass(frozen=True, slots=True)
class DeliveryRules:
    """How patient we are (CB-11), and how much is done at once."""

    timeout_ms: int = 15_000
    retry_ms: tuple[int, ...] = (300_000, 900_000)  # after the first failure, the second ...
    at_once: int = 32
    per_host: int = 8  # so that a dead receiver leaves room for the others
    keeps_delivered: bool = False


@dataclass(slots=True)
class WebhookCounts:
    """Since the start, for metrics."""

    delivered: int = 0
    failed_attempts: int = 0
    died: int = 0


class Deliverer:
    """One for a process; `run` is the task of whoever owns it."""

    def __init__(
        self,
        outbox: Outbox,
        web: Sender,
        allow_of: Callable[[AccountSid], tuple[str, ...]],
        clock: Clock,
        rules: DeliveryRules | None = None,
    ) -> None:
        """`allow_of` returns the hosts that an account's URLs may reach in any case."""
        self.counts = WebhookCounts()
        self.census = Census()
        self._outbox = outbox
        self._web = web
        self._allow_of = allow_of
        self._clock = clock
        self._rules = rules or DeliveryRules()
        self._counted_ms: int | None = None
        self._is_cut_off = False  # the database did not answer the last time
        self._attempts: dict[asyncio.Task[None], str] = {}  # and the host of each
        self._outcomes: list[Outcome] = []  # not in the database yet
        self._woken = asyncio.Event()
        self._begins_until_ms: int | None = None  # once it is to stop
        self._is_drained = False  # a look after `stop` found nothing to begin
        self._has_stopped = asyncio.Event()
        self._has_stopped.set()

    @property
    def oldest_s(self) -> int:
        """How long the oldest that waits has waited, in seconds; 0: none does."""
        oldest_at = self.census.oldest_at
        return 0 if oldest_at is None else int((self._clock.wall() - oldest_at).total_seconds())

    @property
    def running(self) -> int:
        """How many attempts are under way."""
        return len(self._attempts)

    def wake(self) -> None:
        """Look into the outbox now."""
        self._woken.set()

    async def run(self) -> None:
        """Deliver until `stop`."""
        self._has_stopped.clear()
        try:
            while True:
                self._woken.clear()
                rest_ms = await self._turn()
                if self._is_over():
                    return
                await self._pause(rest_ms)
        finally:
            self._has_stopped.set()
            await self._give_up()

    async def stop(self, timeout_ms: int = 5_000) -> None:
        """Deliver what is due, within the time, and write down what became of it.

        Nothing is begun in the second half of the time. An attempt that is given up is made again,
        by whoever runs then.
        """
        self._begins_until_ms = self._clock.now_ms() + timeout_ms // 2
        self.wake()
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await self._has_stopped.wait()
        except TimeoutError:
            _log.warning("webhooks_given_up", running=self.running, unwritten=len(self._outcomes))
            await self._give_up()

    def _is_over(self) -> bool:
        if self._begins_until_ms is None or self._attempts or self._outcomes:
            return False
        return self._is_drained or not self._may_begin()

    def _may_begin(self) -> bool:
        return self._begins_until_ms is None or self._clock.now_ms() < self._begins_until_ms

    async def _give_up(self) -> None:
        tasks = tuple(self._attempts)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _turn(self) -> int:
        """Settle, claim, count; returns how long to rest if nobody wakes us."""
        try:
            await self._settle()
            if self._may_begin():
                # A look that began before the stop may have missed what was written until then.
                is_last = self._begins_until_ms is not None
                self._is_drained = await self._begin_what_may() == 0 and is_last
                await self._count()
        except StoreError as error:
            if not self._is_cut_off:
                _log.warning("outbox_does_not_answer", error=str(error))
            self._is_cut_off = True
        except Exception:
            # The top of a task: the next look may find what this one could not.
            _log.exception("outbox_broke_off")
        else:
            self._is_cut_off = False
            return POLL_MS
        return DATABASE_REST_MS

    async def _settle(self) -> None:
        outcomes = tuple(self._outcomes)
        if outcomes:
            await self._outbox.settle(outcomes, keep=self._rules.keeps_delivered)
            del self._outcomes[: len(outcomes)]

    async def _begin_what_may(self) -> int:
        """Begin attempts where there is room; returns how many."""
        rules = self._rules
        # An outcome that the database does not take holds its place: it would be claimed again.
        room = rules.at_once - len(self._attempts) - len(self._outcomes)
        if room <= 0:
            return 0
        now = self._clock.wall()
        until = now + timedelta(milliseconds=rules.timeout_ms + CLAIM_SPARE_MS)
        running = Counter(self._attempts.values())
        found = await self._outbox.claim(Claim(now, until, room, rules.per_host, running))
        for webhook in found:
            task = asyncio.create_task(self._attempt(webhook), name=f"webhook {webhook.sid}")
            self._attempts[task] = webhook.host
            task.add_done_callback(self._ended)
        return len(found)

    async def _count(self) -> None:
        now_ms = self._clock.now_ms()
        if self._counted_ms is None or now_ms - self._counted_ms >= CENSUS_MS:
            self.census = await self._outbox.census()
            self._counted_ms = now_ms

    async def _pause(self, rest_ms: int) -> None:
        try:
            async with asyncio.timeout(rest_ms / 1000):
                await self._woken.wait()
        except TimeoutError:
            pass

    # One attempt

    async def _attempt(self, webhook: Webhook) -> None:
        try:
            status, error = await self._send(webhook)
        except Exception:
            # The top of a task: a bug of ours must not make this one be tried for ever.
            _log.exception("webhook_broke_off", webhook=webhook.sid)
            status, error = 0, "a fault in the server"
        now, failed = self._clock.wall(), webhook.attempts
        retry_ms = self._rules.retry_ms[failed] if failed < len(self._rules.retry_ms) else None
        next_at = None if retry_ms is None else now + timedelta(milliseconds=retry_ms)
        outcome = Outcome(webhook, now, status, error, next_at if error else None)
        self._outcomes.append(outcome)
        self._tell(outcome)

    async def _send(self, webhook: Webhook) -> tuple[int, str]:
        """Return the status, 0 if no answer came, and what went wrong."""
        request = HttpRequest(
            webhook.url,
            "POST",
            # Also when nothing is signed: by it a receiver knows a repetition.
            headers=(("webhook-id", webhook.sid),),
            body=webhook.body,
            content_type=webhook.content_type,
            timeout_ms=self._rules.timeout_ms,
            max_bytes=ANSWER_LIMIT,
        )
        return await post(
            self._web,
            request,
            allow=self._allow_of(webhook.account_sid),
            message_id=webhook.sid,
            error_chars=ERROR_LIMIT,
        )

    def _tell(self, outcome: Outcome) -> None:
        if not outcome.error:
            self.counts.delivered += 1
            return
        webhook = outcome.webhook
        self.counts.failed_attempts += 1
        self.counts.died += outcome.state == "dead"
        _log.warning(
            "webhook_dead" if outcome.state == "dead" else "webhook_failed",
            webhook=webhook.sid,
            call_sid=webhook.subject,
            host=webhook.host,
            attempt=webhook.attempts + 1,
            status=outcome.status,
            error=outcome.error,
        )

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._attempts[task]
        self.wake()
