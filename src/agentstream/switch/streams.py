"""Runs one stream: its machine on one side, the resolver, DNS and the socket on the other."""

from collections.abc import Callable
from typing import Literal

from agentstream import _media
from agentstream.base.errors import AgentStreamError
from agentstream.base.ids import AccountSid, StreamSid
from agentstream.base.values import dataclass, fields_of, replace
from agentstream.calls import effects, reports
from agentstream.calls.commands import HttpRequest
from agentstream.calls.record import CallSetup
from agentstream.media.engine import MediaLeg
from agentstream.media.plan import PromptPlan, StreamPlan
from agentstream.net.egress import EgressError
from agentstream.stream import happenings as wire
from agentstream.stream.bot_stream import BotStream
from agentstream.stream.messages import StreamOrder
from agentstream.stream.profile import WireProfile
from agentstream.switch import feed
from agentstream.switch.jobs import Job
from agentstream.switch.ports import Web

RESOLVER_BODY_LIMIT = 65_536  # AS-17
RESOLVER_REDIRECTS = 3


@dataclass(frozen=True, slots=True)
class ForStream:
    """An input of a stream's machine that arrives later, through the call's inbox."""

    stream_sid: StreamSid
    happening: wire.StreamInput


@dataclass(frozen=True, slots=True)
class StreamDoors:
    """What a stream run asks of its call."""

    spawn: Callable[[Job], object]  # run this, owned by the call; cancelled with it
    post: Callable[[ForStream], None]
    note: Callable[[feed.Note], None]
    web: Web
    egress_allow: tuple[str, ...]
    resolver_query: tuple[tuple[str, str], ...]  # AS-14


