"""REFER inside a dialog, both ways, and the subscription that each makes (RFC 3515, 6665, 4488).

theirs  REFER --AnswerRefer--> 202, NOTIFY 100 --ReportTransfer--> NOTIFY 180 .. final, terminated
           '--refused, or nobody answers in time--> 4xx-6xx
ours    Refer --> REFER --2xx--> waits --NOTIFY 1xx--> waits --NOTIFY final--> ReferProgress, final
                    '--refused, unanswered--> ReferProgress, final

One of each at a time. A NOTIFY waits for the answer to the one before it, and only the newest of
those that wait is sent: what it says makes the others old. The call goes on whatever becomes of it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from weakref import proxy

from agentstream.base.errors import PeerError
from agentstream.sip.bodies import one_line, passed_headers, put_headers
from agentstream.sip.commands import AnswerRefer, Refer, ReportTransfer
from agentstream.sip.core import Exchange
from agentstream.sip.flow import Flow
from agentstream.sip.message import Request, Response
from agentstream.sip.refer_headers import (
    FRAGMENT_TYPE,
    event_of,
    parse_refer_to,
    read_fragment,
    write_fragment,
    write_refer_to,
)
from agentstream.sip.reports import ReferProgress, Referred
from agentstream.sip.server_transaction import ServerTransaction

if TYPE_CHECKING:
    from agentstream.sip.invite import InviteUsage

SUBSCRIPTION_MS: Final = 180_000  # of theirs: longer than anybody rings (RFC 3515 §2.4.4)
OUTCOME_MS: Final = 180_000  # how long we wait for the final NOTIFY of a REFER that was accepted
LAST_WORD_MS: Final = 1_000  # how long a BYE of ours waits for the answer to the final NOTIFY


@dataclass(slots=True)
class Theirs:
    """A REFER of the peer's."""

    transaction: ServerTransaction
    number: int  # its CSeq, by which its subscription is named
    is_accepted: bool = False
    is_silent: bool = False  # Refer-Sub: false, so nothing is told (RFC 4488)
    ends_at_ms: int = 0
    is_over: bool = False  # the final word was given


@dataclass(slots=True)
class Word:
    """What a NOTIFY says."""

    status: int
    reason: str
    state: str  # of the subscription


