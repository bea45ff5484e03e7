"""Asks the customer's server whom to dial: the primary URL, then the fallback (AP-4).

begin ──Fetch──▶ ASKING ──an answer that can be used──▶ plan
                   │ ▲
                   └─┘ none, a wrong one, or too late: the next URL; after the last a plan of nobody
"""

from dataclasses import replace
from typing import Final

from agentstream.base.ids import RequestId
from agentstream.calls.commands import Fetch, HttpRequest
from agentstream.calls.events import RequestFinished
from agentstream.flows.applet import AppletInput, CommandRefused, Step
from agentstream.flows.connect_answer import AnswerError, plain, programmable
from agentstream.flows.context import Context
from agentstream.flows.dial_plan import DialPlan

ANSWER_MS: Final = 5_000  # AP-4
GRACE_MS: Final = 1_000  # the answer's way to us
REDIRECTS: Final = 3
# AP-2: only who is asked for JSON is told so; it tells the two kinds of Connect apart.
PROGRAMMABLE_HEADERS: Final = (("Exotel-Version", "1.0"),)


class Question:
    """One question to a customer's server; a machine inside the applet's."""

    def __init__(
        self, context: Context, urls: tuple[str, ...], base: DialPlan, *, is_programmable: bool
    ) -> None:
        self.plan: DialPlan | None = None  # once it is answered
        self.wake_at_ms: int | None = None
        self._context = context
        self._urls = list(urls)
        self._base = base
        self._is_programmable = is_programmable
        self._request_id: RequestId | None = None
        self._reasons: list[str] = []

    def begin(self, now_ms: int) -> list[Step]:
        """Ask the next URL."""
        context = self._context
        self._request_id, self.wake_at_ms = context.new_request_id(), now_ms + ANSWER_MS + GRACE_MS
        request = HttpRequest(
            context.url(self._urls.pop(0), now_ms),
            query=context.parameters(now_ms),
            headers=PROGRAMMABLE_HEADERS if self._is_programmable else (),
            timeout_ms=ANSWER_MS,
            redirects=REDIRECTS,
        )
        return [Fetch(self._request_id, request, "connect")]

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Take the answer; one that comes too late is not ours any more."""
        match happening:
            case RequestFinished(request_id=self._request_id):
                return self._answered(happening, now_ms)
            case CommandRefused(command=Fetch(request_id=self._request_id), text=text):
                return self._failed(text, now_ms)
            case _:
                return []

    def wake(self, now_ms: int) -> list[Step]:
        """Wait no longer."""
        return self._failed("there was no answer in time", now_ms)

    def _answered(self, event: RequestFinished, now_ms: int) -> list[Step]:
        if event.status != 200:
            why = f"the server answered {event.status}" if event.status else event.error
            return self._failed(why or "there was no answer", now_ms)
        read = programmable if self._is_programmable else plain
        try:
            self.plan = read(event.body, self._base, self._context.setup.to_number)
        except AnswerError as error:
            return self._failed(str(error), now_ms)
        self.wake_at_ms = None
        return []

    def _failed(self, why: str, now_ms: int) -> list[Step]:
        self._reasons.append(why)
        if self._urls:
            return self.begin(now_ms)
        self._request_id = self.wake_at_ms = None
        self.plan = replace(self._base, targets=(), reason="; fallback: ".join(self._reasons))
        return []
