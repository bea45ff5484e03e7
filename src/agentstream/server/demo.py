"""`agentstream demo`: a real SIP call on loopback talks to a bot that hears and speaks.

A node, a scripted caller with SIP and RTP of its own, and `examples/talking_bot.py` in a process of
its own. Every step of the conversation is checked; the exit code is 0 only if all were seen.
"""

import asyncio
import json
import secrets
import sys
import tempfile
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copyfile
from typing import Any

from rich.console import Console

from agentstream import _media
from agentstream.base.clock import SystemClock
from agentstream.base.errors import AgentStreamError, CommandError, ConfigError
from agentstream.bot.offline_speech import Mouth
from agentstream.calls.events import CallEnded, RecordingFinished
from agentstream.media.plan import EnginePlan
from agentstream.net.sip_engine import Listener, SipConfig, SipEngine
from agentstream.server import config as settings
from agentstream.server.caller import PlacedCall, ScriptedCaller
from agentstream.server.house import House
from agentstream.server.timeline import Timeline, leg_rows, stream_rows, table
from agentstream.switch import feed

HOST = "127.0.0.1"
NUMBER = "1000"
BOT = Path(__file__).parents[3] / "examples" / "talking_bot.py"
# espeak-ng makes the caller's voice (GPL-3, from its wheel); the demo's bot understands this one.
VOICE, WORDS_PER_MINUTE, PITCH, RATE_HZ = "en-us+f5", 145, 40, 8_000
STEP_TIMEOUT_S = 25
FLOW = """
name: demo
start: talk
applets:
  talk:
    type: voicebot
    url: "%s?sample-rate=8000&scene=demo"
    record: true
    recording_channels: stereo
    settings: {frame_ms: 20}
    next: bye
  bye: {type: hangup}
"""


@dataclass
class Watch:
    """Everything that was seen: facts of the node, lines of the bot."""

    facts: list[feed.Fact] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def take_fact(self, fact: feed.Fact) -> None:
        """Keep a fact."""
        self.facts.append(fact)
        self.changed.set()

    def take_line(self, line: dict[str, Any]) -> None:
        """Keep a line of the bot."""
        self.lines.append(line)
        self.changed.set()

    def find(self, kind: type) -> list[Any]:
        """Return the events of a kind."""
        return [fact.event for fact in self.facts if isinstance(fact.event, kind)]

    def turns(self, who: str, meaning: str = "") -> list[dict[str, Any]]:
        """Return what somebody said, by its meaning if one is given."""
        said = [line for line in self.lines if line["event"] == "turn" and line["who"] == who]
        return [line for line in said if meaning in ("", line.get("meaning"))]

    async def until(self, holds: Callable[[], object]) -> bool:
        """Wait until something holds; False when it does not in time."""
        try:
            async with asyncio.timeout(STEP_TIMEOUT_S):
                while not holds():
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            return False
        return True


@dataclass
class Steps:
    """What the demo promises, and what of it was seen."""

    seen: list[tuple[str, bool]] = field(default_factory=list)

    def note(self, name: str, was_seen: object) -> None:
        """Write a step down."""
        self.seen.append((name, bool(was_seen)))

    @property
    def are_all_seen(self) -> bool:
        """Whether nothing is missing."""
        return bool(self.seen) and all(was_seen for _, was_seen in self.seen)


def run(save: Path | None = None) -> int:
    """Play the scene; returns the exit code."""
    save = save or Path("build/demo.wav")
    save.parent.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_demo(Console(highlight=False), save))


async def _demo(console: Console, save: Path) -> int:
    watch, steps = Watch(), Steps()
    console.print("[bold]A caller dials in over SIP and talks to a bot.[/] It takes half a minute.")
    with tempfile.TemporaryDirectory(prefix="agentstream-demo-") as name:
        folder = Path(name)
        async with _bot(watch, console) as bot_url, _node(folder, bot_url) as house:
            timeline = Timeline(console)
            house.parts.feed.subscribe(timeline.take)
            house.parts.feed.subscribe(watch.take_fact)
            _print_lines(watch, timeline)
            async with _caller() as caller:
                setup_ms = await _scene(caller, house, watch, steps, folder)
        recorded = [event for event in watch.find(RecordingFinished) if not event.error]
        if recorded:
            _keep_recording(folder, save, steps)
    _report(console, watch, setup_ms)
    for step, was_seen in steps.seen:
        console.print(f"  {'[green]✓[/]' if was_seen else '[red]✗[/]'} {step}")
    if recorded:
        console.print(f"Listen: {save} (left the caller, right the bot)")
    if steps.are_all_seen:
        console.print("[green]Every step was seen.[/]")
        return 0
    console.print("[red]Not every step was seen.[/]")
    return 1


