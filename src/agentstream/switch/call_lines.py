"""The lines of one call: the one that it began with, and one for each leg that it dials."""

from collections.abc import Callable

import structlog

from agentstream import _media
from agentstream.base.ids import LegSid
from agentstream.base.values import dataclass
from agentstream.calls import reports
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import DialSpec
from agentstream.calls.transfer_words import (
    AnswerTransfer,
    ReferLeg,
    TellTransfer,
    TransferEffect,
)
from agentstream.media.engine import MediaLeg
from agentstream.sip import reports as sip
from agentstream.switch import feed
from agentstream.switch.leg_keys import PressKey
from agentstream.switch.lines import DialledLine, FileLine, Line, SipLine
from agentstream.switch.refer_rules import ReferRules
from agentstream.switch.routing import NoRoadError

log = structlog.get_logger()


_WAYS = ("in", "out")
Judge = Callable[[LegSid, ReferRules, sip.Referred], reports.TransferAsked]


@dataclass(frozen=True, slots=True)
class Exchange:
    """How a call gets a line for one more leg, and gives it back."""

    open: Callable[[LegSid, DialSpec], DialledLine]  # raises NoRoadError
    close: Callable[[SipLine | DialledLine], None]  # nothing comes for this line any more
    judge: Judge  # says what a far end may have that asks for a transfer


