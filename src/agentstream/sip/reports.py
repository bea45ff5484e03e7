"""What signalling reports, in words that name no message: ids are opaque, bodies are SDP text."""

from typing import Literal, NewType

from agentstream.base.values import dataclass

SipCallRef = NewType("SipCallRef", str)  # one SIP call (INVITE dialog) of a SignalingEngine
OutsideRef = NewType("OutsideRef", str)  # one registration or probe: what belongs to no call

Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Invited:
    """A call comes in. `offer` is None for a delayed offer: our answer then carries the offer."""

    ref: SipCallRef
    sip_call_id: str
    request_uri: str
    from_uri: str
    from_display: str
    to_uri: str
    source: str  # "udp:192.0.2.1:5060"
    offer: str | None
    # Every X-* header, and Diversion, P-Asserted-Identity, P-Called-Party-ID, Referred-By.
    headers: tuple[Header, ...]
    replaces: SipCallRef | None = None
    # The trunk of an account whose caller this was shown to be; "": nobody of ours, so nothing more
    # than a caller from outside.
    trunk_sid: str = ""
    shown_caller: str = ""  # the number that this trunk's calls show (SIP-26); "": as From says
    allows_info: bool = False  # its Allow names INFO
    hops_left: int = 70  # its Max-Forwards, 1 or more; what is placed for it has one less


@dataclass(frozen=True, slots=True)
class Progressed:
    """A call that we placed rings or has early media (18x)."""

    ref: SipCallRef
    status: int
    sdp: str | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """A call that we placed was answered (2xx; the ACK is on its way)."""

    ref: SipCallRef
    sdp: str | None
    headers: tuple[Header, ...] = ()
    allows_info: bool = False  # its Allow names INFO


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The far end acknowledged our answer; `answer` is set when ours was the offer."""

    ref: SipCallRef
    answer: str | None


@dataclass(frozen=True, slots=True)
class MediaOffered:
    """A re-INVITE or UPDATE; reply with `answer_media` or `refuse_media`.

    `offer` None asks for ours.
    """

    ref: SipCallRef
    offer: str | None


@dataclass(frozen=True, slots=True)
class MediaAnswered:
    """The answer to our `update_media`, or to the offer that we gave in `answer_media`."""

    ref: SipCallRef
    answer: str


@dataclass(frozen=True, slots=True)
class MediaRefused:
    """Our `update_media` was refused; the call goes on as it was."""

    ref: SipCallRef
    status: int


@dataclass(frozen=True, slots=True)
class InfoReceived:
    """An INFO inside the call, already answered 200."""

    ref: SipCallRef
    content_type: str
    body: str


@dataclass(frozen=True, slots=True)
class Referred:
    """The far end asks us to call somebody in its stead (REFER); reply with `answer_refer`.

    `target` is a sip, sips or tel URI without headers. `replaces_text` is the dialog that is to be
    replaced there, "" for none; where that is a call of ours it is `replaces`, and `target` is our
    own address.
    """

    ref: SipCallRef
    target: str
    replaces: SipCallRef | None = None
    replaces_text: str = ""
    referred_by: str = ""
    headers: tuple[Header, ...] = ()


@dataclass(frozen=True, slots=True)
class ReferProgress:
    """What becomes of our `refer`: a status, 0 when the far end ended without telling one.

    `final` comes once, unless the call ends before. Until the REFER is `accepted` a final status is
    its refusal (408: no answer); then it is that of the call that the far end has placed. As RFC
    3515 has it only 200 is success.
    """

    ref: SipCallRef
    status: int
    final: bool = False
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """The call is over, whatever it was before; the last report of this ref.

    `status` is the SIP status where one ended it (486, 487, 408, 503 ...), else 0; `q850` comes
    from a Reason header, else 0. `text` is for a person.
    """

    ref: SipCallRef
    by: Literal["remote", "local", "network"]
    status: int = 0
    q850: int = 0
    text: str = ""
    headers: tuple[Header, ...] = ()


Report = (
    Invited
    | Progressed
    | Accepted
    | Confirmed
    | MediaOffered
    | MediaAnswered
    | MediaRefused
    | InfoReceived
    | Referred
    | ReferProgress
    | Ended
)


@dataclass(frozen=True, slots=True)
class Registered:
    """A registrar took our binding, for the first time or again (RFC 3261 section 10.2.4)."""

    ref: OutsideRef
    granted_s: int  # how long it holds
    refresh_in_ms: int
    contact: str = ""  # the URI that calls for us will come to
    service_route: tuple[str, ...] = ()  # the way of our own requests (RFC 3608)
    path: tuple[str, ...] = ()  # the way of requests to us (RFC 3327)


@dataclass(frozen=True, slots=True)
class RegistrationFailed:
    """It did not take it. `status` is SIP's, or 408 no answer, 503 no way there, 502 nonsense."""

    ref: OutsideRef
    status: int
    text: str
    retry_in_ms: int
    valid_for_ms: int  # how long an earlier binding still holds; 0: there is none


@dataclass(frozen=True, slots=True)
class Unregistered:
    """Our binding is taken back, or there was none; the last report of this ref."""

    ref: OutsideRef


@dataclass(frozen=True, slots=True)
class Probed:
    """What came of an OPTIONS; the only report of this ref. `status` 0: no final answer."""

    ref: OutsideRef
    status: int
    text: str
    elapsed_ms: int


OutsideReport = Registered | RegistrationFailed | Unregistered | Probed
