"""Puts a call's rows and its events together: what `agentstream explain` shows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from agentstream.server.explain.cast import (
    Body,
    Cast,
    Happening,
    decimal,
    number,
    part,
    seconds,
    text,
)
from agentstream.server.explain.lines import Line, lines_of
from agentstream.server.explain.times import Share, Times, times_of
from agentstream.sip.kept import KeptCall
from agentstream.store.call_events import CallEvent
from agentstream.store.values import CallRecord, LegRecord, Recording, StreamRecord
from agentstream.switch.ladder import Ladder, ladder_of
from agentstream.switch.ladder_hints import LegSound, hints

# ITU-T Q.850, table 1, and the reason phrases of RFC 3261 section 21: those that calls end with.
_Q850: Final[Mapping[int, str]] = {
    1: "unallocated number", 16: "normal call clearing", 17: "user busy",
    18: "no user responding", 19: "no answer", 20: "subscriber absent", 21: "call rejected",
    22: "number changed", 27: "destination out of order", 28: "invalid number format",
    31: "normal, unspecified", 34: "no circuit available", 38: "network out of order",
    41: "temporary failure", 42: "switching equipment congestion", 47: "resource unavailable",
    57: "not authorised", 58: "not available now", 65: "not implemented", 79: "not implemented",
    88: "incompatible destination", 102: "timer expired", 111: "protocol error",
    127: "interworking",
}  # fmt: skip
_SIP: Final[Mapping[int, str]] = {
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    407: "Proxy Authentication Required", 408: "Request Timeout", 410: "Gone",
    480: "Temporarily Unavailable", 481: "Call Does Not Exist", 484: "Address Incomplete",
    486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here",
    500: "Server Internal Error", 503: "Service Unavailable", 504: "Server Time-out",
    600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere",
}  # fmt: skip
_LONG_GAP_MS: Final = 500  # people notice


@dataclass(frozen=True, slots=True)
class Rows:
    """Everything that the store knows of a call."""

    call: CallRecord
    streams: Sequence[StreamRecord]
    recordings: Sequence[Recording]
    events: Sequence[CallEvent]
    flow: str  # its name; "" when there is none any more
    is_live: bool = False  # the call goes on: its row and its events are those so far
    signals: KeptCall | None = None  # None: no message is kept


@dataclass(frozen=True, slots=True)
class Explanation:
    """The story of one call."""

    rows: Rows
    happenings: tuple[Happening, ...]
    lines: tuple[Line, ...]
    quality: tuple[tuple[str, str, bool], ...]  # whose leg, what of it, whether that is bad
    times: Times
    ladder: Ladder | None = None
    hints: tuple[str, ...] = ()

    @property
    def header(self) -> list[tuple[str, str]]:
        """Return what is known of the call as a whole, as names and texts."""
        call = self.rows.call
        flow = self.rows.flow or call.flow_sid or "none"
        version = f", version {call.flow_version}" if call.flow_version else ""
        pairs = [
            ("call", f"{call.sid}, {call.direction}, {call.status}"),
            ("from → to", f"{call.from_number} → {call.to_number}"),
            ("when", f"{call.created_at:%Y-%m-%d %H:%M:%S} UTC, {self._length()}"),
            ("flow", f"{flow}{version}"),
            ("end", self._end()),
            ("source", call.source),
        ]
        return [(name, said) for name, said in pairs if said]

    @property
    def dialogs(self) -> list[tuple[str, str]]:
        """Return what is kept of each leg's dialog (SD-6): whose, and what in one line."""
        cast = Cast.of(self.happenings)
        legs = [leg for leg in self.rows.call.legs if leg.sip_call_id]
        return [(cast.leg({"leg_sid": leg.sid}), _dialog(leg)) for leg in legs]

    @property
    def conclusions(self) -> list[str]:
        """Return where the time went, in sentences."""
        silence = _silence(self.times, is_live=self.rows.is_live)
        return [*silence, *_gap(self.times), *_applets(self.times)]

    def as_json(self) -> dict[str, Any]:
        """Return all of it for programs."""
        rows = self.rows
        return {
            "call": {**asdict(rows.call), "flow": rows.flow, "is_live": rows.is_live},
            "streams": [asdict(each) for each in rows.streams],
            "recordings": [asdict(each) for each in rows.recordings],
            "events": [
                {"at_ms": each.at_ms, "at": each.at, "kind": each.kind, **read.body}
                for each, read in zip(rows.events, self.happenings, strict=True)
            ],
            "story": [asdict(line) for line in self.lines],
            "quality": [
                {"leg": leg, "text": said, "is_bad": is_bad} for leg, said, is_bad in self.quality
            ],
            "times": asdict(self.times),
            "conclusions": self.conclusions,
            "sip": self.ladder.as_json() if self.ladder else None,
            "hints": list(self.hints),
        }

    def _length(self) -> str:
        call = self.rows.call
        if call.setup_ms is None:
            never = "not answered yet" if self.rows.is_live else "never answered"
            return f"{never} in {seconds(call.length_ms)}"
        return f"answered after {seconds(call.setup_ms)}, {seconds(call.duration_ms)} of talk"

    def _end(self) -> str:
        call = self.rows.call
        if self.rows.is_live:
            return f"still going after {seconds(call.length_ms)}"
        return f"{call.detail or call.cause} {_codes(call)}".strip()


