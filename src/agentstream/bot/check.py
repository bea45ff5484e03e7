"""The bot checker: dial a bot without a call, time each phase, listen, and say what would fail.

    report = await check("wss://bots.example.net/ws?sample-rate=16000")

It speaks exactly as a call does: the same address rules, headers, opening and templates.
"""

import asyncio
import time
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal

from agentstream.base.errors import PeerError
from agentstream.bot.dialled import DialError, Dialled, Phase, PhaseName, dial
from agentstream.stream.address import ResolverAddress, read_address
from agentstream.stream.dialects import exotel
from agentstream.stream.lint import Finding, Lint
from agentstream.stream.messages import (
    CHUNK,
    PAYLOAD,
    SEQ,
    TIMESTAMP_MS,
    TRACK,
    SocketPlan,
    StreamOrder,
)
from agentstream.stream.plans import audio_of, plan_socket
from agentstream.stream.profile import WireProfile

LISTEN_MS: Final = 3_000
MESSAGES_LIMIT: Final = 10  # shown in the report
TEXT_LIMIT: Final = 200
STRETCH_MS: Final = 1_800  # audio at a wrong pace that is found while we listen (US-3)

_SID: Final = "0" * 31 + "1"  # a stream that no call has


@dataclass(frozen=True, slots=True)
class Heard:
    """One of the bot's first messages, shortened."""

    at_ms: int  # since the stream opened
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a check. `error` is empty when the bot could be reached."""

    url: str  # credentials masked
    phases: tuple[Phase, ...] = ()
    failed_phase: PhaseName | Literal["address", ""] = ""
    http_status: int = 0
    error: str = ""
    heard: tuple[Heard, ...] = ()
    first_audio_ms: int | None = None
    audio_ms: int = 0
    closed_with: int | None = None  # the bot's close code, when it closed while we listened
    findings: tuple[Finding, ...] = ()

    @property
    def is_fine(self) -> bool:
        """Tell whether a call would reach this bot and hear it."""
        return not self.error and all(finding.severity != "error" for finding in self.findings)


async def check(url: str, profile: WireProfile | None = None, listen_ms: int = LISTEN_MS) -> Report:
    """Dial the bot, send silence for `listen_ms`, listen, say `stop` and close.

    It lasts at most the profile's connect timeout, `listen_ms` and two seconds, and raises nothing
    for what the far end does.
    """
    profile = profile or WireProfile()
    order = StreamOrder(_SID, "0" * 32, "check", url, "+910000000001", "+910000000002")
    try:
        bot = read_address(url, profile)
    except PeerError as error:
        return Report("", failed_phase="address", error=str(error))
    if isinstance(bot, ResolverAddress):
        text = "this is a resolver; check the ws:// or wss:// address that it answers"
        return Report(bot.shown_url, failed_phase="address", error=text)
    plan = plan_socket(order, bot, profile)
    phases: list[Phase] = []
    try:
        dialled = await dial(bot, plan, phases)
    except DialError as error:
        return Report(
            bot.shown_url,
            tuple(phases),
            failed_phase=error.phase,
            http_status=error.http_status,
            error=str(error),
        )
    audio = audio_of(order, bot, profile)
    lint = Lint(_SID, audio, has_controls=profile.control_events, stretch_ms=STRETCH_MS)
    ear = _Ear(lint)
    await _converse(dialled, plan, ear, listen_ms)
    closed_with = dialled.close_code
    if closed_with is None:
        await dialled.send(_filled(exotel.write_stop(order, profile, "stopped"), plan, 0, 9_999))
    await dialled.close()
    return Report(
        bot.shown_url,
        tuple(phases),
        heard=tuple(ear.heard),
        first_audio_ms=ear.lint.first_audio_ms,
        audio_ms=ear.lint.audio_ms,
        closed_with=closed_with,
        findings=ear.lint.findings(),
    )


class _Ear:
    """Hears the bot's messages against the clock."""

    def __init__(self, lint: Lint) -> None:
        self.lint = lint
        self.heard: list[Heard] = []
        self._since = time.perf_counter()

    def hear(self, message: str | bytes) -> None:
        at_ms = int((time.perf_counter() - self._since) * 1000)
        self.lint.hear(message, at_ms)
        if len(self.heard) < MESSAGES_LIMIT:
            text = message if isinstance(message, str) else f"binary, {len(message)} bytes"
            self.heard.append(Heard(at_ms, text[:TEXT_LIMIT]))


async def _converse(dialled: Dialled, plan: SocketPlan, ear: _Ear, listen_ms: int) -> None:
    """Send the opening and silence in real time, and hear, until the time is over or it closes."""
    with suppress(TimeoutError):
        async with asyncio.timeout(listen_ms / 1000), asyncio.TaskGroup() as tasks:
            speaking = tasks.create_task(_send_silence(dialled, plan))
            await dialled.read_all(ear.hear)
            speaking.cancel()


async def _send_silence(dialled: Dialled, plan: SocketPlan) -> None:
    """Send `connected`, `start` and media until cancelled; the reader sees when the bot goes."""
    with suppress(OSError):
        for text in plan.opening:
            await dialled.send(_filled(text, plan, 0, 1))
        started = time.perf_counter()
        chunk = 0
        while True:
            chunk += 1
            await dialled.send(_filled(plan.media_template, plan, chunk, chunk + 1))
            due = started + chunk * plan.frame_ms / 1000
            await asyncio.sleep(max(0.0, due - time.perf_counter()))


def _filled(template: str, plan: SocketPlan, chunk: int, sequence: int) -> str:
    """Do what the audio path does with a template, for silence."""
    samples = plan.rate_hz * plan.frame_ms // 1000
    silence = b"\xff" * samples if plan.encoding == "mulaw" else bytes(samples * 2)
    for placeholder, value in (
        (SEQ, str(sequence)),
        (CHUNK, str(chunk)),
        (TIMESTAMP_MS, str(chunk * plan.frame_ms)),
        (TRACK, "inbound"),
        (PAYLOAD, b64encode(silence).decode("ascii")),
    ):
        template = template.replace(placeholder, value)
    return template
