"""The application over the memory store, and a client with the right key."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
import pytest

from agentstream.api.app import create_app
from agentstream.api.doors import Doors, Telephony
from agentstream.api.idempotency import Once
from agentstream.api.live import LiveHub
from agentstream.api.rate_limit import RateLimiter, RateLimits
from agentstream.api.settings import ApiSettings
from agentstream.api.v2.bridge_doors import BridgeDoor
from agentstream.api.v2.leg_doors import LegDoor
from agentstream.base.errors import CommandError, PeerError
from agentstream.base.ids import AccountSid, CallSid, CountedTokens, LegSid
from agentstream.base.phone import NumberStyle
from agentstream.calls.commands import Command
from agentstream.calls.events import BridgeAsked, CallStarted, Event, LegTold
from agentstream.calls.record import CallSetup
from agentstream.flows.document import FlowDocument, parse
from agentstream.flows.legs.bridge_signs import Admitted, BridgeSign, Dismissed, Invited
from agentstream.flows.legs.verbs import Act, Hangup
from agentstream.hooks.bridge_events import BridgeEvents
from agentstream.hooks.leg_events import LegEvents
from agentstream.server.config import Config
from agentstream.server.trunk_door import open_trunks
from agentstream.store.audit import Change
from agentstream.store.bridges import BridgeRow
from agentstream.store.call_events import Story
from agentstream.store.call_query import CallQuery, chosen
from agentstream.store.directory import Directory, Route
from agentstream.store.legs import LegEventRow, LegRow, LegWritten
from agentstream.store.values import NewKey
from agentstream.switch.bridges import Bridges
from agentstream.switch.call_view import CallView
from agentstream.switch.feed import Fact, Feed
from agentstream.switch.leg_style import LegStyle
from agentstream.switch.leg_view import LegTerms, LegView, LegViews
from agentstream.switch.placing import CallOrder
from agentstream.testing.manual_clock import ManualClock
from agentstream.testing.memory_store import MemoryStore

FLOW = """
version: 1
name: support
start: talk
applets:
  talk: {type: voicebot, url: "wss://bot.example.net/ws"}