def explain(rows: Rows, *, fold: bool = True) -> Explanation:
    """Tell the story of a call; without events its rows alone."""
    happenings = tuple(Happening(each.at_ms, each.kind, _body(each)) for each in rows.events)
    ladder = ladder_of(rows.signals) if rows.signals else None
    return Explanation(
        rows,
        happenings,
        tuple(lines_of(happenings, fold=fold)),
        tuple(_quality(happenings, rows.call)),
        times_of(happenings, rows.call.length_ms if rows.is_live else None),
        ladder,
        hints(ladder, _heard(happenings)) if ladder else (),
    )


def _dialog(leg: LegRecord) -> str:
    first = [
        f"{way} after {seconds(at_ms)}" if at_ms is not None else f"{way} never"
        for way, at_ms in (("in", leg.first_in_ms), ("out", leg.first_out_ms))
    ]
    words = [
        f"Call-ID {leg.sip_call_id}",
        f"first audio {', '.join(first)}",
        leg.codec,
        leg.srtp and f"SRTP ({leg.srtp})",
        leg.ended_by and f"ended by {leg.ended_by}",
        leg.sip_status and f"SIP {leg.sip_status} {_SIP.get(leg.sip_status, '')}".strip(),
    ]
    return ", ".join(str(word) for word in words if word)


def _heard(happenings: Sequence[Happening]) -> list[LegSound]:
    """Return what was counted of each leg's audio."""
    cast = Cast.of(happenings)
    sources = {
        text(each.body, "leg_sid"): text(each.body, "address")
        for each in happenings
        if each.kind == "source_learnt"
    }
    counted = [each.body for each in happenings if each.kind == "leg_counted"]
    return [
        LegSound(
            cast.leg(body),
            text(body, "leg_sid"),
            number(part(body, "stats"), "packets_received"),
            number(part(body, "stats"), "packets_sent"),
            sources.get(text(body, "leg_sid"), ""),
        )
        for body in counted
    ]


def _body(event: CallEvent) -> Body:
    try:
        body = json.loads(event.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _codes(call: CallRecord) -> str:
    said = []
    if call.sip_status:
        said.append(f"SIP {call.sip_status} {_SIP.get(call.sip_status, '')}".strip())
    if call.q850:
        said.append(f"Q.850 {call.q850} {_Q850.get(call.q850, '')}".strip())
    return f"({', '.join(said)})" if said else ""


def _quality(happenings: Sequence[Happening], call: CallRecord) -> list[tuple[str, str, bool]]:
    """Return how each leg sounded; by the call's own row when no event tells it."""
    cast = Cast.of(happenings)
    legs = [each.body for each in happenings if each.kind == "leg_counted"]
    found = [(cast.leg(body), *_sound(part(body, "stats"))) for body in legs]
    if found or not call.codec:
        return found
    return [("the caller", *_sound(asdict(call)))]


def _sound(stats: Body) -> tuple[str, bool]:
    received, lost = number(stats, "packets_received"), number(stats, "packets_lost")
    packets = f"{received:,} packets in and {number(stats, 'packets_sent'):,} out"
    codec = text(stats, "codec")
    if not received:
        return f"{packets}: its audio never reached us", bool(number(stats, "packets_sent"))
    percent = 100 * lost / max(1, received + lost)
    mos = decimal(stats, "mos")
    words = [
        codec,
        text(stats, "srtp") and f"SRTP ({text(stats, 'srtp')})",
        packets,
        f"{lost:,} lost ({percent:.1f} %)",
    ]
    words.append(f"jitter {decimal(stats, 'jitter_ms'):.1f} ms")
    remote = decimal(stats, "remote_loss")
    if remote:
        words.append(f"{100 * remote:.1f} % lost on the way to it")
    if mos:
        words.append(f"MOS {mos:.2f}, {_grade(mos)}")
    return ", ".join(filter(None, words)), percent >= 3 or 0 < mos < 3.6


def _grade(mos: float) -> str:
    """Return a MOS in a word, by the steps of ITU-T G.107 annex B."""
    steps = ((4.0, "good"), (3.6, "fair"), (3.1, "poor"))
    return next((word for least, word in steps if mos >= least), "bad")


def _silence(times: Times, *, is_live: bool) -> list[str]:
    if times.setup_ms is None:
        if is_live:
            return ["The call is not answered yet, so no time went into talk."]
        return ["The call was never answered, so no time went into talk."]
    went = _went(times.waited_for)
    if times.silence_ms is None:
        return [f"The caller heard nothing in {seconds(times.unheard_ms)} after the answer{went}."]
    heard = f"{seconds(times.silence_ms)} of silence between the answer and {times.first_sound}"
    return [f"The caller heard {heard}{went}."]


def _gap(times: Times) -> list[str]:
    if times.gap_ms < _LONG_GAP_MS:
        return []
    went = _went(times.gap_waited_for)
    return [f"The longest silence after a prompt was {seconds(times.gap_ms)}{went}."]


def _went(shares: Sequence[Share]) -> str:
    if len(shares) == 1:
        return f", all of it {shares[0].what}"
    parts = ", ".join(f"{seconds(share.took_ms)} {share.what}" for share in shares)
    return f": {parts}" if parts else ""


def _applets(times: Times) -> list[str]:
    shares = [share for share in times.applets if share.took_ms > 0]
    if not shares:
        return []
    shown = ", ".join(f"{share.what} {seconds(share.took_ms)}" for share in shares[:6])
    more = f" and {len(shares) - 6} more" if len(shares) > 6 else ""
    return [f"The time in applets: {shown}{more}."]
