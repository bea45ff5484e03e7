"""A house without telephones: calls from WAV files to bots, through the whole of the audio path.

async with file_calls(tmp_path) as house:
    call = house.dial(bot.url, digits=((500, "5"),))
    await bot.ended()
    record = await call.record()
"""

import asyncio
import secrets
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from agentstream._media import StreamStats
from agentstream.base.ids import AccountSid, CallSid, FlowSid
from agentstream.calls.events import CallEnded
from agentstream.calls.record import CallRecord, StreamRecord
from agentstream.flows import direct
from agentstream.flows.document import parse
from agentstream.media.plan import FileLegPlan
from agentstream.server.config import Config
from agentstream.server.house import House
from agentstream.store.directory import Route
from agentstream.store.values import Account
from agentstream.switch import feed
from agentstream.testing.node import AsyncHouse

CALLER = "+919876500001"
CALLED = "+918040000002"
PATIENCE_S = 20


@dataclass
class FileCall:
    """One call and what it left."""

    house: House
    call_sid: CallSid
    running: asyncio.Task[None]
    saved: Path
    facts: list[feed.Fact]

    def hang_up(self) -> None:
        """Let the caller hang up."""
        self.house.parts.switchboard.hang_up_file(self.call_sid)

    @property
    def notes(self) -> list[object]:
        """What happened in this call, without times."""
        return [fact.event for fact in self.facts if fact.call_sid == self.call_sid]

    @property
    def warnings(self) -> list[str]:
        """What the bot's developer was warned of."""
        return [note.text for note in self.notes if isinstance(note, feed.StreamWarned)]

    async def record(self) -> CallRecord:
        """Wait for the end; returns what is written down then."""
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.shield(self.running)
        return next(note.record for note in self.notes if isinstance(note, CallEnded))

    async def stream(self) -> StreamRecord:
        """Wait for the end; returns the record of the call's last stream."""
        return (await self.record()).streams[-1]

    async def stats(self) -> StreamStats:
        """Wait for the end; returns the counters of the call's stream."""
        await self.record()
        return next(note.stats for note in self.notes if isinstance(note, feed.StreamCounted))

    async def heard(self) -> bytes:
        """Wait for the end; returns the 16-bit samples that the caller heard."""
        await self.record()
        with wave.open(str(self.saved)) as file:
            return bytes(file.readframes(file.getnframes()))


@dataclass
class FileCalls:
    """Places calls in one house."""

    house: House
    folder: Path
    stream_limit: int = 100
    facts: list[feed.Fact] = field(default_factory=list)

    def dial(
        self,
        bot: str,
        *,
        say: bytes = b"",
        digits: tuple[tuple[int, str], ...] = (),
        rate_hz: int = 8_000,
    ) -> FileCall:
        """Call a bot's address, or run a flow's document. The caller says 16-bit samples."""
        name = secrets.token_hex(4)
        saved = self.folder / f"{name}-heard.wav"
        said = self._write(self.folder / f"{name}-said.wav", say, rate_hz) if say else None
        plan = FileLegPlan(secrets.token_hex(16), said, str(saved), rate_hz, digits)
        document = parse(bot) if "\n" in bot else direct.bot(direct.DirectBot(url=bot))
        account = Account(
            AccountSid("greenleaf1"), "Green Leaf", datetime.now(UTC), self.stream_limit
        )
        route = Route(CALLED, account, FlowSid("direct"), document.name, 1, document)
        call_sid, running = self.house.parts.switchboard.call_from_file(plan, route, CALLER, CALLED)
        return FileCall(self.house, call_sid, running, saved, self.facts)

    def _write(self, path: Path, pcm: bytes, rate_hz: int) -> str:
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate_hz)
            file.writeframes(pcm)
        return str(path)


@asynccontextmanager
async def file_calls(
    folder: Path, stream_limit: int = 100, **sections: object
) -> AsyncIterator[FileCalls]:
    """Run a house that has no SIP; `stream` and the like replace parts of its configuration."""
    config = Config.model_validate(
        {
            "data_dir": folder / "house",
            "sip": {"listeners": ()},
            "limits": {"calls": 12},
            "speech": {"engine": "none"},
            **sections,
        }
    )
    async with AsyncHouse(config, 12) as house:
        calls = FileCalls(house, folder, stream_limit)
        house.parts.feed.subscribe(calls.facts.append)
        yield calls
