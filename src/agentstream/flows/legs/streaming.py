"""The streams of one leg: one bot that speaks, some that listen (LG-102, EX-41, EX-42).

asked ──StreamRequested──▶ stream_initiated ──StreamOpened──▶ stream_started ──▶ stream_stopped
                                  └── StreamFinished ──▶ stream_failed_to_start
A bot that is to speak after one that is being stopped waits until that one has gone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from agentstream.base.ids import StreamSid
from agentstream.calls.commands import CloseStream, OpenStream, StreamSpec
from agentstream.calls.events import StreamFinished, StreamOpened, StreamRequested
from agentstream.calls.reports import StreamOutcome
from agentstream.flows.applet import CommandRefused
from agentstream.flows.legs.told import (
    IMPOSSIBLE,
    UNREACHED,
    BotSpeaks,
    LegInput,
    Origin,
    Over,
    Step,
    Teller,
)
from agentstream.flows.legs.verbs import Direction, StartStream

# EX-42: a bot has five seconds for one attempt; the app may try another URL.
USUAL: Final = (("connect_timeout_ms", "5000"), ("connect_retries", "0"))
# EX-44: names are relative to the leg.
TRACKS: Final[Mapping[Direction, Literal["inbound", "outbound", "mixed"]]] = MappingProxyType(
    {"in": "inbound", "out": "outbound", "both": "mixed"}
)
ENDED_BY: Final = MappingProxyType(
    {"bot": "client_closed", "user": "leg_terminated", "NA": "stop_action"}
)


@dataclass(slots=True)
class _Stream:
    origin: Origin
    verb: StartStream
    is_open: bool = False
    has_spoken: bool = False
    stop_reason: str = ""  # once it was told to stop


class Streaming:
    """Bots that hear one leg."""

    def __init__(self, teller: Teller, new_stream_sid: Callable[[], StreamSid]) -> None:
        self._teller = teller
        self._new_stream_sid = new_stream_sid
        self._streams: dict[StreamSid, _Stream] = {}
        self._next: _Stream | None = None  # speaks when the bot before it has gone

    @property
    def has_speaker(self) -> bool:
        """Whether a bot speaks to this leg, or soon will; one that is being stopped does not."""
        speakers = (one for one in self._streams.values() if one.verb.two_way)
        return self._next is not None or any(not one.stop_reason for one in speakers)

    def start(self, origin: Origin, verb: StartStream) -> list[Step]:
        """Open a stream."""
        stream = _Stream(origin, verb)
        if verb.two_way and any(one.verb.two_way for one in self._streams.values()):
            self._next = stream
            return []
        return self._open(stream)

    def stop(self, stream_sid: StreamSid | None = None) -> list[Step]:
        """End one stream, or all; none that runs is no mistake (LG-104)."""
        sids = [sid for sid in self._streams if stream_sid in (None, sid)]
        waiting = self._drop_next("stop_action") if stream_sid is None else []
        return [*waiting, *self._close(sids, "stop_action")]

    def part_from_speaker(self) -> list[Step]:
        """BR-10: a bridge and a bot that speaks exclude each other."""
        sids = [sid for sid, one in self._streams.items() if one.verb.two_way]
        return [*self._drop_next("bridged"), *self._close(sids, "bridged")]

    def end(self) -> list[Step]:
        """Take it that the leg is over; its call ends the streams."""
        steps = self._drop_next("leg_terminated")
        for sid in list(self._streams):
            stream = self._streams.pop(sid)
            steps += self._stopped(sid, stream, "leg_terminated")
        return steps

    @property
    def has_spoken(self) -> bool:
        """Whether a bot that is here has spoken."""
        return any(one.has_spoken for one in self._streams.values())

    def is_first_word(self, spoken: BotSpeaks) -> bool:
        """Tell whether a bot of this leg speaks for the first time (LG-123)."""
        stream = self._streams.get(spoken.stream_sid)
        if stream is None or stream.has_spoken:
            return False
        stream.has_spoken = True
        return True

    def receive(self, happening: LegInput) -> list[Step]:
        """Take what becomes of a stream."""
        match happening:
            case StreamRequested(stream_sid=sid, url=url) if sid in self._streams:
                return [self._initiated(sid, url)]
            case StreamOpened(stream_sid=sid) if sid in self._streams:
                stream = self._streams[sid]
                stream.is_open = True
                told = self._teller.tell("stream_started", stream.origin, stream_sid=sid)
                return [told, Over(stream.origin)]
            case StreamFinished(stream_sid=sid) if sid in self._streams:
                return self._finished(happening)
            case CommandRefused(command=OpenStream(stream_sid=sid), text=text) if (
                sid in self._streams
            ):
                refused = self._streams.pop(sid)
                outcome = StreamOutcome("failed", error=text)
                return self._failed(sid, refused, IMPOSSIBLE, outcome)
            case _:
                return []

    def _open(self, stream: _Stream) -> list[Step]:
        sid, verb = self._new_stream_sid(), stream.verb
        self._streams[sid] = stream
        overrides = list(USUAL)
        if verb.format:
            # What was asked for by its name is announced by its name (LC-6).
            overrides += [("media_format", verb.format), ("media_format_profile", "docs")]
        if verb.secure_dtmf:
            overrides.append(("dtmf_handling", "hide"))  # EX-43
        track = "inbound" if verb.two_way else TRACKS[verb.source]
        spec = StreamSpec(verb.url, verb.two_way, overrides=tuple(overrides), track=track)
        return [OpenStream(self._teller.leg_sid, sid, spec)]

    def _initiated(self, sid: StreamSid, url: str) -> Step:
        """EX-30."""
        stream = self._streams[sid]
        kind = "bidirectional" if stream.verb.two_way else "unidirectional"
        return self._teller.tell(
            "stream_initiated",
            stream.origin,
            stream_sid=sid,
            stream_type=kind,
            stream_url=url,
            streaming_leg_sid=self._teller.leg_sid,
        )

    def _close(self, sids: list[StreamSid], reason: str) -> list[Step]:
        steps: list[Step] = []
        for sid in sids:
            stream = self._streams[sid]
            if not stream.stop_reason:
                stream.stop_reason = reason
                steps.append(CloseStream(sid))
        return steps

    def _finished(self, finished: StreamFinished) -> list[Step]:
        sid, outcome = finished.stream_sid, finished.outcome
        stream = self._streams.pop(sid)
        if stream.is_open or stream.stop_reason:
            failed = "error" if outcome.status == "failed" else ""
            reason = stream.stop_reason or failed or ENDED_BY[outcome.disconnected_by]
            steps = self._stopped(sid, stream, reason)
        else:
            steps = self._failed(sid, stream, UNREACHED, outcome)
        is_free = not any(one.verb.two_way for one in self._streams.values())
        if self._next is not None and is_free:
            following, self._next = self._next, None
            steps += self._open(following)
        return steps

    def _failed(
        self, sid: StreamSid, stream: _Stream, code: int, outcome: StreamOutcome
    ) -> list[Step]:
        """EX-42."""
        return self._teller.fail(
            "stream_failed_to_start",
            stream.origin,
            code,
            outcome.error,
            stream_sid=sid,
            attempt=outcome.attempt,
            http_status=outcome.http_status,
        )

    def _stopped(self, sid: StreamSid | None, stream: _Stream, reason: str) -> list[Step]:
        told = self._teller.tell("stream_stopped", stream.origin, stream_sid=sid, reason=reason)
        return [told, Over(stream.origin)]

    def _drop_next(self, reason: str) -> list[Step]:
        dropped, self._next = self._next, None
        return [] if dropped is None else self._stopped(None, dropped, reason)
