"""A switchboard whose legs can be bridged, and everything that is told of it.

async with open_bridged(folder) as world:
    one, other = await world.leg(), await world.leg()
    bridge = world.create(one, other)
    await world.until_told("bridge_created")
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from agentstream.base.clock import SystemClock
from agentstream.base.errors import CommandError
from agentstream.base.ids import AccountSid, CountedTokens, LegSid
from agentstream.flows.bridges.settings import USUAL, BridgeSettings
from agentstream.flows.bridges.values import BridgeTerms
from agentstream.flows.legs.verbs import Act, Verb
from agentstream.hooks.bridge_events import BridgeEvents
from agentstream.hooks.leg_events import LegEvents
from agentstream.media.negotiate import LocalMedia, make_offer
from agentstream.sip import commands as sip
from agentstream.sip.reports import SipCallRef
from agentstream.store.bridges import BridgeRow
from agentstream.store.legs import LegEventRow, LegWritten
from agentstream.switch.bridge_ports import BridgeLimits, BridgeOrder
from agentstream.switch.bridge_view import BridgeView
from agentstream.switch.bridges import Bridges
from agentstream.switch.leg_style import LegStyle
from agentstream.switch.leg_view import LegTerms, LegViews
from agentstream.testing.board import CUSTOMER, NUMBER, Board, open_board
from agentstream.testing.fake_media import FakeLeg
from agentstream.testing.waiting import until

MINE: Final = AccountSid("greenleaf1")
ANSWER: Final = make_offer(LocalMedia(address="192.0.2.77", port=41_000, codecs=("PCMU",)))


@dataclass
class BridgedBoard:
    """Legs of calls of their own, the register of bridges, and the events of both."""

    board: Board
    bridges: Bridges
    views: LegViews
    rows: list[LegEventRow] = field(default_factory=list)
    kept: dict[str, BridgeRow] = field(default_factory=dict)
    refs: dict[LegSid, SipCallRef] = field(default_factory=dict)

    async def leg(self, endpoint: str = "https://hooks.example/legs") -> LegSid:
        """Let somebody be called, who answers."""
        leg_sid = LegSid(f"leg{len(self.refs) + 1}")
        terms = LegTerms(
            account_sid=MINE, contact_uri=CUSTOMER, exophone=NUMBER, event_endpoint=endpoint
        )
        self.views.expect(leg_sid, terms)
        await self.board.switchboard.place(await self.board.order(leg_sid=leg_sid))
        place = await self.board.signaling.wait_for(sip.Place)
        self.refs[leg_sid] = place.ref
        self.board.signaling.accept(place.ref, ANSWER)
        await until(lambda: "leg_answered" in self.names(leg_sid))
        return leg_sid

    def media(self, leg_sid: str) -> FakeLeg:
        """Return a leg's audio."""
        return next(leg for leg in self.board.media.legs if leg.leg_sid == leg_sid)

    def ears(self) -> set[tuple[str, str]]:
        """Return who hears whom, as (ear, voice)."""
        legs = [leg for leg in self.board.media.legs if not leg.is_closed]
        return {(leg.leg_sid, voice) for leg in legs for voice in leg.ears}

    def create(self, *leg_sids: LegSid, **terms: Any) -> BridgeView:  # noqa: ANN401  (of a bridge)
        """Make a bridge."""
        return self.bridges.create(BridgeOrder(MINE, BridgeTerms(**terms), leg_sids))

    async def act(self, leg_sid: LegSid, *verbs: Verb, sid: str = "a1") -> None:
        """Let a leg do something."""
        await self.board.switchboard.act(Act(sid, leg_sid, verbs))

    def hang_up(self, leg_sid: LegSid) -> None:
        """Let a leg's party hang up."""
        self.board.signaling.end(self.refs[leg_sid])

    def of(self, subject: str) -> list[dict[str, Any]]:
        """Return what was told of a leg or a bridge."""
        return [json.loads(row.body) for row in self.rows if row.subject == subject]

    def names(self, subject: str) -> list[str]:
        """Return the names of that."""
        return [event["event_name"] for event in self.of(subject)]

    async def until_told(self, name: str, subject: str = "") -> dict[str, Any]:
        """Wait for an event; returns the latest one."""

        def found() -> list[LegEventRow]:
            return [row for row in self.rows if row.name == name and subject in ("", row.subject)]

        await until(found)
        body: dict[str, Any] = json.loads(found()[-1].body)
        return body


@asynccontextmanager
async def open_bridged(
    folder: Path,
    settings: BridgeSettings = USUAL,
    limits: BridgeLimits | None = None,
    style: LegStyle | None = None,
) -> AsyncIterator[BridgedBoard]:
    """Run a switchboard with a register of bridges."""
    async with open_board(folder) as board:
        style = style or LegStyle()
        views = LegViews(lambda _: None)
        tokens, clock = CountedTokens(), SystemClock()
        bridges = Bridges(views.find, lambda fact: told.hear(fact), clock, tokens, settings, limits)
        bridges.attach(board.switchboard)
        world = BridgedBoard(board, bridges, views)

        def keep(row: LegWritten) -> None:
            if isinstance(row, LegEventRow):
                world.rows.append(row)
            elif isinstance(row, BridgeRow):
                world.kept[row.sid] = row

        legs = LegEvents(views.find, keep, lambda _: None, tokens, style)
        told = BridgeEvents(views.find, bridges, keep, legs, tokens, style)
        board.feed.subscribe(views.hear, LegViews.KINDS)
        board.feed.subscribe(legs.hear, LegEvents.KINDS)
        board.feed.subscribe(told.copy, BridgeEvents.KINDS)
        board.feed.subscribe(bridges.hear, Bridges.KINDS)
        yield world


def both(one: str, other: str) -> set[tuple[str, str]]:
    """Return what `ears` says of two who hear each other."""
    return {(one, other), (other, one)}


class Unreachable:
    """Calls that nobody finds."""

    def line_of(self, leg_sid: LegSid) -> None:
        """Find none."""

    async def act(self, act: object) -> None:
        """Refuse."""
        raise CommandError("there is no live leg")
