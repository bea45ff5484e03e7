"""The commands of a SignalingEngine as values, for the endpoint and for the fake engine."""

from agentstream.base.values import dataclass
from agentstream.sip.reports import Header, OutsideRef, SipCallRef
from agentstream.sip.signaling import Dial, ProbePlan, RegistrationPlan


@dataclass(frozen=True, slots=True)
class Place:
    """Send INVITE."""

    ref: SipCallRef
    dial: Dial


@dataclass(frozen=True, slots=True)
class Ring:
    """Send a provisional answer (180, 183), with early media if `sdp` is set."""

    ref: SipCallRef
    status: int = 180
    sdp: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Send 200 with our answer, or our offer when the INVITE had none."""

    ref: SipCallRef
    sdp: str
    headers: tuple[Header, ...] = ()


@dataclass(frozen=True, slots=True)
class Reject:
    """Send a final refusal."""

    ref: SipCallRef
    status: int
    text: str = ""
    headers: tuple[Header, ...] = ()


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call in whatever state it is."""

    ref: SipCallRef
    q850: int = 16
    text: str = ""
    headers: tuple[Header, ...] = ()


@dataclass(frozen=True, slots=True)
class UpdateMedia:
    """Send our offer in a re-INVITE."""

    ref: SipCallRef
    offer: str


@dataclass(frozen=True, slots=True)
class AnswerMedia:
    """Answer a MediaOffered."""

    ref: SipCallRef
    sdp: str


@dataclass(frozen=True, slots=True)
class RefuseMedia:
    """Refuse a MediaOffered."""

    ref: SipCallRef
    status: int = 488


@dataclass(frozen=True, slots=True)
class SendInfo:
    """Send INFO inside the call."""

    ref: SipCallRef
    content_type: str
    body: str


@dataclass(frozen=True, slots=True)
class Refer:
    """Ask the far end to call somebody in our stead."""

    ref: SipCallRef
    target: str
    replaces: str = ""
    headers: tuple[Header, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerRefer:
    """Accept a Referred (2xx), or refuse it."""

    ref: SipCallRef
    status: int = 202
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReportTransfer:
    """Tell whoever referred how the call that we placed for it goes on."""

    ref: SipCallRef
    status: int
    reason: str = ""
    final: bool = False


CallCommand = (
    Place
    | Ring
    | Answer
    | Reject
    | HangUp
    | UpdateMedia
    | AnswerMedia
    | RefuseMedia
    | SendInfo
    | Refer
    | AnswerRefer
    | ReportTransfer
)


@dataclass(frozen=True, slots=True)
class Register:
    """Register with a carrier, and stay registered."""

    ref: OutsideRef
    plan: RegistrationPlan


@dataclass(frozen=True, slots=True)
class Refresh:
    """Register again now, as the carrier may have forgotten us."""

    ref: OutsideRef


@dataclass(frozen=True, slots=True)
class Unregister:
    """Take a registration back."""

    ref: OutsideRef


@dataclass(frozen=True, slots=True)
class Probe:
    """Send OPTIONS."""

    ref: OutsideRef
    plan: ProbePlan


OutsideCommand = Register | Refresh | Unregister | Probe
