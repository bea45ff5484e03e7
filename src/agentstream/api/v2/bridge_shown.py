"""A bridge as the API shows it (BR-1 to BR-5)."""

from dataclasses import dataclass, replace
from typing import Any

from agentstream.base.clock import utc_ms
from agentstream.base.ids import LegSid
from agentstream.net.egress import mask_secrets
from agentstream.store.bridges import BridgeRow
from agentstream.switch.bridge_view import BridgeView, row_of, snapshot


@dataclass(frozen=True, slots=True)
class BridgeFacts:
    """What is known of a bridge, whether it lives or has ended."""

    row: BridgeRow  # as it would be written now
    active_legs: tuple[LegSid, ...] = ()


def facts_of_view(view: BridgeView) -> BridgeFacts:
    """Return what is known of a bridge that lives, or has ended a moment ago."""
    return BridgeFacts(row_of(view), view.active_legs)


def facts_of_row(row: BridgeRow) -> BridgeFacts:
    """Return what is known of a bridge that is in no process any more: it has ended."""
    status, ended_at = row.terminal_status or "failed", row.ended_at or row.updated_at
    return BridgeFacts(replace(row, state="terminal", terminal_status=status, ended_at=ended_at))


def created(facts: BridgeFacts) -> dict[str, Any]:
    """Return what a new bridge is answered with: all that any page prints (BR-1 to BR-3)."""
    row = facts.row
    return {
        "bridge_sid": row.sid,
        "created_at": utc_ms(row.created_at),
        "account_sid": row.account_sid,
        "leg_sids": list(row.leg_sids),
        "state": row.state,
        "date_created": utc_ms(row.created_at),
        **_ordered(row),
    }


def shown(facts: BridgeFacts) -> dict[str, Any]:
    """Return the bridge (BR-4, LC-22)."""
    row = facts.row
    return {"sid": row.sid, **snapshot(row, facts.active_legs), **_ordered(row)}


def told_to(facts: BridgeFacts, action: str) -> dict[str, Any]:
    """Return what a stop or a hang-up is answered with (BR-5)."""
    row = facts.row
    return {
        "bridge_sid": row.sid,
        "created_at": utc_ms(row.created_at),
        "account_sid": row.account_sid,
        "bridge_event_endpoint": _endpoint(row),
        "action": action,
    }


def _ordered(row: BridgeRow) -> dict[str, Any]:
    """Return as what it was ordered, or changed."""
    return {
        "bridge_event_endpoint": _endpoint(row),
        "absorb_dtmf": row.absorb_dtmf,
        "bridge_type": "audio",
        "max_participants": row.max_participants,
        "recording": row.recording,
    }


def _endpoint(row: BridgeRow) -> str | None:
    return mask_secrets(row.event_endpoint) or None
