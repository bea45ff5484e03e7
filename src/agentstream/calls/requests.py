"""What a call asks of the customer's servers: HTTP requests that somebody waits for, and errands.

foreground   Fetch ──▶ waits ──Fetched──▶ RequestFinished       the call does not end before
background   Fetch ──▶ an errand: Fetched ──▶ RequestFinished   as long as the call is there
             SendMail: an errand of which the call hears no more
"""

from typing import Final

from agentstream.base.errors import CommandError
from agentstream.base.ids import CallSid, RequestId
from agentstream.calls.checks import check_length, check_new, check_range, check_room
from agentstream.calls.commands import Fetch, HttpRequest, Mail, SendMail
from agentstream.calls.effects import DeliverMail, Effect, SendRequest
from agentstream.calls.events import Event, RequestFinished, RequestStarted
from agentstream.calls.ledger import masked
from agentstream.calls.reports import Fetched

WAITED_FOR_AT_ONCE: Final = 8
ERRANDS_AT_ONCE: Final = 32  # more than a Connect tells of all its parties at once (AP-48)
REQUESTS_PER_CALL: Final = 1000  # letters as well

BODY_LIMIT: Final = 65_536
ANSWER_LIMIT: Final = 1_048_576  # bytes
TIMEOUT_LIMIT_MS: Final = 60_000
RETRIES_LIMIT: Final = 10
REDIRECTS_LIMIT: Final = 5
PAIRS_LIMIT: Final = 256  # of a query; headers are bounded by it as well
RECIPIENTS_LIMIT: Final = 50

NOT_ANSWERED: Final = "the call ended before there was an answer"


class Requests:
    """The requests of one call; a machine inside the call's machine, without timers."""

    def __init__(self, call_sid: CallSid) -> None:
        self._call_sid = call_sid
        self._waiting: dict[RequestId, Fetch] = {}
        self._errands: dict[RequestId, Fetch] = {}
        self._begun = 0

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits for an answer."""
        return not self._waiting

    def order(self, wish: Fetch | SendMail) -> list[Event | Effect]:
        """Carry out a command; raises CommandError."""
        check_room(self._begun, REQUESTS_PER_CALL, "requests")
        if isinstance(wish, SendMail):
            check_mail(wish.mail)
            self._begun += 1
            return [DeliverMail(wish.request_id, wish.mail)]
        is_known = wish.request_id in self._waiting or wish.request_id in self._errands
        check_new(is_known, "request")
        if wish.in_background:
            check_room(len(self._errands), ERRANDS_AT_ONCE, "requests in the background")
        else:
            check_room(len(self._waiting), WAITED_FOR_AT_ONCE, "requests at once")
        check_request(wish.request)
        self._begun += 1
        (self._errands if wish.in_background else self._waiting)[wish.request_id] = wish
        request, purpose = wish.request, wish.purpose
        return [
            RequestStarted(
                self._call_sid, wish.request_id, purpose, request.method, masked(request.url)
            ),
            SendRequest(wish.request_id, request, purpose, wish.in_background),
        ]

    def hear(self, fetched: Fetched) -> list[Event | Effect] | None:
        """Take an answer; None when nothing of that id was asked."""
        sid = fetched.request_id
        wish = self._waiting.pop(sid, None) or self._errands.pop(sid, None)
        return None if wish is None else [self._finished(wish, fetched)]

    def write_off(self) -> list[Event | Effect]:
        """Take what is waited for as not answered. Errands go on without the call."""
        waiting, self._waiting = self._waiting, {}
        self._errands.clear()
        return [
            self._finished(wish, Fetched(sid, 0, error=NOT_ANSWERED))
            for sid, wish in waiting.items()
        ]

    def _finished(self, wish: Fetch, fetched: Fetched) -> RequestFinished:
        return RequestFinished(
            self._call_sid,
            wish.request_id,
            wish.purpose,
            fetched.status,
            fetched.content_type,
            fetched.body,
            fetched.elapsed_ms,
            fetched.attempts,
            fetched.error,
        )


def check_request(request: HttpRequest) -> None:
    """Refuse what is out of bounds. Whether the URL is one is for the client to say."""
    check_range(request.timeout_ms, 1, TIMEOUT_LIMIT_MS, "timeout_ms")
    check_range(request.retries, 0, RETRIES_LIMIT, "retries")
    check_range(request.redirects, 0, REDIRECTS_LIMIT, "redirects")
    check_range(request.max_bytes, 0, ANSWER_LIMIT, "max_bytes")
    check_range(len(request.query), 0, PAIRS_LIMIT, "the number of query pairs")
    check_range(len(request.headers), 0, PAIRS_LIMIT, "the number of headers")
    check_length(request.body, BODY_LIMIT, "body")
    if request.body and request.method == "GET":
        raise CommandError("a GET has no body")


def check_mail(mail: Mail) -> None:
    """Refuse what is out of bounds."""
    check_range(len(mail.to), 1, RECIPIENTS_LIMIT, "the number of recipients")
    check_length(mail.subject, 998, "subject")  # RFC 5322 section 2.1.1
    check_length(mail.text, BODY_LIMIT, "text")
