"""What happens to bridges becomes events: numbered, written down, told (BR-7, EV-18, EV-19).

BridgeFact ─▶ hear(): a row of the bridge, and of its event one for each endpoint
Feed ─▶ copy(): what its legs tell of it, or do because of it, goes to its own endpoint too (BR-7b)
"""

from collections.abc import Callable
from typing import Final, Protocol

from agentstream.base.ids import LegSid, Tokens
from agentstream.calls.events import LegTold
from agentstream.flows.bridges.values import BridgeTold
from agentstream.hooks.leg_event_body import Head, error_of, event_body, event_text, event_type
from agentstream.hooks.leg_events import Sequences
from agentstream.store.legs import LegEventRow, LegWritten
from agentstream.switch.bridge_view import BridgeFact, BridgeView, row_of, snapshot
from agentstream.switch.feed import Fact
from agentstream.switch.leg_style import SOCKET, LegStyle
from agentstream.switch.leg_view import LegView

BRIDGE_EVENT: Final = "bridge_lifecycle_event"  # EV-2
_COPIED: Final = frozenset({"leg_joined_bridge", "leg_left_bridge"})


class Publisher(Protocol):
    """Where events go; both return at once."""

    def publish(self, row: LegEventRow) -> None:
        """Write an event down, and tell its endpoint and whoever listens."""

    def send(self, row: LegEventRow) -> None:
        """Write an event down, and tell its endpoint."""


class BridgeFinder(Protocol):
    """Where bridges are found."""

    def find(self, bridge_sid: str) -> BridgeView | None:
        """Return a bridge."""

    def of_action(self, action_sid: str) -> BridgeView | None:
        """Return the bridge to which an action was sent; None for that of a leg."""


class BridgeEvents:
    """Subscribe `copy` to the feed behind the events of legs; `write` must return at once."""

    KINDS = (LegTold,)

    def __init__(
        self,
        find_leg: Callable[[LegSid], LegView | None],
        bridges: BridgeFinder,
        write: Callable[[LegWritten], None],
        publisher: Publisher,
        tokens: Tokens,
        style: LegStyle,
    ) -> None:
        self._find_leg = find_leg
        self._bridges = bridges
        self._write = write
        self._publisher = publisher
        self._tokens = tokens
        self._style = style
        self._sequences = Sequences()

    def hear(self, fact: BridgeFact) -> None:
        """Take how a bridge stands, and what is to be told of it."""
        view, told = fact.view, fact.told
        if told is None:
            self._write(row_of(view))
            return
        sequence = self._sequences.next(view.bridge_sid)
        for place, endpoint in enumerate(view.endpoints or (SOCKET,)):
            event = Head(self._tokens.hex(), BRIDGE_EVENT, told.name, fact.at, sequence)
            row = _row(view, event, _body(view, event, told), endpoint)
            # Whoever listens hears one event once, however many addresses it goes to.
            if not place:
                self._publisher.publish(row)
            elif row.endpoint:
                self._publisher.send(row)

    def copy(self, fact: Fact) -> None:
        """Take what a leg tells; its own endpoint is told it already."""
        told = fact.event
        assert isinstance(told, LegTold)
        bridge = self._bridge_of(told)
        leg = None if bridge is None else self._find_leg(told.leg_sid)
        if bridge is None or leg is None:
            return
        endpoint = bridge.terms.event_endpoint
        if not endpoint or endpoint == leg.terms.event_endpoint:
            return
        sid, sequence = self._tokens.hex(), self._sequences.next(bridge.bridge_sid)
        event = Head(sid, event_type(told.name), told.name, fact.at, sequence)
        body = event_body(sid, told, leg, fact.at, sequence, self._style)
        self._publisher.publish(_row(bridge, event, body, endpoint))

    def _bridge_of(self, told: LegTold) -> BridgeView | None:
        if told.name in _COPIED:
            return self._bridges.find(str(dict(told.data).get("bridge_sid")))
        return self._bridges.of_action(told.action_sid) if told.action_sid else None


def _body(view: BridgeView, event: Head, told: BridgeTold) -> str:
    error = {} if told.error is None else error_of(told.error)
    return event_text(event, {"data": {}, **error}, snapshot(row_of(view), view.active_legs))


def _row(bridge: BridgeView, event: Head, body: str, endpoint: str) -> LegEventRow:
    return LegEventRow(
        sid=event.sid,
        leg_sid=LegSid(""),
        bridge_sid=bridge.bridge_sid,
        account_sid=bridge.account_sid,
        sequence=event.sequence,
        type=event.kind,
        name=event.name,
        at=event.at,
        body=body,
        endpoint="" if endpoint == SOCKET else endpoint,
        updated_at=event.at,
    )