class CallLines:
    """Finds the line of a leg; every line is released exactly once."""

    def __init__(self, first: Line, exchange: Exchange) -> None:
        self.first = first
        self._exchange = exchange
        self._lines: dict[LegSid, Line] = {first.leg_sid: first}
        self._by_ref: dict[sip.SipCallRef, SipLine | DialledLine] = {}
        if not isinstance(first, FileLine):
            self._by_ref[first.ref] = first
        self._closed: set[LegSid] = set()  # by the audio path
        self._closing: set[LegSid] = set()  # released; the audio path has not yet said so
        self._released: set[LegSid] = set()  # of those in `_lines`
        self._first_ms: dict[tuple[LegSid, str], int] = {}  # packets, by direction

    @property
    def are_quiet(self) -> bool:
        """Whether the audio path has closed what it was told to close."""
        return not self._closing

    def offered(self, leg_sid: LegSid) -> SipLine | FileLine | None:
        """Return the line of a leg that came in; None for one that we dialled, or not ours."""
        line = self._lines.get(leg_sid)
        return None if isinstance(line, DialledLine) else line

    def media(self, leg_sid: LegSid) -> MediaLeg | None:
        """Return a leg's audio; None for one that never had any, or has none any more."""
        line = self._lines.get(leg_sid)
        return None if line is None or leg_sid in self._released else line.media

    def keys_by_info(self, leg_sid: LegSid) -> bool:
        """Tell whether keys to a leg's party go by INFO."""
        line = self._lines.get(leg_sid)
        return line is not None and leg_sid not in self._released and line.keys_by_info

    def press(self, key: PressKey) -> None:
        """Send a key by INFO."""
        line = self._lines.get(key.leg_sid)
        if line is not None and not isinstance(line, FileLine):
            line.press(key.digit, key.tone_ms)

    def take(self, report: sip.Report) -> list[reports.Report]:
        """Translate what signalling reports."""
        line = self._by_ref.get(report.ref)
        if line is None:
            return []
        if isinstance(report, sip.Referred):
            return [self._exchange.judge(line.leg_sid, line.rules, report)]
        try:
            return line.take(report)
        finally:
            if line.ref != report.ref:  # it tries its next road
                del self._by_ref[report.ref]
                self._by_ref[line.ref] = line

    def replaceable(self, ref: sip.SipCallRef) -> LegSid | None:
        """Return the leg of a SIP call whose place another one may have, by its trunk's policy."""
        line = self._by_ref.get(ref)
        return None if line is None or line.rules.mode == "deny" else line.leg_sid

    def join(self, line: SipLine) -> None:
        """Take one more line, which came in to take another one's place."""
        self._lines[line.leg_sid] = self._by_ref[line.ref] = line

    def transfer(self, effect: TransferEffect) -> list[reports.Report]:
        """Carry out what concerns a transfer."""
        line = self._lines.get(effect.leg_sid)
        if line is None:
            return []
        match effect:
            case AnswerTransfer(status=status):
                return line.answer_transfer(status)
            case TellTransfer(status=status, is_final=is_final):
                return line.tell_transfer(status, is_final=is_final)
            case ReferLeg(spec=spec):
                return line.refer(spec)

    def dial(self, leg_sid: LegSid, spec: DialSpec) -> list[reports.Report]:
        """Open a line for one more leg; where there is no road, the leg has ended at once."""
        try:
            line = self._exchange.open(leg_sid, spec)
        except NoRoadError as error:
            return [reports.LegEnded(leg_sid, error.cause, Party.SYSTEM, str(error))]
        self._lines[leg_sid] = self._by_ref[line.ref] = line
        return []

    def hang_up(self, leg_sid: LegSid, cause: Cause, text: str) -> list[reports.Report]:
        """End a leg."""
        line = self._lines.get(leg_sid)
        return [] if line is None else line.hang_up(cause, text)

    def hang_up_all(self, cause: Cause, text: str) -> None:
        """End every leg, for a call that cannot go on; what fails keeps no other from its end."""
        for line in tuple(self._lines.values()):
            try:
                line.hang_up(cause, text)
            except Exception:  # the call ends all the same; its record must be told
                log.exception("hang_up_failed", leg_sid=line.leg_sid)

    def release(self, leg_sid: LegSid) -> None:
        """Free a leg's audio."""
        line = self._lines.get(leg_sid)
        if line is None or leg_sid in self._released:
            return
        line.release()  # first: what fails here is tried again when the call is freed
        self._released.add(leg_sid)
        if leg_sid not in self._closed:
            self._closing.add(leg_sid)
        self._forget(line)

    def media_began(self, event: _media.MediaStarted, at_ms: int) -> None:
        """Take a leg's first packet in a direction, so many ms after the call's beginning."""
        leg_sid = LegSid(event.leg_sid)
        if leg_sid in self._lines:
            self._first_ms.setdefault((leg_sid, event.direction), at_ms)

    def closed(self, event: _media.LegClosed) -> feed.LegCounted | None:
        """Take a leg's last event; returns its counters, with its ids in signalling."""
        leg_sid = LegSid(event.leg_sid)
        line = self._lines.get(leg_sid)
        if line is None:
            return None
        self._closed.add(leg_sid)
        self._closing.discard(leg_sid)
        facts = line.facts(event.stats)
        self._forget(line)
        first_in_ms, first_out_ms = (self._first_ms.pop((leg_sid, way), None) for way in _WAYS)
        return feed.LegCounted(
            leg_sid,
            facts.sip_call_id,
            facts.sip_status,
            facts.q850,
            event.stats,
            first_in_ms,
            first_out_ms,
        )

    def free(self) -> None:
        """Free whatever a call that is over would leave behind."""
        for line in tuple(self._lines.values()):
            if line.leg_sid not in self._released:
                try:
                    line.release()
                except Exception:  # the others must be freed all the same
                    log.exception("leg_not_freed", leg_sid=line.leg_sid)
            if line is not self.first and not isinstance(line, FileLine):
                self._exchange.close(line)

    def _forget(self, line: Line) -> None:
        """Give up a line of which nothing comes any more; the first one stays."""
        leg_sid = line.leg_sid
        if line is self.first or isinstance(line, FileLine):
            return
        if leg_sid in self._closed & self._released:
            del self._lines[leg_sid], self._by_ref[line.ref]
            self._closed.discard(leg_sid)
            self._released.discard(leg_sid)
            self._exchange.close(line)
