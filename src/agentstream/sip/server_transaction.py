"""Server transactions: INVITE (RFC 3261 §17.2.1, RFC 6026) and the others (§17.2.2, RFC 4320).

                 INVITE                                    other methods
    PROCEEDING --2xx--> ACCEPTED ---L---> over     PROCEEDING --final--> COMPLETED --J--> over
        |
       300+--> COMPLETED --ACK--> CONFIRMED --I--> over
                   '---H (no ACK)---------------> over

An answer is repeated from its bytes; a machine of this kind never changes a message.
"""

from enum import Enum

from agentstream.base.values import dataclass
from agentstream.sip.flow import Flow, Hop
from agentstream.sip.message import Request
from agentstream.sip.timers import Alarm, Timers

Branch = tuple[str, ...]  # what a server transaction is found by (RFC 3261 §17.2.3)


class ServerState(Enum):
    """TRYING is part of PROCEEDING: nothing has been sent yet."""

    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    ACCEPTED = "accepted"
    OVER = "over"


class Answered(Enum):
    """What the user of the transaction sends through it."""

    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    REFUSAL = "3xx-6xx"


INVITE_MOVES = {
    (ServerState.PROCEEDING, Answered.PROVISIONAL): ServerState.PROCEEDING,
    (ServerState.PROCEEDING, Answered.SUCCESS): ServerState.ACCEPTED,
    (ServerState.PROCEEDING, Answered.REFUSAL): ServerState.COMPLETED,
    (ServerState.ACCEPTED, Answered.SUCCESS): ServerState.ACCEPTED,
}
OTHER_MOVES = {
    (ServerState.PROCEEDING, Answered.PROVISIONAL): ServerState.PROCEEDING,
    (ServerState.PROCEEDING, Answered.SUCCESS): ServerState.COMPLETED,
    (ServerState.PROCEEDING, Answered.REFUSAL): ServerState.COMPLETED,
}


@dataclass(frozen=True, slots=True)
class Repeat:
    """Send these bytes of an answer, for the first time or again."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Unacknowledged:
    """Nobody acknowledged our refusal (Timer H)."""


ServerOutput = Repeat | Unacknowledged


@dataclass(frozen=True, slots=True)
class Say:
    """The user's answer, with its bytes."""

    status: int
    data: bytes


