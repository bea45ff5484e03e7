"""What an operator can set about signalling: names, limits, timers, who must log in."""

from collections.abc import Callable, Mapping
from dataclasses import field
from ipaddress import IPv4Network, IPv6Network, ip_address

from agentstream.base.values import dataclass
from agentstream.sip.timers import Timers

METHODS = (
    "INVITE",
    "ACK",
    "CANCEL",
    "BYE",
    "OPTIONS",
    "INFO",
    "PRACK",
    "UPDATE",
    "REFER",
    "NOTIFY",
)
ALLOW = ", ".join(METHODS)
EXTENSIONS = ("100rel", "timer", "replaces", "norefersub")
SUPPORTED = ", ".join(EXTENSIONS)
ACCEPT = "application/sdp, application/dtmf-relay, application/dtmf"


@dataclass(frozen=True, slots=True)
class DigestPolicy:
    """Who must log in to place a call here. Passwords are kept as HA1 where the product can."""

    realm: str
    users: Mapping[str, str] = field(default_factory=dict, repr=False)  # user -> password
    # SIP-31: LiveKit, Asterisk and others answer both; 407 is the proxy's convention.
    status: int = 407
    algorithms: tuple[str, ...] = ("MD5",)  # SIP-32: some stacks read the first challenge only
    trusted: tuple[IPv4Network | IPv6Network, ...] = ()  # sources that need not log in

    def concerns(self, host: str) -> bool:
        """Tell whether a call from this numeric address must log in."""
        if not self.trusted:
            return True
        address = ip_address(host.partition("%")[0])
        return not any(address in network for network in self.trusted)


@dataclass(frozen=True, slots=True)
class SipSettings:
    """All of it; the defaults suit a carrier of a few hundred calls per second."""

    user_agent: str = "AgentStream"
    timers: Timers = field(default_factory=Timers)
    transactions: int = 100_000  # server transactions at once; a call has two, for 32 s each
    transactions_per_source: int = 40_000
    calls: int = 10_000
    retry_after_s: int = 5  # what 503 says
    ring_limit_ms: int = 300_000  # a call that the product neither answers nor refuses: 480
    # RFC 3261 §17.2.1: a 100 is due unless another answer comes within 200 ms. 0: at once.
    trying_after_ms: int = 200
    forks: int = 16  # early dialogs of one call that we place
    session_expires_s: int = 0  # 0: never ask for a session timer, only honour the peer's (SIP-50)
    min_se_s: int = 90  # RFC 4028 §4: the least that may be
    answer_media_timeout_ms: int = 10_000  # how long the product may think about a MediaOffered
    digest: DigestPolicy | None = None


# Our host and port, as a peer at this numeric address sees them over this transport.
OurAddress = Callable[[str, str], tuple[str, int]]