class StreamRun:
    """One stream of one leg. Methods return the reports that the call must hear."""

    def __init__(
        self, stream_sid: StreamSid, machine: BotStream, leg: MediaLeg, doors: StreamDoors
    ) -> None:
        self.stream_sid = stream_sid
        self._machine = machine
        self._leg = leg
        self._doors = doors
        self._attempt = 0
        self._http_status = 0  # of the last attempt that failed
        self._dns_ms = 0
        self._dialled = 0  # sockets for which the audio path owes us StreamOpen or StreamFailed
        self._aborted = 0  # attempts up to this one were told to close before they were dialled
        self._is_open = False
        self._is_finished = False

    @property
    def leg_sid(self) -> str:
        """The leg whose party the bot talks with."""
        return self._leg.leg_sid

    @property
    def wake_at_ms(self) -> int | None:
        """When to call `wake`."""
        return self._machine.wake_at_ms

    @property
    def is_over(self) -> bool:
        """Whether the result was told and no socket is left."""
        return self._is_finished and not self._dialled and not self._is_open

    def receive(self, happening: wire.StreamInput, now_ms: int) -> list[reports.Report]:
        """Take one happening."""
        return self._perform(self._machine.receive(happening, now_ms))

    def wake(self, now_ms: int) -> list[reports.Report]:
        """Let timers fire."""
        return self._perform(self._machine.wake(now_ms))

    def take_event(self, event: _media.Event, now_ms: int) -> list[reports.Report]:
        """Take what the audio path says of this stream."""
        happening: wire.StreamInput | None
        match event:
            case _media.StreamOpen(tcp_ms=tcp_ms, tls_ms=tls_ms, upgrade_ms=upgrade_ms):
                self._dialled, self._is_open = max(0, self._dialled - 1), True
                self._note_connection(tcp_ms, tls_ms, upgrade_ms)
                happening = wire.Opened(tcp_ms, tls_ms, upgrade_ms)
            case _media.StreamFailed():
                self._dialled = max(0, self._dialled - 1)
                self._note_failure(event.phase, event.http_status, event.detail)
                happening = wire.OpenFailed(event.phase, event.http_status, event.detail)
            case _media.StreamClosed():
                self._is_open = False
                self._doors.note(feed.StreamCounted(self.stream_sid, event.code, event.stats))
                happening = wire.Closed(
                    event.code, event.reason, event.who, event.queued_ms, event.stats
                )
            case _:
                happening = self._in_talk(event)
        return [] if happening is None else self.receive(happening, now_ms)

    def _in_talk(self, event: _media.Event) -> wire.StreamInput | None:
        """Say in the wire's words what happens while the bot is there."""
        match event:
            case _media.BotMessage(text=text):
                return wire.BotSaid(text)
            case _media.BotSample(text=text, is_binary=is_binary):
                return wire.BotSampled(text, is_binary)
            case _media.BotPace(bytes_received=bytes_received):
                return wire.BotPaced(bytes_received)
            case _media.RateSet(rate_hz=rate_hz):
                self._doors.note(feed.RateChanged(self.stream_sid, rate_hz))
                return wire.RateSet(rate_hz)
            case _media.StreamDrained():
                return wire.Drained()
            case _media.MarkPlayed(name=name, played_ms=played_ms, cleared=cleared):
                self._doors.note(feed.MarkEchoed(self.stream_sid, name, played_ms, cleared))
                return wire.MarkReached(name, played_ms, cleared)
            case _media.Cleared(played_ms=played_ms, dropped_ms=dropped_ms):
                self._doors.note(feed.PlayoutCleared(self.stream_sid, played_ms, dropped_ms))
                return wire.QueueCleared(played_ms, dropped_ms)
            case _media.BotAudioStarted():
                self._doors.note(feed.BotSpoke(self.stream_sid))
            case _:
                pass
        return None

    def break_off(self) -> None:
        """Close the socket for a fault of ours (AS-167); one that is closing already stays so."""
        if self._dialled or self._is_open:
            self._leg.close_stream(self.stream_sid, 1011, "internal error", None)

    def _note_connection(self, tcp_ms: int, tls_ms: int, upgrade_ms: int) -> None:
        self._doors.note(
            feed.StreamConnected(
                self.stream_sid, self._attempt, self._dns_ms, tcp_ms, tls_ms, upgrade_ms
            )
        )

    def _note_failure(self, phase: str, http_status: int, detail: str) -> None:
        self._http_status = http_status
        self._doors.note(
            feed.StreamAttemptFailed(self.stream_sid, self._attempt, phase, http_status, detail)
        )

    def _perform(self, outputs: list[wire.StreamOutput]) -> list[reports.Report]:
        followed: list[reports.Report] = []
        for output in outputs:
            match output:
                case wire.StreamHeld():
                    followed.append(reports.StreamHeld(self.stream_sid))
                case wire.StreamStarted():
                    followed.append(reports.StreamStarted(self.stream_sid))
                case wire.StreamFinished(result=result):
                    self._is_finished = True
                    ended = replace(
                        outcome(result), attempt=self._attempt, http_status=self._http_status
                    )
                    followed.append(reports.StreamEnded(self.stream_sid, ended))
                case wire.Wish(action=action, value=value):
                    followed.append(reports.BotWished(self.stream_sid, action, value))
                case wire.Warn(text=text, about=about):
                    self._doors.note(feed.StreamWarned(self.stream_sid, text, about))
                case _:
                    self._order(output)
        return followed

    def _order(self, output: wire.StreamOutput) -> None:
        sid = self.stream_sid
        match output:
            case wire.Resolve(url=url, timeout_ms=timeout_ms):
                self._doors.spawn(self._resolve(url, timeout_ms))
            case wire.Connect():
                self._attempt = output.attempt
                self._doors.spawn(self._connect(output))
            case wire.SendText(text=text):
                self._leg.send_text(sid, text)
            case wire.BeginStream():
                self._leg.begin_stream(sid)
            case wire.Drain():
                self._leg.drain_stream(sid)
            case wire.CloseSocket(code=code, reason=reason, last_text=last_text):
                if self._dialled or self._is_open:
                    self._leg.close_stream(sid, code, reason, last_text)
                else:
                    self._aborted = self._attempt
            case wire.DropQueue():
                self._leg.drop_stream(sid)
            case _:
                self._ask_leg(output)

    def _ask_leg(self, output: wire.StreamOutput) -> None:
        match output:
            case wire.HoldSound(path=path):
                self._leg.play(PromptPlan(f"hold-{self.stream_sid}", path, loops=0))
            case wire.StopHold():
                self._leg.stop_play()
            case wire.SoundKey(digit=digit, duration_ms=duration_ms):
                self._leg.press_stream(self.stream_sid, digit, duration_ms)
            case wire.SetRate(rate_hz=rate_hz, text=text):
                self._leg.set_stream_rate(self.stream_sid, rate_hz, text)
            case wire.WatchSilence(timeout_ms=timeout_ms):
                self._leg.watch_silence(timeout_ms)
            case _:
                pass

    async def _resolve(self, url: str, timeout_ms: int) -> None:
        question = HttpRequest(
            url,
            query=self._doors.resolver_query,
            timeout_ms=timeout_ms,
            max_bytes=RESOLVER_BODY_LIMIT,
            redirects=RESOLVER_REDIRECTS,
        )
        try:
            answer = await self._doors.web.send(
                question, allow=self._doors.egress_allow, message_id=self.stream_sid
            )
        except AgentStreamError as error:
            happening: wire.StreamInput = wire.ResolveFailed(str(error))
        else:
            content_type = answer.headers.get("content-type", "")
            happening = wire.Resolved(answer.status, content_type, answer.body)
        self._doors.post(ForStream(self.stream_sid, happening))

    async def _connect(self, order: wire.Connect) -> None:
        scheme = "wss" if order.plan.secure else "ws"
        host = f"[{order.host}]" if ":" in order.host else order.host
        try:
            pinned = await self._doors.web.pin(
                f"{scheme}://{host}:{order.port}/", allow=self._doors.egress_allow
            )
        except AgentStreamError as error:
            # What our own rules forbid is not tried again; a name may be found the next time.
            phase: Literal["egress", "dns"] = "egress" if isinstance(error, EgressError) else "dns"
            self._note_failure(phase, 0, str(error))
            failed = wire.OpenFailed(phase, 0, str(error))
            self._doors.post(ForStream(self.stream_sid, failed))
            return
        if order.attempt <= self._aborted:
            return
        self._dns_ms = pinned.elapsed_ms
        self._dialled += 1
        plan = StreamPlan(
            addresses=pinned.addresses,
            local_address=pinned.local_address,
            **fields_of(order.plan),
        )
        self._leg.open_stream(plan)


def order_of(
    effect: effects.StartStream, setup: CallSetup, account_sid: AccountSid, profile: WireProfile
) -> StreamOrder:
    """Say what a call orders in the words of the wire."""
    parties = setup.from_number, setup.to_number
    if setup.direction == "outbound" and profile.placed_from == "number":
        parties = setup.account_number, setup.from_number
    return StreamOrder(
        stream_sid=effect.stream_sid,
        call_sid=setup.call_sid,
        account_sid=account_sid,
        url=effect.spec.url,
        from_number=parties[0],
        to_number=parties[1],
        two_way=effect.spec.two_way,
        track=effect.spec.track,
        custom_field=setup.custom_field,
    )


def outcome(result: wire.StreamResult) -> reports.StreamOutcome:
    """Say a stream's result in the call's words."""
    return reports.StreamOutcome(
        status=result.status,
        disconnected_by=result.disconnected_by,
        error=result.error,
        detailed_status=result.detailed_status,
        duration_s=result.duration_s,
        url=result.url,
    )
