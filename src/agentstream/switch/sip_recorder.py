"""Keeps what is signalled in calls, for whoever asks why: in memory while they live, then written.

trace ─▶ hear(): by Call-ID, nothing parsed ─▶ belongs(): whose leg that is
CallEnded ─▶ a little later, as the BYE's answer is still to come ─▶ `write`, redacted there

Only what begins with an INVITE is kept: no OPTIONS, no REGISTER. Full: new dialogs go unkept, and
are counted; calls go on.
"""

import asyncio
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final

from agentstream.base.clock import Clock
from agentstream.base.ids import CallSid, LegSid, SipCallId
from agentstream.base.values import dataclass
from agentstream.calls.events import CallEnded
from agentstream.net.sip_engine import Direction
from agentstream.net.sip_sockets import local_host_towards
from agentstream.sip.flow import DEFAULT_PORTS, Flow, Hop
from agentstream.sip.kept import Address, KeptCall, KeptDialog, KeptMessage
from agentstream.switch.feed import Fact

FIRST_MESSAGES: Final = 96  # of a dialog, always kept
LAST_MESSAGES: Final = 32  # of those beyond, the newest: how it ended
MESSAGE_BYTES: Final = 8_192  # kept of each
TOTAL_BYTES: Final = 96 * 1_048_576  # of all dialogs that are in memory
LINGER_MS: Final = 5_000  # after a call's end: answers to BYE, repeats
STRAY_MS: Final = 10_000  # an INVITE that became no call by then is forgotten
TICK_S: Final = 1.0
_OWNERS: Final = 4  # calls that share a Call-ID: a server that dials itself
_OVERHEAD: Final = 400  # bytes that a message takes beside its own
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_USUAL: Final = b"\r\nCall-ID: "
_CALL_ID: Final = re.compile(rb"\r?\n(?:call-id|i)[ \t]*:[ \t]*([^\r\n]+)", re.IGNORECASE)


@dataclass(slots=True)
class _Heard:
    at: datetime
    is_ours: bool
    way: Flow | Hop
    data: bytes
    size: int


class _Dialog:
    """What was heard of one Call-ID, and whose it is."""

    __slots__ = ("dropped", "first", "held_bytes", "last", "opened_ms", "owners")

    def __init__(self, opened_ms: int) -> None:
        self.opened_ms = opened_ms
        self.owners: dict[CallSid, LegSid] = {}
        self.first: list[_Heard] = []
        self.last: deque[_Heard] = deque(maxlen=LAST_MESSAGES)
        self.dropped = 0
        self.held_bytes = 0

    def take(self, heard: _Heard) -> int:
        """Keep a message; return by how many bytes there are more in memory."""
        before = self.held_bytes
        self.held_bytes += len(heard.data) + _OVERHEAD
        if len(self.first) < FIRST_MESSAGES:
            self.first.append(heard)
            return self.held_bytes - before
        if len(self.last) == LAST_MESSAGES:
            self.dropped += 1
            self.held_bytes -= len(self.last[0].data) + _OVERHEAD
        self.last.append(heard)
        return self.held_bytes - before


