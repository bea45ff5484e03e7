"""What the HTTP interface asks of the house, as shapes that a double can have."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agentstream.api.idempotency import Once
from agentstream.api.live import LiveHub
from agentstream.api.rate_limit import RateLimiter
from agentstream.api.settings import ApiSettings
from agentstream.api.v2.leg_doors import LegDoor
from agentstream.api.v2.trunk_doors import TrunkDoor
from agentstream.base.clock import Clock, SystemClock
from agentstream.base.ids import AccountSid, CallSid, LegSid
from agentstream.calls.commands import Command
from agentstream.flows.document import FlowDocument
from agentstream.net.pcap import Packet
from agentstream.sip.kept import KeptCall
from agentstream.store.audit import Change
from agentstream.store.call_events import Story
from agentstream.store.call_query import CallQuery
from agentstream.store.directory import Route
from agentstream.store.outbox import Outbox
from agentstream.store.protocols import Accounts, Calls, Numbers, Recordings
from agentstream.store.recording_shelf import RecordingShelf
from agentstream.store.values import Recording
from agentstream.switch.call_view import CallView
from agentstream.switch.placing import CallOrder


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


class CaptureDoor(Protocol):
    """Packets of calls."""

    def begin(self, call_sid: CallSid, legs: Iterable[LegSid]) -> int:
        """Capture a live call from now on; return how many legs. Raises BusyError."""

    async def packets(self, call_sid: CallSid) -> list[Packet]:
        """Return what was captured of a call."""


class Dialling(Protocol):
    """Calls that are placed, and live ones that are led elsewhere.

    Both raise CommandError with a sentence for what cannot be done, and BusyError for a bound.
    """

    async def place(self, order: CallOrder) -> CallSid:
        """Place a call; returns once its INVITE is sent or queued (CC-38)."""

    async def redirect(self, call_sid: CallSid, document: FlowDocument) -> None:
        """Let a live call go on in another flow, from its first applet (OC-1)."""


class Views(Protocol):
    """What live calls look like."""

    def find(self, call_sid: CallSid) -> CallView | None:
        """Return a live call; one that has ended stays until its row can be read."""

    def live(self, account_sid: AccountSid) -> Sequence[CallView]:
        """Return the live calls of an account."""

    def without_row(self, query: CallQuery) -> tuple[Sequence[CallView], int]:
        """Return those that are meant and whose rows may be missing, and how many there are."""


class PublishedFlows(Protocol):
    """The flows that a call may enter."""

    async def published(
        self, account_sid: AccountSid, sid_or_name: str
    ) -> Route[FlowDocument] | None:
        """Return a published flow of an account; the route's number is empty."""


@dataclass(frozen=True, slots=True)
class Telephony:
    """What the calls API needs."""

    history: Calls  # calls that have ended
    numbers: Numbers
    flows: PublishedFlows
    dialling: Dialling | None = None  # None: no call can be placed, or led elsewhere
    views: Views | None = None  # None: live calls are not to be seen


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
    # The signalling of a call that lives or has ended, redacted; of some nothing is kept.
    signals: Callable[[CallSid], Awaitable[KeptCall | None]] | None = None  # None: of none
    captures: CaptureDoor | None = None  # None: no packet can be captured
    telephony: Telephony | None = None  # None: there is no calls API
    legs: LegDoor | None = None  # None: there is no Legs API
    trunks: TrunkDoor | None = None  # None: there is no trunks API
    once: Once | None = None  # None: no request may have an Idempotency-Key
    settings: ApiSettings = field(default_factory=ApiSettings)
    limiter: RateLimiter = field(default_factory=RateLimiter)
    clock: Clock = field(default_factory=SystemClock)
    audit: Callable[[Change], None] | None = None  # returns at once; None: nothing is written down
