"""The store in memory: the same doors and the same refusals, without a database."""

import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from agentstream.base.clock import Clock, SystemClock
from agentstream.base.errors import CommandError
from agentstream.base.ids import (
    AccountSid,
    CallSid,
    CountedTokens,
    FlowSid,
    RecordingSid,
    Tokens,
)
from agentstream.store.call_query import CallQuery, chosen
from agentstream.store.protocols import RecordingQuery
from agentstream.store.sql_accounts import check_account_sid, no_account
from agentstream.store.sql_calls import UNFINISHED
from agentstream.store.sql_flows import check_flow_name
from agentstream.store.sql_numbers import check_number
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
    StreamRecord,
    Written,
)
from agentstream.testing.memory_audit import MemoryAudit
from agentstream.testing.memory_events import MemoryCallEvents
from agentstream.testing.memory_first_results import MemoryFirstResults
from agentstream.testing.memory_legs import MemoryLegs
from agentstream.testing.memory_outbox import MemoryOutbox, MemoryPlacedCalls
from agentstream.testing.memory_trunks import MemoryTrunks


class _Revision:
    def __init__(self) -> None:
        self.value = 1

    def touch(self) -> None:
        self.value += 1


class MemoryAccounts:
    """See `protocols.Accounts`."""

    def __init__(self, clock: Clock, tokens: Tokens, revision: _Revision) -> None:
        self._clock = clock
        self._tokens = tokens
        self._revision = revision
        self._accounts: dict[str, Account] = {}
        self._keys: dict[str, tuple[ApiKey, str]] = {}

    async def create(
        self,
        name: str,
        sid: str = "",
        egress_allow: tuple[str, ...] = (),
        stream_limit: int = DEFAULT_STREAM_LIMIT,
    ) -> Account:
        """Make an account; `sid` is made up when it is empty."""
        sid = check_account_sid(sid) if sid else self._tokens.hex(16)
        if sid.lower() in self._accounts:
            raise CommandError(f"account {sid} exists already")
        account = Account(AccountSid(sid), name, self._clock.wall(), stream_limit, egress_allow)
        self._accounts[sid.lower()] = account
        self._revision.touch()
        return account

    async def find(self, sid: str) -> Account | None:
        """Return the account, its sid compared without regard to case (CC-4)."""
        return self._accounts.get(sid.lower())

    async def list(self) -> Sequence[Account]:
        """Return every account, oldest first."""
        return list(self._accounts.values())

    async def change(
        self,
        sid: AccountSid,
        stream_limit: int | None = None,
        egress_allow: tuple[str, ...] | None = None,
    ) -> Account:
        """Change what is given."""
        account = self._known(sid)
        if stream_limit is not None:
            account = replace(account, stream_limit=stream_limit)
        if egress_allow is not None:
            account = replace(account, egress_allow=egress_allow)
        self._accounts[sid.lower()] = account
        self._revision.touch()
        return account

    async def create_key(
        self,
        sid: AccountSid,
        label: str = "",
        role: KeyRole = "admin",
        requests_per_minute: int | None = None,
    ) -> NewKey:
        """Make a key."""
        account = self._known(sid)
        fresh = NewKey(self._tokens.hex(16), self._tokens.hex(24), account.sid)
        now = self._clock.wall()
        key = ApiKey(fresh.key, account.sid, label, now, False, role, requests_per_minute)
        self._keys[fresh.key] = (key, fresh.token)
        return fresh

    async def keys(self, sid: AccountSid) -> Sequence[ApiKey]:
        """Return the account's keys, oldest first."""
        return [key for key, _ in self._keys.values() if key.account_sid.lower() == sid.lower()]

    async def revoke_key(self, key: str) -> None:
        """Refuse this key from now on."""
        if key not in self._keys:
            raise CommandError(f"no key {key}")
        value, token = self._keys[key]
        self._keys[key] = (replace(value, is_revoked=True), token)

    async def verify(self, user: str, token: str) -> KeyHolder | None:
        """Return whose key and token these are; the account sid may stand for the key (CC-3)."""
        for key, known in self._keys.values():
            is_named = user == key.key or user.lower() == key.account_sid.lower()
            if is_named and not key.is_revoked and hmac.compare_digest(known, token):
                return KeyHolder(self._accounts[key.account_sid.lower()], key)
        return None

    async def check(self, sid: AccountSid) -> None:
        """Refuse an account that is not there: CommandError."""
        self._known(sid)

    def _known(self, sid: AccountSid) -> Account:
        account = self._accounts.get(sid.lower())
        if account is None:
            raise no_account(sid)
        return account


