"""A switchboard between a fake signalling engine and a fake media engine, ready for one number."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentstream import _media
from agentstream.base.clock import SystemClock
from agentstream.base.errors import AgentStreamError
from agentstream.base.ids import CountedTokens
from agentstream.calls.commands import Command, HttpRequest, Mail
from agentstream.calls.events import CallEnded, CallStarted, Event
from agentstream.calls.record import CallRecord
from agentstream.flows.document import FlowDocument, parse
from agentstream.media.negotiate import LocalMedia
from agentstream.net.egress import EgressError
from agentstream.net.mailer import MailError
from agentstream.store.directory import Directory
from agentstream.stream.profile import WireProfile
from agentstream.switch.courier import Courier, CourierLimits
from agentstream.switch.feed import Fact, Feed, Note
from agentstream.switch.limits import StreamLimits
from agentstream.switch.perform import Means
from agentstream.switch.placing import CallOrder
from agentstream.switch.ports import PinnedHost, WebAnswer
from agentstream.switch.rejections import Rejections
from agentstream.switch.routing import Roads, Trunk
from agentstream.switch.switchboard import Switchboard
from agentstream.switch.wiring import SwitchLimits, Wiring
from agentstream.testing.fake_media import FakeLeg, FakeMedia
from agentstream.testing.fake_signaling import FakeSignaling
from agentstream.testing.memory_store import MemoryStore
from agentstream.testing.shelves import FolderShelf
from agentstream.testing.waiting import until

NUMBER = "+918000000042"
CUSTOMER = "+919876500001"
TRUNK = Trunk("carrier", "sip:carrier.example:5060")
FLOW = """
name: support
start: talk
applets:
  talk: {type: voicebot, url: "ws://bot.example.net:9000/ws?sample-rate=8000", next: bye}
  bye: {type: hangup}
"""


@dataclass(frozen=True)
class Pinned:
    """A host that was looked up."""

    addresses: tuple[str, ...] = ("192.0.2.9:9000",)
    elapsed_ms: int = 1
    local_address: str | None = None


@dataclass(frozen=True)
class Page:
    """An HTTP answer."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class FakeWeb:
    """A world with one page, or none; `refusal` is why no host may be reached."""

    page: Page | None = None
    refusal: str = ""
    asked: list[str] = field(default_factory=list)
    sent: list[HttpRequest] = field(default_factory=list)
    message_ids: list[str] = field(default_factory=list)
    answers: deque[Page | AgentStreamError] = field(default_factory=deque)  # before `page`
    holds: asyncio.Event | None = None  # answers wait until it is set

    async def get(
        self,
        url: str,
        *,
        query: tuple[tuple[str, str], ...],
        timeout_ms: int,
        max_bytes: int,
        allow: tuple[str, ...],
    ) -> WebAnswer:
        """Return the page."""
        self.asked.append(url)
        if self.page is None:
            raise AgentStreamError("nothing listens there")
        return self.page

    async def send(
        self, question: HttpRequest, *, allow: tuple[str, ...], message_id: str
    ) -> WebAnswer:
        """Return the next answer, or the page."""
        self.asked.append(question.url)
        self.sent.append(question)
        self.message_ids.append(message_id)
        if self.holds is not None:
            await self.holds.wait()
        answer = self.answers.popleft() if self.answers else self.page
        if isinstance(answer, AgentStreamError):
            raise answer
        if answer is None:
            raise AgentStreamError("nothing listens there")
        return answer

    async def pin(self, url: str, *, allow: tuple[str, ...]) -> PinnedHost:
        """Return one address."""
        self.asked.append(url)
        if self.refusal:
            raise EgressError(self.refusal)
        return Pinned()


@dataclass
class FakePostman:
    """Takes every letter; `troubles` are what it says to the next ones instead."""

    letters: list[Mail] = field(default_factory=list)
    troubles: deque[MailError] = field(default_factory=deque)

    async def send(self, to: Sequence[str], subject: str, text: str) -> None:
        """Keep the letter."""
        if self.troubles:
            raise self.troubles.popleft()
        self.letters.append(Mail(tuple(to), subject, text))


class FakeSpeech:
    """Speaks everything but the word "unspeakable"."""

    async def render(self, text: str, language: str, voice: str) -> Path:
        """Name a file after the text."""
        if text == "unspeakable":
            raise AgentStreamError("this cannot be spoken")
        return Path(f"speech-{text}.wav")


class FakeSounds:
    """Keeps nothing."""

    async def keep(self, url: str, content_type: str, body: bytes) -> Path:
        """Name a file."""
        return Path("fetched.mp3")


