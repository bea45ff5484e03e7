"""The stage of the demo: a node, a caller and a phone on loopback, and what was seen of them."""

import asyncio
import secrets
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copyfile
from typing import Any

from rich.console import Console

from agentstream import _media
from agentstream.base.errors import ConfigError
from agentstream.bot.offline_speech import Mouth
from agentstream.media.plan import EnginePlan
from agentstream.net.sip_engine import Listener, SipConfig, SipEngine
from agentstream.server import config as settings
from agentstream.server.callee import Manners, ScriptedPhone
from agentstream.server.caller import ScriptedCaller
from agentstream.server.config_sip import Listener as SipListener
from agentstream.server.config_sip import SipConfig as SipSection
from agentstream.server.house import House
from agentstream.switch import feed

HOST = "127.0.0.1"
STEP_TIMEOUT_S = 25
# espeak-ng makes the voices (GPL-3, from its wheel); the demo's bot understands this one.
VOICE, WORDS_PER_MINUTE, PITCH, RATE_HZ = "en-us+f5", 145, 40, 8_000


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

    def show(self, console: Console) -> None:
        """Print them."""
        for step, was_seen in self.seen:
            console.print(f"  {'[green]✓[/]' if was_seen else '[red]✗[/]'} {step}")


@asynccontextmanager
async def node(folder: Path, **flows: str) -> AsyncIterator[House]:
    """Run a node whose numbers ring these flows: a keyword `n1000` is the flow of number 1000."""

    async def attempt(low: int) -> House:
        config = settings.Config(
            data_dir=folder / "node",
            sip=SipSection(listeners=(SipListener(transport="udp", host=HOST, port=0),)),
            rtp=settings.RtpConfig(host=HOST, port_low=low, port_high=low + 19, workers=1),
            limits=settings.LimitsConfig(calls=10),
        )
        return await House(config).__aenter__()

    house = await _with_free_ports(attempt)
    try:
        store = house.parts.store
        account = await store.accounts.create("Demo", "demo")
        for name, document in flows.items():
            flow = await store.flows.apply(account.sid, name, document, publish=True)
            await store.numbers.assign(name[1:], account.sid, flow.sid)
        await house.parts.directory.refresh()
        yield house
    finally:
        await house.__aexit__(None, None, None)


@asynccontextmanager
async def caller() -> AsyncIterator[ScriptedCaller]:
    """Run a phone that calls."""
    media, signaling = await _phone_parts()
    async with ScriptedCaller(signaling, media, HOST) as phone:
        yield phone


@asynccontextmanager
async def phone(manners: Manners) -> AsyncIterator[tuple[ScriptedPhone, str]]:
    """Run a phone that is called; gives it and its "127.0.0.1:5060"."""
    media, signaling = await _phone_parts()
    async with ScriptedPhone(signaling, media, HOST, manners) as called:
        _, host, port = signaling.addresses[0]
        yield called, f"{host}:{port}"


def target(house: House, number: str) -> str:
    """Return the SIP address of a number."""
    port = next(port for _, _, port in house.parts.signaling.addresses)
    return f"sip:{number}@{HOST}:{port}"


def spoken(folder: Path, *phrases: str) -> dict[str, Path]:
    """Speak phrases into files."""
    mouth = Mouth(VOICE, WORDS_PER_MINUTE, PITCH)
    made: dict[str, Path] = {}
    for phrase in phrases:
        made[phrase] = folder / f"{phrase.replace(' ', '-')}.wav"
        with wave.open(str(made[phrase]), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes(mouth.speak(phrase, RATE_HZ))
    return made


def keep_recording(folder: Path, save: Path) -> bool:
    """Copy the node's first recording; False when there is none."""
    recordings = sorted((folder / "node" / "recordings").glob("*.wav"))
    if recordings:
        copyfile(recordings[0], save)
    return bool(recordings)


async def _phone_parts() -> tuple[_media.Engine, SipEngine]:
    async def attempt(low: int) -> _media.Engine:
        try:
            return _media.Engine(EnginePlan(HOST, low, low + 19, workers=1))
        except _media.MediaError as error:
            raise ConfigError(str(error)) from error

    media = await _with_free_ports(attempt)
    return media, SipEngine(SipConfig(listeners=(Listener("udp", HOST, 0),)))


async def _with_free_ports(attempt: Callable[[int], Any]) -> Any:  # noqa: ANN401 - what it makes
    """Try port ranges until one is free."""
    for _ in range(9):
        try:
            return await attempt(24_000 + 2 * secrets.randbelow(4_000))
        except ConfigError:
            continue
    return await attempt(24_000 + 2 * secrets.randbelow(4_000))