"""


@dataclass
class LiveCalls:
    """Live calls that do what they are asked, unless there is a `refusal`."""

    owners: dict[str, AccountSid] = field(default_factory=dict)
    asked: list[tuple[CallSid, Command]] = field(default_factory=list)
    refusal: str = ""

    def owner(self, call_sid: CallSid) -> AccountSid | None:
        return self.owners.get(call_sid)

    async def ask(self, call_sid: CallSid, command: Command) -> None:
        if self.refusal:
            raise CommandError(self.refusal)
        self.asked.append((call_sid, command))


@dataclass
class Exchange:
    """Takes orders, and lets live calls be seen and led elsewhere, unless there is an `error`."""

    orders: list[CallOrder] = field(default_factory=list)
    redirected: list[tuple[CallSid, FlowDocument]] = field(default_factory=list)
    views: dict[CallSid, CallView] = field(default_factory=dict)
    error: Exception | None = None

    async def place(self, order: CallOrder) -> CallSid:
        if self.error is not None:
            raise self.error
        self.orders.append(order)
        return CallSid(f"51e0b7c2d9f84a1bb6c3d2e1f0a9{len(self.orders):04}")

    async def redirect(self, call_sid: CallSid, document: FlowDocument) -> None:
        if self.error is not None:
            raise self.error
        self.redirected.append((call_sid, document))

    def find(self, call_sid: CallSid) -> CallView | None:
        return self.views.get(call_sid)

    def live(self, account_sid: AccountSid) -> list[CallView]:
        of_account = [v for v in self.views.values() if v.setup.account_sid == account_sid]
        return [view for view in of_account if view.ended_at is None]

    def without_row(self, query: CallQuery) -> tuple[list[CallView], int]:
        found = chosen(self.views.values(), query)
        return found[: query.limit], len(found)


@dataclass
class Steered:
    """Legs that do what they are told, unless there is a `refusal`."""

    views: LegViews = field(default_factory=lambda: LegViews(lambda _: None))
    acts: list[Act] = field(default_factory=list)
    refusal: str = ""

    async def act(self, act: Act) -> None:
        if self.refusal:
            raise CommandError(self.refusal)
        self.acts.append(act)

    def change(self, leg_sid: LegSid, terms: LegTerms, at: datetime) -> LegView | None:
        return self.views.change(leg_sid, terms, at)


@dataclass
class Flows:
    """The published flows of a store, looked up anew each time."""

    directory: Directory[FlowDocument]

    async def published(
        self, account_sid: AccountSid, sid_or_name: str
    ) -> Route[FlowDocument] | None:
        await self.directory.refresh()
        return self.directory.flow_of(account_sid, sid_or_name)


@dataclass
class Site:
    """What a test of the HTTP interface needs."""

    client: httpx.AsyncClient
    store: MemoryStore
    feed: Feed
    hub: LiveHub
    key: NewKey
    stories: list[Story] = field(default_factory=list)
    calls: LiveCalls = field(default_factory=LiveCalls)
    exchange: Exchange = field(default_factory=Exchange)
    legs: Steered = field(default_factory=Steered)
    told: list[LegEventRow] = field(default_factory=list)
    events: LegEvents | None = None
    bridges: Any = None
    app: Any = None
    clock: ManualClock = field(default_factory=ManualClock)
    streams: dict[str, int] = field(default_factory=dict)
    why_not_ready: str = ""
    changes: list[Change] = field(default_factory=list)  # as the audit log has them

    def stories_of(self, account_sid: AccountSid | None, beginning: str) -> list[Story]:
        mine = self.stories if account_sid in (None, "GreenLeaf1") else []
        return [story for story in mine if story.sid.startswith(beginning)]

    @property
    def auth(self) -> tuple[str, str]:
        return self.key.key, self.key.token

    def happens(self, event: Event) -> None:
        """Let something happen in a call of the account."""
        at = self.clock.wall()
        self.feed.publish(
            Fact(event.call_sid, AccountSid("GreenLeaf1"), self.clock.now_ms(), at, event)
        )

    async def begin_leg(self, leg_sid: str = "leg00001", **terms: Any) -> LegSid:
        """Let a leg be dialled, without the request for it."""
        sid = LegSid(leg_sid)
        wanted = {
            "account_sid": AccountSid("GreenLeaf1"),
            "contact_uri": "+912240000017",
            "exophone": "08040000002",
            "event_endpoint": "https://u:pw@hooks.example.test/legs",
            "custom_param": "order-5531",
            **terms,
        }
        self.legs.views.expect(sid, LegTerms(**wanted))
        setup = CallSetup(
            CallSid(f"call-{leg_sid}"),
            wanted["account_sid"],
            "outbound",
            "+912240000017",
            "+918040000002",
            self.clock.wall(),
        )
        self.happens(CallStarted(setup.call_sid, sid, setup))
        self.tells(sid, "leg_connecting")
        return sid

    def tells(self, leg_sid: LegSid, name: str, **fields: Any) -> None:
        """Let something be told of a leg."""
        self.happens(LegTold(CallSid(f"call-{leg_sid}"), leg_sid, name, **fields))

    async def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        """Ask something of the account's part of v1, with the right key."""
        url = path if path.startswith("/") else f"/v1/Accounts/GreenLeaf1/{path}"
        return await self.client.request(method, url, **{"auth": self.auth, **how})


@dataclass
class Lines:
    """Calls whose legs do at once what a bridge lets them know."""

    site: Site

    def line_of(self, leg_sid: LegSid) -> "Lines":
        return self

    def media(self, leg_sid: LegSid) -> None:
        """Return nothing: there is no audio."""

    def post(self, sign: BridgeSign | Act) -> None:
        about = (("bridge_sid", getattr(sign, "bridge_sid", "")),)
        call_sid = CallSid(f"call-{sign.leg_sid}")
        match sign:
            case Invited(leg_sid, bridge_sid):
                self.site.happens(BridgeAsked(call_sid, leg_sid, "join", bridge_sid))
            case Admitted(leg_sid):
                self.site.tells(leg_sid, "leg_joined_bridge", data=about)
            case Dismissed(leg_sid):
                self.site.tells(leg_sid, "leg_left_bridge", data=about)
            case Act(leg_sid=leg_sid, verbs=(Hangup(),)):
                self.site.legs.acts.append(sign)
                ended = (("terminal_status", "completed"),)
                self.site.tells(leg_sid, "leg_terminated", data=ended)
            case _:
                pass

    async def act(self, act: Act) -> None:
        await self.site.legs.act(act)


@pytest.fixture
def settings() -> ApiSettings:
    return ApiSettings(numbers=NumberStyle("", "91"))


@pytest.fixture
def limits() -> RateLimits:
    return RateLimits()


@pytest.fixture
def leg_style() -> LegStyle:
    return LegStyle()


