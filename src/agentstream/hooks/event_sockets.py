"""Events over WebSockets that we open to the endpoint (LD-8).

we say    {"type":"event","event":{...}}
they say  {"type":"ack","event_sid":"..."}    within a second

closed ─an event waits─▶ dialling ─101─▶ open ─idle, or they close─▶ closed
             ▲               └─refused─▶ resting, 0.25 to 5 s ─┘
"""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import structlog
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from agentstream.base.clock import Clock
from agentstream.base.errors import AgentStreamError
from agentstream.base.ids import AccountSid
from agentstream.hooks.event_transport import EventPost, Outcome, told_error

SOCKETS_LIMIT: Final = 256  # of all accounts; full: one that has nothing to tell is closed
ACCOUNT_LIMIT: Final = 64  # of one account, likewise
REST_MS: Final = (250, 5_000)  # between two attempts to open a socket: the first, and the most
OPEN_MS: Final = 5_000  # for one attempt to open it
_GOING_AWAY: Final = 1001  # RFC 6455 section 7.4.1
LATE_LIMIT: Final = 1_000  # acknowledgements that came after their time; the oldest goes
_log = structlog.get_logger("event_sockets")


class Opener(Protocol):
    """The way out; `net.socket_dialler` is one."""

    async def open(self, url: str, *, timeout_ms: int, allow: tuple[str, ...]) -> ClientConnection:
        """Open a WebSocket; raises an AgentStreamError when none came about."""


@dataclass(frozen=True, slots=True)
class SocketRules:
    """How patient we are."""

    ack_ms: int = 1_000
    hold_ms: int = 30_000  # from the event, that it may wait for a socket to open
    idle_ms: int = 300_000  # without an event; then the socket is closed


@dataclass(slots=True)
class SocketCounts:
    """Since the start, for metrics."""

    opened: int = 0
    refused: int = 0  # attempts to open one


@dataclass(slots=True)
class _Means:
    """What every socket needs."""

    opener: Opener
    allow_of: Callable[[AccountSid], tuple[str, ...]]
    clock: Clock
    rules: SocketRules
    chance: Callable[[], float]
    counts: SocketCounts = field(default_factory=SocketCounts)


class SocketEvents:
    """A transport with one socket for each endpoint of each account."""

    def __init__(
        self,
        opener: Opener,
        allow_of: Callable[[AccountSid], tuple[str, ...]],
        clock: Clock,
        rules: SocketRules | None = None,
        chance: Callable[[], float] = lambda: 1.0,
    ) -> None:
        """`allow_of` returns the hosts that an account's URLs may reach in any case.

        `chance` returns a number from 0 to 1, for the jitter.
        """
        self._means = _Means(opener, allow_of, clock, rules or SocketRules(), chance)
        self._sockets: OrderedDict[tuple[AccountSid, str], _Socket] = OrderedDict()
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def counts(self) -> SocketCounts:
        """Since the start."""
        return self._means.counts

    @property
    def open_sockets(self) -> int:
        """How many are open."""
        return sum(socket.is_open for socket in self._sockets.values())

    async def send(self, post: EventPost) -> Outcome:
        """Say it once, and again over each new socket, until one is alive for `ack_ms`."""
        key = (post.account_sid, post.endpoint)
        socket = self._sockets.get(key)
        if socket is None:
            if not self._make_room(post.account_sid):
                return Outcome("too many sockets for events are at work already")
            socket = self._sockets[key] = _Socket(self._means, *key)
        self._sockets.move_to_end(key)
        return await socket.tell(post)

    async def stop(self) -> None:
        """Close every socket."""
        sockets = [self._sockets.popitem()[1].stop() for _ in range(len(self._sockets))]
        await asyncio.gather(*sockets, *self._leaving, return_exceptions=True)

    def _make_room(self, account_sid: AccountSid) -> bool:
        """Close one that has nothing to tell, if need be: of the account, or of all."""
        own = [key for key in self._sockets if key[0] == account_sid]
        if len(own) >= ACCOUNT_LIMIT:
            return self._close_one(own)
        return len(self._sockets) < SOCKETS_LIMIT or self._close_one(list(self._sockets))

    def _close_one(self, keys: Sequence[tuple[AccountSid, str]]) -> bool:
        """Close the one of these that was not used for longest."""
        for key in keys:
            if not self._sockets[key].waiting:
                task = asyncio.create_task(self._sockets.pop(key).stop(), name="close event socket")
                self._leaving.add(task)
                task.add_done_callback(self._leaving.discard)
                return True
        return False