class Referrals:
    """The transfers of one call; a machine inside that of the call."""

    def __init__(self, usage: "InviteUsage") -> None:
        # Weak, as it is our owner: a ring would keep both until the collector looks.
        self._usage: InviteUsage = proxy(usage)
        self._theirs: Theirs | None = None
        self._notice: Exchange | None = None  # a NOTIFY of ours that is out
        self._waiting: Word | None = None
        self._ours: Exchange | None = None  # our REFER, until its final NOTIFY
        self._is_accepted = False
        self._until_ack: Refer | None = None  # ours, of a call whose answer is not acknowledged yet

    @property
    def has_last_word(self) -> bool:
        """Whether the final NOTIFY of a transfer is out, or waits to be: a BYE lets it go first."""
        theirs = self._theirs
        is_telling = self._notice is not None or self._waiting is not None
        return theirs is not None and theirs.is_over and is_telling

    def obey(self, command: Refer | AnswerRefer | ReportTransfer, now_ms: int) -> None:
        """Carry out a command of the product."""
        match command:
            case Refer():
                self.refer(command, now_ms)
            case AnswerRefer():
                self.answer(command, now_ms)
            case ReportTransfer():
                self.tell(command, now_ms)
        self._usage.core.watch(self._usage)

    # Theirs

    def asked(self, transaction: ServerTransaction, request: Request, now_ms: int) -> None:
        """Take a REFER. Raises PeerError for one that cannot be understood."""
        usage = self._usage
        if not usage.may_be_modified("INVITE"):
            usage.refuse(transaction, 403, now_ms)
            return
        if self._theirs is not None and not self._theirs.is_over:
            usage.refuse(transaction, 491, now_ms)
            return
        named = parse_refer_to(request.headers.all("Refer-To"))
        is_silent = (request.headers.get("Refer-Sub") or "").strip().lower() == "false"
        self._theirs = Theirs(transaction, request.cseq.number, is_silent=is_silent)
        timeout_ms = usage.core.settings.answer_media_timeout_ms
        usage.alarms.set("refer_unanswered", now_ms + timeout_ms)
        replaces = named.replaces
        own = usage.core.replaced(replaces) if replaces is not None else 481
        target = named.target
        if isinstance(own, str):  # whatever it is called there, the INVITE must come to us
            target = usage.core.contact(transaction.flow).strip("<>")
        usage.report(
            Referred(
                usage.ref,
                target,
                own if isinstance(own, str) else None,
                "" if replaces is None else str(replaces),
                one_line(request.headers.get("Referred-By") or ""),
                (*named.headers, *passed_headers(request.headers)),
            )
        )

    def answer(self, command: AnswerRefer, now_ms: int) -> None:
        """Accept the peer's REFER, or refuse it."""
        theirs, usage = self._theirs, self._usage
        if theirs is None or theirs.is_accepted or theirs.is_over:
            return
        usage.alarms.clear("refer_unanswered")
        request = theirs.transaction.request
        if not 200 <= command.status <= 299:
            self._theirs = None
            status = command.status if 300 <= command.status <= 699 else 403
            refusal = usage.response(request, status, one_line(command.reason))
            usage.core.answer(theirs.transaction, refusal, now_ms)
            return
        theirs.is_accepted = True
        # RFC 3515 §2.4.2: 202, whatever success was ordered; PN-10 wants it too.
        response = usage.response(request, 202)
        response.headers.add("Contact", usage.core.contact(theirs.transaction.flow))
        if theirs.is_silent:
            response.headers.add("Refer-Sub", "false")
        usage.core.answer(theirs.transaction, response, now_ms)
        theirs.ends_at_ms = now_ms + SUBSCRIPTION_MS
        if not theirs.is_silent:
            usage.alarms.set("refer_expires", theirs.ends_at_ms)
            self._tell(100, "", now_ms)

    def tell(self, command: ReportTransfer, now_ms: int) -> None:
        """Tell the peer how its transfer goes on; the final word ends the subscription."""
        theirs = self._theirs
        if theirs is None or not theirs.is_accepted or theirs.is_over:
            return
        theirs.is_over = command.final
        if command.final:
            self._usage.alarms.clear("refer_expires")
        if not theirs.is_silent:
            self._tell(command.status, command.reason, now_ms)

    def _tell(self, status: int, reason: str, now_ms: int) -> None:
        theirs = self._theirs
        assert theirs is not None  # the caller has looked
        left_s = max(0, (theirs.ends_at_ms - now_ms) // 1000)
        state = "terminated;reason=noresource" if theirs.is_over else f"active;expires={left_s}"
        self._waiting = Word(status, reason, state)
        self._go_on(now_ms)

    def _go_on(self, now_ms: int) -> None:
        theirs, word, usage = self._theirs, self._waiting, self._usage
        if theirs is None or word is None or self._notice is not None or usage.dialog is None:
            return
        self._waiting = None
        notify = usage.dialog.request("NOTIFY")
        notify.headers.add("Event", f"refer;id={theirs.number}")
        notify.headers.add("Subscription-State", word.state)
        notify.headers.add("Content-Type", FRAGMENT_TYPE)
        notify.body = write_fragment(word.status, word.reason)
        self._notice = usage.exchange(notify, self)
        usage.core.begin(self._notice, now_ms)

    def _expired(self, now_ms: int) -> None:
        """RFC 6665 §4.2.2: the subscription has had its time; the transfer itself goes on."""
        theirs = self._theirs
        if theirs is not None and not theirs.is_over:
            theirs.is_over = True
            self._waiting = Word(100, "", "terminated;reason=timeout")
            self._go_on(now_ms)

    # Ours

    def refer(self, command: Refer, now_ms: int) -> None:
        """Ask the peer to call somebody in our stead; ReferProgress follows, the last one final."""
        usage = self._usage
        dialog = usage.dialog
        if usage.unacked is not None and not usage.is_confirmed and self._until_ack is None:
            self._until_ack = command
            return
        if dialog is None or not usage.is_confirmed or self._ours is not None:
            self._over(491)
            return
        if dialog.peer_allows and "REFER" not in dialog.peer_allows:
            self._over(405)  # it has said so already
            return
        try:
            refer_to = write_refer_to(command.target, command.replaces)
        except PeerError as error:
            self._over(error.status)
            return
        request = dialog.request("REFER")
        request.headers.add("Refer-To", refer_to)
        request.headers.add("Referred-By", dialog.local.partition(";tag=")[0])
        put_headers(request, command.headers)
        self._is_accepted = False
        self._ours = usage.exchange(request, self)
        usage.core.begin(self._ours, now_ms)

    def confirmed(self, now_ms: int) -> None:
        """Take it that our answer is acknowledged: the REFER that waited for that goes out."""
        command, self._until_ack = self._until_ack, None
        if command is not None:
            self.refer(command, now_ms)

    def notified(self, transaction: ServerTransaction, request: Request, now_ms: int) -> None:
        """Take a NOTIFY. Raises PeerError for one that cannot be understood."""
        usage, ours = self._usage, self._ours
        package, number = event_of(request)
        # A number that is missing is ours: it may be left out of the first REFER's (RFC 3515
        # §2.4.6). The NOTIFY may overtake the 202.
        if ours is None or package != "refer" or number not in ("", _number_of(ours)):
            usage.refuse(transaction, 481, now_ms)
            return
        status = read_fragment(request)
        usage.core.answer(transaction, usage.response(request, 200), now_ms)
        state = (request.headers.get("Subscription-State") or "").partition(";")[0]
        self._is_accepted = True
        if status >= 200:
            self._over(status)
        elif state.strip().lower() == "terminated":
            self._over(0)
        else:
            usage.alarms.set("refer_outcome", now_ms + OUTCOME_MS)
            usage.report(ReferProgress(usage.ref, status))

    def _over(self, status: int) -> None:
        usage = self._usage
        is_accepted, self._is_accepted = self._is_accepted, False
        self._ours = None
        usage.alarms.clear("refer_outcome")
        usage.report(ReferProgress(usage.ref, status, final=True, accepted=is_accepted))

    # What comes of our requests

    def heard(self, exchange: Exchange, response: Response, flow: Flow, now_ms: int) -> None:
        """Take the answer to our NOTIFY or REFER."""
        del flow
        if response.is_provisional:
            return
        if exchange is self._ours:
            self._answered(response, now_ms)
        elif exchange is self._notice:
            # RFC 6665 §4.2.2: who refuses to be told, as with 481, is told no more (PN-10).
            self._noticed(now_ms, goes_on=response.is_success)
        self._usage.core.watch(self._usage)

    def unheard(self, exchange: Exchange, status: int, text: str, now_ms: int) -> None:
        """Take it that our NOTIFY or REFER was not answered; the call itself may be well."""
        del text
        if exchange is self._ours:
            self._over(status)
        elif exchange is self._notice:
            self._noticed(now_ms, goes_on=False)
        self._usage.core.watch(self._usage)

    def _answered(self, response: Response, now_ms: int) -> None:
        usage = self._usage
        if not response.is_success:
            self._over(response.status)
            if response.status == 481:
                usage.lost(481, "the peer does not know this call", now_ms)
        elif not self._is_accepted:
            self._is_accepted = True
            usage.alarms.set("refer_outcome", now_ms + OUTCOME_MS)
            usage.report(ReferProgress(usage.ref, 100, accepted=True))

    def _noticed(self, now_ms: int, *, goes_on: bool) -> None:
        usage = self._usage
        self._notice = None
        if not goes_on:
            self._waiting = None
            usage.alarms.clear("refer_expires")
        self._go_on(now_ms)
        if not self.has_last_word:
            usage.last_word_given(now_ms)

    def rang(self, name: str, now_ms: int) -> None:
        """Take an alarm; those of others are nothing."""
        match name:
            case "refer_unanswered":
                self.answer(AnswerRefer(self._usage.ref, 500), now_ms)
            case "refer_expires":
                self._expired(now_ms)
            case "refer_outcome" if self._ours is not None:
                self._over(408)
            case _:
                pass

    def abandon(self, now_ms: int) -> None:
        """Give everything up, because the call ends; who asked last is answered."""
        theirs, self._theirs = self._theirs, None
        self._ours = self._notice = self._waiting = self._until_ack = None
        if theirs is not None and not theirs.is_accepted and not theirs.is_over:
            self._usage.refuse(theirs.transaction, 487, now_ms)


def _number_of(exchange: Exchange) -> str:
    return str(exchange.request.cseq.number)
