"""What we may connect to: one door for every URL that somebody else gave us.

The decision is made on the addresses that a name resolves to, and only those are connected to, so a
name that answers differently the second time gains nothing.

    URL ─▶ parse ─▶ scheme, port ─▶ resolve ─▶ class of each address ─▶ Pinned
"""

import base64
import ipaddress
import re
from functools import lru_cache
from ipaddress import IPv4Address
from typing import Literal, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from agentstream.base.clock import Clock, SystemClock
from agentstream.base.errors import ConfigError, PeerError
from agentstream.base.values import dataclass
from agentstream.net.addresses import Address, Network, is_in, parse_address, unwrapped
from agentstream.net.addresses import AddressClass as AddressClass
from agentstream.net.addresses import classify as classify

STREAM_SCHEMES = frozenset({"ws", "wss"})
HTTP_SCHEMES = frozenset({"http", "https"})
GRPC_SCHEMES = frozenset({"grpc", "grpcs"})
_DEFAULT_PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443, "grpc": 443, "grpcs": 443}
_SECURE = frozenset({"wss", "https", "grpcs"})
_URL_LIMIT = 4_096
_VERDICTS_KEPT = 4_096
_URLS_KEPT = 256
_USERINFO = re.compile(r"(?<=://)[^/?#\s]*@")
# Parameters of a query that are secrets by their name: `key=` is what CRM integrations use (AP-1).
_SECRET_PARAMETER = re.compile(
    r"([?&;](?:[\w.-]*(?:token|secret|passw(?:or)?d|signature|api[_-]?key|access[_-]?key|auth"
    r"|credential)[\w.-]*|key|sig|pwd|pass)=)[^&;#\s\"'<>]+",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.(?!-)[a-z0-9_-]{1,63})*\.?")

# RFC 3986, section 3.2.2: nothing but a port stands beside the brackets.
_IP_LITERAL = re.compile(r"\[[^\[\]]+\](:\d*)?")

# WHATWG URL, section 3.5: a host whose last part is a number is an IPv4 address, or nothing.
_ENDS_IN_NUMBER = re.compile(r"(.*\.)?(\d+|0x[0-9a-f]*)\.?")


class EgressError(PeerError):
    """A URL that is none, or that the policy does not let us reach; the text says which and why."""


_OPEN = frozenset({AddressClass.GLOBAL, AddressClass.PRIVATE, AddressClass.LOOPBACK})
_CLOSED = frozenset({AddressClass.GLOBAL})


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """`open` suits a house of one's own: bots on private networks and on the same machine (AS-10).

    `closed` suits a server that others use: public addresses, and ports 80, 443 and 1024 up.
    Neither reaches link-local, cloud metadata, multicast or reserved addresses. Entries of `allow`
    are host names, "*.name", addresses or networks; a name lets in private and loopback addresses,
    and only an address or network lets in the rest; cloud metadata needs an entry that is exactly
    its address. `deny` has the same entries and always wins.
    """

    mode: Literal["open", "closed"] = "open"
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    ports: tuple[tuple[int, int], ...] = ()  # empty: as the mode says


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart. The request target stays exactly as it was given (AS-20)."""

    scheme: str
    host: str  # lower case, IDNA, without brackets
    port: int
    target: str  # "/path?query"
    user: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Target({self.scheme}://{self.host}:{self.port})"

    @property
    def secure(self) -> bool:
        """Whether the scheme asks for TLS."""
        return self.scheme in _SECURE

    @property
    def host_header(self) -> str:
        """The Host header: the port only when it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def authorization(self) -> str | None:
        """The Authorization header for the URL's credentials (AS-35); None when it has none."""
        if not self.user and not self.password:
            return None
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode("ascii")

    def url(self, scheme: str | None = None) -> str:
        """Return the URL without credentials."""
        return f"{scheme or self.scheme}://{self.host_header}{self.target}"


