"""What every applet is: settings out of a document, and a machine that lives through one visit."""

from collections.abc import Mapping
from typing import ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

from agentstream.base.values import dataclass
from agentstream.calls.causes import Cause, Party, explain
from agentstream.calls.commands import Command, Fetch, HangUp
from agentstream.calls.events import Event
from agentstream.flows.context import Context

NEXT = "next"
ON_FAILURE = "on_failure"


@dataclass(frozen=True, slots=True)
class Leave:
    """The applet is done and leaves by an exit.

    When the exit leads nowhere the call is hung up, and `cause`, `party` and `reason` say why.
    """

    exit: str = NEXT
    cause: Cause = Cause.NORMAL
    party: Party = Party.FLOW
    reason: str = ""


@dataclass(frozen=True, slots=True)
class GoOver:
    """The call goes on in another flow of the account, found by its name; no way leads back.

    When there is no such flow the visit fails: a Leave by `on_failure`.
    """

    flow: str


@dataclass(frozen=True, slots=True)
class Noted:
    """What a person who looks at the call should know; without credentials or pressed keys."""

    text: str
    is_trouble: bool = False


@dataclass(frozen=True, slots=True)
class CommandRefused:
    """The call could not do what this visit wanted."""

    command: Command
    text: str


Step = Command | Leave | GoOver | Noted
AppletInput = Event | CommandRefused


class Applet(Protocol):
    """One visit to one applet; a machine. After a Leave or GoOver nothing is asked of it."""

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`, if nothing comes first."""

    def enter(self, now_ms: int) -> list[Step]:
        """Begin; return what is wanted of the call, a Leave at the latest at the end."""

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Take a fact of the call; what does not concern the applet is ignored."""

    def wake(self, now_ms: int) -> list[Step]:
        """Let a timer that is due fire."""


@runtime_checkable
class Abandoned(Protocol):
    """An applet that has something to tell when the call is sent elsewhere from it (OC-1)."""

    def abandon(self, now_ms: int) -> list[Fetch]:
        """Return what must still be told; what runs is ended by the call. Nothing is asked then."""


class Settings(BaseModel):
    """The settings of one applet in a document; each kind of applet extends this."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: ClassVar[str]  # the `type` in documents
    # Time passes inside, so a loop of the flow through this applet does not spin.
    takes_time: ClassVar[bool] = True
    # The visit goes on when the call has gone, until the applet leaves by itself.
    finishes_after_call: ClassVar[bool] = False
    # What the applet did is worth telling: a stream, a conversation. See `starts_after_call`.
    is_reported: ClassVar[bool] = False
    # The applet tells a server how it went: directly behind one that `is_reported` it may be
    # entered, and goes on until it leaves by itself, when the call has gone (PT-22).
    starts_after_call: ClassVar[bool] = False

    # It may end the call by itself, so that nothing need follow.
    may_end_call: ClassVar[bool] = False

    def exits(self) -> Mapping[str, str]:
        """Return the exits that are wired: exit name to applet name."""
        return {}

    def exit_path(self, exit_name: str) -> tuple[str, ...]:
        """Return where in the applet's fields an exit is wired, for the line of a mistake."""
        return (exit_name,)

    def may_be_open(self, exit_name: str) -> bool:
        """Tell whether the flow goes on as people expect where this exit leads nowhere."""
        return False

    def leaves_at_once(self) -> bool:
        """Tell whether no time passes inside with these settings."""
        return not self.takes_time

    def begins_before_answer(self) -> bool:
        """Tell whether a call whose flow starts here rings on: the applet itself answers it."""
        return False

    def stream_address(self) -> str:
        """Return the URL of the stream that the applet opens, not filled in; "" for none."""
        return ""

    def applet(self, context: Context) -> Applet:
        """Return a machine for one visit."""
        raise NotImplementedError


class Onward(Settings):
    """The settings of an applet that something may follow."""

    next: str | None = Field(
        default=None, description="The applet that follows; without one the call is hung up."
    )

    def exits(self) -> Mapping[str, str]:
        """Return the exits that are wired: exit name to applet name."""
        return wired(next=self.next)


def hang_up(cause: Cause, party: Party, reason: str) -> HangUp:
    """Return the command that ends the call, its text with the reason in brackets."""
    why = explain(cause, party)
    return HangUp(cause, party, f"{why} ({reason})" if reason and reason != why else "")


def wired(**exits: str | None) -> dict[str, str]:
    """Return the exits that lead somewhere."""
    return {name: applet for name, applet in exits.items() if applet is not None}