@pytest.fixture
def trunk_config() -> dict[str, Any]:
    """Give what a test has in the configuration about trunks."""
    return {}


class Names:
    """Knows the names that tests use."""

    async def lookup(self, host: str) -> tuple[str, ...]:
        if host[0].isdecimal() or ":" in host:
            return (host,)
        if not host.endswith("acme.test"):
            raise PeerError(f"{host} has no address")
        return ("10.0.0.7",) if host.startswith("inside") else ("8.8.4.4",)


@pytest.fixture
async def site(
    settings: ApiSettings, limits: RateLimits, leg_style: LegStyle, trunk_config: dict[str, Any]
) -> AsyncIterator[Site]:
    store, feed, clock = MemoryStore(country_code="91"), Feed(), ManualClock()
    account = await store.accounts.create("Green Leaf", sid="GreenLeaf1")
    key = await store.accounts.create_key(account.sid)
    hub, calls, exchange = LiveHub(feed, watchers_limit=2), LiveCalls(), Exchange()
    legs, told = Steered(), list[LegEventRow]()

    def keep(row: LegWritten) -> None:
        match row:
            case LegEventRow(sid=sid):
                store.legs.told[sid] = row
            case BridgeRow(sid=sid):
                store.legs.bridges[sid] = row
            case LegRow(sid=leg_sid):
                store.legs.rows[leg_sid] = row

    tokens = CountedTokens()
    events = LegEvents(legs.views.find, keep, told.append, tokens, leg_style)
    feed.subscribe(legs.views.hear, LegViews.KINDS)
    feed.subscribe(events.hear, LegEvents.KINDS)
    bridges = Bridges(legs.views.find, lambda fact: tells.hear(fact), clock, tokens)
    tells = BridgeEvents(legs.views.find, bridges, keep, events, tokens, leg_style)
    feed.subscribe(tells.copy, BridgeEvents.KINDS)
    feed.subscribe(bridges.hear, Bridges.KINDS)
    flow = await store.flows.apply(account.sid, "support", FLOW, publish=True)
    await store.numbers.assign("08040000002", account.sid, flow.sid)
    flows = Flows(Directory(store, parse, "91"))
    doors = Doors(
        accounts=store.accounts,
        live=hub,
        why_not_ready=lambda: made.why_not_ready,
        metrics=lambda: b"agentstream_calls_active 0.0\n",
        active_streams=lambda sid: made.streams.get(sid, 0),
        operator_token="op-token",
        stories=lambda sid, beginning: made.stories_of(sid, beginning),
        calls=calls,
        telephony=Telephony(store.calls, store.numbers, flows, exchange, exchange),
        legs=LegDoor(
            legs.views, store.legs, legs, events, leg_style, BridgeDoor(bridges, store.legs)
        ),
        trunks=open_trunks(Config.model_validate(trunk_config), store, Names()),
        settings=settings,
        limiter=RateLimiter(limits),
        clock=clock,
        audit=lambda change: made.changes.append(change),
        outbox=store.outbox,
        once=Once(store.first_results, clock),
    )
    app = create_app(doors)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://house") as client:
        made = Site(client, store, feed, hub, key, calls=calls, exchange=exchange, clock=clock)
        made.legs, made.told, made.events, made.app = legs, told, events, app
        made.bridges = bridges
        bridges.attach(Lines(made))
        yield made
    hub.close()


@dataclass
class TrunksSite:
    """A site that is asked about trunks, with one trunk of the account."""

    site: Site
    sid: str = ""

    async def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        """Ask something below the account's trunks; a path from / on is one below the account."""
        beginning = "/v2/accounts/GreenLeaf1"
        url = f"{beginning}{path}" if path.startswith("/") else f"{beginning}/trunks/{path}"
        return await self.site.ask(method, url.rstrip("/"), **how)

    async def of(self, method: str, path: str = "", **how: Any) -> httpx.Response:
        """Ask something of the trunk."""
        return await self.ask(method, f"{self.sid}/{path}", **how)

    async def create(self, name: str = "bot_one", **fields: Any) -> httpx.Response:
        """Make a trunk."""
        domain = "greenleaf1.pstn.exotel.com"
        body = {"trunk_name": name, "nso_code": "ANY-ANY", "domain_name": domain, **fields}
        return await self.ask("POST", "", json=body)


@pytest.fixture
async def trunks(site: Site) -> TrunksSite:
    made = TrunksSite(site)
    made.sid = (await made.create()).json()["response"]["data"]["trunk_sid"]
    return made
