"""What the HTTP interface asks of the house, as shapes that a double can have."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from agentstream.api.live import LiveHub
from agentstream.base.ids import AccountSid, CallSid
from agentstream.calls.commands import Command
from agentstream.store.call_events import Story
from agentstream.store.outbox import Outbox
from agentstream.store.protocols import Accounts, Recordings
from agentstream.store.recording_shelf import RecordingShelf
from agentstream.store.values import Recording


@dataclass(frozen=True, slots=True)
class RecordingDoor:
    """What requests for recordings need."""

    shelf: RecordingShelf
    rows: Recordings
    delete: Callable[[Recording], Awaitable[None]]  # everywhere; its row stays


class CallDoor(Protocol):
    """The live calls."""

    def owner(self, call_sid: CallSid) -> AccountSid | None:
        """Return whose live call this is; None when there is none."""

    async def ask(self, call_sid: CallSid, command: Command) -> None:
        """Want something of a live call; raises CommandError when it cannot be done now."""


@dataclass(frozen=True, slots=True)
class Doors:
    """Everything that a request may need."""

    accounts: Accounts
    live: LiveHub
    why_not_ready: Callable[[], str]  # one sentence while no new call is taken, else ""
    metrics: Callable[[], bytes]  # Prometheus text, version 0.0.4
    active_streams: Callable[[AccountSid], int]  # AC-4: from the handshake's start to the close
    operator_token: str  # of the user "operator": whoever can read this server's data folder
    recordings: RecordingDoor | None = None  # None: there are none to be had
    calls: CallDoor | None = None  # None: nothing can be asked of calls
    outbox: Outbox | None = None  # None: nobody is called back
    # The stories so far of an account's live calls (None: of all) whose sid begins so.
    stories: Callable[[AccountSid | None, str], Sequence[Story]] | None = None  # None: not kept
