"""Why a call or a leg ended, and what the other end is told: SIP status and Q.850 cause."""

from enum import Enum


class Party(Enum):
    """Who ended it."""

    CALLER = "caller"
    CALLEE = "callee"
    BOT = "bot"
    FLOW = "flow"
    OPERATOR = "operator"  # an API or CLI command
    SYSTEM = "system"  # a limit, a timer, a fault, a drain
    NETWORK = "network"  # the far end vanished


class Cause(Enum):
    """Why it ended; the value is what call records say."""

    NORMAL = "normal"
    CANCELED = "canceled"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    REJECTED = "rejected"
    NOT_FOUND = "not-found"
    NUMBER_INCOMPLETE = "number-incomplete"
    NO_COMMON_CODEC = "no-common-codec"
    NO_MEDIA = "no-media"
    NO_PORTS = "no-ports"
    OVERLOADED = "overloaded"
    DRAINING = "draining"
    TIME_LIMIT = "time-limit"
    FLOW_ERROR = "flow-error"
    STREAM_FAILED = "stream-failed"
    SIGNALLING_LOST = "signalling-lost"
    UNAVAILABLE = "unavailable"
    FAILED = "failed"
    INTERNAL = "internal-error"
