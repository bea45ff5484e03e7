"""What the store gives and takes: frozen values, never rows or sessions. Wall times are UTC."""

from dataclasses import field
from datetime import datetime
from typing import Literal

from agentstream.base.ids import AccountSid, CallSid, FlowSid, LegSid, RecordingSid, StreamSid
from agentstream.base.values import dataclass

AnswerMode = Literal["auto", "manual"]
KeyRole = Literal["admin", "read-only"]
DEFAULT_STREAM_LIMIT = 100  # AS-50: the concurrent streams of one account


@dataclass(frozen=True, slots=True)
class Account:
    """A tenant. Its sid is compared without regard to case (CC-4), and kept as it was given."""

    sid: AccountSid
    name: str
    created_at: datetime
    stream_limit: int = DEFAULT_STREAM_LIMIT
    # Hosts ("bots.example.net", "*.example.net"), addresses and networks ("10.1.0.0/16") that this
    # account's URLs may reach even when the egress policy would refuse them.
    egress_allow: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key of an account; the token itself is never kept."""

    key: str
    account_sid: AccountSid
    label: str
    created_at: datetime
    is_revoked: bool = False
    role: KeyRole = "admin"
    requests_per_minute: int | None = None  # of all kinds together; None: the account's rates only


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Who has shown a key and its token."""

    account: Account
    key: ApiKey


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made, with its token: the only moment at which the token can be read."""

    key: str
    token: str
    account_sid: AccountSid

    def __repr__(self) -> str:
        return f"NewKey(key={self.key!r}, account_sid={self.account_sid!r})"


@dataclass(frozen=True, slots=True)
class Number:
    """A number that rings here, in the form of `phone.normalise`; "*" is every other number.

    It rings a flow, or legs that are steered from outside: their events go to `event_endpoint`.
    """

    number: str
    account_sid: AccountSid
    flow_sid: FlowSid | None
    created_at: datetime
    event_endpoint: str = field(default="", repr=False)  # LG-114; may hold credentials
    answer_mode: AnswerMode = "auto"  # LG-112


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow and where it stands; version numbers count from 1 (AP-60)."""

    sid: FlowSid
    account_sid: AccountSid
    name: str
    latest_version: int
    published_version: int | None  # None: a draft, no call can enter it
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class FlowVersion:
    """One document of a flow, as text in the form it was given (YAML or JSON)."""

    flow_sid: FlowSid
    version: int
    document: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Published:
    """A published flow with its document, as the directory needs it."""

    flow: Flow
    version: int
    document: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LegRecord:
    """One party of a call. Times are whole milliseconds since the call's beginning."""

    sid: LegSid
    direction: str  # "inbound", "outbound-api" (the first of a placed call), "outbound-dial"
    status: str  # as in CallRecord (CB-5)
    cause: str = ""  # the value of calls.causes.Cause; "": its end was never reported
    ended_by: str = ""  # the value of calls.causes.Party
    destination: str = ""  # whom we dialled
    started_ms: int = 0
    rang_ms: int | None = None
    answered_ms: int | None = None
    talk_ms: int = 0  # from its answer to its hang-up
    answered_by: str = ""  # "human", "machine", "unknown"; "": nobody asked
    judged_ms: int | None = None  # from its answer until that was known
    beep_ms: int | None = None  # the same, until a machine's beep was over
    # SD-6: of its dialog, and its audio as counted; a leg that was never answered has little of it.
    sip_call_id: str = ""
    sip_status: int = 0  # the status that ended it, 0 when none did
    q850: int = 0
    codec: str = ""
    srtp: str = ""  # the suite; "": in clear
    packets_received: int = 0
    packets_sent: int = 0
    packets_lost: int = 0
    jitter_ms: float = 0.0
    round_trip_ms: float = 0.0
    mos: float | None = None
    first_in_ms: int | None = None  # its first packet; None: none ever came
    first_out_ms: int | None = None  # our first packet to it


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One call, written when it ends. Durations are whole milliseconds."""

    sid: CallSid
    account_sid: AccountSid
    direction: str  # "inbound", "outbound-api", "outbound-dial" (CC-56)
    from_number: str
    to_number: str
    status: str  # "completed", "busy", "failed", "no-answer", "canceled"
    cause: str  # the value of calls.causes.Cause
    ended_by: str  # the value of calls.causes.Party
    created_at: datetime
    ended_at: datetime
    answered_at: datetime | None = None
    flow_sid: FlowSid | None = None
    flow_version: int | None = None
    sip_call_id: str = ""
    sip_status: int = 0  # the status that ended it, 0 when none did
    q850: int = 0
    source: str = ""  # "udp:192.0.2.1:5060"
    detail: str = ""  # one sentence for a person
    setup_ms: int | None = None  # from the INVITE to the answer
    duration_ms: int = 0  # from the answer to the end
    codec: str = ""
    mos: float | None = None
    packets_received: int = 0
    packets_sent: int = 0
    packets_lost: int = 0
    packets_late: int = 0
    jitter_ms: float = 0.0
    round_trip_ms: float = 0.0
    remote_loss: float = 0.0  # 0 to 1
    custom_field: str = ""
    phone_number: str = ""  # the account's number in this call
    legs: tuple[LegRecord, ...] = ()  # in the order of dialling, the first party first

    @property
    def conversation_ms(self) -> int:
        """How long others were there with the first party (CD-3); without others, its talk."""
        others = self.legs[1:]
        gone_ms = (self.setup_ms or 0) + self.duration_ms  # others may talk on without it (BR-9)
        together = (min(leg.talk_ms, max(0, gone_ms - (leg.answered_ms or 0))) for leg in others)
        return sum(together) if others else self.duration_ms

    @property
    def account_number(self) -> str:
        """The account's own number in this call."""
        return self.phone_number or self.to_number

    @property
    def length_ms(self) -> int:
        """From its beginning to its end, answered or not."""
        return round((self.ended_at - self.created_at).total_seconds() * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRecord:
    """One stream, written when it ends; status, disconnected_by and errors as ST-30 names them."""

    sid: StreamSid
    call_sid: CallSid
    account_sid: AccountSid
    bot_url: str  # credentials masked (AS-37)
    status: str  # "completed", "failed", "cancelled"
    disconnected_by: str  # "user", "bot", "NA"
    started_at: datetime
    ended_at: datetime
    error: str = ""
    detailed_status: str = ""
    close_code: int = 0
    http_status: int = 0
    attempts: int = 1
    duration_ms: int = 0
    resolve_ms: int | None = None
    tcp_ms: int | None = None
    tls_ms: int | None = None
    upgrade_ms: int | None = None
    first_audio_ms: int | None = None
    encoding: str = "pcm16"
    rate_hz: int = 8000
    media_sent: int = 0
    media_received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    played_ms: int = 0
    clears: int = 0
    marks: int = 0
    underruns: int = 0
    messages_ignored: int = 0
    media_dropped_in_ms: int = 0
    media_dropped_out: int = 0
    rtp_to_ws_p99_ms: float = 0.0
    ws_to_rtp_p99_ms: float = 0.0
    clear_to_silence_max_ms: float = 0.0


RecordingState = Literal["recording", "ready", "failed", "deleted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """An audio file of a call, from its first sample on.

    recording ──▶ ready ──▶ deleted      whole: it can be listened to, then its time was up
        └──▶ failed ──▶ ready, deleted   broke off; ready when a later start could save it
    """

    sid: RecordingSid
    call_sid: CallSid
    account_sid: AccountSid  # "": found without a row, nobody knows whose it is
    path: str  # where it is now: a file, or "s3://bucket/key"; "" once it is deleted
    created_at: datetime
    leg_sid: LegSid | None = None
    channels: str = "mono"  # "mono" or "stereo"
    duration_ms: int = 0
    size_bytes: int = 0
    sha256: str = ""  # of the WAV, also when it is kept encrypted
    error: str = ""  # why it is incomplete, else empty
    state: RecordingState = "ready"
    storage: str = "folder"  # or "s3"
    is_encrypted: bool = False


WebhookState = Literal["waiting", "delivered", "dead"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One thing that a customer's server is to be told, by a POST.

    waiting ──▶ delivered       answered with 2xx; the row goes, unless it is to be kept
       └──────▶ dead            no attempt is left; `Outbox.redeliver` makes it wait again
    """

    sid: str  # the webhook-id of every attempt, by which a receiver knows a repetition
    account_sid: AccountSid
    subject: str  # those of one subject (a call's sid) go out in their order, one after the other
    kind: str  # "callback.terminal"
    url: str  # may hold credentials
    host: str  # of the URL, with its port: receivers share no bound with others
    content_type: str
    body: str
    created_at: datetime
    next_at: datetime  # when the next attempt may be made
    attempts: int = 0  # that failed, or the last of which did not
    state: WebhookState = "waiting"
    last_error: str = ""
    last_status: int = 0  # of the last answer; 0: there was none


Written = CallRecord | StreamRecord | Recording | Webhook
