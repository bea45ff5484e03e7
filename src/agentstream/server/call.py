"""`agentstream call`: a call with no phone network, from a WAV file or a sentence to a bot.

The caller is a file leg; everything behind it, from the audio path to the bot's socket, is what a
phone call has.
"""

import asyncio
import secrets
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from agentstream import _media
from agentstream.base.errors import CommandError, ConfigError
from agentstream.base.ids import AccountSid, FlowSid
from agentstream.calls.events import CallEnded
from agentstream.flows.direct import DirectBot, bot
from agentstream.flows.document import FlowDocument
from agentstream.media.plan import FileLegPlan
from agentstream.server.config import Config, LimitsConfig, RtpConfig
from agentstream.server.config_sip import SipConfig
from agentstream.server.house import House
from agentstream.server.timeline import Timeline, leg_rows, stream_rows, table
from agentstream.store.directory import Route
from agentstream.store.values import Account
from agentstream.switch import feed

CALLER = "+919876500001"
CALLED = "+918000000042"
DIGIT_GAP_MS = 400


@dataclass(frozen=True, slots=True)
class CallWish:
    """What the caller does. Times are seconds."""

    bot_url: str
    say: Path | None = None  # a sound file
    text: str = ""  # or a sentence
    language: str = "en-IN"
    save: Path | None = None  # where to keep what the caller heard, as WAV
    rate_hz: int = 8_000  # of the line: 8000 or 16000
    digits: str = ""  # keys pressed after `digits_after_s`
    digits_after_s: float = 2.0
    seconds: float = 10.0  # how long the caller stays, if the bot does not hang up first
    profile: str = ""


@dataclass(slots=True)
class Heard:
    """What came of it."""

    bot_connected: bool = False
    stream: _media.StreamStats | None = None
    leg: _media.LegStats | None = None
    ended: CallEnded | None = None

    def take(self, fact: feed.Fact) -> None:
        """Take one fact of the call."""
        match fact.event:
            case feed.StreamConnected():
                self.bot_connected = True
            case feed.StreamCounted(stats=stats):
                self.stream = stats
            case feed.LegCounted(stats=stats):
                self.leg = stats
            case CallEnded():
                self.ended = fact.event
            case _:
                pass

    @property
    def has_answer(self) -> bool:
        """Whether the bot was heard."""
        return self.stream is not None and self.stream.played_ms > 0


async def call_bot(wish: CallWish, console: Console) -> Heard:
    """Place the call and print it as it goes; raises CommandError for what cannot be done."""
    heard = Heard()
    with tempfile.TemporaryDirectory(prefix="agentstream-") as folder:
        async with House(_config(Path(folder), wish)) as house:
            timeline = Timeline(console)
            house.parts.feed.subscribe(timeline.take)
            house.parts.feed.subscribe(heard.take)
            await _live(house, wish)
    return heard


def report(heard: Heard, wish: CallWish, console: Console) -> int:
    """Print the figures; return the exit code: 0 when the bot was heard, else 1."""
    if heard.stream is not None:
        console.print(table("Stream", stream_rows(heard.stream)))
    if heard.leg is not None and heard.leg.packets_received:
        console.print(table("Line", leg_rows(heard.leg)))
    if heard.has_answer:
        where = f"; it is in {wish.save}" if wish.save else ""
        console.print(f"[green]The bot answered[/]{where}.")
        return 0
    what = "connected but said nothing" if heard.bot_connected else "could not be reached"
    console.print(f"[red]The bot {what}.[/]")
    return 1


async def _live(house: House, wish: CallWish) -> None:
    parts = house.parts
    said = wish.say
    if wish.text:
        said = await parts.speech.render(wish.text, wish.language, "")
    plan = FileLegPlan(
        leg_sid=secrets.token_hex(16),
        input_path=str(said) if said else None,
        output_path=str(wish.save) if wish.save else None,
        rate_hz=wish.rate_hz,
        digits=_presses(wish),
    )
    document = bot(DirectBot(url=wish.bot_url))
    try:
        call_sid, running = parts.switchboard.call_from_file(plan, _route(document), CALLER, CALLED)
    except _media.MediaError as error:
        raise CommandError(str(error)) from error
    await asyncio.wait([running], timeout=wish.seconds)
    parts.switchboard.hang_up_file(call_sid)
    await asyncio.wait([running], timeout=30)


def _presses(wish: CallWish) -> tuple[tuple[int, str], ...]:
    first_ms = int(wish.digits_after_s * 1_000)
    return tuple((first_ms + n * DIGIT_GAP_MS, digit) for n, digit in enumerate(wish.digits))


def _route(document: FlowDocument) -> Route[FlowDocument]:
    account = Account(AccountSid("local"), "this machine", datetime.now(UTC))
    return Route(CALLED, account, FlowSid("direct"), document.name, 1, document)


def _config(folder: Path, wish: CallWish) -> Config:
    if wish.rate_hz not in (8_000, 16_000):
        raise ConfigError(f"--rate {wish.rate_hz}: a line has 8000 or 16000 Hz")
    low = 40_000 + 2 * secrets.randbelow(10_000)
    return Config(
        data_dir=folder,
        sip=SipConfig(listeners=()),
        # No packet is sent; the engine wants a range all the same.
        rtp=RtpConfig(host="127.0.0.1", port_low=low, port_high=low + 1, workers=1),
        limits=LimitsConfig(calls=1),
        stream={"preset": wish.profile} if wish.profile else {},
    )
