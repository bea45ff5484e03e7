"""Metrics for Prometheus: what calls did, from the feed; what is there now, read when asked for.

Nothing here is done for each packet: the audio path counts by itself, and is read at a scrape.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from agentstream.calls.events import (
    AnswerJudged,
    AppletNoted,
    CallEnded,
    DigitReceived,
    Event,
    StreamFinished,
)
from agentstream.calls.transfer_words import TransferFinished
from agentstream.switch import feed

# A time of birth beside every counter would double their number.
disable_created_metrics()  # type: ignore[no-untyped-call]  # (untyped there)

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10)
_AUDIO_PATH = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.1, 0.2, 0.5, 1)
_TALK = (1, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600)
_MOS = (1, 2, 2.5, 3, 3.5, 3.8, 4, 4.2, 4.4, 4.5)


@dataclass(frozen=True, slots=True)
class Facts:
    """The house at one moment; counters count from the start of the process."""

    calls: int = 0
    streams: int = 0
    is_draining: bool = False
    invites: Mapping[str, int] = field(default_factory=dict)  # by result: "admitted" or a cause
    streams_throttled: int = 0  # AS-50
    rtp_ports_free: int = 0
    # The engine's counters by their names in `_media.EngineStats.as_dict()`.
    engine: Mapping[str, int | float | str] = field(default_factory=dict)
    rows_waiting: int = 0
    rows_written: int = 0
    rows_refused: int = 0
    rows_lost: int = 0
    watchers: int = 0
    # Recordings: "waiting" now; "stored", "failed_attempts" and "encoded" since the start.
    recordings: Mapping[str, int] = field(default_factory=dict)
    legs_dialled: int = 0
    trunk_calls: Mapping[str, int] = field(default_factory=dict)  # now, by the operator's trunks
    orders: Mapping[str, int] = field(default_factory=dict)  # by result: "placed" or a cause
    requests_refused: Mapping[str, int] = field(default_factory=dict)  # by kind (ER-7)
    keyed_requests: Mapping[str, int] = field(default_factory=dict)  # by result (OC-6)
    errands_waiting: int = 0  # requests and letters in the background
    errands: Mapping[str, int] = field(default_factory=dict)  # by what became of them
    # Events of legs: "waiting" now, the others by what became of them since the start.
    leg_events: Mapping[str, int] = field(default_factory=dict)
    # Recordings for customers' own storage: "waiting" now, the others since the start.
    uploads: Mapping[str, int] = field(default_factory=dict)
    # Bridges: "live" now; "created", "failed" and "refused" since the start.
    bridges: Mapping[str, int] = field(default_factory=dict)
    # The ways they go: "sockets" and "channels" of gRPC open now; "opened" and "refused", of the
    # sockets, since the start.
    leg_event_ways: Mapping[str, int] = field(default_factory=dict)
    # Webhooks: "waiting", "dead", "running" and "oldest_s" now; "delivered", "failed_attempts" and
    # "died" since the start.
    webhooks: Mapping[str, int] = field(default_factory=dict)
    # Operator's trunks by name: 1 when up, or registered with.
    trunks_up: Mapping[str, int] = field(default_factory=dict)
    trunks_registered: Mapping[str, int] = field(default_factory=dict)
    # Roads that OPTIONS ask: "watched" and "down" now, the others since the start.
    roads: Mapping[str, int] = field(default_factory=dict)
    # Whatever the SIP endpoint counts, by name: messages dropped, transactions, retransmissions ...
    sip: Mapping[str, int] = field(default_factory=dict)
    # For how many seconds each TLS certificate is still valid, by its file.
    certificates: Mapping[str, int] = field(default_factory=dict)


class Metrics:
    """Subscribe `hear` to the feed; `render` is what a scrape gets."""

    KINDS = (
        CallEnded,
        StreamFinished,
        feed.StreamConnected,
        feed.StreamAttemptFailed,
        feed.StreamWarned,
        feed.RoadFailed,
        feed.StreamCounted,
        feed.LegCounted,
        DigitReceived,
        AnswerJudged,
        AppletNoted,
        TransferFinished,
    )

    def __init__(self, read: Callable[[], Facts]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Now(read))
        self._measures = _Measures(self._registry)

    def hear(self, fact: feed.Fact) -> None:
        """Take one fact."""
        measures = self._measures
        match fact.event:
            case CallEnded():
                measures.call_ended(fact.event)
            case StreamFinished(outcome=outcome):
                measures.counted(measures.streams, outcome.status, outcome.disconnected_by)
            case feed.StreamConnected():
                measures.connected(fact.event)
            case feed.StreamAttemptFailed(phase=phase):
                measures.counted(measures.failed_attempts, phase)
            case feed.StreamWarned(about=about):
                measures.counted(measures.warnings, about)
            case feed.RoadFailed(outcome=outcome):
                measures.counted(measures.roads, _road(fact.event), outcome)
            case feed.StreamCounted():
                measures.stream_counted(fact.event)
            case feed.LegCounted():
                measures.leg_counted(fact.event)
            case AnswerJudged(result=result, reason=reason):
                measures.counted(measures.answers, result, reason)
            case _:
                measures.happened(fact.event)

    def render(self) -> bytes:
        """Return everything in Prometheus' text form."""
        return generate_latest(self._registry)


