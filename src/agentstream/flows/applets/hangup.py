"""Hangup: ends the call at once (AP-57)."""

from typing import ClassVar

from pydantic import Field

from agentstream.calls.causes import Cause
from agentstream.calls.commands import HangUp
from agentstream.flows.applet import Applet, AppletInput, Settings, Step, hang_up
from agentstream.flows.context import Context


class HangupSettings(Settings):
    """End the call."""

    kind: ClassVar[str] = "hangup"
    takes_time: ClassVar[bool] = False

    cause: Cause | None = Field(
        default=None,
        strict=False,
        description=(
            "Why; the far end is told the matching SIP and Q.850 cause. Without it: why the flow"
            " came here, which is `normal` unless something failed."
        ),
    )

    def applet(self, context: Context) -> Applet:
        """Return a machine for one visit."""
        return Hangup(self, context)


class Hangup:
    """One hang-up. Whoever made the flow come here has ended the call: the bot that closed, say."""

    wake_at_ms: int | None = None

    def __init__(self, settings: HangupSettings, context: Context) -> None:
        self._settings = settings
        self._context = context

    def enter(self, now_ms: int) -> list[Step]:
        """Hang up."""
        context = self._context
        if self._settings.cause is not None:
            return [HangUp(self._settings.cause, context.mover)]
        return [hang_up(context.cause, context.mover, context.reason)]

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Wait for the end."""
        return []

    def wake(self, now_ms: int) -> list[Step]:
        """Have no timer."""
        return []
