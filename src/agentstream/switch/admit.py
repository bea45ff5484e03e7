"""Reads from an invitation who calls whom, and what else the flow may want to know."""

from datetime import datetime

from agentstream.base.errors import PeerError
from agentstream.base.ids import CallSid
from agentstream.base.phone import normalise
from agentstream.base.values import dataclass
from agentstream.calls.causes import Cause, Party, explain, status_word
from agentstream.calls.commands import DialSpec
from agentstream.calls.record import CallRecord, CallSetup
from agentstream.flows.document import FlowDocument
from agentstream.sip.reports import Invited
from agentstream.sip.uri import parse_uri
from agentstream.store.directory import LegRoute, Route
from agentstream.store.values import Account

VARIABLES_LIMIT = 32


@dataclass(frozen=True, slots=True)
class PassageWay:
    """A call that goes on to one other party, as a call of this account."""

    account: Account
    spec: DialSpec


Way = Route[FlowDocument] | LegRoute  # where a call that comes in goes


def called_number(invited: Invited, country_code: str) -> str:
    """Return the dialled number: the user part of the Request-URI (SIP-20)."""
    return _number(invited.request_uri, country_code)


def caller_number(invited: Invited, country_code: str) -> str:
    """Return the caller's number: the user part of From, or its host for a caller without one."""
    return _number(invited.from_uri, country_code)


def header_variables(invited: Invited) -> tuple[tuple[str, str], ...]:
    """Return the X- headers of the INVITE, for templates (SIP-27)."""
    named = [(name, value) for name, value in invited.headers if name.lower().startswith("x-")]
    return tuple(named[:VARIABLES_LIMIT])


def setup_of_route(
    route: Way | PassageWay,
    call_sid: CallSid,
    caller: str,
    called: str,
    wall: datetime,
    invited: Invited | None,
) -> CallSetup:
    """Return what a call that comes in is born with."""
    flow = route if isinstance(route, Route) else None
    return CallSetup(
        call_sid=call_sid,
        account_sid=route.account.sid,
        direction="inbound",
        from_number=caller,
        to_number=called,
        started_at=wall,
        flow_sid=flow.flow_sid if flow else None,
        flow_version=flow.flow_version if flow else 0,
        variables=header_variables(invited) if invited else (),
        trunk_sid=invited.trunk_sid if invited else "",
        hops_left=invited.hops_left if invited else 71,
        phone_number=route.spec.caller_id if isinstance(route, PassageWay) else "",
    )


def refused_record(setup: CallSetup, cause: Cause, text: str) -> CallRecord:
    """Return the record of a call that was refused before it could become one."""
    return CallRecord(
        setup=setup,
        status=status_word(cause, was_answered=False),
        cause=cause,
        ended_by=Party.SYSTEM,
        text=f"{explain(cause, Party.SYSTEM)} ({text})",
        rang_ms=None,
        answered_ms=None,
        hung_up_ms=0,
        ended_ms=0,
        rang_at=None,
        answered_at=None,
        ended_at=setup.started_at,
        duration_ms=0,
        talk_ms=0,
        billable_s=0,
        digits=0,
        stray_reports=0,
    )


def _number(uri: str, country_code: str) -> str:
    try:
        parsed = parse_uri(uri)
    except PeerError:
        return ""
    user = parsed.user or parsed.host
    return normalise(user, country_code)
