"""A call that is to be placed: whom to dial, and what happens once they have answered."""

from dataclasses import dataclass

from agentstream.base.ids import FlowSid
from agentstream.calls.commands import RecordingSpec
from agentstream.calls.record import StatusCallback
from agentstream.flows.document import FlowDocument
from agentstream.store.values import Account


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
    call_ms: int = 14_400_000  # from the answer (CC-62)
    recording: RecordingSpec | None = None  # from the answer on
    custom_field: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    callback: StatusCallback | None = None
