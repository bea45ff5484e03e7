"""Captures of calls: which ones, into which files, and what is in them.

DATA_DIR/captures/CALL_SID/LEG_SID.pcap, written by the audio path, whole at any time.
"""

import asyncio
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from agentstream.base.errors import BusyError
from agentstream.base.ids import CallSid, LegSid
from agentstream.base.values import dataclass
from agentstream.calls.events import CallEnded, CallStarted, LegDialled
from agentstream.calls.record import CallSetup
from agentstream.media.engine import MediaLeg
from agentstream.media.plan import CapturePlan
from agentstream.net.pcap import Packet, read_packets
from agentstream.switch.feed import Fact

log = structlog.get_logger()

FORGET_CALLS: Final = 200  # at a time
_SID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)  # what becomes a file's name


@dataclass(frozen=True, slots=True)
class CaptureWish:
    """Which calls are captured from their beginning."""

    all: bool = False
    numbers: frozenset[str] = frozenset()  # as `phone.normalise` has them
    trunks: frozenset[str] = frozenset()  # in lower case

    def wants(self, setup: CallSetup) -> bool:
        """Tell whether it is one of them."""
        parties = {setup.from_number, setup.to_number}
        trunk = (setup.trunk_sid or "").lower()
        return self.all or bool(parties & self.numbers) or trunk in self.trunks


@dataclass(frozen=True, slots=True)
class CaptureLimits:
    """Bounds: of one leg, and of the folder."""

    max_bytes: int = 16 * 1_048_576
    max_ms: int = 600_000
    max_files: int = 1_000


class Captures:
    """Begins captures and finds them again."""

    KINDS: Final = frozenset((CallStarted, LegDialled, CallEnded))

    def __init__(
        self,
        folder: Path,
        wish: CaptureWish,
        limits: CaptureLimits,
        leg: Callable[[LegSid], MediaLeg | None],
        our_host: Callable[[], str],
    ) -> None:
        """`leg` finds a live leg's audio; `our_host` is ours where the socket has all addresses."""
        self.counts: Counter[str] = Counter()
        self._folder = folder
        self._wish = wish
        self._limits = limits
        self._leg = leg
        self._our_host = our_host
        self._calls: set[CallSid] = set()  # live ones whose new legs are captured as well

    def hear(self, fact: Fact) -> None:
        """Take an event of a call; subscribe to `KINDS`."""
        match fact.event:
            case CallStarted(leg_sid=leg_sid, setup=setup) if self._wish.wants(setup):
                self._begin_or_tell(fact.call_sid, leg_sid)
            case LegDialled(leg_sid=leg_sid) if fact.call_sid in self._calls:
                self._begin_or_tell(fact.call_sid, leg_sid)
            case CallEnded():
                self._calls.discard(fact.call_sid)
            case _:
                pass

    def begin(self, call_sid: CallSid, legs: Iterable[LegSid]) -> int:
        """Capture a live call from now on, legs to come as well; return how many legs it has.

        Raises BusyError when the folder is full.
        """
        begun = 0
        for leg_sid in legs:
            media = self._leg(leg_sid)
            if media is None or not (_SID.fullmatch(call_sid) and _SID.fullmatch(leg_sid)):
                continue
            media.capture(self._plan(call_sid, leg_sid))
            begun += 1
        self._calls.add(call_sid)
        self.counts["captures_begun"] += begun
        return begun

    async def packets(self, call_sid: CallSid) -> list[Packet]:
        """Return what was captured of a call, of all its legs."""
        return await asyncio.to_thread(self._read, call_sid)

    async def forget(self, before: datetime) -> int:
        """Drop some captures that are older than this; return of how many calls."""
        return await asyncio.to_thread(self._forget, before.timestamp())

    def _begin_or_tell(self, call_sid: CallSid, leg_sid: LegSid) -> None:
        try:
            self.begin(call_sid, [leg_sid])
        except (BusyError, OSError) as error:
            self.counts["captures_refused"] += 1
            log.warning("not_captured", call_sid=call_sid, error=str(error))

    def _plan(self, call_sid: CallSid, leg_sid: LegSid) -> CapturePlan:
        limits, call = self._limits, self._folder / call_sid
        if sum(1 for _ in self._folder.glob("*/*.pcap")) >= limits.max_files:
            text = f"{self._folder} has {limits.max_files} captures ([captures] max_files)"
            raise BusyError(text)
        call.mkdir(parents=True, exist_ok=True)
        path = str((call / f"{leg_sid}.pcap").absolute())
        return CapturePlan(path, self._our_host(), limits.max_bytes, limits.max_ms)

    def _read(self, call_sid: CallSid) -> list[Packet]:
        return read_captures(self._folder, call_sid)

    def _forget(self, before_s: float) -> int:
        old = [
            call
            for call in self._folder.glob("*/")
            if call.name not in self._calls and call.stat().st_mtime < before_s
        ][:FORGET_CALLS]
        for call in old:
            shutil.rmtree(call, ignore_errors=True)
        return len(old)


def read_captures(folder: Path, call_sid: CallSid) -> list[Packet]:
    """Return the captured packets of a call, of all its legs; none when there are no files."""
    if not _SID.fullmatch(call_sid):
        return []
    files = sorted((folder / call_sid).glob("*.pcap"))
    return [packet for file in files for packet in read_packets(file.read_bytes())]
