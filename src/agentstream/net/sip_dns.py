"""The questions of RFC 3263 put to real name servers (dnspython), beside the system's resolver.

Answers are kept for as long as their TTL says, between a floor and a ceiling; that there is none is
kept as well (RFC 2308), and so is, for a moment, that nobody answered. Askers of one record share
one question.
"""

import asyncio
from collections import OrderedDict
from functools import partial

import dns.asyncresolver
import dns.exception
import dns.rdatatype
import dns.resolver
from dns.rdtypes.IN.NAPTR import NAPTR
from dns.rdtypes.IN.SRV import SRV

from agentstream.base.clock import Clock, SystemClock
from agentstream.base.errors import BusyError
from agentstream.base.values import dataclass
from agentstream.net.dns import DnsError, Resolver
from agentstream.net.locate import Naptr, Srv


@dataclass(frozen=True, slots=True)
class SipDnsLimits:
    """Bounds; times in milliseconds."""

    timeout_ms: int = 2_000  # for NAPTR and SRV each; the system's resolver has its own
    keep_least_ms: int = 5_000  # a TTL of 0 must not let each call ask
    keep_most_ms: int = 300_000  # a carrier that moves is followed within this
    keep_none_ms: int = 30_000  # that there is no such record
    keep_failure_ms: int = 2_000  # that nobody answered
    records: int = 1_024  # full: the one not asked for longest goes
    at_once: int = 64  # being asked; beyond it BusyError


_Key = tuple[str, dns.rdatatype.RdataType]


@dataclass(frozen=True, slots=True)
class _Known:
    until_ms: int
    answer: tuple[object, ...]
    error: str = ""


class SystemSipDns:
    """See `locate.SipDns`. Make it and use it on one event loop."""

    def __init__(
        self,
        resolver: Resolver,
        asker: dns.asyncresolver.Resolver | None = None,
        clock: Clock | None = None,
        limits: SipDnsLimits | None = None,
    ) -> None:
        self._resolver = resolver
        self._asker = asker
        self._clock = clock or SystemClock()
        self._limits = limits or SipDnsLimits()
        self._known: OrderedDict[_Key, _Known] = OrderedDict()
        self._asked: dict[_Key, asyncio.Task[_Known]] = {}

    async def naptr(self, name: str) -> tuple[Naptr, ...]:
        """Return the NAPTR records of a name."""
        answer = await self._ask(name, dns.rdatatype.NAPTR)
        return tuple(
            Naptr(
                one.order,
                one.preference,
                _text(one.flags),
                _text(one.service),
                one.replacement.to_text(omit_final_dot=True),
            )
            for one in answer
            if isinstance(one, NAPTR)
        )

    async def srv(self, name: str) -> tuple[Srv, ...]:
        """Return the SRV records of a name."""
        answer = await self._ask(name, dns.rdatatype.SRV)
        return tuple(
            Srv(
                one.priority,
                one.weight,
                one.port,
                one.target.to_text(omit_final_dot=True).strip("."),
            )
            for one in answer
            if isinstance(one, SRV)
        )

    async def addresses(self, name: str) -> tuple[str, ...]:
        """Return the addresses of a name, best first."""
        return await self._resolver.lookup(name)

    def close(self) -> None:
        """Ask no more; whoever waits is cancelled."""
        for task in self._asked.values():
            task.cancel()

    async def _ask(self, name: str, kind: dns.rdatatype.RdataType) -> tuple[object, ...]:
        key = name.lower().rstrip("."), kind
        known = self._known.get(key)
        if known is None or known.until_ms <= self._clock.now_ms():
            known = await self._find(key)
        else:
            self._known.move_to_end(key)
        if known.error:
            raise DnsError(known.error)
        return known.answer

    async def _find(self, key: _Key) -> _Known:
        asked = self._asked.get(key)
        if asked is None:
            if len(self._asked) >= self._limits.at_once:
                raise BusyError("too many names are being looked up")
            asked = asyncio.get_running_loop().create_task(self._question(*key), name="sip dns")
            self._asked[key] = asked
            asked.add_done_callback(partial(self._learn, key))
        # One asker who is cancelled must not take the answer from the others.
        return await asyncio.shield(asked)

    def _learn(self, key: _Key, done: asyncio.Task[_Known]) -> None:
        self._asked.pop(key, None)
        if done.cancelled() or done.exception() is not None:
            return
        self._known[key] = done.result()
        self._known.move_to_end(key)
        while len(self._known) > self._limits.records:
            self._known.popitem(last=False)

    async def _question(self, name: str, kind: dns.rdatatype.RdataType) -> _Known:
        limits = self._limits
        try:
            if self._asker is None:
                self._asker = dns.asyncresolver.Resolver()  # reads /etc/resolv.conf
            answer = await self._asker.resolve(name, kind, lifetime=limits.timeout_ms / 1000)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return _Known(self._clock.now_ms() + limits.keep_none_ms, ())
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            text = f"{name} was not resolved: {error}"
            return _Known(self._clock.now_ms() + limits.keep_failure_ms, (), text)
        ttl_ms = answer.rrset.ttl * 1000 if answer.rrset is not None else 0
        keep_ms = min(max(ttl_ms, limits.keep_least_ms), limits.keep_most_ms)
        return _Known(self._clock.now_ms() + keep_ms, tuple(answer))


def _text(value: bytes) -> str:
    return value.decode("ascii", "replace")
