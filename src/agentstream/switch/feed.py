"""The feed: every fact of every call, told to whoever subscribed, in order."""

from collections.abc import Callable, Iterable
from datetime import datetime

import structlog

from agentstream._media import LegStats, StreamStats
from agentstream.base.ids import (
    AccountSid,
    CallSid,
    LegSid,
    PromptId,
    RecordingSid,
    RequestId,
    StreamSid,
)
from agentstream.base.values import dataclass
from agentstream.calls.events import Event

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StreamConnected:
    """The bot's socket is open; how long each phase took, in milliseconds."""

    stream_sid: StreamSid
    attempt: int
    dns_ms: int
    tcp_ms: int
    tls_ms: int
    upgrade_ms: int


@dataclass(frozen=True, slots=True)
class StreamAttemptFailed:
    """One attempt to reach the bot failed; `http_status` 0 when no HTTP answer came."""

    stream_sid: StreamSid
    attempt: int
    phase: str
    http_status: int
    detail: str


@dataclass(frozen=True, slots=True)
class BotSpoke:
    """The bot's audio began to reach the line."""

    stream_sid: StreamSid


@dataclass(frozen=True, slots=True)
class PromptBegan:
    """A prompt was found, fetched or spoken, and is given to the line."""

    leg_sid: LegSid
    prompt_id: PromptId


@dataclass(frozen=True, slots=True)
class MarkEchoed:
    """The bot was told that a mark was reached (or, `cleared`, dropped unheard)."""

    stream_sid: StreamSid
    name: str
    played_ms: int
    cleared: bool


@dataclass(frozen=True, slots=True)
class PlayoutCleared:
    """The bot took back what was not yet heard."""

    stream_sid: StreamSid
    played_ms: int
    dropped_ms: int


@dataclass(frozen=True, slots=True)
class RateChanged:
    """A stream goes on at another sample rate, as its bot asked."""

    stream_sid: StreamSid
    rate_hz: int


@dataclass(frozen=True, slots=True)
class StreamWarned:
    """Something that the bot's developer should know; `about` is the dossier's id, if any."""

    stream_sid: StreamSid
    text: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class StreamCounted:
    """The counters of a stream that has ended, and the close code of its socket."""

    stream_sid: StreamSid
    close_code: int
    stats: StreamStats


@dataclass(frozen=True, slots=True)
class LegCounted:
    """The counters of a leg that has ended, and its ids in signalling."""

    leg_sid: str
    sip_call_id: str
    sip_status: int
    q850: int
    stats: LegStats
    # Since the call's beginning: the first packet each way; None: there was none.
    first_in_ms: int | None = None
    first_out_ms: int | None = None


@dataclass(frozen=True, slots=True)
class RoadFailed:
    """A dialled leg could not go by one of its roads; `after` is the next one, "" for none.

    `outcome` is one of `road_states`, or "full" when the road was passed over.
    """

    leg_sid: LegSid
    attempt: int
    road: str
    outcome: str
    sip_status: int
    text: str
    elapsed_ms: int = 0
    after: str = ""


@dataclass(frozen=True, slots=True)
class RecordingBegan:
    """A leg is being recorded; RecordingFinished follows."""

    leg_sid: LegSid
    recording_sid: RecordingSid
    channels: str


@dataclass(frozen=True, slots=True)
class SourceLearnt:
    """The far end's audio comes from another address than its SDP said."""

    leg_sid: str
    address: str


@dataclass(frozen=True, slots=True)
class SrtpAgreed:
    """A leg's audio is encrypted from here on; without a suite: in clear again.

    `is_readable`: the keys went by signalling that others may read (SIP-43).
    """

    leg_sid: LegSid
    suite: str
    is_readable: bool


@dataclass(frozen=True, slots=True)
class SrtpRefused:
    """So many datagrams of a leg were not believed so far; nothing of them was heard."""

    leg_sid: str
    rejected: int
    replayed: int
    ever_accepted: bool  # False: the two ends hardly have the same keys


@dataclass(frozen=True, slots=True)
class SrtpNotTaken:
    """The far end refused our offer with keys; it was made once more without (SIP-42)."""

    leg_sid: LegSid
    status: int


@dataclass(frozen=True, slots=True)
class ErrandDone:
    """A request or letter that went out in the background is over, perhaps after its call.

    `status` is that of HTTP; of a letter 250, or 0 when it was not taken. `error` is why not.
    """

    request_id: RequestId
    purpose: str
    status: int
    attempts: int
    elapsed_ms: int
    error: str


Note = (
    StreamConnected
    | StreamAttemptFailed
    | BotSpoke
    | PromptBegan
    | MarkEchoed
    | PlayoutCleared
    | RateChanged
    | StreamWarned
    | StreamCounted
    | LegCounted
    | RoadFailed
    | RecordingBegan
    | SourceLearnt
    | SrtpAgreed
    | SrtpRefused
    | SrtpNotTaken
    | ErrandDone
)


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened in one call."""

    call_sid: CallSid
    account_sid: AccountSid
    at_ms: int  # monotonic
    at: datetime  # UTC
    event: Event | Note


Receive = Callable[[Fact], None]


class Feed:
    """Tells facts to subscribers, on the loop, in the order in which they happened."""

    def __init__(self) -> None:
        self._subscribers: list[tuple[Receive, frozenset[type]]] = []
        # Who wants which kind: most facts are wanted by nobody, and those must cost nothing.
        self._wanted = _Wanted(self._subscribers)

    def subscribe(self, receive: Receive, kinds: Iterable[type] = ()) -> Callable[[], None]:
        """Add a subscriber to events of these kinds (none: of all); it must return quickly.

        Returns how to leave.
        """
        entry = (receive, frozenset(kinds))
        self._subscribers.append(entry)
        self._wanted.clear()

        def leave() -> None:
            self._subscribers.remove(entry)
            self._wanted.clear()

        return leave

    def wants(self, kind: type) -> bool:
        """Whether anybody subscribed to events of this kind."""
        return bool(self._wanted[kind])

    def publish(self, fact: Fact) -> None:
        """Tell everyone. A subscriber that fails must not end the call, nor hide it from others."""
        for receive in self._wanted[type(fact.event)]:
            try:
                receive(fact)
            except Exception:
                log.exception("a subscriber of the feed failed", call_sid=fact.call_sid)


class _Wanted(dict[type, tuple[Receive, ...]]):
    """The subscribers to each kind, found once."""

    def __init__(self, subscribers: list[tuple[Receive, frozenset[type]]]) -> None:
        super().__init__()
        self._subscribers = subscribers

    def __missing__(self, kind: type) -> tuple[Receive, ...]:
        found = tuple(receive for receive, kinds in self._subscribers if not kinds or kind in kinds)
        self[kind] = found
        return found
