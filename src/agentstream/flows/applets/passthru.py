"""Passthru: tells the customer's server how the call stands, and lets it choose the way (PT-*).

sync   enter ──Fetch──▶ waiting ──200──▶ next          or, by its body, an applet (PT-35)
                           │ └────302──▶ on_302
                           └─ anything else, or no answer ──▶ on_failure, on_302, next or hang-up
async  enter ──Fetch in the background──▶ next

Directly behind a stream it runs even when the caller has gone (PT-22).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from agentstream.base.errors import PeerError
from agentstream.base.ids import PromptId
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import Fetch, HttpRequest, Play, StopPlaying
from agentstream.calls.events import PromptFinished
from agentstream.flows.answer import OK, Answer
from agentstream.flows.applet import (
    Applet,
    AppletInput,
    CommandRefused,
    Leave,
    Onward,
    Step,
    hang_up,
    wired,
)
from agentstream.flows.asking import HttpUrl, Question, failure, is_near
from agentstream.flows.context import Context, DirectionWords, Wording
from agentstream.flows.prompt import PromptSettings
from agentstream.flows.telling import StreamEncoding, Style, Telling

FOUND: Final = 302
SYNC_S: Final = 5  # PT-5
ASYNC_S: Final = 15
ASYNC_RETRIES: Final = 2  # PT-6
ROUTES_LIMIT: Final = 64
PURPOSE: Final = "passthru"


class PassthruSettings(Onward):
    """Tell the customer's server of the call; its answer may choose the way."""

    kind: ClassVar[str] = "passthru"
    starts_after_call: ClassVar[bool] = True

    url: HttpUrl = Field(
        description="The server's http(s) address; its own query is kept, the call's is appended."
    )
    mode: Literal["sync", "async"] = Field(
        default="sync",
        description="`sync`: the caller waits, the answer decides; `async`: at once `next`.",
    )
    on_302: str | None = Field(default=None, description="The applet that follows status 302.")
    on_failure: str | None = Field(
        default=None,
        description=(
            "The applet that follows another status, no answer in time or no connection; without"
            " one, `failure_takes` decides."
        ),
    )
    failure_takes: Literal["on_302", "next", "hangup"] | None = Field(
        default=None,
        description=(
            "The way of a failure without `on_failure`. Without it: `on_302`, or `next` where that"
            " is not wired; with style `post_json_before`, hang up."
        ),
    )
    style: Style = Field(
        default="get",
        description=(
            "`get`: all in the query. `post_form`: the same as a form. `post_json_before`: a few"
            " words as JSON before a stream begins. `post_lowercase_after`: a form of small letters"
            " after one."
        ),
    )
    allow_http: bool = Field(
        default=False,
        description=(
            "Let `post_json_before` go over plain HTTP to other hosts than this machine and private"
            " addresses."
        ),
    )
    stream_encoding: StreamEncoding = Field(
        default="brackets",
        description="The latest stream as `Stream[Status]=...` or as one JSON text `Stream`.",
    )
    direction_words: DirectionWords = Field(
        default="outbound-dial",
        description=(
            "What `Direction` says: `incoming` or this word; with `inbound`, `inbound` or"
            " `outbound`."
        ),
    )
    clean_digits: bool = Field(
        default=False, description="Send `digits` without the quotes around them."
    )
    timeout_seconds: int | None = Field(
        default=None,
        ge=1,
        le=60,
        description="How long one attempt may take. Without it: 5, in the background 15.",
    )
    retries: int | None = Field(
        default=None,
        ge=0,
        le=5,
        description="How often to try again. Without it: not at all, in the background twice.",
    )
    hold: PromptSettings | None = Field(
        default=None, description="What the caller hears meanwhile, over and over."
    )
    body_routing: list[str] = Field(
        default_factory=list,
        max_length=ROUTES_LIMIT,
        description=(
            "Applets that the body of a 200 may choose, by their name or a URL that ends with"
            " `/NAME`."
        ),
    )

    @model_validator(mode="after")
    def _goes_over_tls(self) -> Self:
        is_https_only = self.style == "post_json_before" and not self.allow_http  # PT-30
        if is_https_only and self.url.startswith("http://") and not is_near(self.url):
            raise ValueError(
                "'post_json_before' goes to https:// only; write 'allow_http: true' for a server"
                " that has none"
            )
        return self

    def exits(self) -> Mapping[str, str]:
        """Return the exits that are wired."""
        if self.mode == "async":
            return wired(next=self.next)
        routes = {f"body:{applet}": applet for applet in self.body_routing}
        return wired(next=self.next, on_302=self.on_302, on_failure=self.on_failure) | routes

    def exit_path(self, exit_name: str) -> tuple[str, ...]:
        """Return where in the fields an exit is wired."""
        return ("body_routing",) if exit_name.startswith("body:") else (exit_name,)

    def leaves_at_once(self) -> bool:
        """Tell whether nobody waits for the answer."""
        return self.mode == "async"

    def applet(self, context: Context) -> Applet:
        """Return a machine for one visit."""
        return Passthru(self, context)