@dataclass
class Board:
    """A running switchboard and everything around it."""

    switchboard: Switchboard
    signaling: FakeSignaling
    media: FakeMedia
    web: FakeWeb
    store: MemoryStore
    directory: Directory[FlowDocument]
    limits: StreamLimits
    feed: Feed
    courier: Courier
    postman: FakePostman
    rejections: Rejections
    facts: list[Event | Note] = field(default_factory=list)

    @property
    def leg(self) -> FakeLeg:
        """The latest leg."""
        return self.media.legs[-1]

    async def flow(self, document: str, number: str = NUMBER) -> None:
        """Let a number ring a flow."""
        account = (await self.store.accounts.list())[0]
        name = f"flow-{number.strip('+')}"
        flow = await self.store.flows.apply(account.sid, name, document, publish=True)
        await self.store.numbers.assign(number, account.sid, flow.sid)
        await self.directory.refresh()

    async def order(self, **fields: Any) -> CallOrder:  # noqa: ANN401  (any field of an order)
        """Return an order to call CUSTOMER, who is shown NUMBER."""
        account = (await self.store.accounts.list())[0]
        usual: dict[str, Any] = {"destination": CUSTOMER, "caller_id": NUMBER}
        return CallOrder(account=account, **usual | fields)

    async def stream(self) -> str:
        """Wait until the latest leg asks for a stream, and open it; returns its sid."""
        await until(lambda: self.media.legs and self.leg.streams)
        plan = self.leg.streams[-1]
        self.media.feed(_media.StreamOpen(self.leg.leg_sid, 0, plan.stream_sid, 1, 0, 2))
        await until(lambda: self.saw("StreamOpened"))
        return plan.stream_sid

    def bot_closes(self, sid: str, code: int = 1000) -> None:
        """Let the bot end a stream."""
        stats = _media.StreamStats()
        leg_sid = self.leg.leg_sid
        self.media.feed(_media.StreamClosed(leg_sid, 0, sid, code, "", "bot", 0, stats))

    async def ask(self, *wishes: Command) -> None:
        """Want something of the latest call; raises CommandError when it cannot be done now."""
        started = self.saw("CallStarted")[-1]
        assert isinstance(started, CallStarted)
        for wish in wishes:
            await self.switchboard.ask(started.call_sid, wish)

    def saw(self, name: str) -> list[Event | Note]:
        """Return the facts of this kind."""
        return [fact for fact in self.facts if type(fact).__name__ == name]

    async def record(self) -> CallRecord:
        """Wait for the end of the only call, check that nothing is left, return its record."""
        await until(lambda: self.saw("CallEnded"))
        await until(lambda: self.switchboard.live_calls == 0)
        ended = self.saw("CallEnded")
        assert len(ended) == 1, ended
        assert isinstance(ended[0], CallEnded)
        assert all(leg.is_closed for leg in self.media.legs)
        assert self.limits.total == 0
        return ended[0].record


@asynccontextmanager
async def open_board(
    recordings: Path,
    limits: SwitchLimits | None = None,
    wrap: Callable[[Wiring], Wiring] = lambda wiring: wiring,
) -> AsyncIterator[Board]:
    """Run a switchboard whose NUMBER rings FLOW; `wrap` may put faults around its doubles."""
    signaling, media, web, feed = FakeSignaling(), FakeMedia(), FakeWeb(), Feed()
    postman = FakePostman()
    courier = Courier(web, postman, CourierLimits(backoff_ms=1))
    store = MemoryStore()
    await store.accounts.create("Green Leaf", "greenleaf1")
    directory = Directory(store, parse)
    stream_limits = StreamLimits()
    means = Means(
        web=web,
        speech=FakeSpeech(),
        sounds=FakeSounds(),
        profile=WireProfile(),
        stream_limits=stream_limits,
        shelf=FolderShelf(recordings),
        courier=courier,
    )
    wiring = Wiring(
        signaling=signaling,
        media=media,
        directory=directory,
        means=means,
        feed=feed,
        clock=SystemClock(),
        tokens=CountedTokens(),
        local=LocalMedia(address="192.0.2.10", port=0),
        roads=Roads({TRUNK.name: TRUNK}, TRUNK.name),
        placed=store.placed,
    )
    switchboard = Switchboard(wrap(wiring), limits)
    board = Board(
        switchboard,
        signaling,
        media,
        web,
        store,
        directory,
        stream_limits,
        feed,
        courier,
        postman,
        wiring.rejections,
    )

    def keep(fact: Fact) -> None:
        board.facts.append(fact.event)

    feed.subscribe(keep)
    switchboard.start()
    await board.flow(FLOW)
    try:
        yield board
    finally:
        await switchboard.drain(timeout_ms=0, grace_ms=200)
        await courier.drain(200)
        media.close()