class ServerTransaction:
    """One request of a peer and our answers to it."""

    __slots__ = (
        "_answer",
        "_gap_ms",
        "_is_invite",
        "_repeat_at_ms",
        "_timers",
        "alarm",
        "flow",
        "key",
        "merge_key",
        "over_at_ms",
        "owner",
        "reply_to",
        "request",
        "state",
        "to_tag",
    )

    def __init__(
        self, request: Request, key: Branch, flow: Flow, timers: Timers, now_ms: int
    ) -> None:
        self.request: Request = request
        self.key = key
        self.merge_key: Branch | None = None
        self.flow = flow
        self.reply_to: Flow | Hop = flow
        self.to_tag = ""  # of our final answer; an RFC 2543 ACK must carry it
        self.owner: object = None  # whoever a CANCEL of this request concerns
        self.alarm: Alarm | None = None
        self.state = ServerState.PROCEEDING
        self._is_invite = request.method == "INVITE"
        self._timers = timers
        self._answer = b""
        self._gap_ms = timers.t1_ms
        self._repeat_at_ms: int | None = None
        # RFC 4320 §4.2: no 408 to a non-INVITE; when its time is over there is nothing left to say.
        self.over_at_ms: int | None = None if self._is_invite else now_ms + timers.transaction_ms

    @property
    def wake_at_ms(self) -> int | None:
        """When G, H, I, J or L fires."""
        if self._repeat_at_ms is None:
            return self.over_at_ms
        if self.over_at_ms is None:
            return self._repeat_at_ms
        return min(self._repeat_at_ms, self.over_at_ms)

    @property
    def is_over(self) -> bool:
        """Whether it can be forgotten."""
        return self.state is ServerState.OVER

    @property
    def is_answered(self) -> bool:
        """Whether a final answer was given."""
        return self.state is not ServerState.PROCEEDING

    def receive(self, happening: Request | Say, now_ms: int) -> list[ServerOutput]:
        """Take the request again, its ACK, or our own answer."""
        if isinstance(happening, Say):
            return self._say(happening, now_ms)
        if happening.method == "ACK":
            self._acknowledge(now_ms)
            return []
        # RFC 6026 §7.1: in ACCEPTED a repeated INVITE is absorbed; the 2xx is the user's to repeat.
        if self._answer and self.state in (ServerState.PROCEEDING, ServerState.COMPLETED):
            return [Repeat(self._answer)]
        return []

    def wake(self, now_ms: int) -> list[ServerOutput]:
        """Let G repeat, or H, I, J and L end it."""
        if self.over_at_ms is not None and now_ms >= self.over_at_ms:
            was_waiting = self._is_invite and self.state is ServerState.COMPLETED
            self.end()
            return [Unacknowledged()] if was_waiting else []
        if self._repeat_at_ms is not None and now_ms >= self._repeat_at_ms:
            self._gap_ms = min(2 * self._gap_ms, self._timers.t2_ms)
            self._repeat_at_ms = now_ms + self._gap_ms
            return [Repeat(self._answer)]
        return []

    def end(self) -> None:
        """Be over at once."""
        self.state = ServerState.OVER
        self.over_at_ms = self._repeat_at_ms = None
        self.owner = None

    def _say(self, answer: Say, now_ms: int) -> list[ServerOutput]:
        moves = INVITE_MOVES if self._is_invite else OTHER_MOVES
        after = moves.get((self.state, _kind(answer.status)))
        if after is None:  # a second final answer; the first one stands
            return []
        self._answer = answer.data
        if after is not self.state:
            self.state = after
            self._set_timers(now_ms)
        return [Repeat(answer.data)]

    def _set_timers(self, now_ms: int) -> None:
        timers = self._timers
        is_reliable = self.flow.transport != "udp"
        if self.state is ServerState.ACCEPTED:
            self.over_at_ms = now_ms + timers.transaction_ms  # L
        elif self._is_invite:
            self.over_at_ms = now_ms + timers.transaction_ms  # H
            if not is_reliable:
                self._repeat_at_ms = now_ms + timers.t1_ms  # G
        else:
            self._end_after(timers.absorb_ms(is_reliable=is_reliable), now_ms)  # J

    def _acknowledge(self, now_ms: int) -> None:
        if not self._is_invite or self.state is not ServerState.COMPLETED:
            return
        self.state = ServerState.CONFIRMED
        self._repeat_at_ms = None
        is_reliable = self.flow.transport != "udp"
        self._end_after(self._timers.linger_ms(is_reliable=is_reliable), now_ms)  # I

    def _end_after(self, delay_ms: int, now_ms: int) -> None:
        if delay_ms:
            self.over_at_ms = now_ms + delay_ms
        else:
            self.end()


def server_key(request: Request) -> Branch:
    """Return what the server transaction of this request, ACK or CANCEL is found by.

    RFC 3261 §17.2.3: branch and sent-by; for a branch without the magic cookie, the parts that an
    RFC 2543 peer repeats. An ACK or CANCEL is found under INVITE.
    """
    via = request.top_via
    method = "INVITE" if request.method in ("ACK", "CANCEL") else request.method
    if via.branch.startswith("z9hG4bK") and len(via.branch) > 7:
        return (via.branch, via.host.lower(), str(via.port), method)
    return (
        "rfc2543",
        request.uri,
        request.from_tag,
        request.call_id,
        str(request.cseq.number),
        str(via),
        method,
    )


def _kind(status: int) -> Answered:
    if status < 200:
        return Answered.PROVISIONAL
    return Answered.SUCCESS if status < 300 else Answered.REFUSAL
