"""Voicebot: a stream both ways; the flow waits inside until it has ended (AS-3, ST-20).

enter ──OpenStream──▶ waiting ──StreamFinished──▶ next          bot closed, time is up (AS-169)
                         │ │ │             └────▶ on_failure    connect failure, crash (AS-170)
                         │ │ └──StreamHeld, or `preconnect_ms`: Answer a call that rings here (OP-6)
                         │ └──BotAsked transfer: CloseStream, then on_transfer, or a Connect (OP-1)
                         └──CallHungUp: the call ends the stream, StreamFinished follows

What was recorded is waited for before leaving, so that a Passthru can name it (US-17).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Final, Literal

from pydantic import Field, field_validator

from agentstream.base.machine import earliest
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import (
    Answer,
    CloseStream,
    Fetch,
    OpenStream,
    RecordingSpec,
    StreamSpec,
)
from agentstream.calls.events import (
    BotAsked,
    CallHungUp,
    RecordingFinished,
    StreamFinished,
    StreamHeld,
    StreamOpened,
)
from agentstream.calls.ledger import masked
from agentstream.calls.reports import StreamOutcome
from agentstream.flows.applet import (
    NEXT,
    ON_FAILURE,
    Applet,
    AppletInput,
    CommandRefused,
    Leave,
    Onward,
    Step,
    hang_up,
    wired,
)
from agentstream.flows.applets.connect import Connect, ConnectSettings
from agentstream.flows.context import Context
from agentstream.flows.dial_plan import is_dialable
from agentstream.flows.template import Template

ON_TRANSFER: Final = "on_transfer"
SCHEMES: Final = ("wss://", "ws://", "https://", "http://")
OVERRIDES_LIMIT: Final = 32
RECORDING_WAIT_MS: Final = 2_000


class VoicebotSettings(Onward):
    """Let the caller and a bot talk over one WebSocket."""

    kind: ClassVar[str] = "voicebot"
    finishes_after_call: ClassVar[bool] = True
    is_reported: ClassVar[bool] = True

    url: Template = Field(
        min_length=6,
        max_length=2048,
        description=(
            "The bot's ws(s) address with its credentials, `sample-rate` and custom parameters in"
            " it; or the http(s) address of a resolver that answers with one."
        ),
    )
    name: str = Field(default="", max_length=32, description="A label for people.")
    record: bool = Field(default=False, description="Record the conversation.")
    recording_channels: Literal["mono", "stereo"] = Field(
        default="mono", description="One mixed channel, or the caller left and the bot right."
    )
    preconnect_ms: int = Field(
        default=0,
        ge=0,
        le=60_000,
        description=(
            "Where the flow starts here: reach the bot while the call still rings, which it does"
            " for so long at most before it is answered. 0: answer first. A call that is placed"
            " rings until its party answers, whatever the number."
        ),
    )
    profile: Literal["", "docs", "field"] = Field(
        default="", description="How exactly to speak to the bot; empty is the server's default."
    )
    settings: dict[str, str | int | float | bool] = Field(
        default_factory=dict,
        max_length=OVERRIDES_LIMIT,
        description="Stream settings that differ from the profile, such as `frame_ms: 20`.",
    )
    on_failure: str | None = Field(
        default=None,
        description=(
            "The applet that follows when the bot cannot be reached or breaks off; without one,"
            " `on_stream_failure` decides."
        ),
    )
    on_stream_failure: Literal["continue", "hangup"] = Field(
        default="continue", description="What a failure without `on_failure` does (AS-170)."
    )

    on_transfer: str | None = Field(
        default=None,
        description=(
            "The applet that follows when the bot asks for a transfer; `{TransferTo}` says where"
            " to. Without one a number or sip address is dialled."
        ),
    )

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        return check_address(url)

    @field_validator("settings", mode="before")
    @classmethod
    def _has_plain_values(cls, settings: object) -> object:
        return check_plain_values(settings)

    def may_be_open(self, exit_name: str) -> bool:
        """Tell that a transfer without an applet of its own dials by itself."""
        return exit_name == ON_TRANSFER

    def exits(self) -> Mapping[str, str]:
        """Return the exits that are wired."""
        return wired(next=self.next, on_failure=self.on_failure, on_transfer=self.on_transfer)

    def begins_before_answer(self) -> bool:
        """Tell whether the bot is reached while the call rings."""
        return self.preconnect_ms > 0

    def stream_address(self) -> str:
        """Return the bot's URL."""
        return self.url

    def applet(self, context: Context) -> Applet:
        """Return a machine for one visit."""
        return Voicebot(self, context)


