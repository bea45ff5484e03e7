"""The event of a leg as JSON, the same in every transport (EV-10 to EV-19, LD-7)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from agentstream.base.clock import utc_ms
from agentstream.calls.events import LegTold, Mishap
from agentstream.switch.leg_style import LegStyle
from agentstream.switch.leg_view import LegView

LIFECYCLE: Final = frozenset(
    {
        "leg_connecting",
        "leg_ringing",
        "leg_answered",
        "leg_terminated",
        "leg_failed_to_create",
        "leg_joined_bridge",
        "leg_left_bridge",
        "amd_result_success",
        "amd_result_failed",
    }
)


def event_type(name: str) -> str:
    """Return the kind of an event (EV-2, EV-3)."""
    return "leg_lifecycle_event" if name in LIFECYCLE else "leg_action_event"


@dataclass(frozen=True, slots=True)
class Head:
    """What every event has, of a leg or of a bridge."""

    sid: str
    kind: str  # EV-2
    name: str
    at: datetime
    sequence: int  # EV-19


def event_text(
    head: Head,
    data: Mapping[str, Any],
    snapshot: Mapping[str, Any],
    cause: LegTold | None = None,
) -> str:
    """Return an event's text; `cause` is what says which action it comes of, if any."""
    told: dict[str, Any] = {
        "event_sid": head.sid,
        "event_type": head.kind,
        "event_name": head.name,
        "event_timestamp": utc_ms(head.at),
        "action_sid": (cause.action_sid or None) if cause else None,
        "action_custom_parameter": (cause.custom or None) if cause else None,
        "event_data": data,
        "data": snapshot,
        "sequence": head.sequence,
    }
    if cause is not None and cause.action_sid:
        told["verb_index"] = cause.verb_index  # EX-2
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False)


def event_body(
    sid: str, event: LegTold, view: LegView, at: datetime, sequence: int, style: LegStyle
) -> str:
    """Return the text of a leg's event; `view` is how the leg stands after it."""
    head = Head(sid, event_type(event.name), event.name, at, sequence)
    return event_text(head, _data(event, style), _snapshot(view, style), event)


def _data(event: LegTold, style: LegStyle) -> dict[str, Any]:
    """Return what is special to an event, and the failure that it tells of (EV-8, EV-9)."""
    inner = dict(event.data)
    shown: dict[str, Any] = {"data": inner}
    if event.error is not None:
        shown |= error_of(event.error)
    return {**inner, **shown} if style.flat_event_data else shown


def error_of(error: Mishap) -> dict[str, Any]:
    """Return a failure as it is told (EV-8)."""
    return {
        "error": {
            "error_code": error.code,
            "message": error.message,
            "description": error.description or error.message,
        }
    }


def _snapshot(view: LegView, style: LegStyle) -> dict[str, Any]:
    terms, bridge = view.terms, view.sections.bridge
    return {
        "leg_sid": view.leg_sid,
        "account_sid": terms.account_sid,
        "contact_uri": terms.contact_uri,
        "exophone": terms.exophone,
        "state": style.state(view.state, in_event=True),
        "start_time": utc_ms(view.answered_at) if view.answered_at else None,
        "end_time": utc_ms(view.ended_at) if view.ended_at else None,
        "date_created": utc_ms(view.created_at),
        "date_updated": utc_ms(view.updated_at),
        "custom_param": terms.custom_param or None,
        "direction": view.direction,
        "network_type": terms.network_type,
        "terminal_status": view.terminal_status or None,
        "bridge_sid": None if bridge == "not_in_bridge" else bridge,
    }
