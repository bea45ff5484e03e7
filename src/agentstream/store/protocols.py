"""The store's doors: what the rest of the house may ask, whatever keeps the rows.

Every method raises CommandError when it cannot do what it was asked (no such account, name taken)
and StoreError when the database cannot be reached.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from agentstream.base.errors import AgentStreamError
from agentstream.base.ids import AccountSid, CallSid, FlowSid, RecordingSid
from agentstream.store.audit import Audit
from agentstream.store.call_query import CallQuery
from agentstream.store.first_results import FirstResults
from agentstream.store.outbox import Outbox
from agentstream.store.placed_calls import PlacedCalls
from agentstream.store.trunks import Trunks
from agentstream.store.values import (
    DEFAULT_STREAM_LIMIT,
    Account,
    AnswerMode,
    ApiKey,
    CallRecord,
    Flow,
    FlowVersion,
    KeyHolder,
    KeyRole,
    NewKey,
    Number,
    Published,
    Recording,
    RecordingState,
    StreamRecord,
    Written,
)


class StoreError(AgentStreamError):
    """The database cannot be reached, is locked, or its disk is full; the operator must act."""


class Accounts(Protocol):
    """Tenants and their API keys."""

    async def create(
        self,
        name: str,
        sid: str = "",
        egress_allow: tuple[str, ...] = (),
        stream_limit: int = DEFAULT_STREAM_LIMIT,
    ) -> Account:
        """Make an account; `sid` is made up when it is empty."""

    async def find(self, sid: str) -> Account | None:
        """Return the account, its sid compared without regard to case (CC-4)."""

    async def list(self) -> Sequence[Account]:
        """Return every account, oldest first."""

    async def change(
        self,
        sid: AccountSid,
        stream_limit: int | None = None,
        egress_allow: tuple[str, ...] | None = None,
    ) -> Account:
        """Change what is given."""

    async def create_key(
        self,
        sid: AccountSid,
        label: str = "",
        role: KeyRole = "admin",
        requests_per_minute: int | None = None,
    ) -> NewKey:
        """Make a key; its token is returned here and never again."""

    async def keys(self, sid: AccountSid) -> Sequence[ApiKey]:
        """Return the account's keys, oldest first."""

    async def revoke_key(self, key: str) -> None:
        """Refuse this key from now on."""

    async def verify(self, user: str, token: str) -> KeyHolder | None:
        """Return whose key and token these are; the account sid may stand for the key (CC-3)."""


class Numbers(Protocol):
    """Numbers that ring here."""

    async def assign(self, number: str, account_sid: AccountSid, flow_sid: FlowSid) -> Number:
        """Let a number ring a flow of the same account; takes it from another flow if need be."""

    async def attach(
        self,
        number: str,
        account_sid: AccountSid,
        event_endpoint: str,
        answer_mode: AnswerMode = "auto",
    ) -> Number:
        """Let a number ring legs that are steered from outside (LG-114), and no flow any more."""

    async def release(self, number: str) -> None:
        """Forget a number."""

    async def list(self, account_sid: AccountSid | None = None) -> Sequence[Number]:
        """Return the numbers, in order."""


class Flows(Protocol):
    """Flow documents and their versions (AP-60)."""

    async def apply(
        self, account_sid: AccountSid, name: str, document: str, publish: bool | None = None
    ) -> Flow:
        """Add a version of the flow with this name, or make the flow.

        `publish` None is AP-60: an edit of a published flow takes effect on the next call, a draft
        stays one. True publishes; False keeps the edit apart until `publish`. The same document as
        the latest makes no new version.
        """

    async def publish(self, sid: FlowSid, version: int | None = None) -> Flow:
        """Let calls enter this version (None: the latest)."""

    async def find(self, account_sid: AccountSid, sid_or_name: str) -> Flow | None:
        """Return a flow by its sid or name."""

    async def list(self, account_sid: AccountSid | None = None) -> Sequence[Flow]:
        """Return the flows, by account and name."""

    async def version(self, sid: FlowSid, version: int | None = None) -> FlowVersion | None:
        """Return one document (None: the latest)."""

    async def published(self) -> Sequence[Published]:
        """Return every published flow with its document."""


class Calls(Protocol):
    """Call, stream and recording rows, and the webhooks that tell of them."""

    async def write(self, rows: Sequence[Written]) -> int:
        """Write rows in one transaction and return how many were new; a known sid is left alone.

        Only a recording that had begun or failed is replaced by what became of it. The record of
        a call that we placed takes its note in `placed_calls` away.
        """

    async def find(self, sid: CallSid) -> CallRecord | None:
        """Return one call."""

    async def list(self, query: CallQuery) -> Sequence[CallRecord]:
        """Return calls, newest first, unless the query wants the oldest first."""

    async def page(self, query: CallQuery, of: CallQuery) -> tuple[Sequence[CallRecord], int]:
        """Return calls as `list`, and how many `of` means at that moment, whatever its limit."""

    async def streams(self, call_sid: CallSid) -> Sequence[StreamRecord]:
        """Return the streams of a call, oldest first."""

    async def recordings(self, call_sid: CallSid) -> Sequence[Recording]:
        """Return the recordings of a call, oldest first."""


@dataclass(frozen=True, slots=True)
class RecordingQuery:
    """Which recordings to read; newest first. None and () ask for all."""

    account_sid: AccountSid | None = None
    call_sid: CallSid | None = None
    call_sids: tuple[CallSid, ...] = ()
    states: tuple[RecordingState, ...] = ()
    limit: int = 50
    before: datetime | None = None
    before_sid: str = ""  # with `before`: of several at that moment, those with a smaller sid too
    has_path: bool = False  # only those whose bytes are somewhere


class Recordings(Protocol):
    """What is known of recordings; new ones come in by `Calls.write`."""

    async def find(self, sid: RecordingSid) -> Recording | None:
        """Return one recording."""

    async def known(self, sids: Sequence[RecordingSid]) -> Mapping[RecordingSid, Recording]:
        """Return those of some hundred recordings that have a row."""

    async def list(self, query: RecordingQuery) -> Sequence[Recording]:
        """Return recordings, newest first."""

    async def move(self, sid: RecordingSid, storage: str, path: str, is_encrypted: bool) -> bool:
        """Note where a ready recording is now, and how; False when it is none (any more)."""

    async def mark_deleted(self, sid: RecordingSid) -> bool:
        """Let nobody listen any more; False when there is no such row. Its path stays."""

    async def clear_path(self, sid: RecordingSid) -> None:
        """Note that the bytes of a deleted recording are gone."""


class Store(Protocol):
    """All the doors together."""

    @property
    def accounts(self) -> Accounts:
        """Tenants and keys."""

    @property
    def numbers(self) -> Numbers:
        """Numbers that ring here."""

    @property
    def flows(self) -> Flows:
        """Flow documents."""

    @property
    def calls(self) -> Calls:
        """What ended calls left."""

    @property
    def recordings(self) -> Recordings:
        """What calls recorded."""

    @property
    def outbox(self) -> Outbox:
        """What customers' servers are still to be told."""

    @property
    def audit(self) -> Audit:
        """Who changed what."""

    @property
    def first_results(self) -> FirstResults:
        """What requests with an Idempotency-Key made."""

    @property
    def placed(self) -> PlacedCalls:
        """The live calls that we placed."""

    @property
    def trunks(self) -> Trunks:
        """The trunks of accounts."""

    async def revision(self) -> int:
        """Return a number that grows whenever any process changes what the directory holds."""

    async def close(self) -> None:
        """Let go of every connection."""
