"""What an operator can set about signalling: names, limits, timers."""

from collections.abc import Callable
from dataclasses import field

from agentstream.base.values import dataclass
from agentstream.sip.bindings import RegistrarPolicy
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
    registrar: RegistrarPolicy | None = None  # None: REGISTER gets 405 (SIP-1)


# Our host and port, as a peer at this numeric address sees them over this transport.
OurAddress = Callable[[str, str], tuple[str, int]]