async def _scene(
    caller: ScriptedCaller, house: House, watch: Watch, steps: Steps, folder: Path
) -> int:
    """Play the conversation; returns the set-up time in milliseconds."""
    clock = SystemClock()
    port = next(port for _, _, port in house.parts.signaling.addresses)
    voices = await asyncio.to_thread(_voices, folder)
    dialled_ms = clock.now_ms()
    call = await caller.dial(f"sip:{NUMBER}@{HOST}:{port}")
    setup_ms = clock.now_ms() - dialled_ms
    steps.note("the call was answered over SIP", True)
    steps.note("the bot greeted", await watch.until(lambda: watch.find(feed.BotSpoke)))
    if any(line["event"] == "note" for line in watch.lines):
        await _echo_scene(call, watch, steps, voices)
    else:
        await _talk_scene(call, watch, steps, voices)
    ended = await watch.until(lambda: watch.find(CallEnded))
    await call.wait_ended()
    stats = await call.closed
    steps.note("the call ended for both sides", ended)
    steps.note("no packet was lost", stats.packets_received and not stats.packets_lost)
    return setup_ms


async def _talk_scene(
    call: PlacedCall, watch: Watch, steps: Steps, voices: dict[str, Path]
) -> None:
    heard = _marks_heard(watch)
    await watch.until(lambda: heard() >= 2)
    await call.say(voices["what can you do"])
    understood = await watch.until(lambda: watch.turns("caller", "help"))
    steps.note("the bot understood a question", understood)
    before = heard()
    await watch.until(lambda: heard() > before)
    await call.say(voices["what is my balance"])
    cleared = await watch.until(lambda: watch.find(feed.PlayoutCleared))
    steps.note("the caller interrupted, and the bot's clear silenced it", cleared)
    understood = await watch.until(lambda: watch.turns("caller", "balance"))
    steps.note("the bot understood the interruption", understood)
    await watch.until(lambda: any("balance is" in text for text in _texts_heard(watch)))
    call.press("42")
    pressed = await watch.until(lambda: len(watch.turns("caller", "key")) == 2)
    steps.note("two keys reached the bot", pressed)
    await watch.until(lambda: any("pressed two" in text for text in _texts_heard(watch)))
    await call.say(voices["thank you goodbye"])
    farewell = await watch.until(lambda: any("Goodbye" in text for text in _texts_heard(watch)))
    steps.note("marks told the bot what was heard, to the last word", farewell)


async def _echo_scene(
    call: PlacedCall, watch: Watch, steps: Steps, voices: dict[str, Path]
) -> None:
    await call.say(voices["what can you do"])
    steps.note("the bot echoed", await watch.until(lambda: watch.find(feed.BotSpoke)))
    await call.hang_up()


def _marks_heard(watch: Watch) -> Callable[[], int]:
    return lambda: len(_texts_heard(watch))


def _texts_heard(watch: Watch) -> list[str]:
    return [line["text"] for line in watch.lines if line["event"] == "heard"]


