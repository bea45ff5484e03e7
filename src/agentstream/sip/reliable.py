"""Reliable provisional responses (RFC 3262) of a call that came in: one at a time, until PRACK."""

from collections import deque

from agentstream.base.values import dataclass
from agentstream.sip.headers import RAck
from agentstream.sip.timers import Timers

WAITING_LIMIT = 8  # provisional responses behind the one that waits for its PRACK


@dataclass(frozen=True, slots=True)
class Ringing:
    """A provisional response that is to be sent."""

    status: int
    sdp: str | None


@dataclass(slots=True)
class Outstanding:
    """The one that was sent and not yet acknowledged."""

    rseq: int
    cseq: int
    data: bytes
    has_sdp: bool
    gap_ms: int
    give_up_at_ms: int


class ReliableRinging:
    """Numbers them, keeps those that must wait, and says when to repeat."""

    __slots__ = ("_rseq", "outstanding", "waiting")

    def __init__(self, first_rseq: int) -> None:
        self._rseq = first_rseq
        self.outstanding: Outstanding | None = None
        self.waiting: deque[Ringing] = deque(maxlen=WAITING_LIMIT)

    def next_rseq(self) -> int:
        """Return the number of the next one."""
        self._rseq += 1
        return self._rseq

    def sent(self, cseq: int, data: bytes, timers: Timers, now_ms: int, *, has_sdp: bool) -> int:
        """Note what was sent with the latest number; return when to repeat it."""
        self.outstanding = Outstanding(
            self._rseq, cseq, data, has_sdp, timers.t1_ms, now_ms + timers.transaction_ms
        )
        return now_ms + timers.t1_ms

    def acknowledge(self, rack: RAck) -> Outstanding | None:
        """Take a PRACK; None when it names nothing that is outstanding (481)."""
        known = self.outstanding
        if known is None or rack.cseq.method != "INVITE":
            return None
        if (rack.rseq, rack.cseq.number) != (known.rseq, known.cseq):
            return None
        self.outstanding = None
        return known
