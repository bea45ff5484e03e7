"""An echo bot that remembers what it was told, for tests of whole calls."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from agentstream.bot.call import Call
from agentstream.bot.events import Audio, CallEnded, CallStarted, Digit, MarkPlayed
from agentstream.bot.server import listen
from agentstream.testing.waiting import until


@dataclass
class Conversation:
    """One call, as the bot heard it."""

    started: CallStarted
    rate_hz: int
    audio: bytearray = field(default_factory=bytearray)
    digits: list[str] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    ended: CallEnded | None = None

    @property
    def heard_ms(self) -> int:
        """How much of the caller came."""
        return len(self.audio) // 2 * 1000 // self.rate_hz

    async def hears(self, duration_ms: int, timeout_ms: int = 15_000) -> None:
        """Wait until so much more of the caller has come."""
        goal_ms = self.heard_ms + duration_ms
        await until(lambda: self.heard_ms >= goal_ms, timeout_ms)

    async def pressed(self, count: int, timeout_ms: int = 10_000) -> None:
        """Wait until so many keys in all have come."""
        await until(lambda: len(self.digits) >= count, timeout_ms)

    async def is_over(self, timeout_ms: int = 10_000) -> CallEnded:
        """Wait until the stream has ended; return how."""
        await until(lambda: self.ended, timeout_ms)
        assert self.ended is not None
        return self.ended


@dataclass
class EchoBot:
    """Sends the caller's audio back; closes the socket after `closes_after_ms` of it, if set."""

    closes_after_ms: int = 0
    address: str = ""
    calls: list[Conversation] = field(default_factory=list)

    def url(self, rate_hz: int = 8_000) -> str:
        """Return its address, asking for a sample rate."""
        return f"{self.address}/?sample-rate={rate_hz}"

    async def call(self, number: int = 1, timeout_ms: int = 10_000) -> Conversation:
        """Wait for the first, second... call."""
        await until(lambda: len(self.calls) >= number, timeout_ms)
        return self.calls[number - 1]

    async def talk(self, call: Call) -> None:
        """Answer one call."""
        conversation = Conversation(call.started, call.rate_hz)
        self.calls.append(conversation)
        async for event in call:
            match event:
                case Audio(pcm=pcm):
                    conversation.audio += pcm
                    await call.play(pcm)
                    if 0 < self.closes_after_ms <= conversation.heard_ms:
                        return
                case Digit(digit=digit):
                    conversation.digits.append(digit)
                case MarkPlayed(name=name):
                    conversation.marks.append(name)
                case CallEnded():
                    conversation.ended = event
                case _:
                    pass


@asynccontextmanager
async def echo_bot(closes_after_ms: int = 0) -> AsyncIterator[EchoBot]:
    """Run an echo bot while the block runs."""
    bot = EchoBot(closes_after_ms)
    async with listen(bot.talk) as server:
        bot.address = server.url
        yield bot
