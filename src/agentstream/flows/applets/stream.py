"""Stream: forks the call's audio to a bot, or ends such forks, and goes on at once (AS-180).

start   enter ──OpenStream──▶ asked ──StreamRequested──▶ next     it connects meanwhile (AS-181)
                                 └────refused──────────▶ next     and disturbs nobody
stop    enter ──CloseStream for the latest, or all of a name──▶ next

A fork lives on from applet to applet until a stop, the end of the call, or its own limit (AS-182).
"""

from typing import ClassVar, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from agentstream.base.ids import StreamSid
from agentstream.calls.commands import CloseStream, OpenStream, StreamSpec
from agentstream.calls.events import StreamFinished, StreamRequested
from agentstream.flows.applet import Applet, AppletInput, CommandRefused, Leave, Onward, Step
from agentstream.flows.applets.voicebot import (
    OVERRIDES_LIMIT,
    check_address,
    check_plain_values,
    plain,
)
from agentstream.flows.context import Context
from agentstream.flows.template import Template

NAME_CHARS: Final = 32  # AS-12


class StreamSettings(Onward):
    """Let a bot listen in from here on, or end that."""

    kind: ClassVar[str] = "stream"
    takes_time: ClassVar[bool] = False
    is_reported: ClassVar[bool] = True

    action: Literal["start", "stop"] = Field(default="start", description="Begin, or end.")
    url: Template | None = Field(
        default=None,
        max_length=2048,
        description=(
            "To start: the bot's ws(s) address, or the http(s) address of a resolver that answers"
            " with one."
        ),
    )
    name: str = Field(
        default="",
        max_length=NAME_CHARS,
        description=(
            "A label. A stop with a name ends every stream of this name, without one the latest."
        ),
    )
    track: Literal["inbound", "outbound", "mixed", "both"] = Field(
        default="mixed",
        description=(
            "What the bot hears: the caller, what the caller hears, the two mixed, or both, each in"
            " messages of its own."
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

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str | None) -> str | None:
        return None if url is None else check_address(url)

    @field_validator("settings", mode="before")
    @classmethod
    def _has_plain_values(cls, settings: object) -> object:
        return check_plain_values(settings)

    @model_validator(mode="after")
    def _starts_somewhere(self) -> Self:
        if self.action == "start" and self.url is None:
            raise ValueError("give the 'url' that is to be started")
        if self.action == "stop" and self.url is not None:
            raise ValueError("'url' is only for a start; a stop may have a 'name'")
        return self

    def stream_address(self) -> str:
        """Return the bot's URL."""
        return self.url or ""

    def applet(self, context: Context) -> Applet:
        """Return a machine for one visit."""
        return StartFork(self, context) if self.action == "start" else StopForks(self, context)


class StartFork:
    """One more bot that listens."""

    wake_at_ms: int | None = None

    def __init__(self, settings: StreamSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._stream_sid = StreamSid("")

    def enter(self, now_ms: int) -> list[Step]:
        """Ask for the stream; the call says at once whether it takes it on (ST-40)."""
        settings, context = self._settings, self._context
        self._stream_sid = context.new_stream_sid()
        url = context.url(settings.url or "", now_ms)
        spec = StreamSpec(
            url=url,
            two_way=False,
            name=settings.name,
            profile=settings.profile,
            overrides=tuple((name, plain(value)) for name, value in settings.settings.items()),
            # Only a resolver is told of the call (AS-14).
            parameters=context.parameters(now_ms) if url.startswith("http") else (),
            track=settings.track,
        )
        context.forks[self._stream_sid] = settings.name
        return [OpenStream(context.leg_sid, self._stream_sid, spec)]

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Go on, whatever becomes of it."""
        match happening:
            case StreamRequested(stream_sid=self._stream_sid):
                return [Leave()]
            case StreamFinished(stream_sid=self._stream_sid, outcome=outcome):
                return [Leave(reason=outcome.error)]
            case CommandRefused(text=text):
                self._context.forks.pop(self._stream_sid, None)
                return [Leave(reason=f"the stream was not started: {text}")]
            case _:
                return []

    def wake(self, now_ms: int) -> list[Step]:
        """Have no timer."""
        return []


class StopForks:
    """The end of some that listen."""

    wake_at_ms: int | None = None

    def __init__(self, settings: StreamSettings, context: Context) -> None:
        self._settings = settings
        self._context = context

    def enter(self, now_ms: int) -> list[Step]:
        """End the streams of this name, or the latest one, and go on (ST-43)."""
        wanted, forks = self._settings.name, self._context.forks
        ended = [sid for sid, name in forks.items() if name == wanted] if wanted else [*forks][-1:]
        for sid in ended:
            del forks[sid]  # it is not to be stopped twice
        reason = "" if ended else "no such stream runs"
        return [*(CloseStream(sid) for sid in ended), Leave(reason=reason)]

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Have left already."""
        return []

    def wake(self, now_ms: int) -> list[Step]:
        """Have no timer."""
        return []
