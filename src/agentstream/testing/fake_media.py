"""A media engine without audio: a test feeds events and looks at what each leg was told.

    media = FakeMedia()
    ...                                     # the product opens a leg and a stream
    leg = media.legs[0]
    media.feed(_media.StreamOpen(leg.leg_sid, now_ms, plan.stream_sid, 1, 0, 1))
    assert leg.texts == [...]

Like the real engine it reports LegClosed after `close`, and PlayFinished after `stop_play`; a leg
is in one bridge at most, and hears some others by itself; both end with either leg.
"""

import os
from collections import deque
from dataclasses import dataclass, field

from agentstream import _media
from agentstream.media.plan import (
    AnswerPlan,
    CapturePlan,
    FileLegPlan,
    PromptPlan,
    RecordPlan,
    RemotePlan,
    RtpLegPlan,
    StreamPlan,
)

HEARS_LIMIT = 16


@dataclass
class FakeLeg:
    """What one leg was told, in order."""

    engine: "FakeMedia"
    leg_sid: str
    rtp_port: int
    remotes: list[RemotePlan] = field(default_factory=list)
    streams: list[StreamPlan] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    closed_streams: list[tuple[str, int, str | None]] = field(default_factory=list)
    dropped_streams: list[str] = field(default_factory=list)
    drains: list[str] = field(default_factory=list)
    prompts: list[PromptPlan] = field(default_factory=list)
    recordings: list[RecordPlan] = field(default_factory=list)
    captures: list[CapturePlan] = field(default_factory=list)
    paused_recordings: list[str] = field(default_factory=list)
    resumed_recordings: list[str] = field(default_factory=list)
    stopped_recordings: list[str] = field(default_factory=list)
    digits: list[str] = field(default_factory=list)
    begun_streams: list[str] = field(default_factory=list)
    stream_keys: list[tuple[str, str, int]] = field(default_factory=list)
    plan: RtpLegPlan | None = None
    bridged: "FakeLeg | None" = field(default=None, repr=False)
    relays_digits: bool = False
    hears: dict[str, bool] = field(default_factory=dict)  # other legs, and whether keys are relayed
    silence_ms: int = 0
    muted: tuple[bool, bool, bool] = (False, False, False)  # heard, said, prompts
    answer_plan: AnswerPlan | None = None
    is_started: bool = False
    is_closed: bool = False
    _playing: PromptPlan | None = None

    def connect(self, plan: RemotePlan) -> None:
        """Note the far end."""
        self.remotes.append(plan)

    def start(self) -> None:
        """Note the start."""
        self.is_started = True

    def open_stream(self, plan: StreamPlan) -> None:
        """Note the stream; the test says whether it opens."""
        self.streams.append(plan)

    def send_text(self, stream_sid: str, text: str) -> None:
        """Note the text."""
        self.texts.append(text)

    def drain_stream(self, stream_sid: str) -> None:
        """Note the wish; the test feeds StreamDrained."""
        self.drains.append(stream_sid)

    def close_stream(self, stream_sid: str, code: int, reason: str, last_text: str | None) -> None:
        """Note the goodbye; the test feeds StreamClosed."""
        self.closed_streams.append((stream_sid, code, last_text))

    def drop_stream(self, stream_sid: str) -> None:
        """Note the order."""
        self.dropped_streams.append(stream_sid)

    def play(self, plan: PromptPlan) -> None:
        """Note the prompt; the one before is replaced."""
        self._finish(completed=False)
        self.prompts.append(plan)
        self._playing = plan

    def finish_prompt(self) -> None:
        """Let the prompt that plays come to its end."""
        self._finish(completed=True)

    def stop_play(self) -> None:
        """Stop the prompt that plays."""
        self._finish(completed=False)

    def send_digits(self, digits: str, tone_ms: int = 100, gap_ms: int = 70) -> None:
        """Note the keys."""
        self.digits.append(digits)

    def bridge(self, other: "FakeLeg", *, relays_digits: bool = True) -> None:
        """Bridge the two; each leaves the bridge it was in."""
        if other is self:
            raise _media.MediaError(f"other: {self.leg_sid} cannot be bridged with itself")
        self.unbridge()
        other.unbridge()
        if self.is_closed or other.is_closed:
            return
        for leg, partner in ((self, other), (other, self)):
            leg.bridged, leg.relays_digits = partner, relays_digits

    def unbridge(self) -> None:
        """Leave the bridge, if there is one; so does the other."""
        other, self.bridged = self.bridged, None
        if other is not None:
            other.bridged = None

    def hear(self, other: "FakeLeg", *, relays_digits: bool = False) -> None:
        """Hear one more leg; raises MediaError when that is this one, or the seventeenth."""
        if other is self:
            raise _media.MediaError(f"other: {self.leg_sid} cannot hear itself")
        if len(self.hears) >= HEARS_LIMIT and other.leg_sid not in self.hears:
            raise _media.MediaError(f"other: {self.leg_sid} hears {HEARS_LIMIT} legs already")
        if not self.is_closed and not other.is_closed:
            self.hears[other.leg_sid] = relays_digits

    def unhear(self, other: "FakeLeg") -> None:
        """Hear it no more."""
        self.hears.pop(other.leg_sid, None)

    @property
    def ears(self) -> set[str]:
        """Whose far ends this leg's far end hears, in a bridge or by itself."""
        return {*self.hears, *({self.bridged.leg_sid} if self.bridged else ())}

    def press(self, digit: str, duration_ms: int = 100) -> None:
        """Let the far end press a key; a bridge relays it."""
        self.engine.feed(
            _media.Digit(self.leg_sid, self.engine.now_ms, digit, duration_ms, "rfc4733")
        )
        if self.bridged is not None and self.relays_digits:
            self.bridged.send_digits(digit, duration_ms)
        for leg in self.engine.legs:
            if leg.hears.get(self.leg_sid):
                leg.send_digits(digit, duration_ms)

    def mute(self, *, heard: bool, said: bool, prompts: bool) -> None:
        """Note what is silence."""
        self.muted = heard, said, prompts

    def watch_silence(self, timeout_ms: int) -> None:
        """Note how long a silence is to be told; 0: none."""
        self.silence_ms = timeout_ms

    def fall_silent(self) -> None:
        """Let the far end be silent for as long as was asked."""
        if self.silence_ms > 0:
            self.engine.feed(_media.Silence(self.leg_sid, self.engine.now_ms, self.silence_ms))

    def watch_answer(self, plan: AnswerPlan | None) -> None:
        """Note what is listened for; the test feeds AnswerJudged and BeepHeard."""
        self.answer_plan = plan

    def press_stream(self, stream_sid: str, digit: str, tone_ms: int) -> None:
        """Note the key."""
        self.stream_keys.append((stream_sid, digit, tone_ms))

    def set_stream_rate(self, stream_sid: str, rate_hz: int, text: str) -> None:
        """Change the rate at once."""
        if not any(plan.stream_sid == stream_sid for plan in self.streams):
            return
        self.texts.append(text)
        self.engine.feed(_media.RateSet(self.leg_sid, self.engine.now_ms, stream_sid, rate_hz))

    def begin_stream(self, stream_sid: str) -> None:
        """Note that the stream may begin."""
        self.begun_streams.append(stream_sid)

    def record(self, plan: RecordPlan) -> None:
        """Note the recording."""
        self.recordings.append(plan)

    def capture(self, plan: CapturePlan) -> None:
        """Note the capture."""
        self.captures.append(plan)

    def stop_capture(self) -> None:
        """Note that it is over."""
        self.captures.clear()

    def pause_recording(self, recording_sid: str) -> None:
        """Note the pause."""
        self.paused_recordings.append(recording_sid)

    def resume_recording(self, recording_sid: str) -> None:
        """Note that it goes on."""
        self.resumed_recordings.append(recording_sid)

    def stop_recording(self, recording_sid: str) -> None:
        """Finish a recording at once."""
        self.stopped_recordings.append(recording_sid)
        for plan in self.recordings:
            if plan.recording_sid == recording_sid:
                self.engine.feed(
                    _media.RecordingReady(
                        self.leg_sid, self.engine.now_ms, recording_sid, plan.path, 1_000, "00"
                    )
                )

    def close(self) -> None:
        """End the leg."""
        if not self.is_closed:
            self.is_closed = True
            self.unbridge()
            self.hears.clear()
            for leg in self.engine.legs:
                leg.unhear(self)
            self.engine.feed(
                _media.LegClosed(self.leg_sid, self.engine.now_ms, _media.LegStats(), "")
            )

    def _finish(self, *, completed: bool) -> None:
        plan, self._playing = self._playing, None
        if plan is not None:
            self.engine.feed(
                _media.PlayFinished(self.leg_sid, self.engine.now_ms, plan.prompt_id, completed, "")
            )


