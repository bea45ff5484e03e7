"""How applets ask the customer's server: the primary URL, then the fallback, each in its time.

    ask ──Fetch──▶ waiting ──a good answer──▶ then(value)
                    ▲   │
       fallback URL └───┤ a bad one, or none in time
                        └── no URL is left ──▶ otherwise(why)

AP-1: a URL keeps its own query, ours is appended. AP-2: only Gather and Connect send the header.
AP-4: a fallback is asked when the primary fails, each within about five seconds.
"""

from collections import deque
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Annotated, Final, Generic, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from agentstream.base.errors import PeerError
from agentstream.base.ids import RequestId
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import Fetch, HttpRequest
from agentstream.calls.events import RequestFinished
from agentstream.flows.answer import Answer
from agentstream.flows.applet import ON_FAILURE, AppletInput, CommandRefused, Leave, Step
from agentstream.flows.context import Context, Wording
from agentstream.flows.template import check_template

T = TypeVar("T")

VERSION_HEADER: Final = ("Exotel-Version", "1.0")  # AP-2
TIMEOUT_S: Final = 5  # AP-4, PT-5
GRACE_MS: Final = 1_000  # whoever fetches keeps to the time itself; this is for the worst
REDIRECTS: Final = 3  # on the same host
URL_CHARS: Final = 2048


def check_http(url: str) -> str:
    """Return the URL; raises ValueError when it is not one of the web."""
    if not url.startswith(("https://", "http://")):
        raise ValueError("must begin with https:// or http://")
    return url


def is_near(url: str) -> bool:
    """Tell whether a URL's host is this machine or a private address, as it is written."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_private
    except ValueError:  # a name, or no URL before its variables are filled in
        return False


# The URL of the customer's server in a document; plain HTTP is in use out there (PT-7).
HttpUrl = Annotated[
    str, Field(max_length=URL_CHARS), AfterValidator(check_template), AfterValidator(check_http)
]

FallbackUrl = Annotated[
    HttpUrl | None, Field(description="The server that is asked when `url` fails.")
]
TimeoutSeconds = Annotated[
    int, Field(ge=1, le=30, description="How long each server has for its answer.")
]


def check_fallback(url: str | None, fallback_url: str | None) -> None:
    """Raise ValueError for a fallback without the URL that it stands in for."""
    if fallback_url is not None and url is None:
        raise ValueError("'fallback_url' is for when 'url' fails; give 'url' too")


class Question(Generic[T]):
    """One question; when it is over, `then` or `otherwise` says what follows."""

    def __init__(
        self,
        context: Context,
        purpose: str,
        requests: Sequence[HttpRequest],
        read: Callable[[Answer], T],
    ) -> None:
        """Take one request, or two; `read` makes a value, or raises PeerError for a bad answer.

        A HEAD among them only goes ahead of the next one: what is answered to it means nothing.
        """
        self.wake_at_ms: int | None = None
        self._context = context
        self._purpose = purpose
        self._requests = deque(requests)
        self._names = deque(["the primary URL: ", "the fallback URL: "])
        if sum(request.method != "HEAD" for request in requests) == 1:
            self._names = deque([""])
        self._is_ahead = False  # the request that is under way is a HEAD
        self._read = read
        self._request_id = RequestId("")
        self.request: HttpRequest | None = None  # the latest: whose answer is read, or was
        self._failures: list[str] = []
        self._then: Callable[[T, int], list[Step]] = lambda value, now_ms: []
        self._otherwise: Callable[[str, int], list[Step]] = lambda why, now_ms: []

    @property
    def is_open(self) -> bool:
        """Whether an answer is awaited."""
        return self.wake_at_ms is not None

    def ask(
        self,
        now_ms: int,
        then: Callable[[T, int], list[Step]],
        otherwise: Callable[[str, int], list[Step]],
    ) -> list[Step]:
        """Begin with the primary URL."""
        self._then, self._otherwise = then, otherwise
        return self._next(now_ms)

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Take an answer; what is about something else is ignored."""
        match happening:
            case RequestFinished(request_id=self._request_id):
                return self._answered(happening, now_ms)
            case CommandRefused(command=Fetch(request_id=self._request_id), text=text):
                return self._failed(text, now_ms)
            case _:
                return []

    def wake(self, now_ms: int) -> list[Step]:
        """Give up waiting, when it is time."""
        if self.wake_at_ms is None or now_ms < self.wake_at_ms:
            return []
        return self._failed("there was no answer in time", now_ms)

    def _next(self, now_ms: int) -> list[Step]:
        request = self.request = self._requests.popleft()
        self._request_id = self._context.new_request_id()
        self._is_ahead = request.method == "HEAD"
        longest_ms = request.timeout_ms * (request.retries + 1)
        self.wake_at_ms = now_ms + longest_ms + GRACE_MS
        return [Fetch(self._request_id, request, self._purpose)]

    def _answered(self, finished: RequestFinished, now_ms: int) -> list[Step]:
        if self._is_ahead:
            return self._next(now_ms)
        try:
            value = self._read(Answer.of(finished))
        except PeerError as error:
            return self._failed(str(error), now_ms)
        self._close()
        return self._then(value, now_ms)

    def _failed(self, why: str, now_ms: int) -> list[Step]:
        if self._is_ahead:
            return self._next(now_ms)
        self._failures.append(self._names.popleft() + why)
        if self._requests:
            return self._next(now_ms)
        self._close()
        return self._otherwise("; ".join(self._failures), now_ms)

    def _close(self) -> None:
        self.wake_at_ms, self._request_id = None, RequestId("")


def get(
    context: Context,
    url: str,
    now_ms: int,
    timeout_s: int = TIMEOUT_S,
    headers: tuple[tuple[str, str], ...] = (),
) -> HttpRequest:
    """Return the question of a dynamic applet: GET, the call's parameters appended (AP-1, AP-3)."""
    return HttpRequest(
        url=context.url(url, now_ms),
        query=context.parameters(now_ms, Wording()),
        headers=headers,
        timeout_ms=timeout_s * 1000,
        redirects=REDIRECTS,
    )


def failure(what: str, why: str, party: Party = Party.SYSTEM) -> Leave:
    """Return the way out of an applet that could not do its work (AP-7)."""
    return Leave(ON_FAILURE, Cause.FLOW_ERROR, party, f"{what} failed: {why}")