class MemoryFlows:
    """See `protocols.Flows`."""

    def __init__(
        self, accounts: MemoryAccounts, clock: Clock, tokens: Tokens, revision: _Revision
    ) -> None:
        self._accounts = accounts
        self._clock = clock
        self._tokens = tokens
        self._revision = revision
        self._flows: dict[FlowSid, Flow] = {}
        self._versions: dict[FlowSid, list[FlowVersion]] = {}

    async def has_account(self, account_sid: AccountSid) -> bool:
        """Tell whether there is this account."""
        return await self._accounts.find(account_sid) is not None

    async def apply(
        self, account_sid: AccountSid, name: str, document: str, publish: bool | None = None
    ) -> Flow:
        """Add a version of the flow with this name, or make the flow; see `protocols.Flows`."""
        name = check_flow_name(name)
        if await self._accounts.find(account_sid) is None:
            raise no_account(account_sid)
        flow = self._with_document(account_sid, name, document)
        if publish or (publish is None and flow.published_version is not None):
            flow = replace(flow, published_version=flow.latest_version)
        self._flows[flow.sid] = flow
        self._revision.touch()
        return flow

    async def publish(self, sid: FlowSid, version: int | None = None) -> Flow:
        """Let calls enter this version (None: the latest)."""
        if sid not in self._flows:
            raise CommandError(f"no flow {sid}")
        flow = self._flows[sid]
        wanted = flow.latest_version if version is None else version
        if not 1 <= wanted <= flow.latest_version:
            raise CommandError(f"flow {flow.name} has no version {wanted}")
        self._flows[sid] = replace(flow, published_version=wanted)
        self._revision.touch()
        return self._flows[sid]

    async def find(self, account_sid: AccountSid, sid_or_name: str) -> Flow | None:
        """Return a flow by its sid or name."""
        return next(
            (f for f in await self.list(account_sid) if sid_or_name in (f.sid, f.name)), None
        )

    async def list(self, account_sid: AccountSid | None = None) -> Sequence[Flow]:
        """Return the flows, by account and name."""
        flows = sorted(self._flows.values(), key=lambda flow: (flow.account_sid, flow.name))
        return [flow for flow in flows if account_sid in (None, flow.account_sid)]

    async def version(self, sid: FlowSid, version: int | None = None) -> FlowVersion | None:
        """Return one document (None: the latest)."""
        versions = self._versions.get(sid, [])
        wanted = len(versions) if version is None else version
        return versions[wanted - 1] if 1 <= wanted <= len(versions) else None

    async def published(self) -> Sequence[Published]:
        """Return every published flow with its document."""
        return [
            Published(flow, version, self._versions[flow.sid][version - 1].document)
            for flow in self._flows.values()
            if (version := flow.published_version) is not None
        ]

    def _with_document(self, account_sid: AccountSid, name: str, document: str) -> Flow:
        now = self._clock.wall()
        known = (f for f in self._flows.values() if (f.account_sid, f.name) == (account_sid, name))
        flow = next(known, None)
        if flow is None:
            flow = Flow(FlowSid(self._tokens.hex(16)), account_sid, name, 0, None, now)
        versions = self._versions.setdefault(flow.sid, [])
        if versions and versions[-1].document == document:
            return flow
        flow = replace(flow, latest_version=flow.latest_version + 1, updated_at=now)
        versions.append(FlowVersion(flow.sid, flow.latest_version, document, now))
        return flow


