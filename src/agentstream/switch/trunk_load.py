"""How much a trunk of an account has under way: calls at once, calls a second, minutes a day.

Toll fraud is a stolen password and a fast dialler: these ceilings bound what it can cost (SIP-35).
"""

from collections.abc import Callable
from datetime import date
from typing import Final

from agentstream.base.ids import AccountSid, CallSid, TrunkSid
from agentstream.base.values import dataclass
from agentstream.switch.minute_rates import MinuteRates
from agentstream.switch.second_rates import SecondRates

TRUNKS_KEPT: Final = 10_000  # that have no call now; beyond, they are forgotten with their minutes
MINUTE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Ceilings:
    """The bounds of one trunk; 0 is none."""

    calls: int = 0  # at once, both ways
    per_second: int = 0  # calls from the trunk
    daily_minutes: int = 0  # of a day in UTC, from the INVITE on
    per_minute: int = 0  # calls from the trunk (TR-83)
    account_per_minute: int = 0  # calls that its account begins, by all trunks and by API (TR-83)


class _Use:
    """What one trunk uses. The age of all live calls is `calls * now - began_ms`."""

    __slots__ = ("began_ms", "calls", "day", "used_ms")

    def __init__(self, day: date) -> None:
        self.calls = 0
        self.began_ms = 0  # the sum of the times at which live calls began
        self.used_ms = 0  # by calls that ended today
        self.day = day


class TrunkLoad:
    """Counts; `today` is the date in UTC."""

    def __init__(self, today: Callable[[], date]) -> None:
        self._today = today
        self.others: Callable[[str], int] = lambda _: 0  # live calls that go to a trunk
        self._seconds = SecondRates()
        self._minutes = MinuteRates()
        self._uses: dict[TrunkSid, _Use] = {}
        self._calls: dict[CallSid, tuple[TrunkSid, int]] = {}

    def why_not(self, sid: TrunkSid, ceilings: Ceilings, now_ms: int) -> str:
        """Return why the trunk has no room for one more call; "" when it has."""
        if ceilings.calls and self.calls_of(sid) + self.others(sid) >= ceilings.calls:
            return f"{ceilings.calls} calls of this trunk are live, and no more may be"
        minutes = ceilings.daily_minutes
        if minutes and self.minutes_today(sid, now_ms) >= minutes:
            return f"this trunk has used its {minutes} minutes of today"
        return ""

    def draw(self, sid: TrunkSid, ceilings: Ceilings, now_ms: int) -> bool:
        """Take one call of the second's; False when they are used up."""
        return self._seconds.draw(sid, ceilings.per_second, now_ms)

    def begin(self, sid: TrunkSid, account_sid: AccountSid, ceilings: Ceilings, now_ms: int) -> str:
        """Take one call of the minute's, the trunk's ("": of none) and the account's.

        Returns which of the two has used them up, "" when it was taken.
        """
        own = (sid, "this trunk", ceilings.per_minute if sid else 0)
        account = (f"account {account_sid}", "this account", ceilings.account_per_minute)
        return self._minutes.refusal((own, account), now_ms)

    def take(self, call_sid: CallSid, sid: TrunkSid, now_ms: int) -> None:
        """Give a call its place, if a trunk is named; a second time is harmless."""
        if not sid or call_sid in self._calls:
            return
        self._calls[call_sid] = sid, now_ms
        use = self._use(sid)
        use.calls += 1
        use.began_ms += now_ms

    def leave(self, call_sid: CallSid, now_ms: int) -> None:
        """Take a call's place back; harmless when it has none."""
        sid, began_ms = self._calls.pop(call_sid, (None, 0))
        if sid is None:
            return
        use = self._uses[sid]
        use.calls -= 1
        use.began_ms -= began_ms
        self._turn_day(use)
        use.used_ms += now_ms - began_ms

    def calls_of(self, sid: TrunkSid) -> int:
        """Return how many calls of a trunk are live."""
        use = self._uses.get(sid)
        return use.calls if use is not None else 0

    def minutes_today(self, sid: TrunkSid, now_ms: int) -> float:
        """Return the minutes of a trunk's calls today, those of its live calls included."""
        use = self._uses.get(sid)
        if use is None:
            return 0.0
        self._turn_day(use)
        return (use.used_ms + use.calls * now_ms - use.began_ms) / MINUTE_MS

    def _turn_day(self, use: _Use) -> None:
        today = self._today()
        if use.day != today:
            use.day, use.used_ms = today, 0

    def _use(self, sid: TrunkSid) -> _Use:
        use = self._uses.get(sid)
        if use is None:
            if len(self._uses) >= TRUNKS_KEPT:
                self._uses = {key: kept for key, kept in self._uses.items() if kept.calls}
            use = self._uses[sid] = _Use(self._today())
        return use
