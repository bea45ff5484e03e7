"""SMS: asks a provider's server to send a text message, in the background (AP-58).

static   enter ──Fetch in the background──▶ next
dynamic  enter ──▶ asking for the text ──▶ Fetch in the background ──▶ next
                           └──no text──▶ next: an error never stops the flow
"""

import json
from typing import Annotated, ClassVar, Final, Literal, Self
from urllib.parse import urlencode

from pydantic import Field, model_validator

from agentstream.base.errors import PeerError
from agentstream.calls.commands import Fetch, HttpRequest
from agentstream.flows.answer import Answer, instead
from agentstream.flows.applet import Applet, AppletInput, Leave, Onward, Step
from agentstream.flows.asking import TIMEOUT_S, HttpUrl, Question, get
from agentstream.flows.context import Context
from agentstream.flows.telling import FORM, JSON
from agentstream.flows.template import Template

TEXT_CHARS: Final = 2000
HEADERS_LIMIT: Final = 16
TIMEOUT_MS: Final = 15_000
RETRIES: Final = 2
PURPOSE: Final = "sms"
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
HeaderValue = Annotated[str, Field(pattern=r"^[\x20-\x7e]{0,1000}$")]


class SmsSettings(Onward):
    """Send a text message through a provider's server; nobody waits, no error stops the flow."""

    kind: ClassVar[str] = "sms"
    # With a server that says the text: it is asked to the end, and the message sent.
    finishes_after_call: ClassVar[bool] = True

    provider_url: HttpUrl = Field(
        description="The provider's server; it is given `From`, `To` and `Body`."
    )
    encoding: Literal["form", "json", "query"] = Field(
        default="form", description="POST as a form or as JSON, or GET with all in the query."
    )
    headers: dict[HeaderName, HeaderValue] = Field(
        default_factory=dict,
        max_length=HEADERS_LIMIT,
        description="More headers for the provider, such as `Authorization`.",
    )
    sender: Template = Field(default="{To}", max_length=64, description="Who sends it.")
    to: Template = Field(
        default="{From}", min_length=1, max_length=64, description="Who receives it."
    )
    text: Template | None = Field(
        default=None,
        min_length=1,
        max_length=TEXT_CHARS,
        description="The message; either this or `text_url`.",
    )
    text_url: HttpUrl | None = Field(
        default=None, description="A server that answers with the message, as text/plain."
    )

    @model_validator(mode="after")
    def _has_one_text(self) -> Self:
        if (self.text is None) == (self.text_url is None):
            raise ValueError("give either 'text' or 'text_url'")
        return self

    def leaves_at_once(self) -> bool:
        """Tell whether the text is known already."""
        return self.text is not None

    def applet(self, context: Context) -> Applet:
        """Return a machine for one visit."""
        return Sms(self, context)


class Sms:
    """One message."""

    def __init__(self, settings: SmsSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._question: Question[str] | None = None

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""
        return self._question.wake_at_ms if self._question else None

    def enter(self, now_ms: int) -> list[Step]:
        """Send, or ask for the text first."""
        settings, context = self._settings, self._context
        if settings.text_url is None:
            return self._send(context.text(settings.text or "", now_ms), now_ms)
        request = get(context, settings.text_url, now_ms, TIMEOUT_S)
        self._question = Question(context, PURPOSE, [request], read_text)
        return self._question.ask(now_ms, self._send, self._give_up)

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Take the text."""
        return self._question.receive(happening, now_ms) if self._question else []

    def wake(self, now_ms: int) -> list[Step]:
        """Give up a text that does not come."""
        return self._question.wake(now_ms) if self._question else []

    def _send(self, text: str, now_ms: int) -> list[Step]:
        request_id = self._context.new_request_id()
        request = self._request(text, now_ms)
        return [Fetch(request_id, request, PURPOSE, in_background=True), Leave()]

    def _give_up(self, why: str, now_ms: int) -> list[Step]:
        return [Leave(reason=f"no message was sent: {why}")]

    def _request(self, text: str, now_ms: int) -> HttpRequest:
        settings, context = self._settings, self._context
        words = {
            "From": context.text(settings.sender, now_ms),
            "To": context.text(settings.to, now_ms),
            "Body": text,
        }
        is_json, is_query = settings.encoding == "json", settings.encoding == "query"
        body = json.dumps(words, ensure_ascii=False) if is_json else urlencode(words)
        return HttpRequest(
            url=context.url(settings.provider_url, now_ms),
            method="GET" if is_query else "POST",
            query=tuple(words.items()) if is_query else (),
            headers=tuple(settings.headers.items()),
            body="" if is_query else body,
            content_type="" if is_query else JSON if is_json else FORM,
            timeout_ms=TIMEOUT_MS,
            retries=RETRIES,
        )


def read_text(answer: Answer) -> str:
    """Return the message that a server says; raises PeerError when it is none."""
    text = answer.body().strip()
    if text.startswith("<"):
        raise PeerError(instead("XML or HTML", "the message as text/plain", text))
    if not 1 <= len(text) <= TEXT_CHARS:
        raise PeerError(f"the answer has {len(text)} characters, not 1 to {TEXT_CHARS}")
    return text
