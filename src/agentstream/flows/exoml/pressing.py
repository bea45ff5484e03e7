"""Keys that are pressed towards a party, with pauses: `w` is half a second (XR-11, XR-14).

begin ──▶ the first run of keys ──its time──▶ the next run ... ──▶ is_over
"""

import re
from typing import Final

from agentstream.base.ids import LegSid
from agentstream.calls.commands import SendDigits
from agentstream.flows.applet import AppletInput, CommandRefused, Step

PAUSE_MS: Final = 500
TONE_MS: Final = 100
GAP_MS: Final = 70
_RUNS: Final = re.compile(r"w+|[^w]+")


class Pressing:
    """The keys of one party."""

    def __init__(self, leg_sid: LegSid, digits: str) -> None:
        self.is_over = False
        self.error = ""
        self.wake_at_ms: int | None = None
        self._leg_sid = leg_sid
        self._runs = _RUNS.findall(digits)

    def begin(self, now_ms: int) -> list[Step]:
        """Press, or wait."""
        if not self._runs:
            self.is_over, self.wake_at_ms = True, None
            return []
        run = self._runs.pop(0)
        if run.startswith("w"):
            self.wake_at_ms = now_ms + len(run) * PAUSE_MS
            return []
        self.wake_at_ms = now_ms + len(run) * (TONE_MS + GAP_MS)
        return [SendDigits(self._leg_sid, run, TONE_MS, GAP_MS)]

    def receive(self, happening: AppletInput, now_ms: int) -> list[Step]:
        """Take that the call does not press them."""
        match happening:
            case CommandRefused(command=SendDigits(leg_sid=self._leg_sid), text=text):
                self.is_over, self.wake_at_ms, self.error = True, None, text
                return []
            case _:
                return []

    def wake(self, now_ms: int) -> list[Step]:
        """Go on, when it is time."""
        if self.wake_at_ms is None or now_ms < self.wake_at_ms:
            return []
        return self.begin(now_ms)
