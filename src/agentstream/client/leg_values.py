"""What the Legs API answers, with types. Times are in UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class SteeredLeg:
    """One leg that is steered from outside (LG-50); of a new one only the order is told."""

    sid: str
    account_sid: str
    contact_uri: str  # who is dialled, or calls
    exophone: str
    created_at: datetime
    call_sid: str = ""  # the call that it is a part of
    direction: str = "outbound"  # or "inbound"
    network: str = "pstn"  # or "voip"
    state: str = "created"  # "ringing", "connected", "terminal", unless [legs] has other words
    terminal_status: str = ""  # "completed", "busy", "no-answer", "failed", "canceled" (LG-53)
    updated_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    talk_ms: int = 0  # from the answer, so far
    limit_s: int = 0  # from the answer; 0: not told
    custom_param: str = ""
    event_endpoint: str = ""  # with its credentials masked
    runs: Mapping[str, str] = field(default_factory=dict)  # what `ReadLeg.sections` asked for

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.ended_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """Legs of any calls that hear each other (BR-4)."""

    sid: str
    account_sid: str
    state: str  # "created", "active", "terminal"
    created_at: datetime
    leg_sids: tuple[str, ...]  # all that ever took part
    active_legs: tuple[str, ...] = ()
    terminal_status: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    event_endpoint: str = ""  # with its credentials masked
    absorbs_keys: bool = False
    max_participants: int
    is_recorded: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nobody is in it any more."""
        return self.ended_at is not None


@dataclass(frozen=True, slots=True)
class Acted:
    """An action that was accepted (LG-91); its events tell what comes of it."""

    action_sid: str  # stands in every event that it causes
    subject: str  # the sid of the leg or bridge
    created_at: datetime
    custom_param: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldEvent:
    """One event of the history, and what became of it (LG-71)."""

    sid: str
    sequence: int  # of its leg or bridge, from 1
    type: str
    name: str
    at: datetime
    data: Mapping[str, Any]
    action_sid: str = ""  # of the action that caused it
    action_custom_param: str = ""
    is_delivered: bool
    attempts: int
    error: str = ""  # why its endpoint did not take it


def read_leg(told: Mapping[str, Any]) -> SteeredLeg:
    """Read the leg object of an answer."""
    return SteeredLeg(
        sid=told["leg_sid"],
        account_sid=told["account_sid"],
        contact_uri=told["contact_uri"],
        exophone=told["exophone"],
        created_at=datetime.fromisoformat(told.get("date_created") or told["created_at"]),
        call_sid=told.get("call_sid", ""),
        direction=told.get("direction", "outbound"),
        network=told["network_type"],
        state=told.get("state", "created"),
        terminal_status=told.get("terminal_status") or "",
        updated_at=_moment(told, "date_updated"),
        answered_at=_moment(told, "start_time"),
        ended_at=_moment(told, "end_time"),
        talk_ms=told.get("on_call_duration_ms", 0),
        limit_s=told.get("time_limit", 0),
        custom_param=told["custom_param"] or "",
        event_endpoint=told["leg_event_endpoint"],
        runs=told.get("additional_info", {}),
    )


def read_bridge(told: Mapping[str, Any]) -> Bridge:
    """Read the bridge object of an answer."""
    return Bridge(
        sid=told["bridge_sid"],
        account_sid=told["account_sid"],
        state=told["state"],
        created_at=datetime.fromisoformat(told["date_created"]),
        leg_sids=tuple(told["leg_sids"]),
        active_legs=tuple(told.get("active_legs", ())),
        terminal_status=told.get("terminal_status") or "",
        started_at=_moment(told, "start_time"),
        ended_at=_moment(told, "end_time"),
        event_endpoint=told["bridge_event_endpoint"] or "",
        absorbs_keys=told["absorb_dtmf"],
        max_participants=told["max_participants"],
        is_recorded=told["recording"],
    )


def read_acted(told: Mapping[str, Any]) -> Acted:
    """Read the answer to an action."""
    return Acted(
        told["action_sid"],
        told.get("leg_sid") or told["bridge_sid"],
        datetime.fromisoformat(told["created_at"]),
        told["action_custom_param"] or "",
    )


def read_events(told: Mapping[str, Any]) -> tuple[ToldEvent, ...]:
    """Read a history, in the order in which it was told."""
    return tuple(_event(each) for each in told["external_events"])


def _event(told: Mapping[str, Any]) -> ToldEvent:
    event = told["event_info"]
    return ToldEvent(
        sid=event["event_sid"],
        sequence=event["sequence"],
        type=event["event_type"],
        name=event["event_name"],
        at=datetime.fromisoformat(told["date_created"]),
        data=event["data"],
        action_sid=event["action_sid"] or "",
        action_custom_param=event["action_custom_parameter"] or "",
        is_delivered=told["endpoint_response"],
        attempts=told["attempts"],
        error=told["error"] or "",
    )


def _moment(told: Mapping[str, Any], name: str) -> datetime | None:
    text = told.get(name)
    return datetime.fromisoformat(text) if text else None
