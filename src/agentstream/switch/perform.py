"""Carries out what a call orders: on its line, its audio, its streams and its prompts."""

from collections.abc import Callable
from dataclasses import asdict

import structlog

from agentstream import _media
from agentstream.base.errors import ConfigError
from agentstream.base.ids import AccountSid, LegSid, StreamSid
from agentstream.base.machine import earliest
from agentstream.base.values import dataclass, replace
from agentstream.calls import effects, reports
from agentstream.calls.record import CallSetup
from agentstream.calls.transfer_words import TransferEffect
from agentstream.flows.legs.told import Sign
from agentstream.media.engine import MediaLeg
from agentstream.media.plan import AnswerPlan
from agentstream.stream import happenings as wire
from agentstream.stream.bot_stream import BotStream
from agentstream.stream.profile import WireProfile
from agentstream.switch import feed
from agentstream.switch.call_lines import CallLines
from agentstream.switch.courier import Courier, Errand
from agentstream.switch.jobs import Jobs
from agentstream.switch.leg_keys import InfoKeys, PressKey
from agentstream.switch.limits import StreamLimits
from agentstream.switch.ports import Shelf, Speech, Web
from agentstream.switch.prompts import CallPrompts, PromptDoors, Sounds
from agentstream.switch.recordings import CallRecordings
from agentstream.switch.streams import ForStream, StreamDoors, StreamRun, order_of

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Means:
    """What every call of this house works with."""

    web: Web
    speech: Speech
    sounds: Sounds
    profile: WireProfile
    stream_limits: StreamLimits
    shelf: Shelf
    courier: Courier


@dataclass(frozen=True, slots=True)
class Tenant:
    """What of its account a call must know."""

    sid: AccountSid
    stream_limit: int
    egress_allow: tuple[str, ...]


Posted = ForStream | reports.Report | Sign
StreamEffect = effects.StartStream | effects.ActivateStream | effects.TellStream | effects.EndStream
LineEffect = (
    effects.RingLeg
    | effects.AnswerLeg
    | effects.RejectLeg
    | effects.EndLeg
    | effects.DialLeg
    | effects.ReleaseLeg
)


