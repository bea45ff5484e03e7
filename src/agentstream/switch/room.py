"""How many calls may live at once, of the house and of one account, and how fast they are placed.

A call of two numbers takes two places (CC-64). Orders of an account come from a bucket that holds
one second's worth.
"""

from collections import Counter

from agentstream.base.ids import AccountSid, CallSid
from agentstream.calls.causes import Cause
from agentstream.switch.routing import NoRoadError
from agentstream.switch.second_rates import SecondRates


class Room:
    """The places, and who has them."""

    def __init__(self, calls: int, calls_per_account: int = 0, placed_per_second: int = 0) -> None:
        """Take the bounds; of an account, 0 is none."""
        self._calls = calls
        self._calls_per_account = calls_per_account
        self._placed_per_second = placed_per_second
        self._taken: dict[CallSid, tuple[AccountSid, int]] = {}
        self._used: Counter[AccountSid] = Counter()
        self._all = 0
        self._rates = SecondRates()

    def why_not(self, account_sid: AccountSid, slots: int = 1) -> tuple[Cause, str] | None:
        """Return why a call finds no room; None when it does."""
        if self._all + slots > self._calls:
            return Cause.OVERLOADED, f"{self._calls} calls are live, and no more may be."
        limit = self._calls_per_account
        if limit and self._used[account_sid] + slots > limit:
            return Cause.BUSY, f"{limit} calls of this account are live, and no more may be."
        return None

    def check(self, account_sid: AccountSid, slots: int, now_ms: int) -> None:
        """Refuse to place a call that is one too many, or too soon; raises NoRoadError."""
        found = self.why_not(account_sid, slots)
        if found is not None:
            raise NoRoadError(Cause.OVERLOADED, found[1])
        if not self._rates.draw(account_sid, self._placed_per_second, now_ms):
            text = f"This account places {self._placed_per_second} calls in a second, and no more."
            raise NoRoadError(Cause.OVERLOADED, text)

    def take(self, call_sid: CallSid, account_sid: AccountSid, slots: int = 1) -> None:
        """Give a call its places, if it has none yet."""
        if call_sid in self._taken:
            return
        self._taken[call_sid] = account_sid, slots
        self._used[account_sid] += slots
        self._all += slots

    def leave(self, call_sid: CallSid) -> None:
        """Take a call's places back."""
        account_sid, slots = self._taken.pop(call_sid)
        self._all -= slots
        self._used[account_sid] -= slots
        if not self._used[account_sid]:
            del self._used[account_sid]
