"""What a call may ask of the endpoint that it lives in, and what it is told."""

from collections.abc import Callable
from typing import Protocol

from agentstream.base.ids import Tokens
from agentstream.sip.digest import DigestClient
from agentstream.sip.flow import Flow, Hop
from agentstream.sip.message import Request, Response
from agentstream.sip.refer_headers import Replaces
from agentstream.sip.reports import Report, SipCallRef
from agentstream.sip.server_transaction import ServerTransaction
from agentstream.sip.settings import SipSettings
from agentstream.sip.timers import Sleeper


class Asker(Protocol):
    """Whoever sends a request and waits for what comes of it."""

    def heard(self, exchange: "Exchange", response: Response, flow: Flow, now_ms: int) -> None:
        """Take a response: any provisional one above 100, the final one, each 2xx to INVITE."""

    def unheard(self, exchange: "Exchange", status: int, text: str, now_ms: int) -> None:
        """Take it that none will come: 408 no answer, 503 no way there."""


class Exchange:
    """One request of ours until its final response, through challenges and further targets."""

    __slots__ = (
        "asker",
        "attempts",
        "cancel_reason",
        "contact",
        "digest",
        "hops",
        "is_cancelled",
        "is_heard",
        "is_over",
        "next_cseq",
        "patience_ms",
        "request",
        "to",
        "transaction_key",
    )

    def __init__(
        self,
        request: Request,
        to: Flow | Hop,
        asker: Asker,
        next_cseq: Callable[[], int],
        digest: DigestClient | None = None,
    ) -> None:
        self.request = request  # without Via; what is sent is a copy with one
        self.to = to  # where it goes, or went last
        self.asker = asker
        self.next_cseq = next_cseq
        self.digest = digest
        self.hops: list[Hop] = []  # still to be tried
        self.attempts = 0  # challenges answered
        self.is_cancelled = False
        self.cancel_reason = ""
        self.is_heard = False  # any response came
        self.is_over = False
        self.transaction_key: tuple[str, str] | None = None
        self.patience_ms = 0  # how long one target may take to answer; 0: Timer B or F
        # Writes our Contact for the transport, host and port that the request goes out by.
        self.contact: Callable[[str, str, int], str] | None = None


class Usage(Sleeper, Protocol):
    """A call, as the endpoint sees it."""

    ref: SipCallRef
    local_tag: str

    def requested(
        self, transaction: ServerTransaction, request: Request, flow: Flow, now_ms: int
    ) -> None:
        """Take a request inside the dialog; every one is answered."""

    def acknowledged(self, ack: Request, flow: Flow, now_ms: int) -> None:
        """Take the ACK of a 2xx."""

    def cancelled(self, cancel: Request, now_ms: int) -> None:
        """Take a CANCEL of the INVITE that made this call."""


class Core(Protocol):
    """The endpoint, as a call sees it."""

    settings: SipSettings
    tokens: Tokens

    def report(self, report: Report) -> None:
        """Tell the product."""

    def answer(self, transaction: ServerTransaction, response: Response, now_ms: int) -> bytes:
        """Answer a request; the bytes are what went out."""

    def repeat(self, transaction: ServerTransaction, data: bytes) -> None:
        """Send bytes of an answer again, past the transaction."""

    def begin(self, exchange: Exchange, now_ms: int) -> None:
        """Send a request."""

    def cancel(self, exchange: Exchange, now_ms: int) -> None:
        """CANCEL an INVITE as soon as that is allowed; its final response still comes."""

    def pass_over(self, exchange: Exchange, now_ms: int) -> bool:
        """Go on to the next server of the same name (RFC 3263 §4.3); False when there is none."""

    def acknowledge(self, ack: Request, to: Flow | Hop, branch: str) -> None:
        """Send the ACK to a 2xx."""

    def branch(self) -> str:
        """Make a Via branch."""

    def contact(self, to: Flow | Hop) -> str:
        """Return our Contact for a peer there, host and port always written (PN-6a)."""

    def replaced(self, replaces: Replaces) -> SipCallRef | int:
        """Return the call that this dialog is, or the status that refuses to replace it."""

    def watch(self, sleeper: Sleeper) -> None:
        """Set a sleeper's alarm after its times have changed."""

    def close(self, usage: Usage) -> None:
        """Forget a call."""

    def random_ms(self, below_ms: int) -> int:
        """Return a random time, in steps of 10 ms."""
