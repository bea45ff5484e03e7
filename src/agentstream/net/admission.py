"""Who may send us anything at all: lists, rates and bans per source, before a byte is parsed."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from agentstream.base.errors import ConfigError
from agentstream.base.values import dataclass
from agentstream.net.bans import BanLimits, Bans

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """Rates are per second; 0 switches a rate off."""

    rate_per_s: int = 200  # messages of one source that is in no list
    burst: int = 400
    # INVITEs among them, their repetitions counted; unset: a quarter of the rate, half the burst.
    invites_per_s: int | None = None
    invite_burst: int | None = None
    listed_rate_per_s: int = 0  # messages of one listed source (a carrier sends many calls)
    listed_burst: int = 4_000
    sources: int = 16_384  # buckets remembered; beyond, the one unused longest is forgotten
    bans: BanLimits = BanLimits()


@dataclass(slots=True)
class AdmissionCounters:
    """What was turned away, and why."""

    admitted: int = 0
    denied: int = 0
    unlisted: int = 0
    too_fast: int = 0
    too_many_invites: int = 0
    banned: int = 0
    forgotten: int = 0


class Admission:
    """Pure: tells whether a message or connection from an address may come in at this time.

    `deny` wins over `allow`; an empty `allow` lets every address in that is not denied. An IPv6
    source counts as its /64, since that is what one subscriber has. `knows` tells of addresses
    that are no strangers though they are in no list here: those of carriers and of trunks.
    """

    def __init__(
        self,
        allow: Iterable[str] = (),
        deny: Iterable[str] = (),
        limits: AdmissionLimits | None = None,
        *,
        only_listed: bool = True,
        knows: Callable[[str], bool] | None = None,
    ) -> None:
        self._allow = [_network(text) for text in allow]
        self._deny = [_network(text) for text in deny]
        self._limits = limits or AdmissionLimits()
        self._only_listed = only_listed and bool(self._allow)
        self._knows = knows
        self._sources: OrderedDict[str, _Source] = OrderedDict()
        self.bans = Bans(self._limits.bans)
        self.counters = AdmissionCounters()

    def admits(self, host: str, now_ms: int, *, is_invite: bool = False) -> bool:
        """Take one message of `host` (a numeric address) into account; tell whether to read it."""
        key = _subscriber(host) if ":" in host else host
        if self.bans.is_banned(key, now_ms):
            self.counters.banned += 1
            return False
        source = self._sources.get(key)
        if source is None:
            source = self._sources[key] = self._new_source(host, now_ms)
            if len(self._sources) > self._limits.sources:
                self._sources.popitem(last=False)
                self.counters.forgotten += 1
        else:
            self._sources.move_to_end(key)
        return self._take(source, host, now_ms, is_invite=is_invite)

    def strike(self, host: str, now_ms: int) -> bool:
        """Note something that no honest source does; tell whether it is banned from now on."""
        return self.bans.strike(_subscriber(host) if ":" in host else host, now_ms)

    def is_listed(self, host: str) -> bool:
        """Tell whether an address stands in the allow list."""
        return _is_in(host, self._allow)

    def _new_source(self, host: str, now_ms: int) -> "_Source":
        limits = self._limits
        if _is_in(host, self._deny):
            return _Source("denied")
        if _is_in(host, self._allow):
            return self._known_source(now_ms)
        if self._only_listed:
            return _Source("unlisted")
        messages = _Bucket(limits.rate_per_s, limits.burst, now_ms)
        rate, burst = limits.invites_per_s, limits.invite_burst
        invites = _Bucket(
            -(-limits.rate_per_s // 4) if rate is None else rate,
            -(-limits.burst // 2) if burst is None else burst,
            now_ms,
        )
        return _Source("", messages, invites)

    def _known_source(self, now_ms: int) -> "_Source":
        limits = self._limits
        return _Source("", _Bucket(limits.listed_rate_per_s, limits.listed_burst, now_ms))

    def _take(self, source: "_Source", host: str, now_ms: int, *, is_invite: bool) -> bool:
        counters = self.counters
        if source.refusal == "denied":
            counters.denied += 1
            return False
        if source.refusal == "unlisted":
            counters.unlisted += 1
            return False
        is_slow = source.messages is None or source.messages.take(now_ms)
        may_invite = not is_invite or source.invites is None or source.invites.take(now_ms)
        if not (is_slow and may_invite) and self._is_known_after_all(source, host, now_ms):
            is_slow = source.messages is None or source.messages.take(now_ms)
            may_invite = True
        if not is_slow:
            counters.too_fast += 1
        elif not may_invite:
            counters.too_many_invites += 1
        else:
            counters.admitted += 1
        return is_slow and may_invite

    def _is_known_after_all(self, source: "_Source", host: str, now_ms: int) -> bool:
        """Look whether a fast stranger is in a list that others keep; it then has a list's rate.

        Asked at most once a second and source, so that a flood does not cost a look-up each time.
        """
        if self._knows is None or source.invites is None or now_ms < source.look_again_ms:
            return False
        source.look_again_ms = now_ms + LOOK_AGAIN_MS
        if not self._knows(host):
            return False
        known = self._known_source(now_ms)
        source.messages, source.invites = known.messages, None
        return True


LOOK_AGAIN_MS = 1_000


class _Source:
    """One source: why it is refused always ("" when it is not), and its token buckets."""

    __slots__ = ("invites", "look_again_ms", "messages", "refusal")

    def __init__(
        self, refusal: str, messages: "_Bucket | None" = None, invites: "_Bucket | None" = None
    ) -> None:
        self.refusal = refusal
        self.messages = messages
        self.invites = invites  # None: no stranger
        self.look_again_ms = 0


class _Bucket:
    """Tokens that grow at a rate up to a burst; a rate of 0 never runs out."""

    __slots__ = ("_at_ms", "_burst", "_rate_per_s", "_thousandths")

    def __init__(self, rate_per_s: int, burst: int, now_ms: int) -> None:
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