class _Measures:
    """What is counted as it happens."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, labels: Iterable[str] = ()) -> Counter:
            return Counter(f"agentstream_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"agentstream_{name}", text, buckets=buckets, registry=registry)

        self.calls = counter("calls", "Calls that have ended", ("direction", "status", "cause"))
        self.digits = counter("digits", "Keys that callers pressed")
        self.troubles = counter("applet_troubles", "What applets could not do and passed by")
        self.answers = counter("answers_judged", "Who answered calls", ("result", "reason"))
        self.transfers = counter("transfers", "Transfers of legs that ended", ("outcome",))
        self.streams = counter("streams", "Streams that ended", ("status", "disconnected_by"))
        self.failed_attempts = counter(
            "stream_failed_attempts", "Attempts to reach a bot that failed", ("phase",)
        )
        self.warnings = counter(
            "stream_warnings", "What bots' developers should know, by its id", ("about",)
        )
        self.roads = counter(
            "roads_failed", "Attempts of dialled legs that failed", ("road", "outcome")
        )
        self.underruns = counter("stream_underruns", "Times that a bot's audio ran dry")
        self.dropped = counter("stream_media_dropped", "Media messages that a bot did not read")
        self.lost = counter("rtp_packets_lost", "RTP packets that never came, of ended legs")
        self.answer = histogram("call_answer_seconds", "From the INVITE to the answer", _SECONDS)
        self.talk = histogram("call_talk_seconds", "From the answer to the hang-up", _TALK)
        self.connect = histogram(
            "stream_connect_seconds", "From the look-up of the bot to its 101", _SECONDS
        )
        self.first_audio = histogram(
            "stream_first_audio_seconds", "From the bot's 101 to its first sound", _SECONDS
        )
        self.clear = histogram(
            "stream_clear_seconds", "From a clear to silence, the longest of a stream", _AUDIO_PATH
        )
        self.to_bot = histogram(
            "stream_rtp_to_bot_seconds", "RTP in to WebSocket out, p99 of a stream", _AUDIO_PATH
        )
        self.from_bot = histogram(
            "stream_bot_to_rtp_seconds", "WebSocket in to RTP out, p99 of a stream", _AUDIO_PATH
        )
        self.mos = histogram("leg_mos", "Estimated listening quality of a leg (G.107)", _MOS)
        self._children: dict[tuple[Counter, tuple[str, ...]], Counter] = {}

    def counted(self, counter: Counter, *labels: str) -> None:
        """Add one; the child of these labels is looked up once."""
        child = self._children.get((counter, labels))
        if child is None:
            child = self._children[counter, labels] = counter.labels(*labels)
        child.inc()

    def happened(self, event: Event | feed.Note) -> None:
        """Count what has no more to tell than that it was."""
        match event:
            case DigitReceived():
                self.digits.inc()
            case TransferFinished(outcome=outcome):
                self.counted(self.transfers, outcome)
            case AppletNoted(is_trouble=True):
                self.troubles.inc()
            case _:
                pass

    def call_ended(self, ended: CallEnded) -> None:
        record = ended.record
        self.counted(self.calls, record.setup.direction, record.status, record.cause.value)
        if record.answered_ms is not None and record.setup.direction == "inbound":
            self.answer.observe(record.answered_ms / 1000)
        if record.answered_ms is not None:
            self.talk.observe(record.talk_ms / 1000)

    def connected(self, note: feed.StreamConnected) -> None:
        self.connect.observe((note.dns_ms + note.tcp_ms + note.tls_ms + note.upgrade_ms) / 1000)

    def stream_counted(self, note: feed.StreamCounted) -> None:
        stats = note.stats
        self.underruns.inc(stats.underruns)
        self.dropped.inc(stats.media_dropped_out)
        if stats.first_audio_ms >= 0:
            self.first_audio.observe(stats.first_audio_ms / 1000)
        if stats.clears:
            self.clear.observe(stats.clear_to_silence_max_ms / 1000)
        if stats.media_sent:
            self.to_bot.observe(stats.rtp_to_ws_p99_ms / 1000)
        if stats.media_received:
            self.from_bot.observe(stats.ws_to_rtp_p99_ms / 1000)

    def leg_counted(self, note: feed.LegCounted) -> None:
        self.lost.inc(note.stats.packets_lost)
        if note.stats.packets_received:
            self.mos.observe(note.stats.mos)


def _road(note: feed.RoadFailed) -> str:
    """Return an operator's trunk by name; those of accounts, without end, under one."""
    return note.road if note.road.startswith("trunk ") and "→" not in note.road else "destination"