class Performer:
    """The hands of one call."""

    def __init__(
        self,
        setup: CallSetup,
        tenant: Tenant,
        lines: CallLines,
        means: Means,
        note: Callable[[feed.Note], None],
    ) -> None:
        self.lines = lines
        self.recordings = CallRecordings(means.shelf, note)
        self._setup = setup
        self._tenant = tenant
        self._means = means
        self._note = note
        self._streams: dict[StreamSid, StreamRun] = {}
        self.jobs: Jobs[Posted] = Jobs()
        self._keys = InfoKeys()
        self._unheard: set[LegSid] = set()  # of bridged legs whose keys the audio path keeps back
        self._prompts = CallPrompts(
            PromptDoors(
                media=lines.media,
                spawn=self.jobs.spawn,
                post=self.jobs.post,
                note=note,
                web=means.web,
                speech=means.speech,
                sounds=means.sounds,
                egress_allow=tenant.egress_allow,
            )
        )

    @property
    def wake_at_ms(self) -> int | None:
        """The earliest timer of the streams, and of keys that wait."""
        return earliest(self._keys.wake_at_ms, *[run.wake_at_ms for run in self._streams.values()])

    def free(self) -> None:
        """Free whatever a call that broke off would leave behind, and let go of the call."""
        for sid, run in tuple(self._streams.items()):
            try:
                run.break_off()
            except Exception:  # the others, and the legs, must be freed all the same
                log.exception("stream_not_closed", stream_sid=sid)
            self._forget_stream(sid)
        self.lines.free()
        self.jobs.end()

    # What the audio path and jobs bring back

    def leg_closed(self, event: _media.LegClosed) -> None:
        """Take a leg's last event: its counters, and its fault when it died of a bug."""
        counted = self.lines.closed(event)
        if counted is not None:
            self._note(counted)

    def stream_event(
        self, sid: StreamSid, event: _media.Event, now_ms: int
    ) -> list[reports.Report]:
        """Take what the audio path says of a stream."""
        run = self._streams.get(sid)
        if run is None:
            return []
        return self._after(run, run.take_event(event, now_ms))

    def leg_silent(self, leg_sid: LegSid, silent_ms: int, now_ms: int) -> list[reports.Report]:
        """Tell the streams of a leg that its party was quiet for as long as one of them asked."""
        silence = wire.SilenceHeard(silent_ms)
        runs = [run for run in self._streams.values() if run.leg_sid == leg_sid]
        return [report for run in runs for report in self._after(run, run.receive(silence, now_ms))]

    def tell_stream(
        self, sid: StreamSid, happening: wire.StreamInput, now_ms: int
    ) -> list[reports.Report]:
        """Give a stream's machine what happened to it."""
        run = self._streams.get(sid)
        return [] if run is None else self._after(run, run.receive(happening, now_ms))

    def wake(self, now_ms: int) -> list[reports.Report]:
        """Let the timers of streams fire."""
        followed: list[reports.Report] = []
        self._press(self._keys.wake(now_ms))
        for run in tuple(self._streams.values()):
            if run.wake_at_ms is not None and run.wake_at_ms <= now_ms:
                followed += self._after(run, run.wake(now_ms))
        return followed

    def _after(self, run: StreamRun, followed: list[reports.Report]) -> list[reports.Report]:
        if run.is_over:
            self._forget_stream(run.stream_sid)
        return self.recordings.named(followed)

    # Effects

    def perform(self, effect: effects.Effect, now_ms: int) -> list[reports.Report]:
        """Carry out one effect; returns what followed at once."""
        if isinstance(effect, StreamEffect):
            return self._stream_effect(effect, now_ms)
        if isinstance(effect, LineEffect):
            return self._line_effect(effect)
        if isinstance(effect, TransferEffect):
            return self.lines.transfer(effect)
        if isinstance(effect, effects.SendRequest | effects.DeliverMail):
            self._errand(effect)
            return []
        if isinstance(effect, effects.PressDigits) and self.lines.keys_by_info(effect.leg_sid):
            dropped = self._keys.dropped
            self._press(self._keys.press(effect, now_ms))
            if self._keys.dropped > dropped:
                keys = self._keys.dropped - dropped
                log.warning("keys_dropped", leg_sid=effect.leg_sid, keys=keys)
            return []
        media = self.lines.media(effect.leg_sid)
        return [] if media is None else self._sound_effect(effect, media)

    def _line_effect(self, effect: LineEffect) -> list[reports.Report]:
        lines = self.lines
        match effect:
            case effects.RingLeg() | effects.AnswerLeg() | effects.RejectLeg():
                return self._greet(effect)
            case effects.EndLeg(leg_sid=leg_sid, cause=cause, text=text):
                return lines.hang_up(leg_sid, cause, text)
            case effects.DialLeg(leg_sid=leg_sid, spec=spec):
                return lines.dial(leg_sid, spec)
            case effects.ReleaseLeg(leg_sid=leg_sid):
                lines.release(leg_sid)
                self._keys.forget(leg_sid)
                self._unheard.discard(leg_sid)
                return []

    def _greet(
        self, effect: effects.RingLeg | effects.AnswerLeg | effects.RejectLeg
    ) -> list[reports.Report]:
        line = self.lines.offered(effect.leg_sid)
        if line is None:
            return []
        match effect:
            case effects.RingLeg(with_media=with_media):
                line.ring(with_media=with_media)
                return []
            case effects.AnswerLeg():
                return line.answer()
            case effects.RejectLeg(cause=cause, text=text):
                return line.reject(cause, text)

    def _sound_effect(
        self,
        effect: effects.PlayPrompt
        | effects.StopPrompt
        | effects.RecordLeg
        | effects.EndRecording
        | effects.SuspendRecording
        | effects.ContinueRecording
        | effects.PressDigits
        | effects.BridgeLegs
        | effects.UnbridgeLegs
        | effects.NoticeSilence
        | effects.SilenceLeg
        | effects.ListenForAnswer,
        media: MediaLeg,
    ) -> list[reports.Report]:
        match effect:
            case effects.PlayPrompt():
                self._prompts.play(effect)
            case effects.StopPrompt(prompt_id=prompt_id):
                return self._prompts.stop(prompt_id, media)
            case (
                effects.RecordLeg()
                | effects.EndRecording()
                | effects.SuspendRecording()
                | effects.ContinueRecording()
            ):
                self._recording_effect(effect, media)
            case effects.PressDigits():
                media.send_digits(effect.digits, effect.tone_ms, effect.gap_ms)
            case effects.BridgeLegs():
                self._bridge(effect, media)
            case effects.UnbridgeLegs(leg_sid=leg_sid, other_sid=other_sid):
                self._unheard -= {leg_sid, other_sid}
                media.unbridge()
            case effects.NoticeSilence() | effects.ListenForAnswer():
                self._listen(effect, media)
            case effects.SilenceLeg(heard=heard, said=said, prompts=prompts):
                media.mute(heard=heard, said=said, prompts=prompts)
        return []

    def _bridge(self, effect: effects.BridgeLegs, media: MediaLeg) -> None:
        """Let two legs hear each other; where one takes keys by INFO they are passed on here."""
        other = self.lines.media(effect.other_sid)
        if other is None:
            return
        pair = {effect.leg_sid, effect.other_sid}
        is_here = effect.relays_digits and any(map(self.lines.keys_by_info, pair))
        self._unheard = self._unheard | pair if is_here else self._unheard - pair
        media.bridge(other, relays_digits=effect.relays_digits and not is_here)

    def key_heard(self, key: reports.DigitPressed) -> reports.DigitPressed:
        """Say of a key in RTP whether the audio path has passed it on."""
        is_kept = key.leg_sid in self._unheard and not key.in_audio
        return replace(key, in_message=True) if is_kept else key

    def _press(self, keys: list[PressKey]) -> None:
        for key in keys:
            self.lines.press(key)

    def _listen(
        self, effect: effects.NoticeSilence | effects.ListenForAnswer, media: MediaLeg
    ) -> None:
        match effect:
            case effects.NoticeSilence(timeout_ms=timeout_ms):
                media.watch_silence(timeout_ms)
            case effects.ListenForAnswer(criteria=criteria):
                media.watch_answer(None if criteria is None else AnswerPlan(**asdict(criteria)))

    def _recording_effect(
        self,
        effect: effects.RecordLeg
        | effects.EndRecording
        | effects.SuspendRecording
        | effects.ContinueRecording,
        media: MediaLeg,
    ) -> None:
        match effect:
            case effects.RecordLeg():
                self.recordings.begin(effect, media)
            case effects.EndRecording(recording_sid=recording_sid):
                media.stop_recording(recording_sid)
            case effects.SuspendRecording(recording_sid=recording_sid):
                media.pause_recording(recording_sid)
            case effects.ContinueRecording(recording_sid=recording_sid):
                media.resume_recording(recording_sid)

    def _errand(self, effect: effects.SendRequest | effects.DeliverMail) -> None:
        """Ask a server: somebody waits for the answer, or it goes out behind the call's back."""
        if isinstance(effect, effects.SendRequest) and not effect.in_background:
            self.jobs.spawn(self._ask(effect))
            return
        errand = Errand(
            self._tenant.sid, effect, self._tenant.egress_allow, self.jobs.post, self._note
        )
        self._means.courier.take(errand)

    async def _ask(self, effect: effects.SendRequest) -> None:
        courier, allow = self._means.courier, self._tenant.egress_allow
        self.jobs.post(await courier.fetch(effect.request_id, effect.request, allow))

    def _stream_effect(self, effect: StreamEffect, now_ms: int) -> list[reports.Report]:
        match effect:
            case effects.StartStream():
                return self._start_stream(effect, now_ms)
            case effects.ActivateStream(stream_sid=sid):
                return self.tell_stream(sid, wire.Activated(), now_ms)
            case effects.TellStream(stream_sid=sid):
                press = wire.DigitPressed(effect.digit, effect.duration_ms, effect.in_audio)
                return self.tell_stream(sid, press, now_ms)
            case effects.EndStream(stream_sid=sid, why="callended"):
                return self.tell_stream(sid, wire.CallerGone(), now_ms)
            case effects.EndStream(stream_sid=sid, why="shutdown"):
                return self.tell_stream(sid, wire.ShutDown(), now_ms)
            case effects.EndStream(stream_sid=sid):
                return self.tell_stream(sid, wire.StopRequested("the flow moved on"), now_ms)

    # Streams

    def _start_stream(self, effect: effects.StartStream, now_ms: int) -> list[reports.Report]:
        spec, sid = effect.spec, effect.stream_sid
        self.recordings.promise(effect)
        try:
            profile = self._means.profile.overridden(spec.profile, dict(spec.overrides))
        except ConfigError as error:
            failed = reports.StreamOutcome("failed", error=f"the applet's settings: {error}")
            return [reports.StreamEnded(sid, failed)]
        machine = BotStream(order_of(effect, self._setup, self._tenant.sid, profile), profile)
        doors = StreamDoors(
            spawn=self.jobs.spawn,
            post=self.jobs.post,
            note=self._note,
            web=self._means.web,
            egress_allow=self._tenant.egress_allow,
            resolver_query=spec.parameters,
        )
        media = self.lines.media(effect.leg_sid)
        assert media is not None, "a leg that rings or talks has its audio"
        run = StreamRun(sid, machine, media, doors)
        self._streams[sid] = run
        limits = self._means.stream_limits
        has_room = limits.acquire(self._tenant.sid, sid, self._tenant.stream_limit)
        begin = wire.Begin(is_throttled=not has_room, is_early=effect.is_early)
        return self._after(run, run.receive(begin, now_ms))

    def _forget_stream(self, sid: StreamSid) -> None:
        self._streams.pop(sid, None)
        self._means.stream_limits.release(self._tenant.sid, sid)
