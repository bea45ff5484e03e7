"""First results in memory."""

from datetime import datetime

from agentstream.store.first_results import FORGET_ROWS, KEPT, FirstResult, KeyedRequest


class MemoryFirstResults:
    """See `first_results.FirstResults`."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], FirstResult] = {}

    async def claim(self, request: KeyedRequest) -> bool:
        """Note this as the first request with its key in a day; False when it is not."""
        if await self.find(request):
            return False
        self._rows[_of(request)] = FirstResult(request.fingerprint, request.at, None)
        return True

    async def find(self, request: KeyedRequest) -> FirstResult | None:
        """Return the first request with this key in the last day."""
        found = self._rows.get(_of(request))
        return found if found and found.at > request.at - KEPT else None

    async def keep(self, request: KeyedRequest, result: str) -> None:
        """Write down what a claimed request made."""
        if self._is_claimed_by(request):
            self._rows[_of(request)] = FirstResult(request.fingerprint, request.at, result)

    async def release(self, request: KeyedRequest) -> None:
        """Take a claim back: nothing was made."""
        if self._is_claimed_by(request):
            del self._rows[_of(request)]

    async def forget(self, before: datetime) -> int:
        """Drop some that are older than this; return how many."""
        old = [key for key, row in self._rows.items() if row.at < before][:FORGET_ROWS]
        for key in old:
            del self._rows[key]
        return len(old)

    def _is_claimed_by(self, request: KeyedRequest) -> bool:
        found = self._rows.get(_of(request))
        return found is not None and found.at == request.at and found.result is None


def _of(request: KeyedRequest) -> tuple[str, str, str]:
    return request.account_sid, request.kind, request.key