class MemoryNumbers:
    """See `protocols.Numbers`."""

    def __init__(
        self, flows: MemoryFlows, clock: Clock, revision: _Revision, country_code: str
    ) -> None:
        self._flows = flows
        self._clock = clock
        self._revision = revision
        self._country_code = country_code
        self._numbers: dict[str, Number] = {}

    async def assign(self, number: str, account_sid: AccountSid, flow_sid: FlowSid) -> Number:
        """Let a number ring a flow of the same account; takes it from another flow if need be."""
        if await self._flows.find(account_sid, flow_sid) is None:
            raise CommandError(f"account {account_sid} has no flow {flow_sid}")
        plain = check_number(number, self._country_code)
        return self._keep(Number(plain, account_sid, flow_sid, self._clock.wall()))

    async def attach(
        self,
        number: str,
        account_sid: AccountSid,
        event_endpoint: str,
        answer_mode: AnswerMode = "auto",
    ) -> Number:
        """Let a number ring legs that are steered from outside (LG-114), and no flow any more."""
        plain, now = check_number(number, self._country_code), self._clock.wall()
        if not await self._flows.has_account(account_sid):
            raise CommandError(f"no account {account_sid}")
        return self._keep(Number(plain, account_sid, None, now, event_endpoint, answer_mode))

    def _keep(self, wanted: Number) -> Number:
        old = self._numbers.get(wanted.number)
        if old is not None and old.account_sid != wanted.account_sid:
            raise CommandError(f"number {wanted.number} belongs to another account")
        created_at = wanted.created_at if old is None else old.created_at
        self._numbers[wanted.number] = replace(wanted, created_at=created_at)
        self._revision.touch()
        return self._numbers[wanted.number]

    async def release(self, number: str) -> None:
        """Forget a number."""
        plain = check_number(number, self._country_code)
        if self._numbers.pop(plain, None) is None:
            raise CommandError(f"no number {plain}")
        self._revision.touch()

    async def list(self, account_sid: AccountSid | None = None) -> Sequence[Number]:
        """Return the numbers, in order."""
        numbers = sorted(self._numbers.values(), key=lambda number: number.number)
        return [number for number in numbers if account_sid in (None, number.account_sid)]


class MemoryCalls:
    """See `protocols.Calls`. `fail_with` makes the next writes fail, for tests of bad nights."""

    def __init__(self, placed: MemoryPlacedCalls | None = None) -> None:
        self.rows: dict[str, Written] = {}
        self.fail_with: list[Exception] = []
        self._placed = placed or MemoryPlacedCalls(SystemClock())

    async def write(self, rows: Sequence[Written]) -> int:
        """Write rows and return how many were new; a known sid is left alone."""
        if self.fail_with:
            raise self.fail_with.pop(0)
        fresh: dict[str, Written] = {
            row.sid: row for row in rows if _may_replace(row, self.rows.get(row.sid))
        }
        self.rows.update(fresh)
        for row in rows:
            if isinstance(row, CallRecord) and row.direction != "inbound":
                await self._placed.forget(row.sid)
        return len(fresh)

    async def find(self, sid: CallSid) -> CallRecord | None:
        """Return one call."""
        row = self.rows.get(sid)
        return row if isinstance(row, CallRecord) else None

    async def list(self, query: CallQuery) -> Sequence[CallRecord]:
        """Return calls, newest first, unless the query wants the oldest first."""
        return chosen(self._calls(), query)[: query.limit]

    async def page(self, query: CallQuery, of: CallQuery) -> tuple[Sequence[CallRecord], int]:
        """Return calls as `list`, and how many `of` means."""
        return await self.list(query), len(chosen(self._calls(), of))

    async def streams(self, call_sid: CallSid) -> Sequence[StreamRecord]:
        """Return the streams of a call, oldest first."""
        streams = [row for row in self.rows.values() if isinstance(row, StreamRecord)]
        found = (row for row in streams if row.call_sid == call_sid)
        return sorted(found, key=lambda row: (row.started_at, row.sid))

    async def recordings(self, call_sid: CallSid) -> Sequence[Recording]:
        """Return the recordings of a call, oldest first."""
        recordings = [row for row in self.rows.values() if isinstance(row, Recording)]
        found = (row for row in recordings if row.call_sid == call_sid)
        return sorted(found, key=lambda row: (row.created_at, row.sid))

    def _calls(self) -> Iterator[CallRecord]:
        return (row for row in self.rows.values() if isinstance(row, CallRecord))


