"""Legs and their events in the words of the Legs API (LG-35, LG-50 to LG-55, LG-70 to LG-72)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from agentstream.base.clock import utc_ms
from agentstream.net.egress import mask_secrets
from agentstream.store.legs import LegEventRow, LegRow
from agentstream.switch.leg_style import LegStyle
from agentstream.switch.leg_view import LegView, Sections, row_of

# LG-51, LG-55: the runtime sections by their names, and where they stand in `Sections`.
SECTIONS: Final = {
    "bridge_status": "bridge",
    "recording_status": "recording",
    "tx_audio_status": "tx_audio",
    "rx_audio_status": "rx_audio",
    "hold_status": "hold",
    "gather_status": "gather",
    "play_status": "play",
}


@dataclass(frozen=True, slots=True)
class LegFacts:
    """What is known of a leg, whether it lives or has ended."""

    row: LegRow  # as it would be written now
    sections: Sections

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.row.state == "terminal"


def facts_of_view(view: LegView) -> LegFacts:
    """Return what is known of a leg that lives, or has ended a moment ago."""
    return LegFacts(row_of(view), view.sections)


def facts_of_row(row: LegRow) -> LegFacts:
    """Return what is known of a leg that is in no process any more: it has ended."""
    status, ended_at = row.terminal_status or "failed", row.ended_at or row.updated_at
    over = replace(row, state="terminal", terminal_status=status, ended_at=ended_at)
    return LegFacts(over, Sections())


def created(facts: LegFacts) -> dict[str, Any]:
    """Return what a new leg is answered with (LG-35, LG-40)."""
    row = facts.row
    return {
        "leg_sid": row.sid,
        "created_at": utc_ms(row.created_at),
        "account_sid": row.account_sid,
        "contact_uri": row.contact_uri,
        "network_type": row.network_type,
        "exophone": row.exophone,
        "custom_param": row.custom_param or None,
        "leg_event_endpoint": mask_secrets(row.event_endpoint),
        "requested_dc_code": row.requested_dc_code or None,
        "requested_nso_code": row.requested_nso_code or None,
    }


def shown(
    facts: LegFacts, settings: LegStyle, now: datetime, sections: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the leg object (LG-50), with the runtime sections that were asked for (LG-51)."""
    row = facts.row
    leg: dict[str, Any] = {
        "leg_sid": row.sid,
        "account_sid": row.account_sid,
        "call_sid": row.call_sid,  # ours: the call that it is a part of
        "contact_uri": row.contact_uri,
        "exophone": row.exophone,
        "caller_id": row.exophone,
        "direction": row.direction,
        "network_type": row.network_type,
        "time_limit": row.time_limit_s,
        "state": settings.state(row.state, in_event=False),
        "terminal_status": row.terminal_status or None,
        "date_created": utc_ms(row.created_at),
        "date_updated": utc_ms(row.updated_at),
        "start_time": utc_ms(row.answered_at) if row.answered_at else None,
        "end_time": utc_ms(row.ended_at) if row.ended_at else None,
        "on_call_duration_ms": _duration_ms(row, now),
        "custom_param": row.custom_param or None,
        "leg_event_endpoint": mask_secrets(row.event_endpoint),
        "requested_dc_code": row.requested_dc_code or None,
        "requested_nso_code": row.requested_nso_code or None,
    }
    if sections:
        leg["additional_info"] = {
            name: getattr(facts.sections, SECTIONS[name]) for name in sections
        }
    return leg


def history(
    facts: LegFacts, rows: Sequence[LegEventRow], settings: LegStyle, *, masks_digits: bool
) -> dict[str, Any]:
    """Return what was told of a leg, and what became of it (LG-71, LG-72)."""
    told = events_shown(rows, settings, masks_digits=masks_digits)
    return {"sid": facts.row.sid, "account_sid": facts.row.account_sid, **told}


def events_shown(
    rows: Sequence[LegEventRow], settings: LegStyle, *, masks_digits: bool
) -> dict[str, Any]:
    """Return events as they were told, of a leg or a bridge."""
    return {
        "event_type": rows[-1].type if rows else None,
        "external_events": [_told(row, settings, masks_digits=masks_digits) for row in rows],
    }


def _told(row: LegEventRow, settings: LegStyle, *, masks_digits: bool) -> dict[str, Any]:
    event = json.loads(row.body)
    data = event["event_data"]["data"]
    if masks_digits and "digits" in data:
        data = {**data, "digits": "*" * len(str(data["digits"] or ""))}
    return {
        "endpoint_response": row.state == "delivered",
        "error": row.error or None,
        "date_created": utc_ms(row.at),
        "date_updated": utc_ms(row.updated_at),
        "attempts": row.attempts,  # ours, as is `sequence`
        "event_info": {
            "event_sid": row.sid,
            "event_type": row.type,
            "event_name": row.name,
            "event_timestamp": _timestamp(row.at, settings),
            "action_sid": event["action_sid"],
            "action_custom_parameter": event["action_custom_parameter"],
            "sequence": row.sequence,
            "data": {**data, **_error(event["event_data"])},
        },
    }


def _error(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"error": data["error"]} if "error" in data else {}


def _timestamp(at: datetime, settings: LegStyle) -> str | dict[str, int]:
    if settings.history_timestamp == "string":
        return utc_ms(at)
    return {"seconds": int(at.timestamp()), "nanos": at.microsecond // 1000 * 1_000_000}


def _duration_ms(row: LegRow, now: datetime) -> int:
    if row.answered_at is None:
        return 0
    return max(0, round(((row.ended_at or now) - row.answered_at).total_seconds() * 1000))
