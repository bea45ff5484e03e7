"""The directory: which flow a number rings, answered from memory while rows change elsewhere.

The switch asks it for every call, so it never waits. A task compares the revision each second
and reads the rows again when it has grown, whichever process changed them (AP-60).
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Generic, TypeVar

import structlog

from agentstream.base.errors import AgentStreamError
from agentstream.base.ids import AccountSid, FlowSid
from agentstream.base.phone import ANY_NUMBER, normalise
from agentstream.store.protocols import Store, StoreError
from agentstream.store.trunk_book import TrunkBook, book_of
from agentstream.store.values import Account, AnswerMode, Published

POLL_MS = 1_000
FlowT = TypeVar("FlowT")
_log = structlog.get_logger("directory")


@dataclass(frozen=True, slots=True)
class Route(Generic[FlowT]):
    """Where a call to a number goes: a published flow of one account."""

    number: str
    account: Account
    flow_sid: FlowSid
    flow_name: str
    flow_version: int
    flow: FlowT


@dataclass(frozen=True, slots=True)
class LegRoute:
    """Where a call to a number goes whose leg its account's endpoint steers (LG-110)."""

    number: str
    account: Account
    answers: AnswerMode = "auto"  # LG-112
    event_endpoint: str = field(default="", repr=False)  # LG-114; may hold credentials


@dataclass(frozen=True, slots=True)
class _Snapshot(Generic[FlowT]):
    revision: int = -1
    routes: Mapping[str, Route[FlowT]] = field(default_factory=dict)
    flows: Mapping[FlowSid, Route[FlowT]] = field(default_factory=dict)
    named: Mapping[tuple[AccountSid, str], Route[FlowT]] = field(default_factory=dict)
    accounts: Mapping[str, Account] = field(default_factory=dict)
    legs: Mapping[str, LegRoute] = field(default_factory=dict)
    closed: frozenset[str] = frozenset()  # numbers of somebody whose flow no call can enter
    owners: Mapping[str, AccountSid] = field(default_factory=dict)  # of every number's row
    trunks: TrunkBook = field(default_factory=TrunkBook)