class FakeMedia:
    """Implements `MediaEngine`; one per test."""

    def __init__(self, ports: int = 100) -> None:
        self.legs: list[FakeLeg] = []
        self.now_ms = 0
        self._ports = ports
        self._events: deque[_media.Event] = deque()
        self._fd = os.eventfd(0, os.EFD_NONBLOCK)

    @property
    def fd(self) -> int:
        """Readable while events wait."""
        return self._fd

    def feed(self, *happened: _media.Event) -> None:
        """Let something happen."""
        self._events.extend(happened)
        os.eventfd_write(self._fd, 1)

    def events(self, limit: int = 1024) -> list[_media.Event]:
        """Take the events that wait."""
        taken = [self._events.popleft() for _ in range(min(limit, len(self._events)))]
        if not self._events and taken:
            os.eventfd_read(self._fd)
        return taken

    def open_rtp_leg(self, plan: RtpLegPlan) -> FakeLeg:
        """Open a leg; raises PortsExhausted when the test wants so."""
        if self.free_ports() <= 0:
            raise _media.PortsExhausted("no port is free")
        leg = self._open(plan.leg_sid, 20_000 + 2 * len(self.legs))
        leg.plan = plan
        return leg

    def open_file_leg(self, plan: FileLegPlan) -> FakeLeg:
        """Open a leg between files."""
        return self._open(plan.leg_sid, 0)

    def free_ports(self) -> int:
        """Count the ports left."""
        return self._ports - sum(not leg.is_closed for leg in self.legs)

    def close(self) -> None:
        """Close every leg and the descriptor."""
        for leg in self.legs:
            leg.close()
        os.close(self._fd)

    def _open(self, leg_sid: str, port: int) -> FakeLeg:
        leg = FakeLeg(self, leg_sid, port)
        self.legs.append(leg)
        return leg