class Voicebot:
    """One conversation with a bot."""

    def __init__(self, settings: VoicebotSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._stream_sid = context.new_stream_sid()
        self._recording_sid = context.new_recording_sid() if settings.record else None
        self._records = False  # from the stream's start until the file is whole
        self._outcome: StreamOutcome | None = None  # of the stream, while its file is waited for
        self._wait_until_ms: int | None = None
        self._answer_at_ms: int | None = None  # unless the bot is there before
        self._transfer_to = ""
        self._connect: Connect | None = None
        self._is_call_over = False

    @property
    def wake_at_ms(self) -> int | None:
        """When an answer, a file or a transfer wants `wake`; the stream keeps its own limits."""
        if self._connect is not None:
            return self._connect.wake_at_ms
        return earliest(self._answer_at_ms, self._wait_until_ms)

    def enter(self, now_ms: int) -> list[Step]:
        """Ask for the stream."""
        settings, context = self._settings, self._context
        url = context.url(settings.url, now_ms)
        # Only a resolver is told of the call (AS-14).
        parameters = context.parameters(now_ms) if url.startswith("http") else ()
        spec = StreamSpec(
            url=url,
            name=settings.name,
            profile=settings.profile,
            overrides=tuple((name, plain(value)) for name, value in settings.settings.items()),
            parameters=parameters,
        )
        is_ours_to_answer = context.setup.direction == "inbound" and not context.is_answered
        if settings.preconnect_ms and is_ours_to_answer:
            self._answer_at_ms = now_ms + settings.preconnect_ms
        recording = RecordingSpec(settings.recording_channels)
        return [OpenStream(context.leg_sid, self._stream_sid, spec, self._recording_sid, recording)]

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Leave when the stream has ended, or could not even be asked for."""
        self._is_call_over |= isinstance(happening, CallHungUp)
        if self._connect is not None:
            return self._through(self._connect.receive(happening, now_ms))
        match happening:
            case StreamHeld(stream_sid=self._stream_sid):
                return self._answer()
            case StreamOpened(stream_sid=self._stream_sid):
                self._records = self._recording_sid is not None
                return []
            case RecordingFinished(recording_sid=self._recording_sid):
                self._records = False
                return [] if self._outcome is None else self._go_on(self._outcome, now_ms)
            case StreamFinished(stream_sid=self._stream_sid, outcome=outcome):
                self._outcome = outcome
                if not self._records:
                    return self._go_on(outcome, now_ms)
                self._wait_until_ms = now_ms + RECORDING_WAIT_MS
                return []
            case CommandRefused(
                command=OpenStream(stream_sid=self._stream_sid, spec=spec), text=text
            ):
                outcome = StreamOutcome("failed", error=text, url=masked(spec.url))
                self._context.stream, self._context.stream_sid = outcome, self._stream_sid
                return [self._way_out(outcome)]
            case BotAsked(stream_sid=self._stream_sid, action="transfer", value=value):
                return self._asked(value.strip())
            case _:
                return []

    def wake(self, now_ms: int) -> list[Step]:
        """Let the timer fire that is due: the transfer's, the answer's, or the file's."""
        if self._connect is not None:
            return self._through(self._connect.wake(now_ms))
        if self._answer_at_ms is not None and self._answer_at_ms <= now_ms:
            return self._answer()
        return [] if self._outcome is None else self._go_on(self._outcome, now_ms)

    def abandon(self, now_ms: int) -> list[Fetch]:
        """Tell what a transfer has to tell."""
        return self._connect.abandon(now_ms) if self._connect else []

    def _answer(self) -> list[Step]:
        """Answer the call, once, unless its caller has given up."""
        is_due, self._answer_at_ms = self._answer_at_ms is not None, None
        return [Answer(self._context.leg_sid)] if is_due and not self._is_call_over else []

    def _go_on(self, outcome: StreamOutcome, now_ms: int) -> list[Step]:
        """Leave, or transfer the caller, now that nothing of the stream is waited for."""
        self._wait_until_ms = None
        if self._transfer_to and not self._is_call_over:
            return self._transfer(now_ms)
        return [self._way_out(outcome)]

    def _asked(self, value: str) -> list[Step]:
        """Take a transfer that can be made; another one is no reason to end the talk."""
        can_follow = bool(self._settings.on_transfer) or is_dialable(value)
        if self._transfer_to or not value or not can_follow:
            return []
        self._transfer_to = self._context.transfer_to = value
        return [CloseStream(self._stream_sid)]

    def _transfer(self, now_ms: int) -> list[Step]:
        if self._settings.on_transfer:
            return [Leave(ON_TRANSFER, party=Party.BOT)]
        settings = ConnectSettings(numbers=[self._transfer_to], refer=True)
        self._connect = Connect(settings, self._context)
        return self._through(self._connect.enter(now_ms))

    def _through(self, steps: list[Step]) -> list[Step]:
        """Leave by an exit of ours when the transfer leaves by its own."""
        return [self._handed_over(step) if isinstance(step, Leave) else step for step in steps]

    def _handed_over(self, leave: Leave) -> Leave:
        is_reached = self._is_call_over or leave.exit == "on_conversation_ended"
        return replace(leave, exit=NEXT if is_reached else ON_FAILURE)

    def _way_out(self, outcome: StreamOutcome) -> Step:
        by_bot = outcome.disconnected_by == "bot"
        if outcome.status != "failed":
            return Leave(party=Party.BOT if by_bot else Party.FLOW)
        party = Party.BOT if by_bot else Party.SYSTEM
        reason = outcome.error or outcome.detailed_status or "the stream failed"
        if self._settings.on_failure is None and self._settings.on_stream_failure == "hangup":
            return hang_up(Cause.STREAM_FAILED, party, reason)
        return Leave(ON_FAILURE, Cause.STREAM_FAILED, party, reason)


def check_address(url: str) -> str:
    """Return the URL; raises ValueError when it is neither a bot's nor a resolver's."""
    if not url.startswith(SCHEMES):
        raise ValueError("must begin with wss://, ws://, https:// or http://")
    return url


def check_plain_values(settings: object) -> object:
    """Return stream settings; raises ValueError for a value that is no plain one."""
    for name, value in settings.items() if isinstance(settings, dict) else ():
        if not isinstance(value, str | int | float):
            raise ValueError(f"'{name}' must be a text, a number, true or false")  # noqa: TRY004 - pydantic takes only ValueError
    return settings


def plain(value: str | float | bool) -> str:
    """Return a setting's value as text: true, false, or the number."""
    return str(value).lower() if isinstance(value, bool) else str(value)
