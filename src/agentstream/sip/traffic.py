"""What passes between the endpoint and the transports: the endpoint's inputs and outputs."""

from collections.abc import Callable

from agentstream.base.values import dataclass
from agentstream.sip.commands import CallCommand, OutsideCommand
from agentstream.sip.flow import Flow, Hop
from agentstream.sip.reports import OutsideReport, Report


@dataclass(frozen=True, slots=True)
class Received:
    """The bytes of one whole message."""

    data: bytes
    flow: Flow


@dataclass(frozen=True, slots=True)
class Resolved:
    """The answer to `Resolve`: numeric hops in the order to try them; none: nowhere to go."""

    hop: Hop
    hops: tuple[Hop, ...]


@dataclass(frozen=True, slots=True)
class TransportFailed:
    """Nothing more can be sent this way: refused, closed, or its certificate is wrong."""

    to: Flow | Hop
    text: str = ""


@dataclass(frozen=True, slots=True)
class RefuseNewCalls:
    """Drain: answer new calls 503 with Retry-After."""

    retry_after_s: int


@dataclass(frozen=True, slots=True)
class Send:
    """Send one message; a hop is always numeric and settled."""

    data: bytes
    to: Flow | Hop


@dataclass(frozen=True, slots=True)
class Resolve:
    """Find out where this name leads (RFC 3263); answer with `Resolved`, once."""

    hop: Hop


EndpointInput = (
    Received | Resolved | TransportFailed | RefuseNewCalls | CallCommand | OutsideCommand
)
EndpointOutput = Send | Resolve | Report | OutsideReport
Put = Callable[[EndpointOutput], None]  # where outputs are collected
