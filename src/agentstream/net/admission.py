"""Who may send us anything at all: address lists and rates per source, before a byte is parsed."""

from collections import OrderedDict
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from agentstream.base.errors import ConfigError
from agentstream.base.values import dataclass

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """Rates are messages per second; 0 switches a rate off."""

    rate_per_s: int = 200  # one source that is in no list
    burst: int = 400
    listed_rate_per_s: int = 0  # one source in the allow list (a carrier sends many calls)
    listed_burst: int = 4_000
    sources: int = 16_384  # buckets remembered; beyond, the one unused longest is forgotten


@dataclass(slots=True)
class AdmissionCounters:
    """What was turned away, and why."""

    admitted: int = 0
    denied: int = 0
    unlisted: int = 0
    too_fast: int = 0
    forgotten: int = 0


class Admission:
    """Pure: tells whether a message or connection from an address may come in at this time.

    `deny` wins over `allow`; an empty `allow` lets every address in that is not denied. An IPv6
    source counts as its /64, since that is what one subscriber has.
    """

    def __init__(
        self,
        allow: Iterable[str] = (),
        deny: Iterable[str] = (),
        limits: AdmissionLimits | None = None,
        *,
        only_listed: bool = True,
    ) -> None:
        self._allow = [_network(text) for text in allow]
        self._deny = [_network(text) for text in deny]
        self._limits = limits or AdmissionLimits()
        self._only_listed = only_listed and bool(self._allow)
        self._sources: OrderedDict[str, _Source] = OrderedDict()
        self.counters = AdmissionCounters()

    def admits(self, host: str, now_ms: int) -> bool:
        """Take one message of `host` (a numeric address) into account; tell whether to read it."""
        key = _subscriber(host) if ":" in host else host
        source = self._sources.get(key)
        if source is None:
            source = self._sources[key] = self._new_source(host, now_ms)
            if len(self._sources) > self._limits.sources:
                self._sources.popitem(last=False)
                self.counters.forgotten += 1
        else:
            self._sources.move_to_end(key)
        return self._take(source, now_ms)

    def is_listed(self, host: str) -> bool:
        """Tell whether an address stands in the allow list."""
        return _is_in(host, self._allow)

    def _new_source(self, host: str, now_ms: int) -> "_Source":
        limits = self._limits
        if _is_in(host, self._deny):
            return _Source("denied", 0, 0, now_ms)
        if _is_in(host, self._allow):
            return _Source("", limits.listed_rate_per_s, limits.listed_burst, now_ms)
        if self._only_listed:
            return _Source("unlisted", 0, 0, now_ms)
        return _Source("", limits.rate_per_s, limits.burst, now_ms)

    def _take(self, source: "_Source", now_ms: int) -> bool:
        counters = self.counters
        if source.refusal == "denied":
            counters.denied += 1
        elif source.refusal == "unlisted":
            counters.unlisted += 1
        elif not source.take(now_ms):
            counters.too_fast += 1
        else:
            counters.admitted += 1
            return True
        return False


class _Source:
    """One source: why it is refused always ("" when it is not), and its token bucket."""

    __slots__ = ("_at_ms", "_burst", "_rate_per_s", "_thousandths", "refusal")

    def __init__(self, refusal: str, rate_per_s: int, burst: int, now_ms: int) -> None:
        self.refusal = refusal
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._thousandths = burst * 1000  # of a message: rate x milliseconds needs no rounding
        self._at_ms = now_ms

    def take(self, now_ms: int) -> bool:
        if not self._rate_per_s:
            return True
        grown = self._thousandths + max(0, now_ms - self._at_ms) * self._rate_per_s
        self._thousandths = min(grown, self._burst * 1000)
        self._at_ms = now_ms
        if self._thousandths < 1000:
            return False
        self._thousandths -= 1000
        return True


def _network(text: str) -> Network:
    try:
        return ip_network(text, strict=False)
    except ValueError as error:
        raise ConfigError(f"{text!r} is no address and no network (CIDR)") from error


def _is_in(host: str, networks: list[Network]) -> bool:
    if not networks:
        return False
    address = ip_address(host.partition("%")[0])
    return any(address in network for network in networks)


def _subscriber(host: str) -> str:
    """Return the /64 of an IPv6 address: one subscriber has that many addresses."""
    prefix = int(ip_address(host.partition("%")[0])) >> 64
    return f"{prefix:x}::/64"
