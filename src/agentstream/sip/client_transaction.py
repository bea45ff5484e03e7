"""Client transactions: INVITE (RFC 3261 §17.1.1, RFC 6026) and the others (§17.1.2).

              INVITE                                        other methods
    CALLING --1xx--> PROCEEDING                   TRYING --1xx--> PROCEEDING
       |  '--B--> over  |                            |  '--F--> over  |
       '----2xx---------+--> ACCEPTED ---M--> over   '----final-------+--> COMPLETED --K--> over
       '----300+--------'--> COMPLETED --D--> over

A request is repeated from its bytes. The ACK to a refusal is made here (§17.1.1.3); the ACK to a
2xx belongs to the user.
"""

from enum import Enum

from agentstream.base.values import dataclass
from agentstream.sip.flow import Flow, Hop
from agentstream.sip.message import Headers, Request, Response
from agentstream.sip.timers import Alarm, Timers
from agentstream.sip.wire import encode


class ClientState(Enum):
    """CALLING is called TRYING for methods other than INVITE."""

    CALLING = "calling"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    ACCEPTED = "accepted"
    OVER = "over"


class Heard(Enum):
    """What the peer answers."""

    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    REFUSAL = "3xx-6xx"


INVITE_MOVES = {
    (ClientState.CALLING, Heard.PROVISIONAL): ClientState.PROCEEDING,
    (ClientState.CALLING, Heard.SUCCESS): ClientState.ACCEPTED,
    (ClientState.CALLING, Heard.REFUSAL): ClientState.COMPLETED,
    (ClientState.PROCEEDING, Heard.PROVISIONAL): ClientState.PROCEEDING,
    (ClientState.PROCEEDING, Heard.SUCCESS): ClientState.ACCEPTED,
    (ClientState.PROCEEDING, Heard.REFUSAL): ClientState.COMPLETED,
    # RFC 6026 §7.2: a 2xx may come again, or from another fork; stay and pass it up.
    (ClientState.ACCEPTED, Heard.SUCCESS): ClientState.ACCEPTED,
    (ClientState.COMPLETED, Heard.REFUSAL): ClientState.COMPLETED,
}
OTHER_MOVES = {
    (ClientState.CALLING, Heard.PROVISIONAL): ClientState.PROCEEDING,
    (ClientState.CALLING, Heard.SUCCESS): ClientState.COMPLETED,
    (ClientState.CALLING, Heard.REFUSAL): ClientState.COMPLETED,
    (ClientState.PROCEEDING, Heard.PROVISIONAL): ClientState.PROCEEDING,
    (ClientState.PROCEEDING, Heard.SUCCESS): ClientState.COMPLETED,
    (ClientState.PROCEEDING, Heard.REFUSAL): ClientState.COMPLETED,
}


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send these bytes of the request or its ACK, for the first time or again."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Passed:
    """A response for the user; each final one once, but a 2xx to INVITE as often as it comes."""

    response: Response


@dataclass(frozen=True, slots=True)
class TimedOut:
    """No final answer in time (B, F)."""


ClientOutput = Transmit | Passed | TimedOut