class _Now(Collector):
    """What is read at a scrape."""

    def __init__(self, read: Callable[[], Facts]) -> None:
        self._read = read

    def describe(self) -> Iterable[Metric]:
        return ()  # else the registry would read the house before it is built

    def collect(self) -> Iterable[Metric]:
        facts = self._read()
        engine = {name: value for name, value in facts.engine.items() if not isinstance(value, str)}
        yield _gauge("calls_active", "Live calls", facts.calls)
        yield _gauge("streams_active", "Open streams", facts.streams)
        yield _gauge("draining", "1 while no new call is taken", int(facts.is_draining))
        yield _gauge("rtp_ports_free", "RTP ports that a new leg could have", facts.rtp_ports_free)
        yield _gauge("live_watchers", "Who watches /v1/live", facts.watchers)
        yield _counters("invites", "INVITEs by what became of them", "result", facts.invites)
        yield _counters(
            "call_orders", "Calls to place by what became of them", "result", facts.orders
        )
        yield _counters(
            "api_requests_refused", "Requests beyond the rate", "kind", facts.requests_refused
        )
        yield _counters(
            "api_keyed_requests", "Requests with an Idempotency-Key", "result", facts.keyed_requests
        )
        yield from _roads(facts)
        yield _counters("sip", "What the SIP endpoint counts", "what", facts.sip)
        yield _gauges(
            "tls_certificate_expires_seconds",
            "How long a TLS certificate is still valid",
            "file",
            facts.certificates,
        )
        packets = {"in": engine.get("packets_received", 0), "out": engine.get("packets_sent", 0)}
        yield _counters("rtp_packets", "RTP packets", "direction", packets)
        for name, theirs, text in _ENGINE_COUNTERS:
            yield _counter(name, text, engine.get(theirs, 0))
        yield _gauge("media_events_waiting", "Audio events", engine.get("events_waiting", 0))
        yield _counter("streams_throttled", "Streams refused by limit", facts.streams_throttled)
        yield _counter("legs_dialled", "Legs that calls dialled", facts.legs_dialled)
        yield _gauges("trunk_calls", "Dialled legs by trunk now", "trunk", facts.trunk_calls)
        yield _gauge("errands_waiting", "Background requests not begun", facts.errands_waiting)
        yield _counters("errands", "Background requests and letters", "result", facts.errands)
        yield from _steered(facts)
        yield _gauge("rows_waiting", "Rows not yet in the database", facts.rows_waiting)
        yield _counter("rows_written", "Rows written", facts.rows_written)
        yield _counter("rows_refused", "Rows refused, the queue was full", facts.rows_refused)
        yield _counter("rows_lost", "Rows lost at a stop", facts.rows_lost)
        kept = facts.recordings
        yield _gauge("recordings_waiting", "Recordings not stored yet", kept.get("waiting", 0))
        yield _counter("recordings_stored", "Recordings stored", kept.get("stored", 0))
        failed = kept.get("failed_attempts", 0)
        yield _counter("recordings_failed_attempts", "Attempts to store one that failed", failed)
        yield _counter("recordings_encoded", "MP3 files made", kept.get("encoded", 0))
        for name, text in _WEBHOOK_GAUGES:
            yield _gauge(f"webhooks_{name}", text, facts.webhooks.get(name, 0))
        oldest_s = facts.webhooks.get("oldest_s", 0)
        yield _gauge("webhooks_oldest_seconds", "Age of the oldest webhook that waits", oldest_s)
        for name, text in _WEBHOOK_COUNTERS:
            yield _counter(f"webhooks_{name}", text, facts.webhooks.get(name, 0))


