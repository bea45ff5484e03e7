"""Carries requests and letters out of the house: what a call waits for, and what may outlive it.

    foreground   fetch ──▶ attempts ──▶ Fetched, to the call that waits
    background   take ──▶ waiting ──▶ running ──▶ Fetched, if the call is still there
                    │        one account after the other        ErrandDone, in any case
                    └─▶ refused: too many wait

A slow server must not hold up the errands of other accounts: each has a share of what waits and of
what runs at once, and their turns go round.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable

import structlog

from agentstream.base.clock import Clock, SystemClock
from agentstream.base.errors import AgentStreamError
from agentstream.base.ids import AccountSid, RequestId
from agentstream.base.values import dataclass, replace
from agentstream.calls import effects, reports
from agentstream.calls.commands import HttpRequest, Mail
from agentstream.net.egress import EgressError
from agentstream.net.mailer import MailRefusedError
from agentstream.switch.feed import ErrandDone
from agentstream.switch.ports import Postman, Web

log = structlog.get_logger()

MAIL = "email"  # the purpose of every letter
MAIL_TAKEN = 250  # RFC 5321 section 4.2.3
MAIL_RETRIES = 2
BACKOFF_LIMIT_MS = 10_000


@dataclass(frozen=True, slots=True)
class CourierLimits:
    """How much may wait and run in the background, and how long a failed attempt rests."""

    waiting: int = 10_000
    waiting_per_account: int = 2_500
    waiting_bytes: int = 67_108_864  # of bodies and letters
    at_once: int = 64
    at_once_per_account: int = 16
    backoff_ms: int = 500  # before the second attempt; doubled before each further one


@dataclass(slots=True)
class CourierCounts:
    """What became of errands, for metrics."""

    sent: int = 0
    failed: int = 0
    refused: int = 0  # too many waited


@dataclass(frozen=True, slots=True)
class Errand:
    """Something to be carried out that nobody waits for."""

    account_sid: AccountSid
    order: effects.SendRequest | effects.DeliverMail
    egress_allow: tuple[str, ...]
    post: Callable[[reports.Fetched], None]  # to the call; it may have ended
    note: Callable[[ErrandDone], None]

    @property
    def purpose(self) -> str:
        """What it is for, for people."""
        return self.order.purpose if isinstance(self.order, effects.SendRequest) else MAIL

    @property
    def size(self) -> int:
        """Bytes, roughly."""
        order = self.order
        if isinstance(order, effects.SendRequest):
            return len(order.request.body) + len(order.request.url)
        return len(order.mail.text)


class Courier:
    """One for the house; used on one event loop."""

    def __init__(
        self,
        web: Web,
        postman: Postman,
        limits: CourierLimits | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._web = web
        self._postman = postman
        self._limits = limits or CourierLimits()
        self._clock = clock or SystemClock()
        self._waiting: dict[AccountSid, deque[Errand]] = {}  # whose turn is next comes first
        self._waiting_count = 0
        self._waiting_bytes = 0
        self._running: Counter[AccountSid] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self.counts = CourierCounts()

    @property
    def waiting(self) -> int:
        """How many errands have not begun."""
        return self._waiting_count

    @property
    def running(self) -> int:
        """How many errands are under way."""
        return len(self._tasks)

    async def fetch(
        self, request_id: RequestId, request: HttpRequest, allow: tuple[str, ...]
    ) -> reports.Fetched:
        """Ask a server as often as the request allows; whatever comes of it is in the answer."""
        began_ms = self._clock.now_ms()
        attempt = 0
        while True:
            attempt += 1
            fetched, is_final = await self._try(request_id, request, allow)
            if is_final or attempt > request.retries:
                elapsed_ms = self._clock.now_ms() - began_ms
                return replace(fetched, elapsed_ms=elapsed_ms, attempts=attempt)
            await self._rest(attempt)

    def take(self, errand: Errand) -> None:
        """Carry something out in the background; ErrandDone is told of it, also when refused."""
        limits, account = self._limits, errand.account_sid
        own = len(self._waiting.get(account, ()))
        if (
            self._is_closed
            or self._waiting_count >= limits.waiting
            or own >= limits.waiting_per_account
            or self._waiting_bytes + errand.size > limits.waiting_bytes
        ):
            self.counts.refused += 1
            why = "the server is about to stop" if self._is_closed else "too many requests wait"
            self._over(errand, reports.Fetched(errand.order.request_id, 0, attempts=0, error=why))
            return
        self._waiting.setdefault(account, deque()).append(errand)
        self._waiting_count += 1
        self._waiting_bytes += errand.size
        self._begin_what_may()

    async def drain(self, timeout_ms: int) -> None:
        """Take nothing more; finish what is there within the time, give up the rest, loudly."""
        self._is_closed = True
        deadline_ms = self._clock.now_ms() + timeout_ms
        while self._tasks:
            left_ms = deadline_ms - self._clock.now_ms()
            if left_ms <= 0:
                break
            await asyncio.wait(
                self._tasks, timeout=left_ms / 1000, return_when=asyncio.FIRST_COMPLETED
            )
        if self._waiting_count or self._tasks:
            log.warning("errands_given_up", waiting=self.waiting, running=self.running)
        waiting, self._waiting = self._waiting, {}
        self._waiting_count = self._waiting_bytes = 0
        for errand in (errand for errands in waiting.values() for errand in errands):
            self._fail(errand, "the server has stopped")
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # The background

    def _begin_what_may(self) -> None:
        while len(self._tasks) < self._limits.at_once:
            account = self._next_account()
            if account is None:
                return
            errands = self._waiting.pop(account)
            errand = errands.popleft()
            if errands:
                self._waiting[account] = errands  # at the end: now it is the others' turn
            self._waiting_count -= 1
            self._waiting_bytes -= errand.size
            self._running[account] += 1
            task = asyncio.get_running_loop().create_task(
                self._carry_out(errand), name=f"errand {errand.order.request_id}"
            )
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _next_account(self) -> AccountSid | None:
        share = self._limits.at_once_per_account
        return next((sid for sid in self._waiting if self._running[sid] < share), None)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._begin_what_may()

    async def _carry_out(self, errand: Errand) -> None:
        order = errand.order
        try:
            if isinstance(order, effects.SendRequest):
                fetched = await self.fetch(order.request_id, order.request, errand.egress_allow)
            else:
                fetched = await self._deliver(order.request_id, order.mail)
        except asyncio.CancelledError:
            self._fail(errand, "the server has stopped")
            raise
        except Exception:
            # The top of a task: a bug of ours costs this errand and no other.
            log.exception("errand_broke_off", request_id=order.request_id, purpose=errand.purpose)
            self._fail(errand, "a fault in the server")
        else:
            if fetched.status and fetched.status < 500:
                self.counts.sent += 1
            else:
                self.counts.failed += 1
            self._over(errand, fetched)
        finally:
            self._running[errand.account_sid] -= 1
            if not self._running[errand.account_sid]:
                del self._running[errand.account_sid]

    def _fail(self, errand: Errand, why: str) -> None:
        self.counts.failed += 1
        self._over(errand, reports.Fetched(errand.order.request_id, 0, attempts=0, error=why))

    def _over(self, errand: Errand, fetched: reports.Fetched) -> None:
        if isinstance(errand.order, effects.SendRequest):
            errand.post(fetched)
        errand.note(
            ErrandDone(
                fetched.request_id,
                errand.purpose,
                fetched.status,
                fetched.attempts,
                fetched.elapsed_ms,
                fetched.error,
            )
        )

    # One attempt

    async def _try(
        self, request_id: RequestId, request: HttpRequest, allow: tuple[str, ...]
    ) -> tuple[reports.Fetched, bool]:
        """Ask once; tell whether asking again is pointless."""
        try:
            answer = await self._web.send(request, allow=allow, message_id=request_id)
        except EgressError as error:  # no URL, or one that our own rules forbid
            return reports.Fetched(request_id, 0, error=str(error)), True
        except AgentStreamError as error:
            return reports.Fetched(request_id, 0, error=str(error)), False
        content_type = answer.headers.get("content-type", "")
        fetched = reports.Fetched(request_id, answer.status, content_type, answer.body)
        return fetched, answer.status < 500

    async def _deliver(self, request_id: RequestId, mail: Mail) -> reports.Fetched:
        began_ms, attempt, error = self._clock.now_ms(), 0, ""
        while attempt <= MAIL_RETRIES:
            if attempt:
                await self._rest(attempt)
            attempt += 1
            try:
                await self._postman.send(mail.to, mail.subject, mail.text)
            except MailRefusedError as refused:
                error = str(refused)
                break
            except AgentStreamError as failed:
                error = str(failed)
            else:
                error = ""
                break
        elapsed_ms = self._clock.now_ms() - began_ms
        status = 0 if error else MAIL_TAKEN
        return reports.Fetched(request_id, status, "", b"", elapsed_ms, attempt, error)

    async def _rest(self, attempts: int) -> None:
        backoff_ms = min(BACKOFF_LIMIT_MS, self._limits.backoff_ms << (attempts - 1))
        await asyncio.sleep(backoff_ms / 1000)