class Directory(Generic[FlowT]):
    """Numbers, published flows and accounts in memory. `parse` makes a flow of its document."""

    def __init__(self, store: Store, parse: Callable[[str], FlowT], country_code: str = "") -> None:
        self._store = store
        self._parse = parse
        self._country_code = country_code
        self._now: _Snapshot[FlowT] = _Snapshot()
        self._refreshing = asyncio.Lock()
        self._is_stale = False

    def find(self, number: str) -> Route[FlowT] | LegRoute | None:
        """Return where a dialled number goes; None: reject it (AF-8).

        A number whose flow is a draft or unusable is not everybody's: another account may own `*`.
        """
        plain, now = normalise(number, self._country_code), self._now
        if plain in now.closed:
            return None
        found = now.routes.get(plain) or now.legs.get(plain)
        return found or now.routes.get(ANY_NUMBER) or now.legs.get(ANY_NUMBER)

    def rings(self, number: str) -> bool:
        """Tell whether a number in E.164 rings by its own entry, and not by that of all others."""
        return number in self._now.routes or number in self._now.legs

    def takes(self, number: str) -> bool:
        """Tell whether a call to a number goes anywhere, be it by the entry of all others."""
        return self.find(number) is not None

    def owns(self, account_sid: AccountSid, number: str) -> bool:
        """Tell whether a number in E.164 is this account's: it rings for it, or a trunk has it.

        The entry of all other numbers makes none of them anybody's.
        """
        owner = self._now.owners.get(number)
        if owner is not None:
            return owner == account_sid
        mapped = self._now.trunks.with_number(number)
        return any(entry.account.sid == account_sid for entry in mapped)

    def flow(self, sid: FlowSid) -> Route[FlowT] | None:
        """Return a published flow; the route's number is empty."""
        return self._now.flows.get(sid)

    def flow_of(self, account_sid: AccountSid, sid_or_name: str) -> Route[FlowT] | None:
        """Return a published flow of one account, by its sid or name; the number is empty."""
        by_sid = self._now.flows.get(FlowSid(sid_or_name))
        if by_sid is not None and by_sid.account.sid == account_sid:
            return by_sid
        return self._now.named.get((account_sid, sid_or_name))

    def account(self, sid: str) -> Account | None:
        """Return an account, its sid compared without regard to case."""
        return self._now.accounts.get(sid.lower())

    def egress_allow(self, account_sid: AccountSid) -> tuple[str, ...]:
        """Return the hosts that an account's URLs may reach in any case."""
        account = self.account(account_sid)
        return () if account is None else account.egress_allow

    @property
    def numbers(self) -> Mapping[str, Route[FlowT]]:
        """Every number that rings a published flow."""
        return MappingProxyType(dict(self._now.routes))

    @property
    def trunks(self) -> TrunkBook:
        """The trunks of all accounts."""
        return self._now.trunks

    @property
    def is_stale(self) -> bool:
        """Whether the last look at the rows failed; what was known before still serves."""
        return self._is_stale

    async def refresh(self) -> bool:
        """Look now; True when the rows had changed. Raises StoreError, and keeps what it knew."""
        async with self._refreshing:
            revision = await self._store.revision()
            if revision == self._now.revision:
                return False
            # Read the counter before the rows: a change in between is read again the next time.
            self._now = await self._read(revision)
            return True

    async def run(self, poll_ms: int = POLL_MS) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(poll_ms / 1000)
            try:
                await self.refresh()
            except Exception as error:
                # The top of a task: what was known before goes on serving calls, whatever this is.
                if not self._is_stale:
                    bug = None if isinstance(error, StoreError) else error
                    _log.warning("directory_stale", error=str(error), exc_info=bug)
                self._is_stale = True
            else:
                self._is_stale = False

    async def _read(self, revision: int) -> _Snapshot[FlowT]:
        accounts = {account.sid: account for account in await self._store.accounts.list()}
        flows: dict[FlowSid, Route[FlowT]] = {}
        for live in await self._store.flows.published():
            account = accounts.get(live.flow.account_sid)
            route = None if account is None else self._route(live, account)
            if route is not None:
                flows[route.flow_sid] = route
        numbers = await self._store.numbers.list()
        routes = {
            number.number: _at(number.number, flows[number.flow_sid])
            for number in numbers
            if number.flow_sid in flows
        }
        legs = {
            number.number: LegRoute(
                number.number,
                accounts[number.account_sid],
                number.answer_mode,
                number.event_endpoint,
            )
            for number in numbers
            if number.event_endpoint and number.account_sid in accounts
        }
        by_lower_sid = {sid.lower(): account for sid, account in accounts.items()}
        closed = frozenset(number.number for number in numbers) - routes.keys() - legs.keys()
        named = {(route.account.sid, route.flow_name): route for route in flows.values()}
        trunks = book_of(await self._store.trunks.all(), accounts)
        owners = {number.number: number.account_sid for number in numbers}
        return _Snapshot(revision, routes, flows, named, by_lower_sid, legs, closed, owners, trunks)

    def _route(self, live: Published, account: Account) -> Route[FlowT] | None:
        flow, known = live.flow, self._now.flows.get(live.flow.sid)
        if known is not None and known.flow_version == live.version:
            return Route("", account, flow.sid, flow.name, live.version, known.flow)
        try:
            document = self._parse(live.document)
        except AgentStreamError as error:
            # A document that this release cannot read must not take the calls of the one before.
            _log.error("flow_unusable", flow=flow.name, version=live.version, error=str(error))
            return known
        return Route("", account, flow.sid, flow.name, live.version, document)


def _at(number: str, route: Route[FlowT]) -> Route[FlowT]:
    return Route(
        number, route.account, route.flow_sid, route.flow_name, route.flow_version, route.flow
    )