class SipRecorder:
    """The signalling of live calls, bounded."""

    def __init__(
        self, write: Callable[[KeptCall], None], clock: Clock, total_bytes: int = TOTAL_BYTES
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._write = write
        self._clock = clock
        self._total_bytes = total_bytes
        self._held_bytes = 0
        self._dialogs: dict[bytes, _Dialog] = {}
        self._calls: dict[CallSid, list[bytes]] = {}
        self._opened: deque[tuple[int, bytes]] = deque()  # to find strays, oldest first
        self._ended: deque[tuple[int, CallSid]] = deque()  # when to write them

    # The hot path

    def hear(self, direction: Direction, data: bytes, way: Flow | Hop) -> None:
        """Take a message as it passes; the trace of a `SipEngine`."""
        start = data.find(_USUAL)
        if start >= 0:
            start += len(_USUAL)
            key = data[start : data.find(b"\r", start)]
        else:
            found = _CALL_ID.search(data)
            if found is None:
                return
            key = found[1].rstrip()
        dialog = self._dialogs.get(key)
        if dialog is None:
            if not data.startswith(b"INVITE "):
                return
            opened = self._open(key)
            if opened is None:
                return
            dialog = opened
        is_ours, size = direction == "out", len(data)
        kept = data if size <= MESSAGE_BYTES else data[:MESSAGE_BYTES]
        self._held_bytes += dialog.take(_Heard(self._clock.wall(), is_ours, way, kept, size))

    # Whose it is

    def belongs(self, sip_call_id: str, call_sid: CallSid, leg_sid: LegSid) -> None:
        """Say whose leg a Call-ID is; known from the INVITE on."""
        key = sip_call_id.encode("utf-8", "surrogateescape")
        dialog = self._dialogs.get(key) or self._open(key)
        if not key or dialog is None or len(dialog.owners) >= _OWNERS:
            return
        dialog.owners[call_sid] = leg_sid
        keys = self._calls.setdefault(call_sid, [])
        if key not in keys:
            keys.append(key)

    def ended(self, fact: Fact) -> None:
        """Take it that a call has ended; subscribe to `KINDS`."""
        assert isinstance(fact.event, CallEnded)
        if fact.call_sid in self._calls:
            self._ended.append((self._clock.now_ms() + LINGER_MS, fact.call_sid))

    KINDS: Final = frozenset((CallEnded,))

    def of(self, call_sid: CallSid) -> KeptCall | None:
        """Return what was heard so far of a call that is in memory, secrets and all."""
        keys = self._calls.get(call_sid)
        if keys is None:
            return None
        kept = (self._kept(key, call_sid) for key in keys)
        return KeptCall(call_sid, tuple(dialog for dialog in kept if dialog is not None))

    # Time

    async def run(self) -> None:
        """Write what has ended and forget what became no call, until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            self.tick()

    def tick(self) -> None:
        """Write and forget what is due."""
        now_ms = self._clock.now_ms()
        while self._ended and self._ended[0][0] <= now_ms:
            self._put_away(self._ended.popleft()[1])
        while self._opened and self._opened[0][0] + STRAY_MS <= now_ms:
            _, key = self._opened.popleft()
            dialog = self._dialogs.get(key)
            if dialog is not None and not dialog.owners:
                self._drop(key)

    def stop(self) -> None:
        """Write everything that is known, of live calls too."""
        for call_sid in tuple(self._calls):
            self._put_away(call_sid)

    @property
    def counters(self) -> dict[str, int]:
        """Everything that was counted since the start, and what is held now."""
        return {
            **self.counts,
            "kept_dialogs_now": len(self._dialogs),
            "kept_bytes_now": self._held_bytes,
        }

    # Parts

    def _open(self, key: bytes) -> _Dialog | None:
        if self._held_bytes >= self._total_bytes or len(key) > MESSAGE_BYTES:
            self.counts["dialogs_not_kept"] += 1
            return None
        now_ms = self._clock.now_ms()
        self._opened.append((now_ms, key))
        self._held_bytes += _OVERHEAD
        dialog = self._dialogs[key] = _Dialog(now_ms)
        return dialog

    def _drop(self, key: bytes) -> None:
        dialog = self._dialogs.pop(key)
        self._held_bytes -= dialog.held_bytes + _OVERHEAD

    def _put_away(self, call_sid: CallSid) -> None:
        kept = self.of(call_sid)
        for key in self._calls.pop(call_sid, ()):
            dialog = self._dialogs[key]
            del dialog.owners[call_sid]
            if not dialog.owners:
                self._drop(key)
        if kept is not None and any(dialog.messages for dialog in kept.dialogs):
            self.counts["calls_kept"] += 1
            self._write(kept)

    def _kept(self, key: bytes, call_sid: CallSid) -> KeptDialog | None:
        dialog = self._dialogs.get(key)
        if dialog is None:
            return None
        return KeptDialog(
            dialog.owners[call_sid],
            SipCallId(key.decode("utf-8", "surrogateescape")),
            tuple(_messages([*dialog.first, *dialog.last])),
            dialog.dropped,
        )


def _messages(heard: list[_Heard]) -> Iterator[KeptMessage]:
    ours: dict[tuple[str, str], Address] = {}  # our side of each way, as far as we heard by it
    for one in heard:
        if isinstance(one.way, Flow) and one.way.local_port:
            remote = one.way.remote_host
            ours[one.way.transport, remote] = (one.way.local_host, one.way.local_port)
    for one in heard:
        flow = one.way if isinstance(one.way, Flow) else one.way.as_flow()
        way = flow.transport, flow.remote_host
        host, port = ours.get(way, ("", 0))
        if host in _UNSPECIFIED:  # asked of the kernel, once for all messages of this way
            host = local_host_towards(flow.remote_host)
            ours[way] = host, port
        yield KeptMessage(
            round((one.at - _EPOCH).total_seconds() * 1_000_000),
            one.is_ours,
            flow.transport,
            (host, port or DEFAULT_PORTS[flow.transport]),
            (flow.remote_host, flow.remote_port),
            one.data,
            one.size,
        )


_UNSPECIFIED: Final = frozenset(("", "0.0.0.0", "::"))  # noqa: S104  (a comparison)