class MemoryRecordings:
    """See `protocols.Recordings`; the rows are those of the calls."""

    def __init__(self, rows: dict[str, Written]) -> None:
        self._rows = rows

    async def find(self, sid: RecordingSid) -> Recording | None:
        """Return one recording."""
        row = self._rows.get(sid)
        return row if isinstance(row, Recording) else None

    async def known(self, sids: Sequence[RecordingSid]) -> Mapping[RecordingSid, Recording]:
        """Return those of some hundred recordings that have a row."""
        return {sid: row for sid in sids if (row := await self.find(sid)) is not None}

    async def list(self, query: RecordingQuery) -> Sequence[Recording]:
        """Return recordings, newest first."""
        found = [
            row
            for row in self._rows.values()
            if isinstance(row, Recording)
            and query.account_sid in (None, row.account_sid)
            and query.call_sid in (None, row.call_sid)
            and (not query.call_sids or row.call_sid in query.call_sids)
            and (not query.states or row.state in query.states)
            and (not query.has_path or row.path)
            and (
                query.before is None or (row.created_at, row.sid) < (query.before, query.before_sid)
            )
        ]
        return sorted(found, key=lambda row: (row.created_at, row.sid), reverse=True)[: query.limit]

    async def move(self, sid: RecordingSid, storage: str, path: str, is_encrypted: bool) -> bool:
        """Note where a ready recording is now, and how; False when it is none (any more)."""
        row = await self.find(sid)
        if row is None or row.state != "ready":
            return False
        self._rows[sid] = replace(row, storage=storage, path=path, is_encrypted=is_encrypted)
        return True

    async def mark_deleted(self, sid: RecordingSid) -> bool:
        """Let nobody listen any more; False when there is no such row. Its path stays."""
        row = await self.find(sid)
        if row is not None:
            self._rows[sid] = replace(row, state="deleted")
        return row is not None

    async def clear_path(self, sid: RecordingSid) -> None:
        """Note that the bytes of a deleted recording are gone."""
        row = await self.find(sid)
        if row is not None and row.state == "deleted":
            self._rows[sid] = replace(row, path="")


def _may_replace(row: Written, known: Written | None) -> bool:
    if known is None:
        return True
    is_end = isinstance(row, Recording) and row.state != "recording"
    return is_end and isinstance(known, Recording) and known.state in UNFINISHED


class MemoryStore:
    """All the doors together, in memory."""

    def __init__(
        self,
        country_code: str = "",
        clock: Clock | None = None,
        tokens: Tokens | None = None,
    ) -> None:
        clock, tokens = clock or SystemClock(), tokens or CountedTokens()
        self._revision = _Revision()
        self.accounts = MemoryAccounts(clock, tokens, self._revision)
        self.flows = MemoryFlows(self.accounts, clock, tokens, self._revision)
        self.numbers = MemoryNumbers(self.flows, clock, self._revision, country_code)
        self.placed = MemoryPlacedCalls(clock)
        self.calls = MemoryCalls(self.placed)
        self.outbox = MemoryOutbox(self.calls.rows)
        self.recordings = MemoryRecordings(self.calls.rows)
        self.call_events = MemoryCallEvents()
        self.legs = MemoryLegs()
        self.audit = MemoryAudit()
        self.first_results = MemoryFirstResults()
        self.trunks = MemoryTrunks(self._revision.touch, self.accounts.check)

    async def revision(self) -> int:
        """Return a number that grows whenever what the directory holds changes."""
        return self._revision.value

    async def close(self) -> None:
        """Do nothing: there is no connection."""
