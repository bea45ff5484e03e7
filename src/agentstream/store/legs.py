"""Legs that are steered from outside, and bridges: how they were ordered, and what was told.

An event's row is written the moment it is told and again when that is over: what a crash left
waiting is sent again while it is young, and all of it can be read until it is forgotten (LG-72).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Protocol

from agentstream.base.ids import AccountSid, CallSid, LegSid
from agentstream.store.bridges import BridgeRow
from agentstream.store.call_writer import BatchWriter

EventState = Literal["waiting", "delivered", "dropped"]
BATCH_MS: Final = 10  # gathered for no longer: what is not written when a crash comes is lost
HISTORY_LIMIT: Final = 1_000  # events of a leg that are read at once
FORGET_ROWS: Final = 500  # in one transaction, so that nobody waits long for it


@dataclass(frozen=True, slots=True, kw_only=True)
class LegRow:
    """A leg as it was ordered, and as it stood when it began, was changed or ended."""

    sid: LegSid
    account_sid: AccountSid
    call_sid: CallSid
    contact_uri: str  # as it was written (LG-43)
    exophone: str
    network_type: str  # "pstn", "voip"
    direction: str  # "inbound", "outbound"
    state: str  # "created", "ringing", "connected", "terminal"
    created_at: datetime
    updated_at: datetime
    custom_param: str = ""
    event_endpoint: str = field(default="", repr=False)  # may hold credentials
    time_limit_s: int = 14_400
    requested_dc_code: str = ""
    requested_nso_code: str = ""
    terminal_status: str = ""  # "" until the end
    answered_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LegEventRow:
    """One event, and what became of telling it."""

    sid: str
    leg_sid: LegSid  # "": a bridge's event
    account_sid: AccountSid
    sequence: int  # from 1 for each leg or bridge, without gaps (EV-19)
    type: str  # EV-2
    name: str
    at: datetime
    body: str  # the JSON object that is sent, byte for byte (LD-7)
    endpoint: str = field(default="", repr=False)  # "": nobody's but a socket's
    state: EventState = "waiting"
    attempts: int = 0
    error: str = ""  # of the last attempt
    updated_at: datetime
    bridge_sid: str = ""  # "": a leg's event

    @property
    def subject(self) -> str:
        """The sid of the leg or bridge of whose events this is one."""
        return self.bridge_sid or self.leg_sid


LegWritten = LegRow | LegEventRow | BridgeRow


class Legs(Protocol):
    """The door; see `protocols` for its errors."""

    async def write(self, rows: Sequence[LegWritten]) -> int:
        """Write rows in one transaction, each over an earlier one of its sid; return how many."""

    async def find(self, sid: LegSid) -> LegRow | None:
        """Return one leg."""

    async def find_bridge(self, sid: str) -> BridgeRow | None:
        """Return one bridge."""

    async def unended(self, call_sid: CallSid, since: datetime) -> Sequence[LegRow]:
        """Return the legs of a call that have not ended, of those written since then."""

    async def events(
        self, leg_sid: LegSid, name: str = "", after: int = 0, limit: int = HISTORY_LIMIT
    ) -> Sequence[LegEventRow]:
        """Return events of a leg with a higher sequence, in order; `name` "" is every one."""

    async def bridge_events(
        self, bridge_sid: str, name: str = "", after: int = 0, limit: int = HISTORY_LIMIT
    ) -> Sequence[LegEventRow]:
        """Return the same of a bridge."""

    async def untold(self, since: datetime, limit: int) -> Sequence[LegEventRow]:
        """Return events from then on whose telling is not over, by leg and in order."""

    async def forget(self, before: datetime, rows: int = FORGET_ROWS) -> int:
        """Drop some events, ended legs and bridges that are older; return how many rows."""


class LegWriter(BatchWriter[LegWritten]):
    """Writes LegRow, LegEventRow and BridgeRow."""

    def __init__(self, shelf: Legs, queue_limit: int) -> None:
        super().__init__(shelf, queue_limit, batch_ms=BATCH_MS)
