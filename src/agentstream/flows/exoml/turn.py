"""What each verb that takes its time is: a machine that runs until it says that it is over."""

from typing import Protocol

from agentstream.base.values import dataclass
from agentstream.calls.commands import Fetch
from agentstream.flows.applet import AppletInput, Step
from agentstream.flows.context import Parameters
from agentstream.flows.exoml.verbs import Ask


@dataclass(frozen=True, slots=True)
class Over:
    """A verb has done its work. With `action` the next document is asked for, and told `fields`."""

    action: Ask | None = None
    fields: Parameters = ()
    reason: str = ""  # what is worth knowing of it
    is_trouble: bool = False


TurnStep = Step | Over


class Turn(Protocol):
    """One verb that runs. After an Over nothing is asked of it."""

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""

    def begin(self, now_ms: int) -> list[TurnStep]:
        """Begin; return what is wanted of the call, an Over at the latest at the end."""

    def receive(self, happening: AppletInput, now_ms: int) -> list[TurnStep]:
        """Take a fact of the call, also that it is over; some verbs tell what came of them then."""

    def wake(self, now_ms: int) -> list[TurnStep]:
        """Let a timer that is due fire."""

    def abandon(self, now_ms: int) -> list[Fetch]:
        """Return what must still be told when the call is sent elsewhere."""