def _voices(folder: Path) -> dict[str, Path]:
    mouth = Mouth(VOICE, WORDS_PER_MINUTE, PITCH)
    made: dict[str, Path] = {}
    for phrase in ("what can you do", "what is my balance", "thank you goodbye"):
        made[phrase] = folder / f"{phrase.replace(' ', '-')}.wav"
        with wave.open(str(made[phrase]), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes(mouth.speak(phrase, RATE_HZ))
    return made


def _keep_recording(folder: Path, save: Path, steps: Steps) -> None:
    recordings = sorted((folder / "node" / "recordings").glob("*.wav"))
    if recordings:
        copyfile(recordings[0], save)
    steps.note("the conversation was recorded", recordings)


def _report(console: Console, watch: Watch, setup_ms: int) -> None:
    rows = [("set-up, INVITE to answer", f"{setup_ms} ms")]
    answered = [fact.at_ms for fact in watch.facts if type(fact.event).__name__ == "CallAnswered"]
    spoke = [fact.at_ms for fact in watch.facts if isinstance(fact.event, feed.BotSpoke)]
    if answered and spoke:
        rows.append(("answer to the bot's first word", f"{spoke[0] - answered[0]} ms"))
    for note in watch.find(feed.StreamConnected):
        phases = f"{note.dns_ms} / {note.tcp_ms} / {note.tls_ms} / {note.upgrade_ms} ms"
        rows.append(("bot: dns / tcp / tls / upgrade", phases))
    for counted in watch.find(feed.StreamCounted):
        rows += stream_rows(counted.stats)
    for leg in watch.find(feed.LegCounted):
        rows += leg_rows(leg.stats)
    console.print(table("Where the milliseconds went", rows))


def _print_lines(watch: Watch, timeline: Timeline) -> None:
    """Show what is said, beside what happens."""
    take, clock = watch.take_line, SystemClock()

    def show(line: dict[str, Any]) -> None:
        take(line)
        if line["event"] == "turn":
            timeline.say(clock.now_ms(), line["who"], f"“{line['text']}”")

    watch.take_line = show  # type: ignore[method-assign]


@asynccontextmanager
async def _bot(watch: Watch, console: Console) -> AsyncIterator[str]:
    if not BOT.exists():
        raise CommandError(f"the demo's bot is missing: {BOT} (run the demo from the repository)")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(BOT), "--port", "0", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None, "stdout is a pipe"
    reading = asyncio.create_task(_read_lines(process.stdout, watch))
    try:
        if not await watch.until(lambda: any(line["event"] == "listening" for line in watch.lines)):
            raise AgentStreamError("the demo's bot did not start")
        for line in watch.lines:
            if line["event"] == "note":
                console.print(f"[yellow]{line['text']}[/]")
        yield next(line["url"] for line in watch.lines if line["event"] == "listening")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await reading


async def _read_lines(stream: asyncio.StreamReader, watch: Watch) -> None:
    while line := await stream.readline():
        try:
            watch.take_line(json.loads(line))
        except (ValueError, KeyError):
            continue


@asynccontextmanager
async def _node(folder: Path, bot_url: str) -> AsyncIterator[House]:
    async def attempt(low: int) -> House:
        config = settings.Config(
            data_dir=folder / "node",
            sip=settings.SipConfig(
                listeners=(settings.Listener(transport="udp", host=HOST, port=0),)
            ),
            rtp=settings.RtpConfig(host=HOST, port_low=low, port_high=low + 19, workers=1),
            limits=settings.LimitsConfig(calls=10),
        )
        return await House(config).__aenter__()

    house = await _with_free_ports(attempt)
    try:
        store = house.parts.store
        account = await store.accounts.create("Demo", "demo")
        flow = await store.flows.apply(
            account.sid, "demo", FLOW % bot_url.rstrip("/"), publish=True
        )
        await store.numbers.assign(NUMBER, account.sid, flow.sid)
        await house.parts.directory.refresh()
        yield house
    finally:
        await house.__aexit__(None, None, None)


@asynccontextmanager
async def _caller() -> AsyncIterator[ScriptedCaller]:
    async def attempt(low: int) -> _media.Engine:
        try:
            return _media.Engine(EnginePlan(HOST, low, low + 19, workers=1))
        except _media.MediaError as error:
            raise ConfigError(str(error)) from error

    media = await _with_free_ports(attempt)
    signaling = SipEngine(SipConfig(listeners=(Listener("udp", HOST, 0),)))
    async with ScriptedCaller(signaling, media, HOST) as caller:
        yield caller


async def _with_free_ports(attempt: Callable[[int], Any]) -> Any:  # noqa: ANN401 - what it makes
    """Try port ranges until one is free."""
    for _ in range(9):
        try:
            return await attempt(24_000 + 2 * secrets.randbelow(4_000))
        except ConfigError:
            continue
    return await attempt(24_000 + 2 * secrets.randbelow(4_000))
