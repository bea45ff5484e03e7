"""Transfer: the call goes on in another flow of the account; no way leads back (AP-55)."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from agentstream.flows.applet import Applet, AppletInput, GoOver, Settings, Step, wired
from agentstream.flows.context import Context
from agentstream.flows.template import Template


class TransferSettings(Settings):
    """Go on in another flow."""

    kind: ClassVar[str] = "transfer"
    takes_time: ClassVar[bool] = False

    flow: Template = Field(
        min_length=1,
        max_length=200,
        description="The name of a published flow of the account; `{TransferTo}` is a bot's wish.",
    )
    on_failure: str | None = Field(
        default=None,
        description="The applet that follows when there is no such flow; without one, hang up.",
    )

    def exits(self) -> Mapping[str, str]:
        """Return the exits that are wired."""
        return wired(on_failure=self.on_failure)

    def applet(self, context: Context) -> Applet:
        """Return a machine for one visit."""
        return Transfer(self, context)


class Transfer:
    """One way over."""

    wake_at_ms: int | None = None

    def __init__(self, settings: TransferSettings, context: Context) -> None:
        self._settings = settings
        self._context = context

    def enter(self, now_ms: int) -> list[Step]:
        """Go over."""
        return [GoOver(self._context.text(self._settings.flow, now_ms))]

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Have left already."""
        return []

    def wake(self, now_ms: int) -> list[Step]:
        """Have no timer."""
        return []
