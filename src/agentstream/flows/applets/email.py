"""Email: sends a letter, in the background; no error stops the flow (AP-58)."""

import re
from typing import ClassVar, Final

from pydantic import Field

from agentstream.calls.commands import Mail, SendMail
from agentstream.flows.applet import Applet, AppletInput, Leave, Onward, Step
from agentstream.flows.context import Context
from agentstream.flows.template import Template

RECIPIENTS_LIMIT: Final = 20
TEXT_CHARS: Final = 20_000
_ADDRESS: Final = re.compile(r"[^\s@<>,;\"()]{1,64}@[^\s@<>,;\"()]{1,255}")


class EmailSettings(Onward):
    """Send a letter; nobody waits for it."""

    kind: ClassVar[str] = "email"
    takes_time: ClassVar[bool] = False

    to: list[Template] = Field(
        min_length=1, max_length=RECIPIENTS_LIMIT, description="The addresses that receive it."
    )
    subject: Template = Field(min_length=1, max_length=200, description="Its subject.")
    text: Template = Field(min_length=1, max_length=TEXT_CHARS, description="Its text.")

    def applet(self, context: Context) -> Applet:
        """Return a machine for one visit."""
        return Email(self, context)


class Email:
    """One letter."""

    wake_at_ms: int | None = None

    def __init__(self, settings: EmailSettings, context: Context) -> None:
        self._settings = settings
        self._context = context

    def enter(self, now_ms: int) -> list[Step]:
        """Send it, and go on."""
        settings, context = self._settings, self._context
        named = [context.text(one, now_ms).strip() for one in settings.to]
        to = tuple(one for one in named if _ADDRESS.fullmatch(one))
        if not to:
            return [Leave(reason="no letter was sent: there is no address in 'to'")]
        # A caller's value must not begin a header of its own.
        subject = " ".join(context.text(settings.subject, now_ms).split())
        mail = Mail(to, subject, context.text(settings.text, now_ms))
        return [SendMail(context.new_request_id(), mail), Leave()]

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Have left already."""
        return []

    def wake(self, now_ms: int) -> list[Step]:
        """Have no timer."""
        return []
