"""Why a call or a leg ended, and what the other end is told: SIP status and Q.850 cause.

The numbers are plain integers, so that the edge can translate without this room knowing a wire:
RFC 3398 section 7.2.4.1 and 8.2.6.1 join the two worlds, RFC 3326 and RFC 8606 carry a Q.850
cause in a Reason header (SIP-64); the call-status words are those of SIP-81.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Literal

CallStatus = Literal["completed", "busy", "failed", "no-answer", "canceled"]


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


# What we answer to a call that we do not take.
_SIP_STATUS: Mapping[Cause, int] = MappingProxyType(
    {
        Cause.NORMAL: 480,
        Cause.CANCELED: 487,
        Cause.BUSY: 486,
        Cause.NO_ANSWER: 480,  # RFC 3398: 18 and 19; 408 would invite the far end to try again
        Cause.REJECTED: 603,
        Cause.NOT_FOUND: 404,
        Cause.NUMBER_INCOMPLETE: 484,
        Cause.NO_COMMON_CODEC: 488,
        Cause.NO_MEDIA: 480,
        Cause.NO_PORTS: 503,
        Cause.OVERLOADED: 503,
        Cause.DRAINING: 503,
        Cause.TIME_LIMIT: 480,
        Cause.FLOW_ERROR: 500,
        Cause.STREAM_FAILED: 500,
        Cause.SIGNALLING_LOST: 504,
        Cause.UNAVAILABLE: 480,
        Cause.FAILED: 500,
        Cause.INTERNAL: 500,
    }
)

# What a BYE, CANCEL or refusal of ours carries in its Reason header.
_Q850: Mapping[Cause, int] = MappingProxyType(
    {
        Cause.NORMAL: 16,  # normal call clearing
        Cause.CANCELED: 16,
        Cause.BUSY: 17,  # user busy
        Cause.NO_ANSWER: 19,  # no answer from user, who was alerted
        Cause.REJECTED: 21,  # call rejected
        Cause.NOT_FOUND: 1,  # unallocated number
        Cause.NUMBER_INCOMPLETE: 28,  # invalid number format
        Cause.NO_COMMON_CODEC: 88,  # incompatible destination
        Cause.NO_MEDIA: 31,  # normal, unspecified
        Cause.NO_PORTS: 34,  # no circuit or channel available
        Cause.OVERLOADED: 42,  # switching equipment congestion
        Cause.DRAINING: 41,  # temporary failure
        Cause.TIME_LIMIT: 31,
        Cause.FLOW_ERROR: 41,
        Cause.STREAM_FAILED: 41,
        Cause.SIGNALLING_LOST: 102,  # recovery on timer expiry
        Cause.UNAVAILABLE: 20,  # subscriber absent
        Cause.FAILED: 41,
        Cause.INTERNAL: 41,
    }
)

_FROM_SIP: Mapping[int, Cause] = MappingProxyType(
    {
        403: Cause.REJECTED,
        404: Cause.NOT_FOUND,
        408: Cause.NO_ANSWER,
        410: Cause.NOT_FOUND,
        415: Cause.NO_COMMON_CODEC,
        480: Cause.NO_ANSWER,
        481: Cause.SIGNALLING_LOST,
        484: Cause.NUMBER_INCOMPLETE,
        485: Cause.NUMBER_INCOMPLETE,
        486: Cause.BUSY,
        # After our own ring timeout the leg already has its cause, NO_ANSWER; then this is not
        # looked at. Every other 487 is somebody's wish.
        487: Cause.CANCELED,
        488: Cause.NO_COMMON_CODEC,
        503: Cause.OVERLOADED,
        504: Cause.SIGNALLING_LOST,
        600: Cause.BUSY,
        603: Cause.REJECTED,
        604: Cause.NOT_FOUND,
        606: Cause.NO_COMMON_CODEC,
        607: Cause.REJECTED,  # RFC 8197: unwanted
        608: Cause.REJECTED,  # RFC 8688: rejected by an intermediary
    }
)

_FROM_Q850: Mapping[int, Cause] = MappingProxyType(
    {
        1: Cause.NOT_FOUND,
        2: Cause.NOT_FOUND,
        3: Cause.NOT_FOUND,
        16: Cause.NORMAL,
        17: Cause.BUSY,
        18: Cause.NO_ANSWER,
        19: Cause.NO_ANSWER,
        20: Cause.UNAVAILABLE,
        21: Cause.REJECTED,
        22: Cause.NOT_FOUND,
        26: Cause.NOT_FOUND,
        27: Cause.UNAVAILABLE,
        28: Cause.NUMBER_INCOMPLETE,
        29: Cause.REJECTED,
        31: Cause.NORMAL,
        34: Cause.OVERLOADED,
        38: Cause.FAILED,
        41: Cause.FAILED,
        42: Cause.OVERLOADED,
        44: Cause.OVERLOADED,
        47: Cause.OVERLOADED,
        55: Cause.REJECTED,
        57: Cause.REJECTED,
        58: Cause.NO_COMMON_CODEC,
        65: Cause.NO_COMMON_CODEC,
        79: Cause.NO_COMMON_CODEC,
        87: Cause.REJECTED,
        88: Cause.NO_COMMON_CODEC,
        102: Cause.SIGNALLING_LOST,
    }
)

_STATUS: Mapping[Cause, CallStatus] = MappingProxyType(
    {
        Cause.NORMAL: "canceled",
        Cause.CANCELED: "canceled",
        Cause.BUSY: "busy",
        Cause.NO_ANSWER: "no-answer",
        Cause.REJECTED: "failed",
        Cause.NOT_FOUND: "failed",
        Cause.NUMBER_INCOMPLETE: "failed",
        Cause.NO_COMMON_CODEC: "failed",
        Cause.NO_MEDIA: "failed",
        Cause.NO_PORTS: "failed",
        Cause.OVERLOADED: "failed",
        Cause.DRAINING: "failed",
        Cause.TIME_LIMIT: "no-answer",
        Cause.FLOW_ERROR: "failed",
        Cause.STREAM_FAILED: "failed",
        Cause.SIGNALLING_LOST: "failed",
        Cause.UNAVAILABLE: "no-answer",  # SIP-81: 480
        Cause.FAILED: "failed",
        Cause.INTERNAL: "failed",
    }
)

_WHO: Mapping[Party, str] = MappingProxyType(
    {
        Party.CALLER: "The caller",
        Party.CALLEE: "The called party",
        Party.BOT: "The bot",
        Party.FLOW: "The call flow",
        Party.OPERATOR: "An operator's command",
        Party.SYSTEM: "The server",
        Party.NETWORK: "The network",
    }
)

_WHY: Mapping[Cause, str] = MappingProxyType(
    {
        Cause.NORMAL: "ended the call as usual",
        Cause.CANCELED: "gave up before the call was answered",
        Cause.BUSY: "ended the call: the number is busy",
        Cause.NO_ANSWER: "ended the call: nobody answered in time",
        Cause.REJECTED: "refused the call",
        Cause.NOT_FOUND: "ended the call: the number is not known here",
        Cause.NUMBER_INCOMPLETE: "ended the call: the number is incomplete or malformed",
        Cause.NO_COMMON_CODEC: "ended the call: the two sides share no audio format",
        Cause.NO_MEDIA: "ended the call: no audio arrived from the far end",
        Cause.NO_PORTS: "refused the call: no media port was free",
        Cause.OVERLOADED: "refused the call: a limit on calls was reached",
        Cause.DRAINING: "ended the call: it is being shut down",
        Cause.TIME_LIMIT: "ended the call: its time limit was reached",
        Cause.FLOW_ERROR: "ended the call: the flow cannot go on",
        Cause.STREAM_FAILED: "ended the call: the stream to the bot failed",
        Cause.SIGNALLING_LOST: "ended the call: the far end does not answer any more",
        Cause.UNAVAILABLE: "ended the call: the far end cannot be reached now",
        Cause.FAILED: "ended the call: the far end reported a failure",
        Cause.INTERNAL: "ended the call: a fault in the server, please report it",
    }
)


def sip_status(cause: Cause) -> int:
    """Return the final SIP status, 400 to 699, that refuses a call for this cause."""
    return _SIP_STATUS[cause]


def q850(cause: Cause) -> int:
    """Return the Q.850 cause value, 1 to 127, for a Reason header."""
    return _Q850[cause]


def from_sip(status: int) -> Cause:
    """Return the cause behind a final SIP status; FAILED for what has no entry (SIP-81)."""
    return _FROM_SIP.get(status, Cause.FAILED)


def from_q850(value: int) -> Cause:
    """Return the cause behind a Q.850 value; its class decides for what has no entry.

    Values to 31 are normal events, but what is not listed there says nothing; from 32 they are
    shortages and faults (ITU-T Q.850 section 2.2.5). Both become FAILED.
    """
    return _FROM_Q850.get(value, Cause.FAILED)


def from_signalling(status: int, q850_value: int) -> Cause:
    """Return the cause of an end that came with a SIP status, a Q.850 value, both or neither (0).

    The status of a refusal counts first; Q.850 makes the vague ones (480, 500, 503 and whatever
    has no entry) clearer. Without either the far end just hung up.
    """
    if status == 0:
        return Cause.NORMAL if q850_value == 0 else from_q850(q850_value)
    if q850_value and (status in (480, 500, 503) or status not in _FROM_SIP):
        refined = from_q850(q850_value)
        # A refusal is never "normal"; 16 and 31 add nothing to it.
        return from_sip(status) if refined is Cause.NORMAL else refined
    return from_sip(status)


def status_word(cause: Cause, was_answered: bool) -> CallStatus:
    """Return the call-status word (calls-api CC-50): completed as soon as anybody answered."""
    return "completed" if was_answered else _STATUS[cause]


def explain(cause: Cause, party: Party) -> str:
    """Return one sentence for a person: who ended it, and why."""
    if cause is Cause.NORMAL and party in (Party.CALLER, Party.CALLEE):
        return f"{_WHO[party]} hung up."
    return f"{_WHO[party]} {_WHY[cause]}."
