"""What a bridge of its own looks like, live or a moment after its end (BR-4)."""

from dataclasses import field
from datetime import datetime
from typing import Any

from agentstream.base.clock import utc_ms
from agentstream.base.ids import AccountSid, LegSid
from agentstream.base.values import dataclass, replace
from agentstream.flows.bridges.bridge import Bridge
from agentstream.flows.bridges.values import BridgeState, BridgeTerms, BridgeTold
from agentstream.store.bridges import BridgeRow


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeView:
    """A bridge as it stands."""

    bridge_sid: str
    account_sid: AccountSid
    terms: BridgeTerms
    created_at: datetime
    updated_at: datetime
    state: BridgeState = "created"
    terminal_status: str = ""  # BR-4; "" until the end
    started_at: datetime | None = None  # when it became active
    ended_at: datetime | None = None
    leg_sids: tuple[LegSid, ...] = ()  # all that ever took part
    active_legs: tuple[LegSid, ...] = ()
    endpoints: tuple[str, ...] = field(default=(), repr=False)  # where its events go (BR-3)

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.state == "terminal"


@dataclass(frozen=True, slots=True)
class BridgeFact:
    """How a bridge stands after something happened; `told` is what, if it is to be told."""

    view: BridgeView
    at: datetime
    told: BridgeTold | None = None


def seen(view: BridgeView, bridge: Bridge, at: datetime) -> BridgeView:
    """Return how a bridge stands now."""
    state = bridge.state
    begins = state == "active" and view.started_at is None
    ends = state == "terminal" and view.ended_at is None
    fresh = replace(
        view,
        terms=bridge.terms,
        state=state,
        terminal_status=bridge.terminal_status,
        started_at=at if begins else view.started_at,
        ended_at=at if ends else view.ended_at,
        leg_sids=tuple(bridge.leg_sids) or view.leg_sids,
        active_legs=bridge.active_legs,
    )
    return view if fresh == view else replace(fresh, updated_at=at)


def row_of(view: BridgeView) -> BridgeRow:
    """Return what is kept of a bridge."""
    terms = view.terms
    return BridgeRow(
        sid=view.bridge_sid,
        account_sid=view.account_sid,
        event_endpoint=terms.event_endpoint,
        absorb_dtmf=terms.absorbs_keys,
        max_participants=terms.max_participants,
        recording=terms.is_recorded,
        state=view.state,
        terminal_status=view.terminal_status,
        leg_sids=view.leg_sids,
        created_at=view.created_at,
        updated_at=view.updated_at,
        started_at=view.started_at,
        ended_at=view.ended_at,
    )


def snapshot(row: BridgeRow, active_legs: tuple[LegSid, ...]) -> dict[str, Any]:
    """Return how a bridge stands, for its events (EV-18) and for whoever reads it (BR-4)."""
    return {
        "bridge_sid": row.sid,
        "account_sid": row.account_sid,
        "state": row.state,
        "leg_sids": list(row.leg_sids),
        "active_legs": list(active_legs),
        "terminal_status": row.terminal_status or None,
        "start_time": utc_ms(row.started_at) if row.started_at else None,
        "end_time": utc_ms(row.ended_at) if row.ended_at else None,
        "date_created": utc_ms(row.created_at),
        "date_updated": utc_ms(row.updated_at),
    }
