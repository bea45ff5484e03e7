"""How much may run at once: calls in all, and streams per account (AS-50, AC-4)."""

from collections import defaultdict

from agentstream.base.ids import AccountSid, StreamSid


class StreamLimits:
    """Counts the streams of each account, from the handshake's start to the socket's end."""

    def __init__(self) -> None:
        self._running: defaultdict[AccountSid, set[StreamSid]] = defaultdict(set)
        self.refused = 0

    def acquire(self, account: AccountSid, stream_sid: StreamSid, limit: int) -> bool:
        """Take a place; False when the account has none left."""
        running = self._running[account]
        if len(running) >= limit:
            self.refused += 1
            return False
        running.add(stream_sid)
        return True

    def release(self, account: AccountSid, stream_sid: StreamSid) -> None:
        """Give the place back; harmless when none was taken."""
        running = self._running.get(account)
        if running is not None:
            running.discard(stream_sid)
            if not running:
                del self._running[account]

    def count(self, account: AccountSid) -> int:
        """Return how many streams the account has now."""
        return len(self._running.get(account, ()))

    @property
    def total(self) -> int:
        """Return how many streams there are in all."""
        return sum(len(running) for running in self._running.values())
