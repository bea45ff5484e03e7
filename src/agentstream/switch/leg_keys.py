"""Keys that go to a party by INFO (application/dtmf-relay), for those who take no RFC 4733.

as_dtmf     RFC 4733 agreed    not agreed, INFO allowed    neither
rfc4733     events             tones                       tones
auto        events             INFO                        tones
info        INFO               INFO                        INFO

Events and tones are the audio path's; keys by INFO are pressed here, one after the other.
"""

from collections import deque
from typing import Final

from agentstream.base.ids import LegSid
from agentstream.base.machine import earliest
from agentstream.base.values import dataclass
from agentstream.calls.effects import PressDigits
from agentstream.store.trunk_options import DtmfMode

CONTENT_TYPE: Final = "application/dtmf-relay"
WAITING_LIMIT: Final = 256  # keys of one leg; more are dropped and counted


@dataclass(frozen=True, slots=True)
class PressKey:
    """Send this key by INFO now."""

    leg_sid: LegSid
    digit: str
    tone_ms: int


def goes_by_info(mode: DtmfMode, *, has_events: bool, allows_info: bool) -> bool:
    """Tell whether keys to a party go by INFO."""
    return mode == "info" or (mode == "auto" and not has_events and allows_info)


def relay_body(digit: str, tone_ms: int) -> str:
    """Return the body of an INFO for one key."""
    return f"Signal={digit}\r\nDuration={tone_ms}\r\n"


class InfoKeys:
    """A machine: keys wait until the one before has been pressed for its time and its gap."""

    def __init__(self) -> None:
        self.dropped = 0
        self._waiting: dict[LegSid, deque[tuple[str, int, int]]] = {}
        self._next_at_ms: dict[LegSid, int] = {}

    @property
    def wake_at_ms(self) -> int | None:
        """When the next key is due."""
        return earliest(*(self._next_at_ms[leg_sid] for leg_sid in self._waiting))

    def press(self, wish: PressDigits, now_ms: int) -> list[PressKey]:
        """Press keys behind those that wait."""
        waiting = self._waiting.setdefault(wish.leg_sid, deque())
        room = WAITING_LIMIT - len(waiting)
        self.dropped += max(0, len(wish.digits) - room)
        waiting.extend((digit, wish.tone_ms, wish.gap_ms) for digit in wish.digits[:room])
        self._next_at_ms.setdefault(wish.leg_sid, now_ms)
        return self.wake(now_ms)

    def wake(self, now_ms: int) -> list[PressKey]:
        """Press what is due; a key that is late makes the next one later, never shorter."""
        due: list[PressKey] = []
        for leg_sid, waiting in tuple(self._waiting.items()):
            if self._next_at_ms[leg_sid] > now_ms:
                continue
            digit, tone_ms, gap_ms = waiting.popleft()
            due.append(PressKey(leg_sid, digit, tone_ms))
            self._next_at_ms[leg_sid] = now_ms + tone_ms + gap_ms
            if not waiting:
                del self._waiting[leg_sid]
        return due

    def forget(self, leg_sid: LegSid) -> None:
        """Let go of a leg that is over."""
        self._waiting.pop(leg_sid, None)
        self._next_at_ms.pop(leg_sid, None)