class Passthru:
    """One question to the customer's server."""

    def __init__(self, settings: PassthruSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._question: Question[Answer] | None = None
        self._hold_id: PromptId | None = None  # while something plays

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""
        return self._question.wake_at_ms if self._question else None

    def enter(self, now_ms: int) -> list[Step]:
        """Ask; in the background go on at once."""
        request = self._request(now_ms)
        if self._settings.mode == "async":
            request_id = self._context.new_request_id()
            return [Fetch(request_id, request, PURPOSE, in_background=True), Leave()]
        self._context.answer = None
        self._question = Question(self._context, PURPOSE, [request], self._read)
        return self._begin_hold(now_ms) + self._question.ask(now_ms, self._decide, self._fail)

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Take the answer."""
        match happening:
            case PromptFinished(prompt_id=self._hold_id) | CommandRefused(command=Play()):
                self._hold_id = None  # a caller who hears nothing waits all the same
                return []
            case _:
                return self._question.receive(happening, now_ms) if self._question else []

    def wake(self, now_ms: int) -> list[Step]:
        """Give up an answer that never comes."""
        return self._question.wake(now_ms) if self._question else []

    def _request(self, now_ms: int) -> HttpRequest:
        settings = self._settings
        wording = Wording(settings.direction_words, not settings.clean_digits)
        telling = Telling(settings.url, settings.style, settings.stream_encoding, wording)
        is_sync = settings.mode == "sync"
        timeout_s = settings.timeout_seconds or (SYNC_S if is_sync else ASYNC_S)
        retries = settings.retries
        if retries is None:
            retries = 0 if is_sync else ASYNC_RETRIES
        request = telling.request(self._context, now_ms)
        return replace(request, timeout_ms=timeout_s * 1000, retries=retries)

    def _read(self, answer: Answer) -> Answer:
        """Take what decides; raise PeerError for what does not."""
        self._context.answer = answer
        good = (OK,) if self._settings.style == "post_json_before" else (OK, FOUND)
        if answer.status not in good:
            wanted = " or ".join(str(status) for status in good)
            raise PeerError(f"it was answered with status {answer.status}, not {wanted}")
        return answer

    def _decide(self, answer: Answer, now_ms: int) -> list[Step]:
        if answer.status == FOUND:
            return self._leave(Leave("on_302"))
        named = answer.text.strip().rstrip("/").rpartition("/")[2]
        is_route = named in self._settings.body_routing
        return self._leave(Leave(f"body:{named}") if is_route else Leave())

    def _fail(self, why: str, now_ms: int) -> list[Step]:
        settings = self._settings
        leave = failure("the passthru", why)
        takes = settings.failure_takes
        if takes is None:
            takes = "hangup" if settings.style == "post_json_before" else "on_302"
        if settings.on_failure is not None:
            return self._leave(leave)
        if takes == "hangup":
            return self._leave(hang_up(Cause.FLOW_ERROR, Party.SYSTEM, leave.reason))
        if takes == "on_302" and settings.on_302 is not None:
            return self._leave(Leave("on_302", reason=leave.reason))
        return self._leave(leave)

    def _begin_hold(self, now_ms: int) -> list[Step]:
        hold, context = self._settings.hold, self._context
        if hold is None or context.is_gone:
            return []
        self._hold_id = context.new_prompt_id()
        return [Play(context.leg_sid, self._hold_id, hold.prompt(context, now_ms), loops=0)]

    def _leave(self, step: Step) -> list[Step]:
        return [step] if self._hold_id is None else [StopPlaying(self._hold_id), step]