@dataclass(frozen=True, slots=True)
class Pinned:
    """A URL that may be reached, and the only addresses to reach it at, best first."""

    addresses: tuple[str, ...]  # "192.0.2.1:443", "[2001:db8::1]:443"
    host: str
    port: int
    secure: bool
    target: Target
    elapsed_ms: int = 0  # how long the look-up took
    local_address: str | None = None  # of this machine, to come from (AS-36); None: any


class Lookup(Protocol):
    """Finds the addresses of a name."""

    async def lookup(self, host: str) -> tuple[str, ...]:
        """Return the addresses, best first; raises PeerError when there is none."""


class Egress:
    """The policy with a resolver: asks both, answers with what to connect to."""

    def __init__(self, policy: EgressPolicy, lookup: Lookup, clock: Clock | None = None) -> None:
        self._policy = policy
        self._rules = HostRules(policy.allow)
        self._denied = HostRules(policy.deny)
        self._lookup = lookup
        self._clock = clock or SystemClock()
        # The same few bots are asked for by every call, and the policy never changes.
        self._allowed = lru_cache(_VERDICTS_KEPT)(self._judge)

    async def resolve(
        self,
        url: str,
        allow: tuple[str, ...] = (),
        schemes: frozenset[str] = STREAM_SCHEMES | HTTP_SCHEMES,
    ) -> Pinned:
        """Return where a URL leads; `allow` is the account's own list.

        Raises EgressError when it is no such URL or must not be reached, PeerError when its name
        has no address, BusyError when too many names are being looked up.
        """
        target, began_ms = parse_url(url, schemes), self._clock.now_ms()
        addresses = await self.addresses(target.host, target.port, allow)
        return Pinned(
            tuple(_with_port(address, target.port) for address in addresses),
            target.host,
            target.port,
            target.secure,
            target,
            self._clock.now_ms() - began_ms,
        )

    async def addresses(self, host: str, port: int, allow: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return the addresses of a host that may be reached; raises as `resolve`."""
        self._check_port(host, port)
        found = await self._lookup.lookup(host)
        allowed = tuple(filter(None, [self._allowed(host, text, allow) for text in found]))
        if not allowed:
            addresses = [parse_address(text) for text in found]
            where = ", ".join(f"{address} ({classify(address).value})" for address in addresses)
            raise EgressError(f"{host} is at {where}: the egress policy does not allow it")
        return allowed

    def _judge(self, host: str, text: str, allow: tuple[str, ...]) -> str:
        """Return the address in its usual form, "" when it must not be reached."""
        address = parse_address(text)
        return str(address) if self._is_allowed(host, address, HostRules(allow)) else ""

    def _is_allowed(self, host: str, address: Address, own: "HostRules") -> bool:
        kind = classify(address)
        if self._denied.names(host) or self._denied.holds(address):
            return False
        if kind is AddressClass.METADATA:
            return self._rules.names_exactly(address) or own.names_exactly(address)
        if self._rules.holds(address) or own.holds(address):
            return True
        is_named = self._rules.names(host) or own.names(host)
        return kind in (_OPEN if is_named or self._policy.mode == "open" else _CLOSED)

    def _check_port(self, host: str, port: int) -> None:
        ranges = self._policy.ports
        if not ranges:
            is_closed = self._policy.mode == "closed"
            ranges = ((80, 80), (443, 443), (1024, 65535)) if is_closed else ((1, 65535),)
        if not any(low <= port <= high for low, high in ranges):
            raise EgressError(f"{host}: the egress policy does not allow port {port}")


@lru_cache(_URLS_KEPT)
def parse_url(url: str, schemes: frozenset[str] = STREAM_SCHEMES | HTTP_SCHEMES) -> Target:
    """Take a URL apart; raises EgressError, whose text never holds its credentials."""
    shown = _shown(url)
    if len(url) > _URL_LIMIT or not url.isprintable() or " " in url or "\\" in url:
        raise EgressError(f"not a URL (space, control character or too long): {shown!r}")
    try:
        parts = urlsplit(url)
        port = parts.port
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        host = _host(parts)
    except ValueError as error:  # a UnicodeError is one as well
        raise EgressError(f"not a URL: {shown!r}") from error
    if parts.scheme not in schemes:
        wanted = " or ".join(f"{scheme}://" for scheme in sorted(schemes))
        raise EgressError(f"the URL must begin with {wanted}: {shown!r}")
    if not host:
        raise EgressError(f"the URL names no host: {shown!r}")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if port is None:
        port = _DEFAULT_PORTS[parts.scheme]
    return Target(parts.scheme, host, port, target, user, password)


def mask_url(text: str) -> str:
    """Hide the credentials of every URL in a text (AS-37)."""
    return _USERINFO.sub("***@", text)


def mask_secrets(text: str) -> str:
    """Hide the credentials of every URL in a text, and parameters whose name says what they are."""
    if "://" not in text:
        return text
    masked = mask_url(text) if "@" in text else text
    return _SECRET_PARAMETER.sub(r"\1***", masked) if "=" in masked else masked


def check_entry(entry: str) -> str:
    """Return an entry of an allow or deny list; ConfigError when it is neither name nor network."""
    name = entry.removeprefix("*.").lower()
    if _network(entry) is None and not _NAME.fullmatch(name):
        raise ConfigError(f"{entry!r} is no host name, *.name, address or network")
    return entry


class HostRules:
    """A list of host names, "*.name", addresses and networks."""

    def __init__(self, entries: tuple[str, ...]) -> None:
        self._names: list[str] = []
        self._networks: list[Network] = []
        for entry in entries:
            network = _network(entry)
            if network is None:
                self._names.append(entry.lower().rstrip("."))
            else:
                self._networks.append(network)

    def names(self, host: str) -> bool:
        """Whether a name is among them."""
        plain = host.rstrip(".")
        return any(
            plain.endswith(name[1:]) if name.startswith("*.") else plain == name
            for name in self._names
        )

    def holds(self, address: Address) -> bool:
        """Whether an address is among them, or the IPv4 address inside it."""
        return is_in(address, self._networks) or is_in(unwrapped(address), self._networks)

    def names_exactly(self, address: Address) -> bool:
        """Whether an entry is this very address and no more."""
        single = [net for net in self._networks if net.num_addresses == 1]
        return is_in(address, single) or is_in(unwrapped(address), single)


def _host(parts: SplitResult) -> str:
    authority = parts.netloc.rpartition("@")[2]
    if ("[" in authority or "]" in authority) and not _IP_LITERAL.fullmatch(authority):
        raise ValueError(authority)  # an older Python's urlsplit drops what stands beside them
    host = (parts.hostname or "").rstrip(".")
    if not host or ":" in host:
        if "%" in host:  # RFC 6874: a zone means something on one machine only
            raise ValueError(host)
        return str(ipaddress.IPv6Address(host)) if host else ""
    ascii_host = host if host.isascii() else host.encode("idna").decode("ascii").lower()
    ascii_host = ascii_host.rstrip(".")  # the full stops of other scripts are dots by now
    if not _NAME.fullmatch(ascii_host):
        raise ValueError(host)
    if _ENDS_IN_NUMBER.fullmatch(ascii_host):
        # 2130706433, 0x7f.1 and 0177.0.0.1 are addresses to some and names to others.
        return str(IPv4Address(ascii_host))
    return ascii_host


def _network(entry: str) -> Network | None:
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None


def _shown(url: str) -> str:
    """Return what an error may show of a URL, which may be none: all before the last @ is hidden.

    A password that is not percent-encoded ends the authority early, or makes it no URL at all.
    """
    scheme, slashes, rest = url.partition("://")
    if not slashes or "@" in scheme:
        scheme, slashes, rest = "", "", url
    _, at, after = rest.rpartition("@")
    return f"{scheme}{slashes}{'***@' if at else ''}{after}"[:200]


def _with_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