def _roads(facts: Facts) -> Iterator[Metric]:
    """Tell of the roads out, as OPTIONS, registrations and calls show them (SIP-51)."""
    yield _gauges("trunk_up", "1 for a trunk that is up", "trunk", facts.trunks_up)
    registered = facts.trunks_registered
    yield _gauges("trunk_registered", "1 while registered", "trunk", registered)
    roads = dict(facts.roads)
    for name in ("watched", "down"):
        text = f"Roads {name}, destinations of accounts included"
        yield _gauge(f"roads_{name}", text, roads.pop(name, 0))
    yield _counters("roads", "OPTIONS and changes of roads by what came of them", "result", roads)


def _steered(facts: Facts) -> Iterator[Metric]:
    """Tell of legs that actions steer."""
    told = dict(facts.leg_events)
    yield _gauge("leg_events_waiting", "Events of legs not told yet", told.pop("waiting", 0))
    yield _counters("leg_events", "Events of legs by what became of them", "result", told)
    sent = dict(facts.uploads)
    yield _gauge("recording_uploads_waiting", "Recordings not sent yet", sent.pop("waiting", 0))
    yield _counters(
        "recording_uploads", "Recordings for customers' storage by result", "result", sent
    )
    bridges = dict(facts.bridges)
    yield _gauge("bridges_live", "Bridges of legs of any calls", bridges.pop("live", 0))
    yield _counters("bridges", "Bridges by what became of them", "result", bridges)
    ways = facts.leg_event_ways
    for name, text in _WAY_GAUGES:
        yield _gauge(f"leg_event_{name}", text, ways.get(name, 0))
    for name, text in _WAY_COUNTERS:
        yield _counter(f"leg_event_sockets_{name}", text, ways.get(name, 0))


# Our name, the name in EngineStats, and what it is.
_ENGINE_COUNTERS = (
    ("rtp_packets_foreign", "packets_foreign", "RTP packets from strangers, never played"),
    ("srtp_refused", "srtp_refused", "Datagrams that SRTP did not authenticate, of ended legs"),
    ("rtp_frames", "frames_sent", "Frames of audio sent"),
    ("rtp_frames_late", "frames_late_5ms", "Frames sent more than 5 ms after their time"),
    ("media_events_dropped", "events_dropped", "Audio events that Python was too slow for"),
    ("media_commands_dropped", "commands_dropped", "Commands that the audio path had no room for"),
    ("media_leg_faults", "leg_faults", "Legs that died of a bug"),
)

_WAY_GAUGES = (
    ("sockets", "WebSockets open to endpoints of events"),
    ("channels", "gRPC channels to endpoints of events"),
)
_WAY_COUNTERS = (
    ("opened", "WebSockets opened to endpoints of events"),
    ("refused", "Attempts to open one that failed"),
)

_WEBHOOK_GAUGES = (
    ("waiting", "Webhooks not delivered yet"),
    ("dead", "Webhooks without an attempt left"),
    ("running", "Attempts to deliver under way"),
)
_WEBHOOK_COUNTERS = (
    ("delivered", "Webhooks delivered"),
    ("failed_attempts", "Attempts to deliver that failed"),
    ("died", "Webhooks that were given up"),
)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"agentstream_{name}", text, value)


def _gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"agentstream_{name}", text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"agentstream_{name}", text, value)


def _counters(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(f"agentstream_{name}", text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