class _Socket:
    """One endpoint's: a task opens it while something is to be told, and reads it."""

    def __init__(self, means: _Means, account_sid: AccountSid, endpoint: str) -> None:
        self.waiting = 0  # how many are telling
        self._means = means
        self._account_sid = account_sid
        self._endpoint = endpoint
        self._error = "it did not open in time"  # why it is not open
        self._acked: dict[str, asyncio.Future[bool]] = {}  # False: the socket broke
        self._late: OrderedDict[str, None] = OrderedDict()
        self._opened: asyncio.Future[ClientConnection] = _future()
        self._is_wanted = asyncio.Event()
        self._used_ms = 0
        self._failures = 0
        self._task = asyncio.create_task(self._run(), name="event socket")

    @property
    def is_open(self) -> bool:
        """Whether events can be said now."""
        return self._opened.done()

    async def tell(self, post: EventPost) -> Outcome:
        """Say an event until it is acknowledged, or not in time."""
        means, frame = self._means, f'{{"type":"event","event":{post.body}}}'  # LD-7
        self.waiting += 1
        self._is_wanted.set()
        try:
            while True:
                connection = await self._connection(self._hold_ms(post))
                if connection is None:
                    return Outcome(told_error(f"no socket: {self._error}"), is_final=True)
                self._used_ms = began_ms = means.clock.now_ms()
                error = await self._say(connection, post.event_sid, frame)
                if error is not None:
                    return Outcome(error, elapsed_ms=means.clock.now_ms() - began_ms)
                self._lose(connection)
                if self._hold_ms(post) <= 0:
                    return Outcome("the socket broke again and again", is_final=True)
        finally:
            self.waiting -= 1

    async def stop(self) -> None:
        """Close it; whoever waits is told that it is not open."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def _hold_ms(self, post: EventPost) -> int:
        """Return how long an event may still wait; at least one attempt to open is made."""
        age_ms = int((self._means.clock.wall() - post.at).total_seconds() * 1000)
        left_ms = self._means.rules.hold_ms - max(0, age_ms)
        return left_ms if self._failures else max(left_ms, OPEN_MS)

    async def _connection(self, within_ms: int) -> ClientConnection | None:
        try:
            async with asyncio.timeout(max(0, within_ms) / 1000):
                return await asyncio.shield(self._opened)
        except TimeoutError:
            return None

    async def _say(self, connection: ClientConnection, sid: str, frame: str) -> str | None:
        """Return what went wrong, "" when it was acknowledged, None when the socket broke."""
        if sid in self._late:  # of an earlier attempt
            del self._late[sid]
            return ""
        acked = self._acked[sid] = _future()
        try:
            async with asyncio.timeout(self._means.rules.ack_ms / 1000):
                await connection.send(frame)
                return "" if await acked else None
        except TimeoutError:
            return f"no acknowledgement in {self._means.rules.ack_ms} ms"
        except ConnectionClosed:
            return None
        finally:
            del self._acked[sid]

    async def _run(self) -> None:
        while True:
            await self._is_wanted.wait()
            try:
                connection = await self._means.opener.open(
                    self._endpoint,
                    timeout_ms=OPEN_MS,
                    allow=self._means.allow_of(self._account_sid),
                )
            except AgentStreamError as error:
                self._refused(str(error))
            except Exception as error:
                # The top of a task: a bug must not keep the endpoint from being dialled again.
                _log.exception("event_socket_broke_off", account_sid=self._account_sid)
                self._refused(type(error).__name__)
            else:
                await self._serve(connection)
            if not self.waiting:
                self._is_wanted.clear()
            if self._failures:
                await asyncio.sleep(rest_ms(self._failures, self._means.chance()) / 1000)

    def _refused(self, error: str) -> None:
        self._failures += 1
        self._means.counts.refused += 1
        self._error = told_error(error)
        _log.warning("event_socket_refused", account_sid=self._account_sid, error=self._error)

    async def _serve(self, connection: ClientConnection) -> None:
        self._means.counts.opened += 1
        self._failures += 1  # until something is acknowledged: it may open and close for ever
        self._used_ms = self._means.clock.now_ms()
        self._opened.set_result(connection)
        _log.info("event_socket_opened", account_sid=self._account_sid)
        try:
            await self._read(connection)
        except ConnectionClosed as closed:
            self._error = told_error(str(closed))
            _log.info("event_socket_closed", account_sid=self._account_sid, error=self._error)
        finally:
            self._lose(connection)
            for acked in self._acked.values():
                if not acked.done():
                    acked.set_result(False)
            await connection.close(_GOING_AWAY)

    def _lose(self, connection: ClientConnection) -> None:
        """Let nobody say more over a socket that broke."""
        if self._opened.done() and self._opened.result() is connection:
            self._opened = _future()

    async def _read(self, connection: ClientConnection) -> None:
        """Take acknowledgements until the socket closes, or has told nothing for long."""
        idle_ms = self._means.rules.idle_ms
        while True:
            rest_ms = self._used_ms + idle_ms - self._means.clock.now_ms()
            if rest_ms <= 0 and not self.waiting:
                self._failures = 0
                return
            try:
                async with asyncio.timeout(max(rest_ms, 1) / 1000):
                    said = await connection.recv()
            except TimeoutError:
                continue
            sid = acknowledged(said)
            if sid:
                self._failures = 0
                self._take(sid)

    def _take(self, sid: str) -> None:
        acked = self._acked.get(sid)
        if acked is not None and not acked.done():
            acked.set_result(True)
        elif acked is None:
            self._late[sid] = None
            if len(self._late) > LATE_LIMIT:
                self._late.popitem(last=False)


def rest_ms(failures: int, chance: float) -> int:
    """Return how long to rest before a socket is dialled again: half of it is chance."""
    least, most = REST_MS
    whole: int = min(most, least * 2 ** min(max(failures - 1, 0), 10))
    return round(whole * (0.5 + chance / 2))


def acknowledged(said: str | bytes) -> str:
    """Return the event that a message acknowledges; "" for any other message."""
    try:
        message: Any = json.loads(said)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(message, dict) or message.get("type") != "ack":
        return ""
    sid = message.get("event_sid")
    return sid if isinstance(sid, str) else ""


def _future() -> Any:  # noqa: ANN401  (a future of whatever it is kept as)
    return asyncio.get_running_loop().create_future()
