"""A call that is to be placed: whom to dial, and what happens once they have answered."""

from typing import Final

from agentstream.base.clock import Clock
from agentstream.base.errors import BusyError, CommandError
from agentstream.base.ids import CallSid, FlowSid, LegSid, Tokens
from agentstream.base.values import dataclass, replace
from agentstream.calls.answering import AnswerCriteria, AnswerMode, AskWho
from agentstream.calls.causes import Cause
from agentstream.calls.checks import check_range
from agentstream.calls.commands import DialSpec, RecordingSpec
from agentstream.calls.dial_spec import check_spec
from agentstream.calls.legs import RING_GRACE_MS
from agentstream.calls.record import CallLimits, CallSetup, StatusCallback, WhichLeg
from agentstream.flows.document import FlowDocument
from agentstream.store.values import Account
from agentstream.switch.routing import NoRoadError

CALL_LIMIT_MS: Final = 86_400_000
_OUR_BOUNDS: Final = frozenset({Cause.NO_PORTS, Cause.OVERLOADED, Cause.DRAINING})


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOrder:
    """What `Switchboard.place` needs; numbers are in the form of `phone.normalise`."""

    account: Account
    destination: str  # dialled first: a number or a SIP address
    caller_id: str  # the number that they are shown
    second: str = ""  # the other party of a two-number call, whom `follow` dials (CC-20)
    follow: FlowDocument | None = None  # from the answer on; None: commands from outside
    flow_sid: FlowSid | None = None  # of `follow`, when it is a published flow
    flow_version: int = 0
    trunk: str = ""  # "": the default one
    headers: tuple[tuple[str, str], ...] = ()  # more of them in the INVITE
    ring_ms: int = 30_000
    call_ms: int = 14_400_000  # from the answer (CC-62); the house's own limit may be lower
    recording: RecordingSpec | None = None  # from the answer on; None: as `follow` says
    custom_field: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    callback: StatusCallback | None = None
    leg_sid: LegSid | None = None  # of the first leg, where whoever orders must know it before
    amd: AnswerMode = "off"  # answering-machine detection (LG-32, LG-33)

    @property
    def slots(self) -> int:
        """How many of the calls that may live at once this one takes (CC-64)."""
        return 2 if self.second else 1


def spec_of(order: CallOrder) -> DialSpec:
    """Return how the first party is dialled; raises CommandError for what is out of bounds."""
    spec = DialSpec(
        order.destination,
        trunk=order.trunk,
        caller_id=order.caller_id,
        ring_ms=order.ring_ms,
        headers=order.headers,
    )
    check_spec(spec)
    check_range(order.call_ms, 1, CALL_LIMIT_MS, "call_ms")
    return spec


def setup_of(order: CallOrder, tokens: Tokens, clock: Clock, two_leg_status: WhichLeg) -> CallSetup:
    """Return what the call is born with: `from` is who is dialled first (CC-23, AF-7)."""
    return CallSetup(
        call_sid=CallSid(tokens.hex()),
        account_sid=order.account.sid,
        direction="outbound",
        from_number=order.destination,
        to_number=order.second or order.caller_id,
        started_at=clock.wall(),
        flow_sid=order.flow_sid,
        flow_version=order.flow_version,
        trunk_sid=order.trunk,
        custom_field=order.custom_field,
        variables=order.variables,
        phone_number=order.caller_id,
        callback=order.callback,
        status_leg=two_leg_status if order.second else "first",
    )


def limits_of(order: CallOrder, house: CallLimits) -> CallLimits:
    """Return how long the call may take; the earliest limit wins (AS-49)."""
    # Signalling ends the ringing; the call's own limit is the net below it.
    setup_ms = order.ring_ms + RING_GRACE_MS
    return replace(house, setup_ms=setup_ms, call_ms=min(order.call_ms, house.call_ms))


def question_of(order: CallOrder, criteria: AnswerCriteria) -> AskWho | None:
    """Return how it is found out who answers; None: not at all."""
    return None if order.amd == "off" else AskWho(order.amd, criteria.in_time_for(order.amd))


def refusal(error: NoRoadError) -> CommandError | BusyError:
    """Return what whoever ordered the call is told: a bound of ours, or a mistake of theirs."""
    return BusyError(str(error)) if error.cause in _OUR_BOUNDS else CommandError(str(error))
