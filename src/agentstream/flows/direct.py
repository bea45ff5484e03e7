"""Flows made on the fly, for calls without a published one (CC-20, CC-22).

two numbers    (fork) ──▶ connect ──▶ hang up     the first party is up; the second is dialled
a bot          bot ──▶ hang up                    the end of its socket ends the call (CC-63)
documents      exoml ──▶ hang up                  a server's documents say what the call does (XR-1)
"""

from typing import Any, Final, Literal, TypeVar

from pydantic import ValidationError

from agentstream.base.errors import CommandError
from agentstream.base.values import dataclass
from agentstream.calls.record import WhichLeg
from agentstream.flows.applet import Settings
from agentstream.flows.applets.connect import ConnectSettings
from agentstream.flows.applets.exoml import ExomlSettings
from agentstream.flows.applets.stream import StreamSettings
from agentstream.flows.applets.voicebot import VoicebotSettings
from agentstream.flows.dial_plan import TALK_LIMIT_S
from agentstream.flows.document import FlowDocument
from agentstream.flows.mistakes import sentence

LIMIT_MS: Final = TALK_LIMIT_S * 1000  # KX-21: what the API allows; a call's own limit may be lower
PRECONNECT_MS: Final = 3_000  # a call that rings here waits so long for its bot, then is answered
Kind = TypeVar("Kind", bound=Settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoNumbers:
    """A call of two parties, the first of whom is dialled already. Addresses may be templates."""

    second: str  # whom the first one is connected with
    caller_id: str = ""  # what the second is shown; "": the account's number
    trunk: str = ""  # "": the default one
    ring_seconds: int = 30  # of the second (TimeOut)
    wait_url: str = ""  # a sound for the first while the second rings; "": ringing (WaitUrl)
    whisper_url: str = ""  # a sound before the two are connected (StartPlaybackValueNew)
    whisper_to: Literal["callee", "both"] = "callee"  # StartPlaybackToNew
    record: bool = False
    recording_channels: Literal["mono", "stereo"] = "mono"  # RecordingChannels single, dual
    stream_url: str = ""  # of a bot that listens (CC-40)
    stream_name: str = ""
    stream_begin: WhichLeg = "first"  # whose answer it begins with (StreamBegin)


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectBot:
    """A call that is one conversation with a bot."""

    url: str
    name: str = ""
    record: bool = False
    recording_channels: Literal["mono", "stereo"] = "mono"
    preconnects: bool = False  # reach the bot while the call still rings (OP-6)


def two_numbers(wanted: TwoNumbers) -> FlowDocument:
    """Return the flow of a two-number call; raises CommandError naming the field that is wrong."""
    applets: dict[str, Settings] = {"connect": _connect(wanted)}
    start = "connect"
    if wanted.stream_url and wanted.stream_begin == "first":
        start = "fork"
        applets[start] = _made(
            StreamSettings, url=wanted.stream_url, name=wanted.stream_name, next="connect"
        )
    return FlowDocument("two numbers", start, LIMIT_MS, applets)


def bot(wanted: DirectBot) -> FlowDocument:
    """Return the flow of a call to one bot; raises CommandError naming the field that is wrong."""
    talk = _made(
        VoicebotSettings,
        url=wanted.url,
        name=wanted.name,
        record=wanted.record,
        recording_channels=wanted.recording_channels,
        preconnect_ms=PRECONNECT_MS if wanted.preconnects else 0,
    )
    return FlowDocument("direct", "bot", LIMIT_MS, {"bot": talk})


def documents(url: str) -> FlowDocument:
    """Return the flow of a call that documents drive; raises CommandError for a wrong address."""
    return FlowDocument("documents", "ivr", LIMIT_MS, {"ivr": _made(ExomlSettings, url=url)})


def _connect(wanted: TwoNumbers) -> ConnectSettings:
    for name in ("wait_url", "whisper_url"):
        url = getattr(wanted, name)
        if url and not url.startswith(("https://", "http://")):  # no file of this server
            raise CommandError(f"field '{name}': must begin with https:// or http://")
    begins_with_second = wanted.stream_url and wanted.stream_begin == "second"
    return _made(
        ConnectSettings,
        numbers=[wanted.second],
        caller_id=wanted.caller_id,
        trunk=wanted.trunk,
        ring_seconds=wanted.ring_seconds,
        max_conversation_seconds=TALK_LIMIT_S,
        retries=0,
        record=wanted.record,
        recording_channels=wanted.recording_channels,
        music_on_hold=wanted.wait_url or "operator_tone",
        whisper_audio=wanted.whisper_url or None,
        whisper_to=wanted.whisper_to,
        stream_url=wanted.stream_url if begins_with_second else None,
        stream_name=wanted.stream_name if begins_with_second else "",
    )


def _made(kind: type[Kind], **fields: Any) -> Kind:  # noqa: ANN401  (whatever the applet has)
    try:
        return kind(**fields)
    except ValidationError as error:
        raise CommandError("; ".join(sentence(one, kind) for one in error.errors())) from error
