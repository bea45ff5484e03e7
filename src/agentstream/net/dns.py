"""Names to addresses by the system's own resolver (hosts file, search domains), kept for a while.

The system call blocks, so it runs on a few threads of its own; askers of one name share one call.
"""

import asyncio
import ipaddress
import socket
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from agentstream.base.clock import Clock, SystemClock
from agentstream.base.errors import BusyError, PeerError
from agentstream.base.values import dataclass

Ask = Callable[[str], tuple[str, ...]]
_HOST_LIMIT = 253  # RFC 1035 §2.3.4


class DnsError(PeerError):
    """A name without an address, or a resolver that does not answer."""


@dataclass(frozen=True, slots=True)
class DnsLimits:
    """Bounds; times in milliseconds."""

    timeout_ms: int = 4_000
    keep_ms: int = 30_000  # bots move by DNS: no longer than a usual short TTL
    keep_failure_ms: int = 2_000
    names: int = 1_024  # full: the name not asked for longest goes
    at_once: int = 64  # names being looked up; beyond it BusyError
    threads: int = 8


@dataclass(frozen=True, slots=True)
class _Known:
    until_ms: int
    addresses: tuple[str, ...]
    error: str = ""


def ask_system(host: str) -> tuple[str, ...]:
    """Return the addresses that the system knows, in its order (RFC 6724); raises OSError."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    # A link-local IPv6 address comes with its zone, which nothing after us understands.
    return tuple(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))


class Resolver:
    """A cache in front of the system's resolver. Make it and use it on one event loop."""

    def __init__(
        self, limits: DnsLimits | None = None, ask: Ask = ask_system, clock: Clock | None = None
    ) -> None:
        self._limits = limits or DnsLimits()
        self._ask = ask
        self._clock = clock or SystemClock()
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._asked: dict[str, asyncio.Future[tuple[str, ...]]] = {}
        self._threads = ThreadPoolExecutor(self._limits.threads, "dns")

    async def lookup(self, host: str) -> tuple[str, ...]:
        """Return the addresses of a name (an address is its own), best first.

        Raises DnsError when there is none in time, BusyError when too many names are being asked.
        """
        try:
            return (str(ipaddress.ip_address(host)),)
        except ValueError:
            pass
        if not 0 < len(host) <= _HOST_LIMIT:
            raise DnsError("a host name has 1 to 253 characters")
        known = self._known.get(host)
        if known is None or known.until_ms <= self._clock.now_ms():
            known = await self._find(host)
        self._known.move_to_end(host)
        if known.error:
            raise DnsError(f"{host} has no address: {known.error}")
        return known.addresses

    def close(self) -> None:
        """Ask no more; calls that are stuck in the system end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _find(self, host: str) -> _Known:
        asked = self._asked.get(host)
        if asked is None:
            if len(self._asked) >= self._limits.at_once:
                raise BusyError("too many names are being looked up")
            loop = asyncio.get_running_loop()
            asked = loop.run_in_executor(self._threads, self._ask, host)
            self._asked[host] = asked
            asked.add_done_callback(lambda done: self._learn(host, done))
        try:
            async with asyncio.timeout(self._limits.timeout_ms / 1000):
                await asyncio.wait([asked])
        except TimeoutError as error:
            raise DnsError(f"{host} was not resolved in {self._limits.timeout_ms} ms") from error
        return self._known[host] if host in self._known else self._learn(host, asked)

    def _learn(self, host: str, done: asyncio.Future[tuple[str, ...]]) -> _Known:
        self._asked.pop(host, None)
        known = self._judge(done)
        self._known[host] = known
        while len(self._known) > self._limits.names:
            self._known.popitem(last=False)
        return known

    def _judge(self, done: asyncio.Future[tuple[str, ...]]) -> _Known:
        now_ms = self._clock.now_ms()
        failed_until_ms = now_ms + self._limits.keep_failure_ms
        if done.cancelled():
            return _Known(failed_until_ms, (), "the resolver was closed")
        error = done.exception()
        if isinstance(error, OSError | UnicodeError):
            text = getattr(error, "strerror", None) or str(error)
            return _Known(failed_until_ms, (), text)
        addresses = done.result()  # anything else is a bug, and is raised here
        if not addresses:
            return _Known(failed_until_ms, (), "none was given")
        return _Known(now_ms + self._limits.keep_ms, addresses)
