"""Recordings that go to a customer's own storage before they are told of (EX-46).

promised to the shelf ─ recording_available ─▶ held ─▶ attempts ─▶ told, with the address there
                                                └─▶ no room, refused, given up ─▶
                                                      recording_failed_to_upload

All else that legs tell passes at once. Where a recording goes stays in memory: it holds secrets.
"""

import asyncio
import base64
import hashlib
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing, closing
from typing import Final, Literal, Protocol

import structlog

from agentstream.base.clock import Clock
from agentstream.base.errors import AgentStreamError, PeerError
from agentstream.base.ids import AccountSid, RecordingSid
from agentstream.base.values import dataclass, replace
from agentstream.calls.commands import AudioKind
from agentstream.calls.events import LegTold, Mishap
from agentstream.calls.storage import CustomerStorage
from agentstream.flows.legs.told import UNSENT, WORDS
from agentstream.net.egress import HTTP_SCHEMES, EgressError, Target, parse_url
from agentstream.net.http_client import HttpClient
from agentstream.net.http_upload import Upload, put, shown_url
from agentstream.net.s3_signature import S3Key, s3_headers, s3_object
from agentstream.store.recording_shelf import OpenRecording
from agentstream.store.values import Recording
from agentstream.switch.feed import Fact

FAILED: Final = "recording_failed_to_upload"
STOPPED: Final = "the server was stopped before it was sent"
_ENDS: Final = frozenset({"recording_available", FAILED})
_AGAIN: Final = frozenset({408, 425, 429})  # and whatever is 500 or more
_log = structlog.get_logger("recordings")


class SoundShelf(Protocol):
    """Where recordings are read."""

    async def find(self, sid: str) -> Recording | None:
        """Return what is known of one; one that is being made is waited for a little."""

    def promised(self, recording_sid: RecordingSid) -> tuple[AudioKind, CustomerStorage] | None:
        """Return, once, as what and where it is to be sent."""

    async def open(self, recording: Recording, kind: AudioKind) -> OpenRecording | None:
        """Open it; None when its bytes are nowhere. Raises BusyError and StoreError."""


@dataclass(frozen=True, slots=True)
class UploadRules:
    """How recordings are sent. Each attempt has `timeout_ms`; `retry_ms` are the rests between."""

    auth: Literal["basic", "headers"] = "basic"
    header_names: tuple[str, str] = ("X-Storage-Key", "X-Storage-Token")  # with `auth` "headers"
    retry_ms: tuple[int, ...] = (1_000, 5_000, 30_000)
    timeout_ms: int = 60_000
    max_bytes: int = 536_870_912
    at_once: int = 8
    waiting: int = 1_000  # and at work


@dataclass(slots=True)
class UploadCounts:
    """What became of them since the start, for metrics."""

    sent: int = 0
    failed_attempts: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class _Order:
    kind: AudioKind
    storage: CustomerStorage


@dataclass(frozen=True, slots=True)
class _Outcome:
    url: str = ""  # where it is now; "": nowhere
    why: str = ""  # not
    is_final: bool = True