class ClientTransaction:
    """One request of ours and the peer's responses to it; `start` it once."""

    __slots__ = (
        "_ack",
        "_data",
        "_gap_ms",
        "_is_invite",
        "_is_reliable",
        "_over_at_ms",
        "_repeat_at_ms",
        "_timers",
        "alarm",
        "key",
        "owner",
        "request",
        "send_to",
        "state",
    )

    def __init__(self, request: Request, send_to: Flow | Hop, timers: Timers) -> None:
        self.request = request
        self.send_to = send_to
        self.key = (request.top_via.branch, request.method)
        self.owner: object = None
        self.alarm: Alarm | None = None
        self.state = ClientState.CALLING
        self._is_invite = request.method == "INVITE"
        self._is_reliable = send_to.transport != "udp"
        self._timers = timers
        self._data = encode(request)
        self._ack = b""
        self._gap_ms = timers.t1_ms
        self._repeat_at_ms: int | None = None
        self._over_at_ms: int | None = None

    @property
    def wake_at_ms(self) -> int | None:
        """When A, B, D, E, F, K or M fires."""
        if self._repeat_at_ms is None:
            return self._over_at_ms
        if self._over_at_ms is None:
            return self._repeat_at_ms
        return min(self._repeat_at_ms, self._over_at_ms)

    @property
    def is_over(self) -> bool:
        """Whether it can be forgotten."""
        return self.state is ClientState.OVER

    @property
    def is_open(self) -> bool:
        """Whether the final answer is still to come."""
        return self.state in (ClientState.CALLING, ClientState.PROCEEDING)

    def start(self, now_ms: int) -> list[ClientOutput]:
        """Send the request."""
        self._over_at_ms = now_ms + self._timers.transaction_ms  # B, F
        if not self._is_reliable:
            self._repeat_at_ms = now_ms + self._gap_ms  # A, E
        return [Transmit(self._data)]

    def receive(self, happening: Response, now_ms: int) -> list[ClientOutput]:
        """Take a response that belongs here."""
        response = happening
        moves = INVITE_MOVES if self._is_invite else OTHER_MOVES
        before = self.state
        after = moves.get((before, _kind(response.status)))
        if after is None:
            return []
        self.state = after
        if after is ClientState.PROCEEDING:
            if self._is_invite and before is ClientState.CALLING:
                # How long it may ring is the user's decision.
                self._repeat_at_ms = self._over_at_ms = None
            return [Passed(response)]
        if before is ClientState.COMPLETED:  # our ACK was lost
            return [Transmit(self._ack)] if self._ack else []
        if before is not ClientState.ACCEPTED:
            self._finish(now_ms)
        if self._is_invite and after is not ClientState.ACCEPTED:
            self._ack = encode(ack_of_refusal(self.request, response))
            return [Transmit(self._ack), Passed(response)]
        return [Passed(response)]

    def wake(self, now_ms: int) -> list[ClientOutput]:
        """Let A and E repeat, B and F give up, D, K and M end it."""
        if self._over_at_ms is not None and now_ms >= self._over_at_ms:
            was_open = self.is_open
            self.end()
            return [TimedOut()] if was_open else []
        if self._repeat_at_ms is not None and now_ms >= self._repeat_at_ms:
            self._gap_ms *= 2
            if not self._is_invite:
                is_proceeding = self.state is ClientState.PROCEEDING
                t2_ms = self._timers.t2_ms
                self._gap_ms = t2_ms if is_proceeding else min(self._gap_ms, t2_ms)
            self._repeat_at_ms = now_ms + self._gap_ms
            return [Transmit(self._data)]
        return []

    def limit(self, at_ms: int) -> None:
        """Wait no longer for the final answer than this: after CANCEL (RFC 3261 §9.1)."""
        if self.is_open:
            self._over_at_ms = at_ms

    def hush(self) -> None:
        """Repeat the request no more: nobody wants its answer."""
        self._repeat_at_ms = None

    def end(self) -> None:
        """Be over at once."""
        self.state = ClientState.OVER
        self._repeat_at_ms = self._over_at_ms = None

    def _finish(self, now_ms: int) -> None:
        self._repeat_at_ms = None
        if self.state is ClientState.ACCEPTED:
            self._over_at_ms = now_ms + self._timers.transaction_ms  # M
            return
        if self._is_invite:
            delay_ms = self._timers.absorb_ms(is_reliable=self._is_reliable)  # D
        else:
            delay_ms = self._timers.linger_ms(is_reliable=self._is_reliable)  # K
        if delay_ms:
            self._over_at_ms = now_ms + delay_ms
        else:
            self.end()


def ack_of_refusal(request: Request, response: Response) -> Request:
    """Make the ACK to a 300-699 (RFC 3261 §17.1.1.3)."""
    ack = _same_hop(request, "ACK")
    ack.headers.set("To", response.headers.get("To") or "")
    return ack


def cancel_of(request: Request) -> Request:
    """Make the CANCEL of a request (RFC 3261 §9.1)."""
    return _same_hop(request, "CANCEL")


_SAME = frozenset(("Max-Forwards", "From", "To", "Call-ID", "Route"))


def _same_hop(request: Request, method: str) -> Request:
    items = [("Via", str(request.top_via))]
    items += [item for item in request.headers if item[0] in _SAME]
    items.append(("CSeq", f"{request.cseq.number} {method}"))
    return Request(method, request.uri, Headers.trusted(items))


def _kind(status: int) -> Heard:
    if status < 200:
        return Heard.PROVISIONAL
    return Heard.SUCCESS if status < 300 else Heard.REFUSAL