class RecordingUploads:
    """Subscribe `hear` to the feed; `tell` takes what legs tell, at once or once it is sent.

    `allow_of` returns the hosts that an account's requests may reach beside the policy's own.
    """

    KINDS = (LegTold,)

    def __init__(
        self,
        web: HttpClient,
        tell: Callable[[Fact], None],
        allow_of: Callable[[AccountSid], tuple[str, ...]],
        clock: Clock,
        rules: UploadRules,
    ) -> None:
        self.counts = UploadCounts()
        self._web = web
        self._tell = tell
        self._allow_of = allow_of
        self._clock = clock
        self._rules = rules
        self._shelf: SoundShelf | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._at_work: Counter[AccountSid] = Counter()
        self._changed = asyncio.Condition()

    def attach(self, shelf: SoundShelf) -> None:
        """Say where recordings are read."""
        self._shelf = shelf

    @property
    def waiting(self) -> int:
        """How many are not sent yet, and not given up."""
        return len(self._tasks)

    def hear(self, fact: Fact) -> None:
        """Take one fact."""
        event = fact.event
        assert isinstance(event, LegTold)
        order = None
        if event.name in _ENDS and self._shelf is not None:
            order = self._shelf.promised(_sid_of(fact))
        if order is None or event.name == FAILED:
            self._tell(fact)
        else:
            self._begin(fact, _Order(*order))

    async def stop(self, timeout_ms: int) -> None:
        """Send what waits, within the time; the rest is told to have failed."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_ms / 1000)
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, fact: Fact, order: _Order) -> None:
        if len(self._tasks) >= self._rules.waiting:
            why = f"{self._rules.waiting} recordings wait to be sent"
            self._over(fact, _Outcome(why=why))
            return
        task = asyncio.create_task(self._send(fact, order), name=f"upload {_sid_of(fact)}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, fact: Fact, order: _Order) -> None:
        outcome = _Outcome(why=STOPPED)
        try:
            for rest_ms in (*self._rules.retry_ms, 0):
                outcome = await self._in_turn(fact, order)
                if outcome.is_final:
                    break
                self.counts.failed_attempts += 1
                await asyncio.sleep(rest_ms / 1000)
        except asyncio.CancelledError:
            outcome = _Outcome(why=STOPPED)
            raise
        except Exception:
            # The top of a task: a bug of ours must not leave an app waiting for its event.
            _log.exception("recording_upload_broke_off", sid=_sid_of(fact))
            outcome = _Outcome(why="a fault in the server")
        finally:
            self._over(fact, outcome)

    async def _in_turn(self, fact: Fact, order: _Order) -> _Outcome:
        """Make an attempt when there is room: for all together, and half of it for one account."""
        account, share = fact.account_sid, max(1, self._rules.at_once // 2)

        def has_room() -> bool:
            return self._at_work.total() < self._rules.at_once and self._at_work[account] < share

        async with self._changed:
            await self._changed.wait_for(has_room)
            self._at_work[account] += 1
        try:
            return await self._attempt(fact, order)
        finally:
            self._at_work[account] -= 1
            if not self._at_work[account]:
                del self._at_work[account]
            async with self._changed:
                self._changed.notify_all()

    async def _attempt(self, fact: Fact, order: _Order) -> _Outcome:
        sid, shelf = _sid_of(fact), self._shelf
        assert shelf is not None, "no call has ended before there was a shelf"
        try:
            row = await shelf.find(sid)
            opened = await shelf.open(row, order.kind) if row and row.state == "ready" else None
            if opened is None:
                is_final = row is None or row.state != "recording"
                return _Outcome(why="the recording is not here", is_final=is_final)
            with closing(opened):
                if opened.size > self._rules.max_bytes:
                    limit = f"the limit is {self._rules.max_bytes}"
                    return _Outcome(why=f"the recording has {opened.size} bytes, {limit}")
                return await self._put(fact, order, opened)
        except EgressError as error:  # no URL, or one that our own rules forbid
            return _Outcome(why=str(error))
        except AgentStreamError as error:
            why = str(error) if isinstance(error, PeerError) else "the recording cannot be read now"
            return _Outcome(why=why, is_final=False)

    async def _put(self, fact: Fact, order: _Order, opened: OpenRecording) -> _Outcome:
        suffix = "wav" if order.kind == "wav" else "mp3"
        name, storage = f"{_sid_of(fact)}.{suffix}", order.storage
        if storage.kind == "s3":
            target, region = s3_object(storage.url, storage.region, name)
            key = S3Key(storage.key, storage.token, region)
            headers = s3_headers("PUT", target, await _sha256(opened), key, self._clock.wall())
        else:
            target, headers = _https_place(storage.url, name), self._credentials(storage)
        kind = "audio/wav" if suffix == "wav" else "audio/mpeg"
        upload = Upload(target, opened.size, kind, headers, self._rules.timeout_ms)
        async with aclosing(opened.read(0, opened.size)) as body:
            status = await put(self._web, upload, body, self._allow_of(fact.account_sid))
        if 200 <= status < 300:
            return _Outcome(shown_url(target))
        is_final = status < 500 and status not in _AGAIN
        return _Outcome(why=f"{target.host} answered {status}", is_final=is_final)

    def _credentials(self, storage: CustomerStorage) -> tuple[tuple[str, str], ...]:
        rules, pair = self._rules, f"{storage.key}:{storage.token}"
        if pair == ":":
            return ()
        if rules.auth == "headers":
            key_name, token_name = rules.header_names
            return (key_name, storage.key), (token_name, storage.token)
        return (("Authorization", "Basic " + base64.b64encode(pair.encode()).decode("ascii")),)

    def _over(self, fact: Fact, outcome: _Outcome) -> None:
        told, sid = fact.event, _sid_of(fact)
        assert isinstance(told, LegTold)
        if outcome.url:
            self.counts.sent += 1
            _log.info("recording_sent", sid=sid, call_sid=fact.call_sid)
            told = replace(told, data=tuple((dict(told.data) | {"url": outcome.url}).items()))
        else:
            self.counts.failed += 1
            _log.warning("recording_not_sent", sid=sid, call_sid=fact.call_sid, why=outcome.why)
            error = Mishap(UNSENT, WORDS[UNSENT], outcome.why)
            kept = tuple((name, value) for name, value in told.data if name != "status")
            told = replace(told, name=FAILED, data=kept, error=error)
        now_ms, at = self._clock.now_ms(), self._clock.wall()
        self._tell(Fact(fact.call_sid, fact.account_sid, now_ms, at, told))


def _sid_of(fact: Fact) -> RecordingSid:
    assert isinstance(fact.event, LegTold)
    return RecordingSid(str(dict(fact.event.data).get("recording_sid")))


def _https_place(url: str, name: str) -> Target:
    """EX-46: the address itself; below one that ends in a slash each recording has its own name."""
    target = parse_url(url, HTTP_SCHEMES)
    path, mark, query = target.target.partition("?")
    return replace(target, target=f"{path}{name}{mark}{query}") if path.endswith("/") else target


async def _sha256(opened: OpenRecording) -> str:
    digest = hashlib.sha256()
    async with aclosing(opened.read(0, opened.size)) as pieces:
        async for piece in pieces:
            digest.update(piece)
    return digest.hexdigest()
